//! From the events of a batch to the bytes of a request.
//!
//! Apart from the connection, so that its instructions can be counted (`tests/counts`).

use bytes::BytesMut;
use flume_avro::{Client, SendError};
use flume_core::Event;

/// Makes room for a batch: a growing buffer would be copied over and over.
pub(crate) fn reserve(batch: &[Event], output: &mut BytesMut) {
    output.reserve(batch.iter().map(encoded_size).sum());
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

/// The headers of an event as the wire has them.
fn pairs(event: &Event) -> impl ExactSizeIterator<Item = (&str, &str)> {
    event
        .headers
        .iter()
        .map(|(name, value)| (&**name, &**value))
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
