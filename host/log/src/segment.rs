//! A segment: one file of a log, with a head and then frames.
//!
//! | bytes of the head | what |
//! |---|---|
//! | 0..8 | `FLMLOG` and the version |
//! | 8..16 | generation: each life of a file has its own, and its name is made of it |
//! | 16..24 | sequence of the first record |
//! | 24..32 | generation of the segment before it; 0 if there was none |
//! | 32..40 | where that one ends: what is behind was never acknowledged |
//! | 40..44 | CRC32C of all of this |
//!
//! A segment is named by the one after it, so that what a failed attempt to make one has left is told
//! from a segment that counts.

use std::io;

use crate::disk::DiskFile;
use crate::frame::eight;

/// Where frames begin.
pub(crate) const FIRST_FRAME: u64 = 64;

const MAGIC: &[u8; 8] = b"FLMLOG\0\x01";
const SUMMED: usize = 40;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    pub(crate) generation: u64,
    pub(crate) first: u64,
    pub(crate) previous: u64,
    pub(crate) sealed: u64,
}

impl SegmentHead {
    /// The bytes before the first frame.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for number in [self.generation, self.first, self.previous, self.sealed] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        bytes.resize(usize::try_from(FIRST_FRAME).unwrap_or(usize::MAX), 0);
        bytes
    }

    /// Reads it from a file; `None` if there is none, or none of this life.
    pub(crate) fn read(file: &dyn DiskFile, generation: u64) -> io::Result<Option<Self>> {
        let mut bytes = [0; SUMMED + 4];
        if file.length()? < FIRST_FRAME {
            return Ok(None);
        }
        file.read(0, &mut bytes)?;
        Ok(Self::parsed(&bytes).filter(|head| head.generation == generation))
    }

    fn parsed(bytes: &[u8]) -> Option<Self> {
        let summed = bytes.get(..SUMMED)?;
        let stated = bytes.get(SUMMED..SUMMED + 4)?;
        let is_whole = crc32c::crc32c(summed).to_le_bytes() == stated;
        (is_whole && summed.starts_with(MAGIC)).then_some(Self {
            generation: eight(bytes, 8)?,
            first: eight(bytes, 16)?,
            previous: eight(bytes, 24)?,
            sealed: eight(bytes, 32)?,
        })
    }
}

/// What a file of the folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// A segment.
    Segment(u64),
    /// One that is done with, to be used again.
    Spare(u64),
}

impl Named {
    pub(crate) fn of(name: &str) -> Option<Self> {
        let (number, kind) = name.split_once('.')?;
        let generation = number.parse().ok().filter(|_| number.len() == 20)?;
        match kind {
            "log" => Some(Self::Segment(generation)),
            "spare" => Some(Self::Spare(generation)),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Segment(generation) => format!("{generation:020}.log"),
            Self::Spare(generation) => format!("{generation:020}.spare"),
        }
    }

    pub(crate) fn generation(self) -> u64 {
        match self {
            Self::Segment(generation) | Self::Spare(generation) => generation,
        }
    }
}
