//! One record of a log: what it says, byte by byte.
//!
//! ```text
//! 7F  length, four bytes  | 17 head | length, body | 00
//! ```
//!
//! A record counts only if each of its bytes is where Flume puts it: takes and commits have no
//! checksum, so this is all that tells a record from noise.

use bytes::Bytes;
use bytestring::ByteString;

use crate::proto::Cursor;

/// The operation byte of a record.
pub(crate) const RECORD: u8 = 0x7F;
/// The operation byte of a record that Flume's integrity tool has voided.
pub(crate) const VOID: u8 = 0;
/// What room is filled with before records are written there.
pub(crate) const FILL: u8 = 0x80;
/// Bytes before a payload: the operation and the length.
pub(crate) const FRAMING: u64 = 5;
/// Bytes of the head, behind its own length.
const HEAD: u8 = 23;
/// Bytes that tell the length of a payload a second time, from within.
pub(crate) const STATED: usize = 24 + 10;
/// Bytes of the smallest take, with its framing.
pub(crate) const TAKE: u64 = 41;

/// Where an event was put: the number of the log, and the offset in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Pointer(pub(crate) u64);

impl Pointer {
    pub(crate) fn new(log: u32, offset: u32) -> Self {
        Self(u64::from(log) << 32 | u64::from(offset))
    }

    pub(crate) fn log(self) -> u32 {
        u32::try_from(self.0 >> 32).unwrap_or(u32::MAX)
    }

    pub(crate) fn offset(self) -> u64 {
        self.0 & u64::from(u32::MAX)
    }
}

/// What every record begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: u32,
    pub(crate) transaction: u64,
    /// Grows with each record of the process, over all of its files.
    pub(crate) order: u64,
}

impl Head {
    pub(crate) const PUT: u32 = 1;
    const TAKE: u32 = 2;
    const ROLLBACK: u32 = 3;
    const COMMIT: u32 = 4;

    /// The head at the beginning of a payload.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        head(&mut Cursor(payload))
    }
}

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says<'a> {
    Put { headers: &'a [u8], body: &'a [u8] },
    Take(Pointer),
    Rollback,
    CommitOfPuts,
    CommitOfTakes,
}

/// Reads a payload. It must end where it says itself that it ends.
pub(crate) fn read(payload: &[u8]) -> Option<(Head, Says<'_>)> {
    let mut cursor = Cursor(payload);
    let head = head(&mut cursor)?;
    let message = cursor.delimited()?;
    cursor.expect(&[0])?;
    if !cursor.is_empty() {
        return None;
    }
    let says = match head.kind {
        Head::PUT => put(message)?,
        Head::TAKE => take(message)?,
        Head::ROLLBACK => message.is_empty().then_some(Says::Rollback)?,
        Head::COMMIT => commit(message)?,
        _ => return None,
    };
    Some((head, says))
}

/// The length that a payload states within itself, given its first bytes.
pub(crate) fn stated(start: &[u8]) -> Option<u64> {
    let mut cursor = Cursor(start);
    head(&mut cursor)?;
    let length = cursor.varint()?;
    let read = u64::try_from(start.len() - cursor.0.len()).ok()?;
    read.checked_add(length)?.checked_add(1)
}

fn head(cursor: &mut Cursor<'_>) -> Option<Head> {
    cursor.expect(&[HEAD, 0x0D])?;
    let kind = cursor.fixed32()?;
    cursor.expect(&[0x11])?;
    let transaction = cursor.fixed64()?;
    cursor.expect(&[0x19])?;
    let order = cursor.fixed64()?;
    (Head::PUT..=Head::COMMIT).contains(&kind).then_some(Head {
        kind,
        transaction,
        order,
    })
}

fn put(message: &[u8]) -> Option<Says<'_>> {
    let mut cursor = Cursor(message);
    cursor.expect(&[0x0A])?;
    let event = cursor.delimited()?;
    // Flume 1.3 wrote no checksum.
    let checksum = if cursor.is_empty() {
        None
    } else {
        cursor.expect(&[0x11])?;
        Some(cursor.fixed64()?)
    };
    let mut inner = Cursor(event);
    while let Some(header) = header(&mut inner) {
        pair(header)?;
    }
    let headers = event.get(..event.len() - inner.0.len())?;
    inner.expect(&[0x12])?;
    let body = inner.delimited()?;
    let is_whole = cursor.is_empty()
        && inner.is_empty()
        && checksum.is_none_or(|sum| sum == u64::from(crc32fast::hash(body)));
    is_whole.then_some(Says::Put { headers, body })
}

fn take(message: &[u8]) -> Option<Says<'_>> {
    let mut cursor = Cursor(message);
    cursor.expect(&[0x0D])?;
    let log = cursor.fixed32()?;
    cursor.expect(&[0x15])?;
    let offset = cursor.fixed32()?;
    let signed = i32::MAX.unsigned_abs();
    let is_whole = cursor.is_empty() && log <= signed && offset <= signed;
    is_whole.then(|| Says::Take(Pointer::new(log, offset)))
}

fn commit(message: &[u8]) -> Option<Says<'_>> {
    match message {
        [0x0D, 1, 0, 0, 0] => Some(Says::CommitOfPuts),
        [0x0D, 2, 0, 0, 0] => Some(Says::CommitOfTakes),
        _ => None,
    }
}

fn header<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let mut ahead = *cursor;
    ahead.expect(&[0x0A])?;
    let header = ahead.delimited()?;
    *cursor = ahead;
    Some(header)
}

/// A header's name and value. A header without a value reads as the empty text.
fn pair(header: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut cursor = Cursor(header);
    cursor.expect(&[0x0A])?;
    let name = cursor.delimited()?;
    let mut value: &[u8] = &[];
    if !cursor.is_empty() {
        cursor.expect(&[0x12])?;
        value = cursor.delimited()?;
    }
    cursor.is_empty().then_some((name, value))
}

/// An event that Flume has not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Names and values in the order in which they are stored, which means nothing. If a name is
    /// there twice, the last one counts.
    pub headers: Vec<(ByteString, ByteString)>,
    /// The body; its checksum was right, if Flume wrote one.
    pub body: Bytes,
}

impl Event {
    /// The event of a put that was read from this payload, and whether a text of it was damaged.
    pub(crate) fn of(payload: &Bytes, headers: &[u8], body: &[u8]) -> (Self, bool) {
        let mut is_damaged = false;
        let mut text = |bytes: &[u8]| {
            ByteString::try_from(payload.slice_ref(bytes)).unwrap_or_else(|_| {
                is_damaged = true;
                String::from_utf8_lossy(bytes).into_owned().into()
            })
        };
        let mut cursor = Cursor(headers);
        let mut pairs = Vec::new();
        while let Some((name, value)) = header(&mut cursor).and_then(pair) {
            pairs.push((text(name), text(value)));
        }
        let event = Self {
            headers: pairs,
            body: payload.slice_ref(body),
        };
        (event, is_damaged)
    }
}
