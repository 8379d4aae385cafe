//! Calls and answers: `append`, `appendBatch` and the `Status` they return.
//!
//! ```text
//! call    meta: map<bytes>   name: string   parameters      an empty name is a ping
//! answer  meta: map<bytes>   error: boolean   a Status, or a union index and a text
//! ```
//!
//! The laws: the events of a call are read one at a time, so that the caller converts them to its
//! own type without an intermediate list. A batch counts only once its end has been reached without
//! an error. A call is written as two buffers, like Flume's.

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;

use crate::error::{DecodeError, SendError};
use crate::primitive::{Reader, put_bytes, put_length};

/// The name of the message that carries one event.
pub(crate) const APPEND: &str = "append";
/// The name of the message that carries a list of events.
pub(crate) const APPEND_BATCH: &str = "appendBatch";

/// The most bytes written of a system error's text; the rest is cut off.
pub const MAX_ERROR_TEXT: usize = 4096;

/// The least size of an event, a header or an item of metadata: two lengths of 0.
const SMALLEST_ITEM: usize = 2;

/// An event as it is on the wire. All parts share the memory of their frame.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WireEvent {
    /// Names and values in the order sent. A name may repeat; Flume keeps the last value.
    pub headers: Vec<(ByteString, ByteString)>,
    /// Opaque bytes.
    pub body: Bytes,
}

/// The events of one call, read on demand.
///
/// The whole call is valid only if the end (`None`) is reached without an error; after an error
/// the events taken so far must be dropped. After an error or the end there are no more events.
#[derive(Debug, Clone)]
pub struct Events {
    reader: Reader,
    /// Events left in the current block.
    block: usize,
    /// Whether another block may follow.
    more: bool,
    /// How many more events and headers this message may have.
    entries: usize,
    max_entries: usize,
}

impl Events {
    /// The parameters of `append`: one event.
    fn single(reader: Reader, max_entries: usize) -> Self {
        Self {
            reader,
            block: 1,
            more: false,
            entries: max_entries,
            max_entries,
        }
    }

    /// The parameters of `appendBatch`: blocks of events.
    fn array(reader: Reader, max_entries: usize) -> Self {
        Self {
            reader,
            block: 0,
            more: true,
            entries: max_entries,
            max_entries,
        }
    }

    /// Bytes that have not been read yet.
    pub fn remaining_bytes(&self) -> usize {
        self.reader.remaining()
    }

    /// Reads the next event: calls `header` for each header and returns the body.
    ///
    /// This builds no list. [`Iterator::next`] does the same with a [`WireEvent`].
    #[inline]
    pub fn next_with(
        &mut self,
        header: impl FnMut(ByteString, ByteString),
    ) -> Result<Option<Bytes>, DecodeError> {
        let body = self.read(header);
        if body.is_err() {
            (self.block, self.more) = (0, false);
            self.reader = Reader::new(Bytes::new());
        }
        body
    }

    #[inline]
    fn read(
        &mut self,
        mut header: impl FnMut(ByteString, ByteString),
    ) -> Result<Option<Bytes>, DecodeError> {
        if self.block == 0 && self.more {
            self.block = self.reader.block(SMALLEST_ITEM)?;
            self.more = self.block > 0;
            self.spend(self.block)?;
        }
        if self.block == 0 {
            self.reader.finish()?;
            return Ok(None);
        }
        self.block -= 1;
        loop {
            let headers = self.reader.block(SMALLEST_ITEM)?;
            if headers == 0 {
                break;
            }
            self.spend(headers)?;
            for _ in 0..headers {
                let name = self.reader.string()?;
                let value = self.reader.string()?;
                header(name, value);
            }
        }
        self.reader.bytes().map(Some)
    }

    fn spend(&mut self, entries: usize) -> Result<(), DecodeError> {
        let left = self.entries.checked_sub(entries);
        self.entries = left.ok_or(DecodeError::TooManyEntries(self.max_entries))?;
        Ok(())
    }
}

impl Iterator for Events {
    type Item = Result<WireEvent, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut headers = Vec::new();
        match self.next_with(|name, value| headers.push((name, value))) {
            Ok(Some(body)) => Some(Ok(WireEvent { headers, body })),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// The request of a client.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Append(Events),
    AppendBatch(Events),
    Ping,
    Unknown(ByteString),
}

impl Request {
    /// Reads what follows the handshake. The events themselves are left for later.
    pub(crate) fn decode(mut reader: Reader, max_entries: usize) -> Result<Self, DecodeError> {
        reader.skip_meta()?;
        let name = reader.string()?;
        Ok(match &*name {
            APPEND => Self::Append(Events::single(reader, max_entries)),
            APPEND_BATCH => Self::AppendBatch(Events::array(reader, max_entries)),
            "" => Self::Ping,
            _ => Self::Unknown(name),
        })
    }
}

/// The outcome for the events of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyStatus {
    /// All are stored.
    Ok,
    /// No event is stored; send them again.
    Failed,
    /// The receiver does not know. Senders treat this as a failure.
    Unknown,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// The call was carried out, with this result.
    Status(ReplyStatus),
    /// The call could not be carried out, for this reason. On the wire the text is cut after
    /// [`MAX_ERROR_TEXT`] bytes.
    SystemError(String),
    /// The answer to a ping.
    Pong,
}

impl Response {
    /// Reads what follows the handshake.
    ///
    /// `ping` says whether the request was a ping: the answer to a ping, and to nothing else, is
    /// empty.
    pub(crate) fn decode(mut reader: Reader, ping: bool) -> Result<Self, DecodeError> {
        if ping && reader.remaining() == 0 {
            return Ok(Self::Pong);
        }
        reader.skip_meta()?;
        let response = if reader.boolean()? {
            // The messages declare no errors, so the union has only one branch.
            reader.index("the union of errors", 1)?;
            Self::SystemError(reader.string()?.to_string())
        } else {
            Self::Status(match reader.index("Status", 3)? {
                0 => ReplyStatus::Ok,
                1 => ReplyStatus::Failed,
                _ => ReplyStatus::Unknown,
            })
        };
        reader.finish()?;
        Ok(response)
    }

    /// Writes the error flag and the value; nothing for a pong.
    pub(crate) fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Status(ReplyStatus::Ok) => out.put_slice(&[0, 0]),
            Self::Status(ReplyStatus::Failed) => out.put_slice(&[0, 2]),
            Self::Status(ReplyStatus::Unknown) => out.put_slice(&[0, 4]),
            Self::SystemError(text) => {
                out.put_slice(&[1, 0]);
                let end = text.floor_char_boundary(MAX_ERROR_TEXT);
                put_bytes(out, text.get(..end).unwrap_or(text).as_bytes());
            }
            Self::Pong => {}
        }
    }
}

/// Writes empty metadata and the name of a message.
pub(crate) fn put_call(out: &mut BytesMut, name: &str) {
    out.put_u8(0);
    put_bytes(out, name.as_bytes());
}

/// Writes one event. `H` knows its length, because the count precedes the headers.
pub(crate) fn put_event<'a, H>(out: &mut BytesMut, headers: H, body: &[u8]) -> Result<(), SendError>
where
    H: IntoIterator<Item = (&'a str, &'a str)>,
    H::IntoIter: ExactSizeIterator,
{
    put_items(out, headers.into_iter(), |out, (name, value)| {
        put_bytes(out, name.as_bytes());
        put_bytes(out, value.as_bytes());
        Ok(())
    })?;
    put_bytes(out, body);
    Ok(())
}

/// Writes a list of events of at most `limit` bytes. The limit is checked after each event, so that
/// an oversized batch is not copied in full.
pub(crate) fn put_events<'a, E, H>(
    out: &mut BytesMut,
    events: E,
    limit: usize,
) -> Result<(), SendError>
where
    E: IntoIterator<Item = (H, &'a [u8])>,
    E::IntoIter: ExactSizeIterator,
    H: IntoIterator<Item = (&'a str, &'a str)>,
    H::IntoIter: ExactSizeIterator,
{
    let start = out.len();
    put_items(out, events.into_iter(), |out, (headers, body)| {
        put_event(out, headers, body)?;
        let size = out.len().saturating_sub(start);
        if size > limit {
            Err(SendError::TooLarge { size, limit })
        } else {
            Ok(())
        }
    })
}

/// Writes one block of items, and then the end of the map or array.
fn put_items<T>(
    out: &mut BytesMut,
    items: impl ExactSizeIterator<Item = T>,
    mut put: impl FnMut(&mut BytesMut, T) -> Result<(), SendError>,
) -> Result<(), SendError> {
    let announced = items.len();
    let mut found = 0;
    if announced > 0 {
        put_length(out, announced);
    }
    for item in items.take(announced.saturating_add(1)) {
        put(out, item)?;
        found += 1;
    }
    if found != announced {
        return Err(SendError::Count { announced, found });
    }
    out.put_u8(0);
    Ok(())
}

#[cfg(test)]
mod tests;
