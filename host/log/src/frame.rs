//! A frame: what is written at once, and is either there as a whole or not at all.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | CRC32C of the segment's generation and of the rest of the head |
//! | 4..8 | length of what follows the head |
//! | 8..16 | sequence of the first record; of a settle frame: what is below is settled |
//! | 16..20 | number of records; of a settle frame: of ranges |
//! | 20..24 | kind: 1 is a put, 2 a settle frame |
//! | 24..28 | up to where the segment was safe when this was written, divided by eight |
//! | 28..32 | CRC32C of what follows the head |
//! | 32.. | records: length (4) and bytes each |
//! | 32.. | of a settle frame: sequence behind the puts written with it (8); first and end of each range (8, 8) |
//!
//! All numbers are little-endian. Frames begin at multiples of eight. The generation is in the
//! checksum of the head, and that of the rest is in the head, so a frame of a file's former life is not
//! taken for one of this life. There are two, so that who puts can compute the long one: the place of a
//! frame is known only when it is written.

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
    /// Checksum of what follows it.
    sum: u32,
}

impl Head {
    /// Reads a head of this life of the file, if the bytes are one.
    pub(crate) fn read(generation: u64, bytes: &[u8]) -> Option<Self> {
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
            safe: u64::from(four(bytes, 24)?) * ALIGN,
            sum: four(bytes, 28)?,
        };
        let is_whole = four(bytes, 0)? == checksum(generation, bytes.get(4..HEAD)?);
        let fits = head.size() <= u64::try_from(MOST_FRAME).unwrap_or(u64::MAX);
        (is_whole && fits).then_some(head)
    }

    /// Whether this is what follows it.
    pub(crate) fn is_of(&self, payload: &[u8]) -> bool {
        crc32c::crc32c(payload) == self.sum
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
    /// With room for the head.
    bytes: Vec<u8>,
    count: u32,
    kind: Kind,
}

impl Draft {
    /// Without records yet, and with room for some.
    pub(crate) fn put(room: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEAD + room + 8);
        bytes.resize(HEAD, 0);
        Self {
            bytes,
            count: 0,
            kind: Kind::Put,
        }
    }

    /// What is settled, in ranges above the sequence of the frame; and the sequence behind the puts
    /// that are written with it.
    pub(crate) fn settle(until: u64, ranges: &[(u64, u64)]) -> Sealed {
        let mut draft = Self {
            kind: Kind::Settle,
            ..Self::put(8 + ranges.len() * 16)
        };
        draft.bytes.extend(until.to_le_bytes());
        for (first, end) in ranges {
            draft.bytes.extend(first.to_le_bytes());
            draft.bytes.extend(end.to_le_bytes());
            draft.count += 1;
        }
        draft.seal()
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

    /// Nothing is added any more.
    pub(crate) fn seal(mut self) -> Sealed {
        let length = self.bytes.len() - HEAD;
        let sum = crc32c::crc32c(self.bytes.get(HEAD..).unwrap_or_default());
        let room = self.bytes.len().next_multiple_of(8);
        self.bytes.resize(room, 0);
        let mut sealed = Sealed {
            bytes: self.bytes,
            count: self.count,
        };
        sealed.set(4, &u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        sealed.set(16, &self.count.to_le_bytes());
        sealed.set(20, &(self.kind as u32).to_le_bytes());
        sealed.set(28, &sum.to_le_bytes());
        sealed
    }
}

/// A frame that waits for its place.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    /// With what fills it up.
    bytes: Vec<u8>,
    count: u32,
}

impl Sealed {
    /// How many records there are.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The bytes that it takes in a segment.
    pub(crate) fn room(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The frame as it is in this place. It may be given another place later.
    pub(crate) fn stamp(&mut self, stamp: Stamp) {
        let safe = u32::try_from(stamp.safe / ALIGN).unwrap_or(u32::MAX);
        self.set(8, &stamp.sequence.to_le_bytes());
        self.set(24, &safe.to_le_bytes());
        let head = self.bytes.get(4..HEAD).unwrap_or_default();
        let sum = checksum(stamp.generation, head);
        self.set(0, &sum.to_le_bytes());
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn set(&mut self, at: usize, field: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + field.len()) {
            place.copy_from_slice(field);
        }
    }
}

/// What its place decides of a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) generation: u64,
    pub(crate) sequence: u64,
    pub(crate) safe: u64,
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
