//! TOML gives the same keys as a properties file, with their places.

use super::*;

fn pairs(text: &str) -> Vec<(String, String)> {
    let (properties, diagnostics) = parse(text);
    assert_eq!(diagnostics, []);
    let pair = |property: Property| (property.key, property.value.text);
    properties.into_iter().map(pair).collect()
}

fn strings(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(own).collect()
}

#[test]
fn tables_are_components_and_their_list() {
    let text = r#"
[a1.sources.r2]
type = "netcat"
port = 44444
ack-every-event = false
channels = ["c1", "c2"]
[a1.sources.r1]
type = 'seq'
[a1.channels.c1]
"#;
    let expected = strings(&[
        ("a1.sources", "r2 r1"),
        ("a1.sources.r2.type", "netcat"),
        ("a1.sources.r2.port", "44444"),
        ("a1.sources.r2.ack-every-event", "false"),
        ("a1.sources.r2.channels", "c1 c2"),
        ("a1.sources.r1.type", "seq"),
        ("a1.channels", "c1"),
    ]);
    let mut found = pairs(text);
    found.sort();
    let mut expected = expected;
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn one_key_can_be_put_together_in_many_ways() {
    let expected = strings(&[
        ("a1.sinkgroups", "g1"),
        ("a1.sinkgroups.g1.processor.priority.s1", "5"),
        ("a1.sinkgroups.g1.sinks", "s1 s2"),
    ]);
    for text in [
        "[a1.sinkgroups.g1]\nprocessor.priority.s1 = 5\nsinks = 's1 s2'",
        "[a1.sinkgroups.g1]\nprocessor = { priority = { s1 = 5 } }\nsinks = ['s1', 's2']",
        "[a1.sinkgroups.g1]\n'processor.priority.s1' = '5'\nsinks = ['s1 s2']",
        "[a1.sinkgroups.g1.processor.priority]\ns1 = 5\n[a1.sinkgroups]\ng1.sinks = 's1 s2'",
        "[a1]\nsinkgroups = 'g1'\n'sinkgroups.g1.processor.priority.s1' = 5\n\
         'sinkgroups.g1.sinks' = 's1 s2'",
    ] {
        let mut found = pairs(text);
        found.sort();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn lists_within_components_come_from_tables_too() {
    let text = "[a1.sources.r1]\ninterceptors.i2.type = 'host'\ninterceptors.i1.type = 'static'";
    assert!(pairs(text).contains(&("a1.sources.r1.interceptors".to_owned(), "i2 i1".to_owned())));
    let text = "[a1.sources.r1]\ninterceptors = ['i1']\n'interceptors.i1.type' = 'static'";
    assert!(pairs(text).contains(&("a1.sources.r1.interceptors".to_owned(), "i1".to_owned())));
}

#[test]
fn scalars_are_written_as_flume_writes_them() {
    let text = "[a]\nb = 0x10\nc = 1.50\nd = true\ne = 1979-05-27\nf = -3\ng = [1, true, 'x']";
    let values: Vec<String> = pairs(text).into_iter().map(|(_, value)| value).collect();
    assert_eq!(
        values,
        ["16", "1.50", "true", "1979-05-27", "-3", "1 true x"]
    );
}

#[test]
fn places_are_those_of_the_text() {
    let text = "[a1.sinks.k1]\nx = [ 's1', \"s\\u0032\" ]\ny = ' u  v '";
    let (properties, _) = parse(text);
    let slice = |span: Span| text.get(span.start..span.end).unwrap();
    let words = |at: usize| -> Vec<&str> {
        let words = properties[at].value.words.iter();
        words.map(|word| slice(word.span)).collect()
    };
    assert_eq!(slice(properties[0].value.key_span), "k1");
    assert_eq!(words(0), ["k1"]);
    assert_eq!(words(1), ["s1", "\"s\\u0032\""]);
    assert_eq!(slice(properties[1].value.key_span), "x");
    assert_eq!(
        (properties[2].value.text.as_str(), words(2)),
        ("u  v", vec!["u", "v"])
    );
}

#[test]
fn invalid_toml_is_found_at_its_place() {
    for (text, code, place) in [
        ("[a1.sources.r1]\ntype = netcat\n", Code::Syntax, "netcat"),
        (
            "[a1.sources.'r 1']\ntype = 'seq'\n",
            Code::InvalidKey,
            "'r 1'",
        ),
        (
            "[[a1.sources]]\ntype = 'seq'\n",
            Code::BadValue,
            "[[a1.sources]]",
        ),
        ("[a1]\nx = [['y']]\n", Code::BadValue, "['y']"),
    ] {
        let (_, diagnostics) = parse(text);
        let found = diagnostics.iter().find(|finding| finding.code == code);
        let span = found
            .unwrap_or_else(|| panic!("{text}: {diagnostics:?}"))
            .span
            .unwrap();
        assert_eq!(text.get(span.start..span.end), Some(place), "{text}");
    }
    let (properties, diagnostics) = parse("[a]\nb = 1\nb = 2\nc = 3");
    assert!(!diagnostics.is_empty());
    assert!(properties.iter().any(|property| property.key == "a.c"));
}
