//! Between the events of a batch and the bytes of a request.
//!
//! It is apart from the conversation so that its instructions can be counted (`tests/counts`).

use std::mem;

use bytes::BytesMut;
use flume_avro::{Client, DecodeError, RpcCall, SendError};
use flume_core::{Event, Headers};

use super::copies::Copies;

/// Makes room for a batch: a buffer that grows would be copied again and again.
pub(crate) fn reserve(batch: &[Event], output: &mut BytesMut) {
    output.reserve(batch.iter().map(encoded_size).sum());
}

/// The events that cannot be in a frame of this size, by their places, with the bytes of each.
pub(crate) fn too_large(batch: &[Event], limit: usize) -> Vec<(usize, usize)> {
    let sizes = batch.iter().map(least_size).enumerate();
    sizes.filter(|(_, size)| *size > limit).collect()
}

/// Writes a request with these events; returns its serial.
pub(crate) fn write(
    events: &[Event],
    client: &mut Client,
    output: &mut BytesMut,
) -> Result<i32, SendError> {
    let events = events.iter().map(|event| (pairs(event), &*event.body));
    client.append_batch(events, output)
}

/// Writes a request with a single event, not as a batch; returns its serial.
pub(crate) fn write_single(
    event: &Event,
    client: &mut Client,
    output: &mut BytesMut,
) -> Result<i32, SendError> {
    client.append(pairs(event), &event.body, output)
}

/// Reads all events of a call, about as many as expected. Bodies, names and values stay where they
/// are, unless they are a small part of it.
pub(crate) fn read(call: RpcCall, expected: usize) -> Result<Vec<Event>, DecodeError> {
    let mut copies = Copies::of(&call);
    let mut wire = call.events;
    let mut events = Vec::with_capacity(expected);
    let mut pairs = Vec::new();
    while let Some(mut body) = wire.next_with(|name, value| pairs.push((name, value)))? {
        if let Some(copies) = &mut copies {
            copies.take(&mut pairs, &mut body);
        }
        // Most events have none. The events of a sender have about as many headers each.
        let headers = match pairs.len() {
            0 => Headers::new(),
            some => Headers::from_pairs(mem::replace(&mut pairs, Vec::with_capacity(some))),
        };
        events.push(Event { headers, body });
    }
    Ok(events)
}

/// The headers of an event as the wire has them.
fn pairs(event: &Event) -> impl ExactSizeIterator<Item = (&str, &str)> {
    event
        .headers
        .iter()
        .map(|(name, value)| (&**name, &**value))
}

/// What an event takes on the wire at least.
fn least_size(event: &Event) -> usize {
    let headers = pairs(event).map(|(name, value)| name.len() + value.len());
    headers.sum::<usize>() + event.body.len()
}

/// About what an event takes on the wire.
fn encoded_size(event: &Event) -> usize {
    const LENGTHS: usize = 8;
    let headers = event
        .headers
        .iter()
        .map(|(name, value)| name.len() + value.len() + LENGTHS);
    headers.sum::<usize>() + event.body.len() + LENGTHS
}
