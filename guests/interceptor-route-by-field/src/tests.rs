//! Fields that are present, missing, or cut off.

use super::*;
use flume_policy_sdk::testing::{self, event};

fn route(properties: &[(&str, &str)], body: &[u8]) -> Option<String> {
    let properties = [&[("header", "h")], properties].concat();
    let mut policy = testing::interceptor::<RouteByField>(&properties).unwrap();
    let mut events = testing::intercept(&mut policy, &[event(&[], body)]);
    let routed = events.remove(0);
    assert_eq!(routed.body, body);
    routed.headers.into_iter().next().map(|(_, value)| value)
}

#[track_caller]
fn check(properties: &[(&str, &str)], cases: &[(&str, Option<&str>)]) {
    for (body, expected) in cases {
        let found = route(properties, body.as_bytes());
        assert_eq!(found.as_deref(), *expected, "{properties:?}: {body}");
    }
}

#[test]
fn members_of_a_json_document() {
    check(
        &[("field", "level")],
        &[
            (r#"{"level":"warn"}"#, Some("warn")),
            (
                r#" { "a" : [1, {"level": 2}, "]"] , "level" : "x" } "#,
                Some("x"),
            ),
            (r#"{"a": {"level": "no"}, "level": ""}"#, Some("")),
            (r#"{"level": 17}"#, Some("17")),
            (r#"{"level": -1.5e3,"#, Some("-1.5e3")),
            (r#"{"level":true}"#, Some("true")),
            (r#"{"level":false}"#, Some("false")),
            (r#"{"level":null}"#, None),
            (r#"{"level":{"level":1}}"#, None),
            (r#"{"level":[1]}"#, None),
            (r#"{"level":nope}"#, None),
            (r#"{"level":1x}"#, None),
            (r#"{"level":"open"#, None),
            (r#"{"level""#, None),
            (r#"{"level":"first","level":"second"}"#, Some("first")),
            (r#"{"levels":1}"#, None),
            (r#"{"a":"\"level\":1","b":2}"#, None),
            (r#"{"\u006cevel":"escaped name"}"#, Some("escaped name")),
            (
                r#"{"level":"a\"b\\c\/d\u00e9\ud83d\ude00\n"}"#,
                Some("a\"b\\c/dé😀\n"),
            ),
            (r#"{"level":"\ud83d"}"#, None),
            (r#"{"level":"\x"}"#, None),
            (r#"["level"]"#, None),
            ("level", None),
            ("", None),
            ("{}", None),
            ("}{", None),
        ],
    );
}

#[test]
fn pointers_into_objects_and_lists() {
    let body = r#"{"a":{"b":[10,[11],{"c/d":"x","~":"y","0":"z"}]},"0":"top","":"empty"}"#;
    for (field, expected) in [
        ("/a/b/0", Some("10")),
        ("/a/b/1/0", Some("11")),
        ("/a/b/1/1", None),
        ("/a/b/2/c~1d", Some("x")),
        ("/a/b/2/~0", Some("y")),
        ("/a/b/2/0", Some("z")),
        ("/a/b/3", None),
        ("/a/b/00", None),
        ("/a/b/-", None),
        ("/a/b", None),
        ("/0", Some("top")),
        ("0", Some("top")),
        ("/", Some("empty")),
    ] {
        check(&[("field", field)], &[(body, expected)]);
    }
}

/// As a Kafka sink wants it: what has no customer has no key, and goes to any partition.
#[test]
fn the_key_of_a_record() {
    let field = [("field", "/customer/id"), ("format", "json")];
    let of = |body: &str| {
        let properties = [&[("header", "key")], &field[..]].concat();
        let mut policy = testing::interceptor::<RouteByField>(&properties).unwrap();
        let mut events = testing::intercept(&mut policy, &[event(&[], body.as_bytes())]);
        events.remove(0).headers
    };
    let key = of(r#"{"order":7,"customer":{"id":"c1"}}"#);
    assert_eq!(key, [("key".to_owned(), "c1".to_owned())]);
    let number = of(r#"{"customer":{"name":"Ann","id":42},"order":8}"#);
    assert_eq!(number, [("key".to_owned(), "42".to_owned())]);
    assert!(of(r#"{"order":9,"customer":null}"#).is_empty());
    assert!(of("no order at all").is_empty());
}

#[test]
fn a_deep_document_is_no_recursion() {
    let deep = format!("{{\"a\":{}{},\"b\":1}}", "[".repeat(60_000), "]".repeat(5));
    check(&[("field", "b")], &[(&deep, None)]);
    let closed = format!(
        "{{\"a\":{}{},\"b\":1}}",
        "[".repeat(9_000),
        "]".repeat(9_000)
    );
    check(&[("field", "b")], &[(&closed, Some("1"))]);
}

#[test]
fn pairs() {
    check(
        &[("field", "level"), ("format", "pairs")],
        &[
            ("level=warn", Some("warn")),
            ("time=12  level=warn msg=x", Some("warn")),
            ("word level=warn\n", Some("warn")),
            ("a=1\nlevel=warn", Some("warn")),
            (
                r#"msg="level=no \" x" level="a \"b\" \\c""#,
                Some(r#"a "b" \c"#),
            ),
            ("levels=1 xlevel=2", None),
            ("level", None),
            ("level=", Some("")),
            ("level =x", None),
            (r#"level="open"#, None),
            (r#"a="x"y level=1"#, None),
            ("", None),
        ],
    );
    check(
        &[("field", "b"), ("format", "pairs"), ("delimiter", "&")],
        &[
            ("a=1&b=x y&c=3", Some("x y")),
            ("a=1&&b=", Some("")),
            ("a=b", None),
        ],
    );
}

#[test]
fn columns() {
    let third = [("field", "3"), ("format", "columns")];
    check(
        &third,
        &[
            ("7,x,warn", Some("warn")),
            ("7,x,warn\r\n8,y,info", Some("warn")),
            (r#"7,"a, ""b""","c ""d""",x"#, Some(r#"c "d""#)),
            ("7,,,x", Some("")),
            ("7,x,", Some("")),
            ("7,x", None),
            ("7,x\n8,y,z", None),
            (r#"7,"open,x"#, None),
            (r#"7,"a"b,x"#, None),
            ("", None),
        ],
    );
    check(
        &[("field", "3"), ("format", "columns"), ("delimiter", "tab")],
        &[("a b\t\tc", Some("c"))],
    );
    check(
        &[
            ("field", "2"),
            ("format", "columns"),
            ("delimiter", "blank"),
        ],
        &[
            ("  a \t b c", Some("b")),
            ("a ", None),
            (r#"a "b c""#, Some("b c")),
        ],
    );
}

#[test]
fn what_is_cut_off_is_absent() {
    for (format, field, body, needed) in [
        ("json", "a", r#"{"a":"xyz"}"#, 10),
        ("json", "a", r#"{"a":12}"#, 8),
        ("pairs", "a", "a=xyz b=1", 6),
        ("columns", "1", "xyz,1", 4),
        // The end of the body is an end.
        ("pairs", "a", "a=xyz", 5),
        ("columns", "1", "xyz", 3),
    ] {
        for prefix in 1..=body.len() {
            let text = prefix.to_string();
            let properties = [("format", format), ("field", field), ("prefix", &text)];
            let found = route(&properties, body.as_bytes());
            assert_eq!(
                found.is_some(),
                prefix >= needed,
                "{body} in {prefix} bytes: {found:?}"
            );
        }
    }
}

#[test]
fn values_are_text_of_bounded_length() {
    let of = |length| format!("{{\"a\":\"{}\"}}", "x".repeat(length));
    assert_eq!(
        route(&[("field", "a")], of(LONGEST).as_bytes()).map(|v| v.len()),
        Some(LONGEST)
    );
    assert_eq!(route(&[("field", "a")], of(LONGEST + 1).as_bytes()), None);
    assert_eq!(route(&[("field", "a")], b"{\"a\":\"\xff\"}"), None);
    assert_eq!(
        route(&[("field", "1"), ("format", "columns")], b"\xff,1"),
        None
    );
    let escaped = |length| format!("{{\"a\":\"{}\"}}", "\\n".repeat(length));
    assert!(route(&[("field", "a")], escaped(LONGEST).as_bytes()).is_some());
    assert_eq!(
        route(&[("field", "a")], escaped(LONGEST + 1).as_bytes()),
        None
    );
}

#[test]
fn absent_fields_have_a_default_or_none() {
    check(
        &[("field", "a"), ("default", "rest")],
        &[("no", Some("rest")), (r#"{"a":1}"#, Some("1"))],
    );
    check(&[("field", "a")], &[("no", None)]);
}

/// For any body the search ends, and the value is a part of a valid header.
#[test]
fn noise_is_survived() {
    let alphabet = br#"{}[]":,\ua10 =&"#;
    let mut random = 1_u64;
    let formats = [
        ("json", "/a/0"),
        ("json", "a"),
        ("pairs", "a"),
        ("columns", "2"),
    ];
    let mut policies = formats.map(|(format, field)| {
        let properties = [("header", "h"), ("format", format), ("field", field)];
        testing::interceptor::<RouteByField>(&properties).unwrap()
    });
    for _ in 0..20_000 {
        let mut body = Vec::new();
        for _ in 0..24 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            body.push(alphabet[(random >> 33) as usize % alphabet.len()]);
        }
        for policy in &mut policies {
            assert_eq!(testing::intercept(policy, &[event(&[], &body)]).len(), 1);
        }
    }
}

#[test]
fn what_means_nothing_is_told() {
    for (properties, problems) in [
        (&[][..], 2),
        (&[("field", "a")], 1),
        (&[("field", "a"), ("header", "h")], 0),
        (&[("field", "a"), ("header", "h"), ("format", "xml")], 1),
        (&[("field", "a"), ("header", "h"), ("format", "columns")], 1),
        (&[("field", "0"), ("header", "h"), ("format", "columns")], 1),
        (
            &[("field", "100001"), ("header", "h"), ("format", "columns")],
            1,
        ),
        (
            &[("field", "100000"), ("header", "h"), ("format", "columns")],
            0,
        ),
        (&[("field", "a"), ("header", "h"), ("delimiter", ";")], 1),
        (
            &[
                ("field", "a"),
                ("header", "h"),
                ("format", "pairs"),
                ("delimiter", "ab"),
            ],
            1,
        ),
        (
            &[
                ("field", "a"),
                ("header", "h"),
                ("format", "pairs"),
                ("delimiter", "\""),
            ],
            1,
        ),
        (&[("field", "a"), ("header", "h"), ("prefix", "0")], 1),
        (
            &[("field", "a"), ("header", "h"), ("prefix", "16777217")],
            1,
        ),
        (
            &[("field", "a"), ("header", "h"), ("prefix", "16777216")],
            0,
        ),
        (&[("field", "a"), ("header", "h"), ("fields", "b")], 1),
    ] {
        let found = testing::interceptor::<RouteByField>(properties).err();
        assert_eq!(
            found.map_or(0, |found| found.len()),
            problems,
            "{properties:?}"
        );
    }
}
