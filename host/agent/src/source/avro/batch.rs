//! From a call to the events of its batch.
//!
//! Apart from the conversation, so that its instructions can be counted (`tests/counts`).

use std::mem;

use flume_avro::{DecodeError, Events};
use flume_core::{Event, Headers};

/// Reads all events, about as many as expected. Bodies, names and values stay where they are.
pub(crate) fn read(mut wire: Events, expected: usize) -> Result<Vec<Event>, DecodeError> {
    let mut events = Vec::with_capacity(expected);
    let mut pairs = Vec::new();
    while let Some(body) = wire.next_with(|name, value| pairs.push((name, value)))? {
        // The events of a sender have about as many headers each.
        let next = Vec::with_capacity(pairs.len());
        let headers = Headers::from_pairs(mem::replace(&mut pairs, next));
        events.push(Event { headers, body });
    }
    Ok(events)
}
