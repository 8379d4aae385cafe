//! The small language of the command line: when a sink fails, when it is slow, which headers events have.

use std::time::Duration;

use crate::simulate::{Delay, Outage, Window};
use jiff::SignedDuration;

/// The longest time that is accepted.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Reads `10s`, `200ms`, `1m30s`, `1h`: above 0, and a week at most.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match time(text)? {
        Duration::ZERO => Err("must be above 0".to_owned()),
        time => Ok(time),
    }
}

/// Reads `SINK[@FROM..TO][=PERCENT%]`.
pub(super) fn outage(text: &str) -> Result<Outage, String> {
    let (place, percent) = match text.split_once('=') {
        Some((place, percent)) => (place, percent),
        None => (text, "100%"),
    };
    let number = percent.strip_suffix('%').unwrap_or(percent).parse();
    let percent = match number {
        Ok(percent @ 1..=100) => percent,
        _ => return Err(format!("`{percent}` is not a percentage from 1% to 100%")),
    };
    let (sink, during) = place_and_time(place)?;
    Ok(Outage {
        sink,
        during,
        percent,
    })
}

/// Reads `SINK[@FROM..TO]=LATENCY`.
pub(super) fn delay(text: &str) -> Result<Delay, String> {
    let Some((place, latency)) = text.split_once('=') else {
        return Err(format!(
            "`{text}` does not say how slow: SINK[@FROM..TO]=LATENCY"
        ));
    };
    let latency = duration(latency)?;
    let (sink, during) = place_and_time(place)?;
    Ok(Delay {
        sink,
        during,
        latency,
    })
}

/// Reads `NAME=VALUES`.
pub(super) fn header(text: &str) -> Result<(String, usize), String> {
    match text.split_once('=') {
        Some((name, values)) if !name.is_empty() => match values.parse() {
            Ok(values @ 1..) => Ok((name.to_owned(), values)),
            _ => Err(format!("`{values}` is not a number of values")),
        },
        _ => Err(format!("`{text}` is not NAME=VALUES")),
    }
}

/// Reads `SINK`, `SINK@FROM..TO`, `SINK@FROM..`, `SINK@..TO`.
fn place_and_time(text: &str) -> Result<(usize, Window), String> {
    let (sink, window) = text.split_once('@').unwrap_or((text, ".."));
    let number = sink
        .strip_prefix('s')
        .and_then(|number| number.parse::<usize>().ok());
    let Some(sink) = number.and_then(|number| number.checked_sub(1)) else {
        return Err(format!("`{sink}` is not a sink: they are called s1, s2, …"));
    };
    let Some((from, to)) = window.split_once("..") else {
        return Err(format!("`{window}` is not a time: FROM..TO"));
    };
    let bound = |text: &str, open| {
        if text.is_empty() {
            Ok(open)
        } else {
            time(text)
        }
    };
    let (from, to) = (bound(from, Duration::ZERO)?, bound(to, Duration::MAX)?);
    if from >= to {
        return Err(format!("`{window}` ends before it begins"));
    }
    Ok((sink, Window { from, to }))
}

fn time(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let parsed = text.parse::<SignedDuration>().ok();
    let time = parsed.and_then(|time| Duration::try_from(time).ok());
    match time {
        Some(time) if time <= LONGEST => Ok(time),
        Some(_) => Err(format!("`{text}` is longer than a week")),
        None => Err(format!("`{text}` is not a time: write 10s, 200ms, 1m30s")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: u64, to: u64) -> Window {
        Window {
            from: Duration::from_secs(from),
            to: Duration::from_secs(to),
        }
    }

    #[test]
    fn times_have_units() {
        let millis = |text| duration(text).map(|time| time.as_millis()).ok();
        for (text, expected) in [
            ("10s", Some(10_000)),
            ("200ms", Some(200)),
            ("1m30s", Some(90_000)),
            ("1.5s", Some(1500)),
            ("168h", Some(604_800_000)),
            ("168h1s", None),
            ("0s", None),
            ("-1s", None),
            ("10", None),
            ("", None),
        ] {
            assert_eq!(millis(text), expected, "{text}");
        }
    }

    #[test]
    fn faults_have_a_sink_a_time_and_a_percentage() {
        let all = |sink, during| {
            Ok(Outage {
                sink,
                during,
                percent: 100,
            })
        };
        assert_eq!(outage("s2@10s..20s"), all(1, window(10, 20)));
        assert_eq!(outage("s1"), all(0, Window::ALWAYS));
        let open = Window {
            from: Duration::from_secs(5),
            to: Duration::MAX,
        };
        assert_eq!(
            outage("s1@5s..=30%"),
            Ok(Outage {
                sink: 0,
                during: open,
                percent: 30
            })
        );
        assert_eq!(outage("s3@..5s"), all(2, window(0, 5)));
        for wrong in [
            "s0",
            "k1",
            "s1@5s",
            "s1@5s..5s",
            "s1@x..",
            "s1=0%",
            "s1=101%",
            "s1=x",
            "",
        ] {
            assert!(outage(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn delays_say_how_slow() {
        let latency = Duration::from_millis(200);
        assert_eq!(
            delay("s3@5s..9s=200ms"),
            Ok(Delay {
                sink: 2,
                during: window(5, 9),
                latency
            })
        );
        for wrong in ["s3", "s3=0s", "s3=fast"] {
            assert!(delay(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn headers_have_a_number_of_values() {
        assert_eq!(header("key=100"), Ok(("key".to_owned(), 100)));
        for wrong in ["key", "=3", "key=0", "key=many"] {
            assert!(header(wrong).is_err(), "{wrong}");
        }
    }
}
