//! A frame: what is written at once, and is either there as a whole or not at all.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | CRC32C of the segment's generation and of all that follows |
//! | 4..8 | length of what follows the head |
//! | 8..16 | sequence of the first record; of a settle frame: what is below is settled |
//! | 16..20 | number of records; of a settle frame: of ranges |
//! | 20..24 | kind |
//! | 24..32 | up to where the segment was safe when this was written |
//! | 32.. | records: length (4) and bytes each |
//! | 32.. | of a settle frame: sequence behind the puts written with it (8); first and end of each range (8, 8) |
//!
//! All numbers are little-endian. Frames begin at multiples of eight. The generation is in the
//! checksum, so a frame of a file's former life is not taken for one of this life.

/// The bytes before the records.
pub(crate) const HEAD: usize = 32;

/// Frames begin at multiples of this.
pub(crate) const ALIGN: u64 = 8;

/// The largest frame: what one put may hold.
pub const MOST_FRAME: usize = 256 << 20;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Records of one put.
    Put = 1,
    /// What is settled.
    Settle = 2,
}

/// The head of a frame, without its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) length: u32,
    pub(crate) sequence: u64,
    pub(crate) count: u32,
    pub(crate) kind: Kind,
    pub(crate) safe: u64,
}

impl Head {
    /// Reads a head that may be anything.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let kind = match four(bytes, 20)? {
            1 => Kind::Put,
            2 => Kind::Settle,
            _ => return None,
        };
        let head = Self {
            length: four(bytes, 4)?,
            sequence: eight(bytes, 8)?,
            count: four(bytes, 16)?,
            kind,
            safe: eight(bytes, 24)?,
        };
        (head.size() <= u64::try_from(MOST_FRAME).unwrap_or(u64::MAX)).then_some(head)
    }

    /// The bytes of the whole frame, without what fills it up.
    pub(crate) fn size(&self) -> u64 {
        HEAD as u64 + u64::from(self.length)
    }

    /// Where the next frame begins, after one at this offset.
    pub(crate) fn end(&self, offset: u64) -> u64 {
        aligned(offset + self.size())
    }

    /// The sequence behind the last record.
    pub(crate) fn next(&self) -> u64 {
        match self.kind {
            Kind::Put => self.sequence.saturating_add(u64::from(self.count)),
            Kind::Settle => self.sequence,
        }
    }
}

/// The next place for a frame.
pub(crate) fn aligned(offset: u64) -> u64 {
    offset.next_multiple_of(ALIGN)
}

/// A frame under construction: all of it but what its place decides.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    bytes: Vec<u8>,
    count: u32,
    kind: Kind,
}

impl Draft {
    /// Without records yet.
    pub(crate) fn put() -> Self {
        Self {
            bytes: vec![0; HEAD],
            count: 0,
            kind: Kind::Put,
        }
    }

    /// What is settled, in ranges above the sequence of the frame; and the sequence behind the puts
    /// that are written with it.
    pub(crate) fn settle(until: u64, ranges: &[(u64, u64)]) -> Self {
        let mut draft = Self {
            kind: Kind::Settle,
            ..Self::put()
        };
        draft.bytes.extend(until.to_le_bytes());
        for (first, end) in ranges {
            draft.bytes.extend(first.to_le_bytes());
            draft.bytes.extend(end.to_le_bytes());
            draft.count += 1;
        }
        draft
    }

    /// Adds a record; false if it does not fit into one frame.
    pub(crate) fn push(&mut self, parts: &[&[u8]]) -> bool {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let Ok(stated) = u32::try_from(length) else {
            return false;
        };
        if self.bytes.len() + 4 + length > MOST_FRAME {
            return false;
        }
        self.bytes.extend(stated.to_le_bytes());
        parts.iter().for_each(|part| self.bytes.extend(*part));
        self.count += 1;
        true
    }

    /// How many records there are.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The bytes that it takes in a segment.
    pub(crate) fn room(&self) -> u64 {
        aligned(self.bytes.len() as u64)
    }

    /// Appends the frame as it is in its place.
    pub(crate) fn write(&self, stamp: Stamp, into: &mut Vec<u8>) {
        let at = into.len();
        into.extend(&self.bytes);
        let length = u32::try_from(self.bytes.len() - HEAD).unwrap_or(u32::MAX);
        let head = into.get_mut(at..at + HEAD).unwrap_or_default();
        let fields: [(usize, &[u8]); 5] = [
            (4, &length.to_le_bytes()),
            (8, &stamp.sequence.to_le_bytes()),
            (16, &self.count.to_le_bytes()),
            (20, &(self.kind as u32).to_le_bytes()),
            (24, &stamp.safe.to_le_bytes()),
        ];
        for (offset, bytes) in fields {
            if let Some(field) = head.get_mut(offset..offset + bytes.len()) {
                field.copy_from_slice(bytes);
            }
        }
        let sum = checksum(stamp.generation, into.get(at + 4..).unwrap_or_default());
        if let Some(field) = into.get_mut(at..at + 4) {
            field.copy_from_slice(&sum.to_le_bytes());
        }
        into.resize(at + usize::try_from(self.room()).unwrap_or(usize::MAX), 0);
    }
}

/// What its place decides of a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) generation: u64,
    pub(crate) sequence: u64,
    pub(crate) safe: u64,
}

/// Whether the bytes of a whole frame are what was written in this life of the file.
pub(crate) fn is_whole(generation: u64, frame: &[u8]) -> bool {
    match (four(frame, 0), frame.get(4..)) {
        (Some(stated), Some(rest)) => stated == checksum(generation, rest),
        _ => false,
    }
}

/// The records of a whole put frame, without its head.
pub(crate) fn records(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = usize::try_from(four(bytes, 0)?).ok()?;
        let (record, rest) = bytes.get(4..)?.split_at_checked(length)?;
        bytes = rest;
        Some(record)
    })
}

/// What a whole settle frame says, without its head: the sequence behind the puts that were written
/// with it, and the ranges.
pub(crate) fn settled(bytes: &[u8]) -> (u64, Vec<(u64, u64)>) {
    let pairs = bytes.get(8..).unwrap_or_default().chunks_exact(16);
    let ranges = pairs.filter_map(|pair| Some((eight(pair, 0)?, eight(pair, 8)?)));
    (eight(bytes, 0).unwrap_or(0), ranges.collect())
}

fn checksum(generation: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&generation.to_le_bytes()), bytes)
}

/// Four bytes as a number.
pub(crate) fn four(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// Eight bytes as a number.
pub(crate) fn eight(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}
