//! Flume's cases, and the null header that is not set here.

use flume_core::Event;

use crate::interceptor::tests::{finds, header, intercept, try_intercept};

const KIND: &str = "regex_extractor";

/// Flume: TestRegexExtractorInterceptor.shouldExtractAddHeadersForAllMatchGroups, and
/// …IgnoringMissingIds (I6).
#[test]
fn groups_become_headers() {
    let keys = [
        ("regex", r"(\d):(\d):(\d)"),
        ("serializers", "s1 s2  s3"),
        ("serializers.s1.name", "Num1"),
        ("serializers.s2.name", "Num2"),
        ("serializers.s2.type", "DEFAULT"),
        ("serializers.s3.name", "Num3"),
        ("serializers.s3.type", "default"),
    ];
    let event = intercept(KIND, &keys, Event::new("1:2:3.4foobar5")).unwrap();
    assert_eq!(
        event.headers,
        [("Num1", "1"), ("Num2", "2"), ("Num3", "3")]
            .into_iter()
            .collect()
    );
    let nothing = intercept(KIND, &keys, Event::new("1:2")).unwrap();
    assert!(nothing.headers.is_empty());
    let one = [keys[0], ("serializers", "s1"), keys[2]];
    let event = intercept(KIND, &one, Event::new("1:2:3")).unwrap();
    assert_eq!(
        event.headers,
        [("Num1", "1")].into_iter().collect(),
        "others are ignored"
    );
}

/// Flume sets a null header here, on which its Avro sink fails for ever.
#[test]
fn a_group_without_a_part_sets_no_header() {
    let keys = [
        ("regex", "(a)|(b)"),
        ("serializers", "s1 s2 s3"),
        ("serializers.s1.name", "a"),
        ("serializers.s2.name", "b"),
        ("serializers.s3.name", "none"),
    ];
    let event = intercept(KIND, &keys, Event::new("b")).unwrap();
    assert_eq!(event.headers, [("b", "b")].into_iter().collect());
}

/// Flume: TestRegexExtractorInterceptor.shouldExtractAddHeadersUsingSpecifiedSerializer (I6).
#[test]
fn serializers_can_be_mixed() {
    let keys = [
        ("regex", r"^(\d\d\d\d-\d\d-\d\d\s\d\d:\d\d)(:\d\d,\d\d\d)"),
        ("serializers", "s1 s2"),
        (
            "serializers.s1.type",
            "org.apache.flume.interceptor.RegexExtractorInterceptorMillisSerializer",
        ),
        ("serializers.s1.name", "timestamp"),
        ("serializers.s1.pattern", "yyyy-MM-dd HH:mm"),
        ("serializers.s2.name", "data"),
    ];
    let event = intercept(KIND, &keys, Event::new("2012-10-17 14:34:44,338")).unwrap();
    let local = jiff::civil::datetime(2012, 10, 17, 14, 34, 0, 0);
    let millis = local
        .to_zoned(jiff::tz::TimeZone::system())
        .unwrap()
        .timestamp();
    let millis = millis.as_millisecond().to_string();
    assert_eq!(header(&event, "timestamp"), Some(millis.as_str()));
    assert_eq!(header(&event, "data"), Some(":44,338"));
    let error = try_intercept(KIND, &keys, Event::new("2012-13-17 14:34:44,338")).unwrap_err();
    assert!(
        error.message.contains("`2012-13-17 14:34` is not a date"),
        "{error}"
    );
}

/// Flume: TestRegexExtractorInterceptor.shouldNotAllowConfigurationWithoutRegex, …IllegalRegex,
/// …WithoutMatchIds, …MisMatchedIds, …EmptyMatchIds, and the millis serializer's
/// shouldRequirePatternInConfiguration, shouldRejectInvalidPattern (I6, I7).
#[test]
fn bad_keys_are_findings() {
    let (regex, list) = (("regex", "(.*)"), ("serializers", "s1"));
    let (name, millis) = (
        ("serializers.s1.name", "h"),
        ("serializers.s1.type", "millis"),
    );
    for (keys, words) in [
        (&[list, name][..], "needs the key `regex`"),
        (
            &[("regex", "?&?&&&?&?)(&&"), list, name],
            "is not a valid regular expression",
        ),
        (&[regex], "needs the key `serializers`"),
        (&[regex, ("serializers", "")], "is an empty list"),
        (
            &[regex, ("serializers", ",,,")],
            "needs the key `serializers.,,,.name`",
        ),
        (&[regex, list], "needs the key `serializers.s1.name`"),
        (&[regex, list, ("serializers.s1.name", " ")], "is empty"),
        (
            &[
                regex,
                list,
                name,
                ("serializers.s1.type", "com.example.Mine"),
            ],
            "is a class of a plug-in",
        ),
        (
            &[regex, list, name, millis],
            "needs the key `serializers.s1.pattern`",
        ),
        (
            &[
                regex,
                list,
                name,
                millis,
                ("serializers.s1.pattern", "ABCDEFG"),
            ],
            "not a valid date pattern",
        ),
    ] {
        assert!(finds(KIND, keys, words), "{words}");
    }
}
