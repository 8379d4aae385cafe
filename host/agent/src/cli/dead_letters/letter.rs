//! A dead letter as its headers describe it, and which ones are meant.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use flume_components::channel::file::event_of;
use flume_core::clock::WallClock;
use flume_core::{Event, dead_letter};

use super::super::channel::{each_waiting, failed};

/// A dead letter, with its number in the channel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Letter {
    pub(super) number: u64,
    pub(super) event: Event,
}

impl Letter {
    /// The letter of a record; `None` if that is no event.
    pub(super) fn of(number: u64, record: &[u8]) -> Option<Self> {
        let event = event_of(Bytes::copy_from_slice(record))?;
        Some(Self { number, event })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.event.headers.get(name).map(|value| &**value)
    }

    /// Who gave it up: `sink k1`, `interceptor r1.i1`; an event that no dead letter is has nobody.
    pub(super) fn by(&self) -> String {
        let sink = self.header(dead_letter::SINK).map(|name| ("sink", name));
        let source = self
            .header(dead_letter::SOURCE)
            .map(|name| ("source", name));
        let place = self.header(dead_letter::INTERCEPTOR);
        let place = place.map(|name| ("interceptor", name));
        match sink.or(source).or(place) {
            Some((kind, name)) => format!("{kind} {name}"),
            None => "nobody".to_owned(),
        }
    }

    /// Why.
    pub(super) fn reason(&self) -> &str {
        self.header(dead_letter::REASON).unwrap_or_default()
    }

    /// The digest of the policy, if one gave it up.
    pub(super) fn digest(&self) -> Option<&str> {
        self.header(dead_letter::POLICY_DIGEST)
    }

    /// When, in milliseconds since 1970.
    pub(super) fn time(&self) -> Option<u64> {
        self.header(dead_letter::TIME)?.parse().ok()
    }

    /// How often it was tried.
    pub(super) fn attempts(&self) -> Option<u32> {
        self.header(dead_letter::ATTEMPTS)?.parse().ok()
    }
}

/// Which dead letters are meant.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    reason: Option<String>,
    /// Given up at this time, or before.
    until: Option<u64>,
}

impl Filter {
    /// Those with this text in their reason that are older than this. Without a time, a letter is of
    /// no age.
    pub(super) fn new(reason: Option<String>, older_than: Option<Duration>) -> Self {
        let now = WallClock::system().millis();
        let until = older_than.map(|age| {
            let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            now.saturating_sub(age)
        });
        Self { reason, until }
    }

    /// Whether a letter is meant.
    pub(super) fn takes(&self, letter: &Letter) -> bool {
        let reason = self.reason.as_ref();
        let has_reason = reason.is_none_or(|text| letter.reason().contains(text.as_str()));
        let is_old = match self.until {
            Some(until) => letter.time().is_some_and(|time| time <= until),
            None => true,
        };
        has_reason && is_old
    }
}

/// Reads `90s`, `10m`, `12h` or `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "give a number and a unit: 90s, 10m, 12h or 7d".to_owned();
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let all = number.checked_mul(seconds).ok_or_else(wrong)?;
    Ok(Duration::from_secs(all))
}

/// A time in milliseconds since 1970, for people. What is no time is shown as it is.
pub(super) fn shown_time(millis: u64) -> String {
    let time = i64::try_from(millis).ok();
    let time = time.and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    time.map_or_else(|| millis.to_string(), |time| time.to_string())
}

/// Hands out the letters that wait in a channel, in order, without a lock, until that breaks. Returns how
/// many records are no events, and how many events are lost.
pub(super) fn each(
    folders: &[PathBuf],
    mut to: impl FnMut(Letter) -> std::io::Result<ControlFlow<()>>,
) -> Result<(u64, u64), ExitCode> {
    let (mut strange, mut written) = (0, Ok(()));
    let found = each_waiting(folders, |number, record| {
        let Some(letter) = Letter::of(number, record) else {
            strange += 1;
            return ControlFlow::Continue(());
        };
        to(letter).unwrap_or_else(|error| {
            written = Err(error);
            ControlFlow::Break(())
        })
    })?;
    match written {
        // A reader that goes away early (`| head`) is not a failure.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(failed(&error)),
        _ => Ok((strange, found.lost)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(headers: &[(&'static str, &'static str)]) -> Letter {
        let mut event = Event::new("x");
        for (name, value) in headers {
            event.headers.insert(*name, *value);
        }
        Letter { number: 7, event }
    }

    #[test]
    fn a_letter_is_what_its_headers_say() {
        let plain = letter(&[]);
        assert_eq!(
            (plain.by().as_str(), plain.reason(), plain.time()),
            ("nobody", "", None)
        );
        let sink = [(dead_letter::SINK, "k1"), (dead_letter::TIME, "x")];
        assert_eq!(letter(&sink).by(), "sink k1");
        assert_eq!(letter(&sink).time(), None, "no number");
        let policy = [
            (dead_letter::INTERCEPTOR, "r1.i1"),
            (dead_letter::ATTEMPTS, "1"),
        ];
        assert_eq!(letter(&policy).by(), "interceptor r1.i1");
        assert_eq!(letter(&policy).attempts(), Some(1));
    }

    #[test]
    fn a_filter_takes_what_has_its_reason_and_age() {
        let old = letter(&[
            (dead_letter::REASON, "too large: 7"),
            (dead_letter::TIME, "1000"),
        ]);
        let (reason, day) = (|text: &str| Some(text.to_owned()), duration("1d").ok());
        assert!(Filter::new(None, None).takes(&letter(&[])));
        assert!(Filter::new(reason("large"), day).takes(&old));
        assert!(!Filter::new(reason("small"), day).takes(&old));
        assert!(!Filter::new(None, day).takes(&letter(&[])), "of no age");
        let now = WallClock::system().millis().to_string();
        let mut new = old.clone();
        new.event.headers.insert(dead_letter::TIME, now);
        assert!(!Filter::new(None, day).takes(&new));
        assert!(Filter::new(None, Some(Duration::ZERO)).takes(&new));
    }

    #[test]
    fn an_age_is_a_number_with_a_unit() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("10m", 600),
            ("12h", 43_200),
            ("7d", 604_800),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)));
        }
        for wrong in [
            "",
            "d",
            "7",
            "7w",
            "-1d",
            "1.5h",
            "7é",
            "18446744073709551615d",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_is_shown_as_one() {
        assert_eq!(shown_time(0), "1970-01-01T00:00:00Z");
        assert_eq!(shown_time(u64::MAX), u64::MAX.to_string());
    }
}
