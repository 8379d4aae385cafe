//! An event as a record of the log.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | number of headers |
//! | for each | length of the name (4), of the value (4), the name, the value |
//! | the rest | the body |
//!
//! Numbers are little-endian. The log keeps the length of the record, and its checksum.

use bytes::{Buf, Bytes};
use bytestring::ByteString;
use flume_core::{Event, Headers};
use flume_log::{Put, Records};

/// Adds an event to a put; false if it does not fit. `head` is room to work in.
pub(super) fn write(put: &mut Put, event: &Event, head: &mut Vec<u8>) -> bool {
    head.clear();
    let Some(count) = length(event.headers.len()) else {
        return false;
    };
    head.extend(count);
    for (name, value) in event.headers.iter() {
        let (Some(name_length), Some(value_length)) = (length(name.len()), length(value.len()))
        else {
            return false;
        };
        head.extend(name_length);
        head.extend(value_length);
        head.extend(name.as_bytes());
        head.extend(value.as_bytes());
    }
    put.push(&[head, &event.body])
}

/// The bytes that an event takes in a put, together with the length that the log notes.
pub(super) fn room(event: &Event) -> usize {
    let headers = event.headers.iter();
    let headers = headers.map(|(name, value)| 8 + name.len() + value.len());
    8 + headers.sum::<usize>() + event.body.len()
}

/// The event of a record. Its text and body are slices of the record. `None` for what [`write`] did not
/// write.
pub(super) fn read(mut record: Bytes) -> Option<Event> {
    let count = record.try_get_u32_le().ok()?;
    let mut pairs = Vec::new();
    for _ in 0..count {
        let name = usize::try_from(record.try_get_u32_le().ok()?).ok()?;
        let value = usize::try_from(record.try_get_u32_le().ok()?).ok()?;
        pairs.push((text(&mut record, name)?, text(&mut record, value)?));
    }
    let headers = Headers::from_pairs(pairs);
    Some(Event {
        headers,
        body: record,
    })
}

/// The events of records with their sequences, and how many records are none.
pub(super) fn read_all(records: Records) -> (Vec<(Event, u64)>, u64) {
    let whole = Bytes::from(records.bytes);
    let mut events = Vec::with_capacity(records.places.len());
    let mut strange = 0;
    for (sequence, place) in records.places {
        let record = whole.get(place).unwrap_or_default();
        match read(whole.slice_ref(record)) {
            Some(event) => events.push((event, sequence)),
            None => strange += 1,
        }
    }
    (events, strange)
}

fn length(length: usize) -> Option<[u8; 4]> {
    u32::try_from(length).ok().map(u32::to_le_bytes)
}

fn text(record: &mut Bytes, length: usize) -> Option<ByteString> {
    if record.len() < length {
        return None;
    }
    ByteString::try_from(record.split_to(length)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a log gives back for one event.
    fn record(event: &Event) -> Bytes {
        let mut whole = Vec::new();
        whole.extend(length(event.headers.len()).unwrap());
        for (name, value) in event.headers.iter() {
            whole.extend(length(name.len()).unwrap());
            whole.extend(length(value.len()).unwrap());
            whole.extend(name.as_bytes());
            whole.extend(value.as_bytes());
        }
        whole.extend(&event.body[..]);
        whole.into()
    }

    proptest! {
        #[test]
        fn an_event_is_read_as_it_was_written(
            headers in prop::collection::btree_map(".{0,9}", ".{0,30}", 0..6),
            body in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut event = Event::new(body);
            event.headers = headers.into_iter().collect();
            prop_assert!(write(&mut Put::new(), &event, &mut Vec::new()));
            let record = record(&event);
            prop_assert_eq!(room(&event), 4 + record.len());
            prop_assert_eq!(read(record.clone()), Some(event));
            // Cut anywhere in its headers it is none, and nothing panics.
            for end in 0..record.len() {
                read(record.slice(..end));
            }
        }

        #[test]
        fn any_bytes_are_an_event_or_none(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            read(bytes.into());
        }
    }

    #[test]
    fn a_number_of_headers_that_is_a_lie_costs_nothing() {
        assert_eq!(read(Bytes::from_static(&[0xff; 4])), None);
        let name_is_no_text = [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xff];
        assert_eq!(read(Bytes::copy_from_slice(&name_is_no_text)), None);
    }
}
