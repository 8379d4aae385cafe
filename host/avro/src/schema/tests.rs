//! The two texts, and how other texts of the protocol may differ from them.

use super::*;

fn new(text: &str) -> Result<Protocol, DecodeError> {
    Protocol::new(ByteString::from(text))
}

#[track_caller]
fn refused(text: &str, why: &str) {
    assert_eq!(
        new(text),
        Err(DecodeError::Protocol(why.to_owned())),
        "{text}"
    );
}

#[test]
fn the_texts_have_the_lengths_and_hashes_of_the_real_ones() {
    assert_eq!((FLUME_TEXT.len(), PLAIN_TEXT.len()), (1334, 509));
    for protocol in [Protocol::flume(), Protocol::plain()] {
        assert_eq!(new(protocol.text()), Ok(protocol));
    }
    let hex = |hash: Hash| hash.map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(hex(FLUME_HASH), "86aadae2c45474c0fe93ffd0f2350a65");
    assert_eq!(hex(PLAIN_HASH), "30da54059df72d9584b867d5202e2069");
    assert_eq!(Protocol::default(), Protocol::flume());
}

#[test]
fn the_same_protocol_in_another_text_is_accepted() {
    let java = PLAIN_TEXT
        .replace(
            r#""string""#,
            r#"{"type":"string","avro.java.string":"String"}"#,
        )
        .replace(r#""type":"bytes""#, r#""type":{"type":"bytes","x":1}"#);
    let qualified = PLAIN_TEXT.replace(
        r#""type":"AvroFlumeEvent""#,
        r#""type":"org.apache.flume.source.avro.AvroFlumeEvent""#,
    );
    let inline = r#"{"protocol":"P","messages":{"append":{"request":[{"name":"event","type":
        {"type":"record","name":"Event","fields":[
        {"name":"headers","type":{"type":"map","values":"string"}},
        {"name":"body","type":"bytes"}]}}],
        "response":{"type":"enum","name":"S","symbols":["OK","FAILED","UNKNOWN","LATER"]}}}}"#;
    let nothing = r#"{"protocol":"P","messages":{}}"#;
    for text in [java.as_str(), &qualified, inline, nothing] {
        assert_ne!(text, PLAIN_TEXT);
        let protocol = new(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_ne!(protocol.hash(), PLAIN_HASH);
        assert_eq!(protocol.text(), text);
    }
}

#[test]
fn another_protocol_is_refused_with_the_reason() {
    refused("{", "text is not JSON");
    refused("[]", "text has no protocol name");
    refused(r#"{"protocol":"P"}"#, "no messages");
    refused(&"[".repeat(1000), "text is not JSON");
    refused(&" ".repeat(MAX_PROTOCOL_TEXT + 1), "text is too long");
    let without = |from: &str, to: &str| {
        let text = PLAIN_TEXT.replace(from, to);
        assert_ne!(text, PLAIN_TEXT);
        text
    };
    let event = "append takes another type of event";
    refused(
        &without(r#""values":"string""#, r#""values":"bytes""#),
        event,
    );
    refused(
        &without(
            r#""name":"body","type":"bytes""#,
            r#""name":"body","type":"string""#,
        ),
        event,
    );
    refused(&without(r#""name":"body""#, r#""name":"data""#), event);
    refused(
        &without(
            r#"{"name":"body""#,
            r#"{"name":"time","type":"long"},{"name":"body""#,
        ),
        event,
    );
    refused(
        &without(r#""items":"AvroFlumeEvent""#, r#""items":"bytes""#),
        "appendBatch takes another type of event",
    );
    refused(
        &without(r#""type":"array""#, r#""type":"map""#),
        "appendBatch takes no array",
    );
    refused(
        &without(r#"[{"name":"event","type":"AvroFlumeEvent"}]"#, "[]"),
        "append takes other parameters",
    );
    refused(
        &without(r#""OK","FAILED""#, r#""FAILED","OK""#),
        "append returns another type than Status",
    );
}

#[test]
fn types_that_name_themselves_end_the_search() {
    let text = PLAIN_TEXT.replace(r#""type":"bytes""#, r#""type":{"type":"AvroFlumeEvent"}"#);
    refused(&text, "append takes another type of event");
}
