//! A converted file means the same when it is read again, in both syntaxes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::config::read;

/// The properties of a file, which must have no errors.
fn load(text: &str, format: Format) -> Vec<Property> {
    let path = if format == Format::Toml {
        "f.toml"
    } else {
        "f.properties"
    };
    let (_, properties, diagnostics) = read(path.to_owned(), text.into());
    assert_eq!(diagnostics, [], "{text}");
    properties
}

fn map(properties: &[Property]) -> BTreeMap<&str, &str> {
    last_of_each(properties).into_iter().collect()
}

/// Converts there and back; returns the TOML.
fn round_trip(text: &str) -> String {
    let given = load(text, Format::Properties);
    let toml = convert(&given, Format::Toml);
    let read = load(&toml, Format::Toml);
    assert_eq!(map(&read), map(&given), "{toml}");
    let back = convert(&read, Format::Properties);
    assert_eq!(map(&load(&back, Format::Properties)), map(&given), "{back}");
    // Converting again changes nothing.
    assert_eq!(
        convert(&load(&back, Format::Properties), Format::Toml),
        toml
    );
    toml
}

#[test]
fn a_file_becomes_one_table_for_each_component() {
    let toml = round_trip(
        "a1.sinks = k2 k1\na1.sources = r1\na1.channels = c1\na1.sources.r1.type = netcat\n\
         a1.sources.r1.bind = 0.0.0.0\na1.sources.r1.port = 44444\n\
         a1.sources.r1.ack-every-event = false\na1.sources.r1.interceptors = i2 i1\n\
         a1.sources.r1.interceptors.i1.type = host\na1.sources.r1.interceptors.i2.type = static\n\
         a1.sources.r1.interceptors.i2.value = a \"b\" \\\\d\na1.sources.r1.channels = c1\n\
         a1.channels.c1.type = memory\na1.sinks.k1.type = null\na1.sinks.k1.channel = c1\n\
         a1.sinks.k2.type = null\na1.sinks.k2.channel = c1\na1.sinkgroups = g1\n\
         a1.sinkgroups.g1.sinks = k1 k2\na1.sinkgroups.g1.processor.type = load_balance\n\
         a1.sinkgroups.g1.processor.selector = random\n\
         a1.sinkgroups.g1.processor.selector.maxTimeOut = 10\n",
    );
    let expected = r#"[a1.sources.r1]
type = "netcat"
bind = "0.0.0.0"
port = 44444
ack-every-event = false
channels = ["c1"]
interceptors.i2.type = "static"
interceptors.i2.value = 'a "b" \d'
interceptors.i1.type = "host"

[a1.channels.c1]
type = "memory"

[a1.sinks.k2]
type = "null"
channel = "c1"

[a1.sinks.k1]
type = "null"
channel = "c1"

[a1.sinkgroups.g1]
sinks = ["k1", "k2"]
processor.type = "load_balance"
processor.selector = "random"
processor."selector.maxTimeOut" = 10
"#;
    assert_eq!(toml, expected);
}

#[test]
fn what_tables_cannot_say_is_kept_in_quotes() {
    for text in [
        "a1.sources = r1\na1.sources.r2.type = x\n",
        "a1.sources.r1.type = x\n",
        "a1.sources = r1  r2\na1.sources.r1.type = x\n",
        "a1.sources = r1 r1\na1.sources.r1.type = x\n",
        "a1.sources = r1\na1.sources.r1 = y\na1.sources.r1.type = x\n",
        "a1 = z\na1.sources = r1\na1.sources.r1.type = x\n",
        "a1.sources = r1\na1.sources.r1.interceptors = i1\n",
        "a1.sources = r1\na1.sources.r1.interceptors.i1.type = x\n",
        "a1.sources = r1\na1.sources.r1.interceptors = i1\na1.sources.r1.interceptors.i1.type = x\n\
         a1.sources.r1.interceptors.i1.serializers.s1.name = y\n",
        "a1.sources = r1 r2\na1.sources.r1.type =\n",
        "a1..x = 1\n.a = 2\na1.sources.r1. = 3\n\\ = 4\n",
        "a1.k\\ ey.\\u0009x = v\n",
    ] {
        round_trip(text);
    }
}

/// Names that make lists, collisions and odd keys likely.
fn key() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "a1",
        "sources",
        "sinks",
        "r1",
        "r2",
        "interceptors",
        "serializers",
        "type",
        "x y",
        "é",
        "",
    ]);
    prop::collection::vec(part, 1..7).prop_map(|parts| parts.join("."))
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,12}",
        "r[12]( r[12]){0,2}",
        "-?[0-9]{1,3}",
        prop::sample::select(vec![
            "true".to_owned(),
            "r1  r2".to_owned(),
            "a\nb".to_owned()
        ]),
    ]
}

proptest! {
    #[test]
    fn nothing_is_lost_on_the_way(pairs in prop::collection::vec((key(), value()), 0..12)) {
        let pairs = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        round_trip(&properties::write(pairs));
    }
}
