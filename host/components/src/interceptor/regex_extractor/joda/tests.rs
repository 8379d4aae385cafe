//! Patterns, texts, and the milliseconds that Joda makes of them.

use super::*;

fn millis(pattern: &str, text: &str) -> Result<i64, String> {
    JodaFormat::new(pattern, TimeZone::UTC, 2026)
        .unwrap()
        .millis(text)
}

/// Flume: TestRegexExtractorInterceptorMillisSerializer.shouldReturnMillisFromPattern (I7).
#[test]
fn dates_become_milliseconds() {
    const DAY: i64 = 86_400_000;
    let y2000 = 946_684_800_000;
    for (pattern, text, expected) in [
        (
            "yyyy-MM-dd HH:mm:ss",
            "2012-10-17 14:34:44",
            1_350_484_484_000,
        ),
        (
            "yyyy-MM-dd HH:mm:ss,SSS",
            "2012-10-17 14:34:44,338",
            1_350_484_484_338,
        ),
        ("yyyyMMddHHmmss", "20121017143444", 1_350_484_484_000),
        (
            "yyyy-MM-dd'T'HH:mm:ss.SSSZ",
            "2012-10-17T16:34:44.338+0200",
            1_350_484_484_338,
        ),
        (
            "yyyy-MM-dd'T'HH:mm:ssZZ",
            "2012-10-17T14:34:44Z",
            1_350_484_484_000,
        ),
        (
            "dd/MMM/yyyy:HH:mm:ss Z",
            "17/Oct/2012:07:34:44 -07:00",
            1_350_484_484_000,
        ),
        (
            "EEE, d MMMM yyyy h:mm a",
            "Wed, 17 October 2012 2:34 PM",
            1_350_484_440_000,
        ),
        (
            "yyyy-MM-dd HH:mm:ss ZZZ",
            "2012-10-17 16:34:44 Europe/Paris",
            1_350_484_484_000,
        ),
        ("M/d/yy", "1/1/00", y2000),
        ("M/d/yy", "1/1/2000", y2000),
        ("M/d/yy", "1/2/45", 2_366_841_600_000 + DAY),
        ("yy", "70", 0),
        ("HH:mm", "00:01", 60_000),
        ("MM-dd", "01-02", y2000 + DAY),
        ("hh a", "12 am", 0),
        ("KK a", "00 PM", DAY / 2),
        ("kk", "24", 0),
        ("s.S", "1.5", 1_500),
        ("h 'o clock'", "3 o clock", 3 * 3_600_000),
        ("''yyyy", "'1970", 0),
    ] {
        assert_eq!(millis(pattern, text), Ok(expected), "{pattern} {text}");
    }
}

/// A text that does not parse is an error that shows both.
#[test]
fn what_is_no_date_is_refused() {
    for (pattern, text) in [
        ("yyyy-MM-dd", "2012-10"),
        ("yyyy-MM-dd", "2012-10-17 "),
        ("yyyy-MM-dd", "2012-13-01"),
        ("yyyy-MM-dd", "2011-02-29"),
        ("HH", "25"),
        ("kk", "0"),
        ("MMM", "Foo"),
        ("ZZZ", "No/Where"),
        ("yyyy", "äöü"),
    ] {
        let error = millis(pattern, text).unwrap_err();
        assert_eq!(
            error,
            format!("`{text}` is not a date of the form `{pattern}`")
        );
    }
}

/// Flume: …MillisSerializer.shouldRejectInvalidPattern (I7).
#[test]
fn bad_patterns_are_refused() {
    for pattern in ["", "ABCDEFG", "yyyy-ww", "yyyy 'open", "z"] {
        assert!(
            JodaFormat::new(pattern, TimeZone::UTC, 2026).is_err(),
            "{pattern}"
        );
    }
}

/// The zone of the machine counts where the text has none.
#[test]
fn the_local_zone_is_used() {
    let zone = TimeZone::fixed(Offset::from_seconds(3600).unwrap());
    let format = JodaFormat::new("yyyy", zone, 2026).unwrap();
    assert_eq!(format.millis("1970"), Ok(-3_600_000));
}
