//! Bytes to traces. Nothing in a file is trusted; a file that was cut short is read up to the cut.

use std::sync::Arc;

use bytestring::ByteString;
use flume_core::Event;

use super::encode::{BEGUN, DELIVERED, ENDED, FAILED, ORDER, ROUTE, checksum};
use super::{MAGIC, MOST_EVENTS, MOST_FRAME, Shown, ShownEvents, TraceEntry, TraceHeader};
use super::{VERSION, What};
use crate::setup::{Properties, SinkInfo};

/// A trace that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// What is known before the first entry.
    pub header: TraceHeader,
    /// The complete entries.
    pub entries: Vec<TraceEntry>,
    /// Bytes at the end that are not part of them: a frame that was cut, or is damaged.
    pub cut: usize,
}

/// A file that is not a trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// It begins with something else.
    #[error("is not a trace of a selector")]
    NotATrace,
    /// It is of another version of this program.
    #[error("has version {0} of the format; this program reads version {VERSION}")]
    Version(u8),
    /// It was cut before its header ends, or that is damaged.
    #[error("has no complete header")]
    NoHeader,
}

impl Trace {
    /// Reads a file.
    ///
    /// # Errors
    /// It is not a trace, or its header is incomplete.
    pub fn read(file: &[u8]) -> Result<Self, TraceError> {
        let rest = file.strip_prefix(MAGIC).ok_or(TraceError::NotATrace)?;
        let (version, mut rest) = rest.split_first().ok_or(TraceError::NoHeader)?;
        if *version != VERSION {
            return Err(TraceError::Version(*version));
        }
        let header = frame(&mut rest).and_then(|payload| Bytes(payload).header());
        let header = header.ok_or(TraceError::NoHeader)?;
        let mut entries = Vec::new();
        let mut cut = rest.len();
        let mut bare = Arc::default();
        while let Some(payload) = frame(&mut rest) {
            let whole = entries.len();
            let read = Bytes(payload).entries(&header, &mut bare, &mut entries);
            if read.is_none() {
                entries.truncate(whole);
                break;
            }
            cut = rest.len();
        }
        Ok(Self {
            header,
            entries,
            cut,
        })
    }

    /// Whether another file continues this one.
    pub fn goes_on_in(&self, next: &Self) -> bool {
        self.cut == 0
            && self.header.run == next.header.run
            && self.header.part + 1 == next.header.part
    }
}

/// The payload of the next frame; `None` if it is incomplete.
fn frame<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    let (expected, after) = after.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if length > MOST_FRAME {
        return None;
    }
    let (payload, after) = after.split_at_checked(length)?;
    if checksum(payload) != *expected {
        return None;
    }
    *rest = after;
    Some(payload)
}

/// A payload, read from its beginning.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn header(&mut self) -> Option<TraceHeader> {
        Some(TraceHeader {
            run: self.number()?,
            part: self.number()?,
            began_unix_ms: self.number()?,
            selector: self.text()?,
            digest: self.text()?,
            seed: self.number()?,
            properties: self.properties()?,
            sinks: self.list(|bytes| {
                Some(SinkInfo {
                    name: bytes.text()?,
                    kind: bytes.text()?,
                    properties: bytes.properties()?,
                })
            })?,
            headers: self.list(Self::text)?,
        })
    }

    fn entries(
        &mut self,
        header: &TraceHeader,
        bare: &mut Arc<Vec<Event>>,
        entries: &mut Vec<TraceEntry>,
    ) -> Option<()> {
        let (began, began_unix_ms, lost) = (self.number()?, self.number()?, self.number()?);
        let mut at = began;
        if lost > 0 {
            entries.push(TraceEntry {
                at,
                what: What::Lost(lost),
            });
        }
        while let Some((kind, rest)) = self.0.split_first() {
            self.0 = rest;
            at = at.saturating_add(self.number()?);
            let expected = began_unix_ms.saturating_add((at - began) / 1_000_000);
            let what = match *kind {
                ORDER => What::Order {
                    load: self.load(expected, header, bare)?,
                    answer: self.list(Self::length)?,
                },
                ROUTE => What::Route {
                    load: self.load(expected, header, bare)?,
                    answer: match self.length()?.checked_sub(1) {
                        None => None,
                        Some(count) => Some(self.many(count, Self::length)?),
                    },
                },
                BEGUN => What::Begun {
                    sink: self.length()?,
                },
                ENDED => What::Ended {
                    sink: self.length()?,
                    events: self.length()?,
                    latency: self.number()?,
                },
                FAILED => What::Failed {
                    sink: self.length()?,
                },
                DELIVERED => What::Delivered {
                    sink: self.length()?,
                },
                _ => return None,
            };
            entries.push(TraceEntry { at, what });
        }
        Some(())
    }

    fn load(
        &mut self,
        expected_unix_ms: u64,
        header: &TraceHeader,
        bare: &mut Arc<Vec<Event>>,
    ) -> Option<Shown> {
        let unix_ms = expected_unix_ms.saturating_add_signed(self.signed()?);
        let depth = self.length()?;
        let count = self.length()?;
        if header.headers.is_empty() {
            // They take no bytes, so the frame's size does not limit them.
            let count = Some(count).filter(|count| *count <= MOST_EVENTS)?;
            let events = ShownEvents::bare(count, bare);
            return Some(Shown {
                unix_ms,
                depth,
                events,
            });
        }
        // Each takes a byte at least for each header.
        let count = Some(count).filter(|count| *count <= self.0.len())?;
        let mut events = vec![Event::default(); count];
        for name in &header.headers {
            let name = ByteString::from(name.as_str());
            for event in &mut events {
                if let Some(length) = self.length()?.checked_sub(1) {
                    event.headers.insert(name.clone(), self.text_of(length)?);
                }
            }
        }
        Some(Shown {
            unix_ms,
            depth,
            events: events.into(),
        })
    }

    fn properties(&mut self) -> Option<Properties> {
        self.list(|bytes| Some((bytes.text()?, bytes.text()?)))
    }

    fn list<T>(&mut self, read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.length()?;
        self.many(count, read)
    }

    /// A number of things that each take at least a byte.
    fn many<T>(
        &mut self,
        count: usize,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        if count > self.0.len() {
            return None;
        }
        (0..count).map(|_| read(self)).collect()
    }

    fn text(&mut self) -> Option<String> {
        let length = self.length()?;
        self.text_of(length)
    }

    fn text_of(&mut self, length: usize) -> Option<String> {
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn signed(&mut self) -> Option<i64> {
        let value = self.number()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

/// A number and a signed one, for tests.
#[cfg(test)]
pub(super) fn numbers(bytes: &[u8]) -> Option<(u64, i64)> {
    let mut bytes = Bytes(bytes);
    Some((bytes.number()?, bytes.signed()?))
}
