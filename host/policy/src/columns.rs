//! A batch as columns: what a policy asked to see, joined without separators.
//!
//! The buffers are kept from batch to batch, so a call allocates nothing once they are large enough.

use std::collections::HashMap;

use bytestring::ByteString;
use flume_core::{Event, Headers};

use crate::bindings::{interceptor, types};
use crate::instance::{Bodies, Needs};

/// The end of a row without a value.
pub(crate) const ABSENT: u32 = 0x8000_0000;

/// Bytes that one column can hold: ends have 31 bits.
const MOST_BYTES: usize = (ABSENT - 1) as usize;

/// Headers of an event times headers that are wanted, up to which they are searched one by one.
const SEARCHED: usize = 1024;

/// The columns of a batch.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    headers: Vec<Column>,
    bodies: Column,
    lengths: Vec<u32>,
    events: u32,
}

#[derive(Debug, Default)]
struct Column {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Columns {
    /// Fills the columns with these events. Returns for how many of them there was room: fewer than
    /// all only if their values are more than 2 GiB.
    pub(crate) fn fill(&mut self, events: &[Event], needs: &Needs) -> usize {
        self.headers
            .resize_with(needs.headers.len(), Column::default);
        self.headers.iter_mut().for_each(Column::clear);
        self.bodies.clear();
        self.lengths.clear();
        let most = match needs.bodies {
            Bodies::None | Bodies::Length => None,
            Bodies::Prefix(most) => Some(most),
            Bodies::Whole => Some(usize::MAX),
        };
        let wants_lengths = matches!(needs.bodies, Bodies::Length | Bodies::Prefix(_));
        let mut filled = 0;
        for event in events {
            self.push_headers(&event.headers, &needs.headers);
            if let Some(most) = most {
                self.bodies
                    .push(Some(event.body.get(..most).unwrap_or(&event.body)));
            }
            if wants_lengths {
                self.lengths
                    .push(u32::try_from(event.body.len()).unwrap_or(u32::MAX));
            }
            filled += 1;
            let full = |column: &Column| column.bytes.len() > MOST_BYTES / 2;
            if full(&self.bodies) || self.headers.iter().any(full) {
                break;
            }
        }
        self.events = u32::try_from(filled).unwrap_or(u32::MAX);
        filled
    }

    /// Adds the headers of one event. Many headers of which many are wanted are not searched for each.
    fn push_headers(&mut self, headers: &Headers, wanted: &[String]) {
        if headers.len().saturating_mul(wanted.len()) <= SEARCHED {
            for (column, name) in self.headers.iter_mut().zip(wanted) {
                column.push(headers.get(name).map(|value| value.as_bytes().as_ref()));
            }
            return;
        }
        let all: HashMap<&str, &ByteString> = headers.iter().map(|(n, v)| (&**n, v)).collect();
        for (column, name) in self.headers.iter_mut().zip(wanted) {
            let value = all.get(&**name);
            column.push(value.map(|value| value.as_bytes().as_ref()));
        }
    }

    /// How many events the columns show.
    pub(crate) fn events(&self) -> u32 {
        self.events
    }

    /// The header columns, as they are lowered.
    pub(crate) fn headers(&self) -> Vec<types::ColumnParam<'_>> {
        self.headers.iter().map(Column::lowered).collect()
    }

    /// All of it, as it is lowered.
    pub(crate) fn batch<'a>(
        &'a self,
        headers: &'a [types::ColumnParam<'a>],
    ) -> interceptor::Batch<'a> {
        interceptor::Batch {
            events: self.events,
            headers,
            bodies: self.bodies.lowered(),
            lengths: &self.lengths,
        }
    }
}

impl Column {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn push(&mut self, value: Option<&[u8]>) {
        let absent = if value.is_none() { ABSENT } else { 0 };
        self.bytes.extend_from_slice(value.unwrap_or_default());
        // `fill` stops long before an end could need the highest bit.
        let end = u32::try_from(self.bytes.len()).unwrap_or(ABSENT - 1);
        self.ends.push(end | absent);
    }

    fn lowered(&self) -> types::ColumnParam<'_> {
        types::ColumnParam {
            bytes: &self.bytes,
            ends: &self.ends,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(bodies: Bodies) -> Needs {
        Needs {
            headers: vec!["h".to_owned()],
            bodies,
        }
    }

    #[test]
    fn a_column_has_a_row_for_each_event() {
        let events = [
            Event::new("one").with_header("h", "x"),
            Event::new(""),
            Event::new("three"),
        ];
        let mut columns = Columns::default();
        assert_eq!(columns.fill(&events, &needs(Bodies::Prefix(2))), 3);
        assert_eq!(columns.headers[0].bytes, b"x");
        assert_eq!(columns.headers[0].ends, [1, 1 | ABSENT, 1 | ABSENT]);
        assert_eq!(
            (&columns.bodies.bytes[..], &columns.bodies.ends[..]),
            (&b"onth"[..], &[2, 2, 4][..])
        );
        assert_eq!(columns.lengths, [3, 0, 5]);

        columns.fill(&events[..1], &needs(Bodies::None));
        assert_eq!(columns.headers[0].ends, [1]);
        assert!(columns.bodies.ends.is_empty() && columns.lengths.is_empty());
    }
}
