//! Protocol texts, with which Flume's peers introduce themselves in a handshake.
//!
//! A protocol is identified by the MD5 of its JSON text, so the texts are kept byte for byte.
//! Two of them name the same protocol: Flume's own, which carries a licence comment as `doc`,
//! and the one without it, as small clients send.
//!
//! The law: data is read with one fixed schema, so a peer's text must describe that schema;
//! [`Protocol::new`] checks only the messages and types that Flume uses. Avro's schema resolution
//! (reordered or defaulted fields) is left out on purpose: no Flume release ever changed the
//! protocol, and a resolving reader would cost time for every event.

use std::collections::HashMap;

use bytestring::ByteString;
use md5::{Digest, Md5};
use serde_json::Value;

use crate::error::DecodeError;

/// MD5 of a protocol text.
pub type Hash = [u8; 16];

/// Flume's own protocol text, 1334 bytes.
pub const FLUME_TEXT: &str = include_str!("flume-protocol.json");

/// MD5 of [`FLUME_TEXT`]; every Flume from 1.0 on has it.
pub const FLUME_HASH: Hash = 0x86aa_dae2_c454_74c0_fe93_ffd0_f235_0a65_u128.to_be_bytes();

/// The same protocol without the `doc` property, 509 bytes.
pub const PLAIN_TEXT: &str = include_str!("plain-protocol.json");

/// MD5 of [`PLAIN_TEXT`].
pub const PLAIN_HASH: Hash = 0x30da_5405_9df7_2d95_84b8_67d5_202e_2069_u128.to_be_bytes();

/// The longest protocol text accepted from a peer, in bytes. Flume's has 1334; the longest
/// generated one seen is below 4 KiB.
pub const MAX_PROTOCOL_TEXT: usize = 64 * 1024;

/// A protocol text and its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    text: ByteString,
    hash: Hash,
}

impl Protocol {
    /// Flume's own. The default of both ends.
    pub fn flume() -> Self {
        Self {
            text: ByteString::from_static(FLUME_TEXT),
            hash: FLUME_HASH,
        }
    }

    /// Flume's without the `doc` property.
    pub fn plain() -> Self {
        Self {
            text: ByteString::from_static(PLAIN_TEXT),
            hash: PLAIN_HASH,
        }
    }

    /// Another text of the same protocol, with other properties for example.
    ///
    /// Fails if it is not a protocol, is longer than [`MAX_PROTOCOL_TEXT`], or if its messages
    /// `append` and `appendBatch` differ from Flume's. Messages that it leaves out or adds do not
    /// matter.
    pub fn new(text: ByteString) -> Result<Self, DecodeError> {
        check(&text).map_err(|problem| DecodeError::Protocol(problem.to_owned()))?;
        let hash = Md5::digest(text.as_bytes()).into();
        Ok(Self { text, hash })
    }

    /// The JSON text.
    pub fn text(&self) -> &ByteString {
        &self.text
    }

    /// MD5 of the text.
    pub fn hash(&self) -> Hash {
        self.hash
    }
}

impl Default for Protocol {
    fn default() -> Self {
        Self::flume()
    }
}

/// Returns how a text differs from Flume's protocol, as an error.
fn check(text: &str) -> Result<(), &'static str> {
    if text.len() > MAX_PROTOCOL_TEXT {
        return Err("text is too long");
    }
    let root: Value = serde_json::from_str(text).map_err(|_| "text is not JSON")?;
    root.get("protocol")
        .and_then(Value::as_str)
        .ok_or("text has no protocol name")?;
    let messages = root
        .get("messages")
        .and_then(Value::as_object)
        .ok_or("no messages")?;
    let mut types = Types {
        named: HashMap::new(),
    };
    types.collect(&root);
    if let Some(append) = messages.get("append") {
        let event = parameter(append).ok_or("append takes other parameters")?;
        types
            .is_event(event)
            .ok_or("append takes another type of event")?;
        types
            .is_status(append)
            .ok_or("append returns another type than Status")?;
    }
    if let Some(append_batch) = messages.get("appendBatch") {
        let events = parameter(append_batch).ok_or("appendBatch takes other parameters")?;
        let event = types
            .part(events, "array", "items")
            .ok_or("appendBatch takes no array")?;
        types
            .is_event(event)
            .ok_or("appendBatch takes another type of event")?;
        types
            .is_status(append_batch)
            .ok_or("appendBatch returns another type than Status")?;
    }
    Ok(())
}

/// The type of a message's only parameter.
fn parameter(message: &Value) -> Option<&Value> {
    match message.get("request")?.as_array()?.as_slice() {
        [only] => only.get("type"),
        _ => None,
    }
}

/// The named types of a protocol, wherever they are defined.
struct Types<'a> {
    named: HashMap<&'a str, &'a Value>,
}

impl<'a> Types<'a> {
    /// Recursion is bounded: the JSON parser refuses to nest deeper than 128.
    fn collect(&mut self, value: &'a Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            Value::Object(object) => {
                let kind = object.get("type").and_then(Value::as_str);
                let name = object.get("name").and_then(Value::as_str);
                if let (Some("record" | "enum" | "fixed" | "error"), Some(name)) = (kind, name) {
                    self.named.insert(simple(name), value);
                }
                object.values().for_each(|item| self.collect(item));
            }
            _ => {}
        }
    }

    /// The kind of a type (`record`, `map`, `bytes` …) and the value that defines it.
    ///
    /// A type may be a name, a definition, or either wrapped as `{"type": …}` with properties.
    /// The loop ends: a name leads to a definition, and a wrapper to a smaller value.
    fn resolve(&self, mut value: &'a Value) -> Option<(&'a str, &'a Value)> {
        loop {
            value = match value {
                Value::String(name) => match self.named.get(simple(name)) {
                    Some(definition) => definition,
                    None => return Some((name, value)),
                },
                Value::Object(object) => match object.get("type")? {
                    Value::String(kind) if is_kind(kind) => return Some((kind, value)),
                    inner => inner,
                },
                _ => return None,
            }
        }
    }

    /// The part `key` of a type, if it is of this kind.
    fn part(&self, value: &'a Value, kind: &str, key: &str) -> Option<&'a Value> {
        match self.resolve(value)? {
            (found, definition) if found == kind => definition.get(key),
            _ => None,
        }
    }

    fn is(&self, value: &'a Value, kind: &str) -> Option<()> {
        (self.resolve(value)?.0 == kind).then_some(())
    }

    /// A record of the fields `headers` (a map of strings) and `body` (bytes), in this order.
    fn is_event(&self, value: &'a Value) -> Option<()> {
        let fields = self.part(value, "record", "fields")?.as_array()?;
        let [headers, body] = fields.as_slice() else {
            return None;
        };
        (headers.get("name")? == "headers" && body.get("name")? == "body").then_some(())?;
        let values = self.part(headers.get("type")?, "map", "values")?;
        self.is(values, "string")?;
        self.is(body.get("type")?, "bytes")
    }

    /// Whether the response of this message is an enum that begins with Flume's three symbols.
    fn is_status(&self, message: &'a Value) -> Option<()> {
        let symbols = self
            .part(message.get("response")?, "enum", "symbols")?
            .as_array()?;
        let expected = ["OK", "FAILED", "UNKNOWN"];
        let same = symbols
            .iter()
            .zip(expected)
            .all(|(symbol, name)| symbol == name);
        (same && symbols.len() >= expected.len()).then_some(())
    }
}

fn is_kind(name: &str) -> bool {
    matches!(
        name,
        "record" | "enum" | "fixed" | "error" | "array" | "map"
    )
}

/// A name without its namespace. Flume's protocol has one namespace, so this is unambiguous.
fn simple(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests;
