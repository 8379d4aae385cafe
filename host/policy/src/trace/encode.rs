//! Traces to bytes.

use flume_core::Event;
use sha2::{Digest, Sha256};

use super::{MAGIC, TraceHeader, VERSION};
use crate::setup::Properties;

/// Kinds of entries.
pub(super) const ORDER: u8 = 1;
pub(super) const BEGUN: u8 = 2;
pub(super) const ENDED: u8 = 3;
pub(super) const FAILED: u8 = 4;
pub(super) const DELIVERED: u8 = 5;
pub(super) const ROUTE: u8 = 6;

impl TraceHeader {
    /// The start of a file.
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        number(&mut payload, self.run);
        number(&mut payload, self.part);
        number(&mut payload, self.began_unix_ms);
        text(&mut payload, &self.selector);
        text(&mut payload, &self.digest);
        number(&mut payload, self.seed);
        properties(&mut payload, &self.properties);
        length(&mut payload, self.sinks.len());
        for sink in &self.sinks {
            text(&mut payload, &sink.name);
            text(&mut payload, &sink.kind);
            properties(&mut payload, &sink.properties);
        }
        length(&mut payload, self.headers.len());
        for header in &self.headers {
            text(&mut payload, header);
        }
        let mut file = MAGIC.to_vec();
        file.push(VERSION);
        file.extend(frame(&payload));
        file
    }
}

/// A payload with its length and checksum before it.
pub(super) fn frame(payload: &[u8]) -> Vec<u8> {
    // Queues are far smaller than 32 bits allow.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(payload.len() + 8);
    frame.extend(length.to_le_bytes());
    frame.extend(checksum(payload));
    frame.extend(payload);
    frame
}

pub(super) fn checksum(payload: &[u8]) -> [u8; 4] {
    let digest = Sha256::digest(payload);
    digest.first_chunk().copied().unwrap_or_default()
}

/// A varint.
pub(super) fn number(bytes: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = (value & 0x7f).to_le_bytes();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// A varint that is small for small numbers of either sign.
pub(super) fn signed(bytes: &mut Vec<u8>, value: i64) {
    number(
        bytes,
        (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned(),
    );
}

pub(super) fn length(bytes: &mut Vec<u8>, value: usize) {
    number(bytes, u64::try_from(value).unwrap_or(u64::MAX));
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    length(bytes, text.len());
    bytes.extend(text.as_bytes());
}

fn properties(bytes: &mut Vec<u8>, properties: &Properties) {
    length(bytes, properties.len());
    for (key, value) in properties {
        text(bytes, key);
        text(bytes, value);
    }
}

pub(super) fn sinks(bytes: &mut Vec<u8>, sinks: impl ExactSizeIterator<Item = usize>) {
    length(bytes, sinks.len());
    for sink in sinks {
        length(bytes, sink);
    }
}

/// The recorded headers of events, a column for each.
pub(super) fn events(bytes: &mut Vec<u8>, events: &[Event], headers: &[String]) {
    length(bytes, events.len());
    for header in headers {
        for event in events {
            match event.headers.get(header) {
                None => length(bytes, 0),
                Some(value) => {
                    length(bytes, value.len() + 1);
                    bytes.extend(value.as_bytes());
                }
            }
        }
    }
}
