//! Escapes as Flume's TestBucketPath asserts them, and what is different here.

use flume_core::Headers;
use jiff::tz::TimeZone;

use super::*;

/// 2012-10-31 18:05:09.042 UTC, a Wednesday.
const TIME: i64 = 1_351_706_709_042;

fn times() -> Times {
    Times {
        local: false,
        rounding: None,
        zone: TimeZone::UTC,
        untimed: Untimed::Fail,
    }
}

fn expand(text: &str, headers: &[(&str, &str)]) -> String {
    let headers: Headers = headers.iter().copied().collect();
    Template::parse(text)
        .unwrap()
        .expand(&headers, &times(), TIME)
}

#[test]
fn each_letter_is_what_flume_makes_of_it() {
    for (escape, expected) in [
        ("%a|%A|%b|%B", "Wed|Wednesday|Oct|October"),
        ("%c", "Wed Oct 31 18:05:09 2012"),
        ("%D", "10/31/12"),
        ("%d|%e|%j|%m|%n|%y|%Y", "31|31|305|10|10|12|2012"),
        ("%H|%I|%k|%l|%M|%S|%p|%z", "18|06|18|6|05|09|PM|+0000"),
        ("%s|%t|%%", "1351706709|1351706709042|%"),
        ("100%", "100%"),
        ("%-d %{not a header}", "%-d %{not a header}"),
    ] {
        assert_eq!(expand(escape, &[]), expected, "{escape}");
    }
}

#[test]
fn headers_are_put_in() {
    assert_eq!(
        expand("/%{a.b-c}/x%{none}y", &[("a.b-c", "1/2")]),
        "/1/2/xy"
    );
}

#[test]
fn a_header_does_not_lead_out_of_the_folder() {
    let hostile = [("a", "../../etc"), ("dot", "."), ("line", "x\ny\0")];
    assert_eq!(
        expand("/in/%{a}/%{dot}%{dot}/%{line}", &hostile),
        "/in/__/__/etc/__/x_y_"
    );
    assert_eq!(expand("/in/%{a}...", &[("a", "b")]), "/in/b...");
}

#[test]
fn what_means_nothing_is_refused() {
    assert_eq!(Template::parse("/%q"), Err(EscapeError::Unknown('q')));
    assert_eq!(
        Template::parse("/%[me]"),
        Err(EscapeError::UnknownHost("me".to_owned()))
    );
    assert_eq!(
        Template::parse("/a/../b"),
        Err(EscapeError::Dots("..".to_owned()))
    );
}

#[test]
fn the_machine_is_put_in_at_the_start() {
    let mut template = Template::parse("/%[localhost]/%[ip]/%[FQDN]/%Y").unwrap();
    assert!(template.needs_host());
    template.settle_host(&HostNames {
        name: "n".to_owned(),
        address: "127.0.0.1".to_owned(),
        full_name: "n.example".to_owned(),
    });
    assert!(!template.needs_host());
    assert_eq!(template.fixed(), "/n/127.0.0.1/n.example/");
    assert_eq!(
        template.expand(&Headers::new(), &times(), TIME),
        "/n/127.0.0.1/n.example/2012"
    );
}

#[test]
fn times_are_rounded_down_within_the_larger_unit() {
    let unit = |unit, value| Some(Rounding { value, unit });
    for (rounding, expected) in [
        (None, "2012-10-31 18:05:09 1351706709042"),
        (
            unit(RoundUnit::Second, 4),
            "2012-10-31 18:05:08 1351706708000",
        ),
        (
            unit(RoundUnit::Minute, 10),
            "2012-10-31 18:00:00 1351706400000",
        ),
        (
            unit(RoundUnit::Minute, 60),
            "2012-10-31 18:00:00 1351706400000",
        ),
        (
            unit(RoundUnit::Hour, 5),
            "2012-10-31 15:00:00 1351695600000",
        ),
        (
            unit(RoundUnit::Hour, 24),
            "2012-10-31 00:00:00 1351641600000",
        ),
    ] {
        let times = Times {
            rounding,
            ..times()
        };
        let headers: Headers = [("timestamp", TIME.to_string())].into_iter().collect();
        let millis = times.of(&headers, 0).unwrap();
        let template = Template::parse("%Y-%m-%d %H:%M:%S %t").unwrap();
        assert_eq!(template.expand(&headers, &times, millis), expected);
    }
}

#[test]
fn zones_have_names_and_java_offsets() {
    let template = Template::parse("%d %H:%M %z").unwrap();
    for (name, expected) in [
        ("GMT+8", "01 02:05 +0800"),
        ("GMT-03:30", "31 14:35 -0330"),
        ("America/Los_Angeles", "31 11:05 -0700"),
        ("UTC", "31 18:05 +0000"),
    ] {
        let times = Times {
            zone: zone(name).unwrap(),
            ..times()
        };
        assert_eq!(
            template.expand(&Headers::new(), &times, TIME),
            expected,
            "{name}"
        );
    }
    for wrong in ["GMT+25", "GMT+x", "Mars/Olympus"] {
        assert!(zone(wrong).is_none(), "{wrong}");
    }
}

#[test]
fn an_event_without_a_time_is_told_what_it_lacks() {
    let header = |text: &str| [("timestamp", text)].into_iter().collect::<Headers>();
    assert_eq!(times().of(&Headers::new(), 7), Err(TimeError::Missing));
    assert_eq!(
        times().of(&header("noon"), 7),
        Err(TimeError::NotATime("noon".to_owned()))
    );
    assert_eq!(times().of(&header("42"), 7), Ok(42));
    assert_eq!(
        Times {
            local: true,
            ..times()
        }
        .of(&header("42"), 7),
        Ok(7)
    );
    let lenient = Times {
        untimed: Untimed::Now,
        ..times()
    };
    for (headers, time) in [(Headers::new(), 7), (header("noon"), 7), (header("42"), 42)] {
        assert_eq!(lenient.of(&headers, 7), Ok(time));
    }
}

/// One event with a long header must not stop those behind it.
#[test]
fn long_parts_are_cut() {
    let template = Template::parse("/data/%{host}/x").unwrap();
    let expand = |host: &str| {
        let headers = [("host", host)].into_iter().collect::<Headers>();
        template.expand(&headers, &times(), TIME)
    };
    let long = expand(&"h".repeat(300));
    let parts: Vec<&str> = long.split('/').collect();
    assert_eq!((parts[1], parts[3]), ("data", "x"));
    assert_eq!(parts[2].len(), 200);
    assert_eq!(
        expand(&"h".repeat(200)),
        format!("/data/{}/x", "h".repeat(200))
    );
}
