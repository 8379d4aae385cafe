//! The tables of the format, read anew.

use std::io;
use std::sync::Arc;

use crate::disk::DiskFile;

/// Where frames begin; they do so at multiples of eight.
pub(super) const FRAMES: u64 = 64;
pub(super) const STEP: u64 = 8;

/// Bytes of a frame before what it holds.
const BEFORE: u64 = 32;

/// Bytes that are read at once.
const PIECE: u64 = 1 << 20;

/// What the head of a segment says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) first: u64,
    pub(super) previous: u64,
    pub(super) sealed: u64,
}

/// What the head of a frame says, of one that is whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) offset: u64,
    /// Bytes without what fills it up.
    size: u64,
    pub(super) is_put: bool,
    pub(super) sequence: u64,
    count: u64,
    pub(super) safe: u64,
}

impl Frame {
    pub(super) fn end(&self) -> u64 {
        (self.offset + self.size).div_ceil(STEP) * STEP
    }

    /// The sequence behind the records of a put.
    pub(super) fn next(&self) -> u64 {
        self.sequence.saturating_add(self.count)
    }

    /// The records of a put, from what follows its head.
    pub(super) fn records<'a>(&self, payload: &'a [u8]) -> Vec<(u64, &'a [u8])> {
        let mut records = Vec::new();
        let mut rest = payload;
        for sequence in self.sequence..self.next() {
            let length = usize::try_from(number(rest, 0, 4)).unwrap_or(usize::MAX);
            let Some((record, behind)) = rest.get(4..).and_then(|it| it.split_at_checked(length))
            else {
                break;
            };
            records.push((sequence, record));
            rest = behind;
        }
        records
    }
}

/// A number of this many bytes, the smallest first; zero if they are not there.
pub(super) fn number(bytes: &[u8], at: usize, width: usize) -> u64 {
    let bytes = bytes.get(at..at + width).unwrap_or_default();
    let digits = bytes.iter().rev();
    digits.fold(0, |number, digit| number << 8 | u64::from(*digit))
}

/// The file of a segment.
#[derive(Debug)]
pub(super) struct Source {
    file: Arc<dyn DiskFile>,
    pub(super) length: u64,
    piece: Vec<u8>,
    from: u64,
}

impl Source {
    pub(super) fn new(file: Arc<dyn DiskFile>) -> io::Result<Self> {
        let length = file.length()?;
        Ok(Self {
            file,
            length,
            piece: Vec::new(),
            from: 0,
        })
    }

    /// The head of the segment, if it is whole and of this generation.
    pub(super) fn head(&mut self, generation: u64) -> io::Result<Option<Head>> {
        if self.length < FRAMES {
            return Ok(None);
        }
        let bytes = self.at(0, FRAMES)?;
        let summed = bytes.get(..40).unwrap_or_default();
        let is_whole = u64::from(crc32c::crc32c(summed)) == number(bytes, 40, 4);
        let is_ours = bytes.starts_with(b"FLMLOG\0\x01") && number(bytes, 8, 8) == generation;
        Ok((is_whole && is_ours).then(|| Head {
            first: number(bytes, 16, 8),
            previous: number(bytes, 24, 8),
            sealed: number(bytes, 32, 8),
        }))
    }

    /// The frame at an offset, if there is a whole one of this generation before `limit`.
    pub(super) fn frame(
        &mut self,
        generation: u64,
        offset: u64,
        limit: u64,
    ) -> io::Result<Option<Frame>> {
        if offset + BEFORE > limit {
            return Ok(None);
        }
        let bytes = self.at(offset, BEFORE)?;
        let (stated, kind) = (number(bytes, 0, 4), number(bytes, 20, 4));
        if !(1..=2).contains(&kind) {
            return Ok(None);
        }
        let frame = Frame {
            offset,
            size: BEFORE + number(bytes, 4, 4),
            is_put: kind == 1,
            sequence: number(bytes, 8, 8),
            count: number(bytes, 16, 4),
            safe: number(bytes, 24, 4) * 8,
        };
        let rest = number(bytes, 28, 4);
        let head = bytes.get(4..32).unwrap_or_default();
        let sum = crc32c::crc32c(&generation.to_le_bytes());
        let is_whole = u64::from(crc32c::crc32c_append(sum, head)) == stated;
        let may_be = is_whole
            && frame.size <= 256 << 20
            && offset + frame.size <= limit
            && frame.safe <= offset;
        if !may_be {
            return Ok(None);
        }
        let (mut sum, mut at) = (0, offset + BEFORE);
        while at < offset + frame.size {
            let more = (offset + frame.size - at).min(PIECE);
            sum = crc32c::crc32c_append(sum, self.at(at, more)?);
            at += more;
        }
        Ok((u64::from(sum) == rest).then_some(frame))
    }

    /// What follows the head of a frame.
    pub(super) fn payload(&self, frame: &Frame) -> io::Result<Vec<u8>> {
        let size = usize::try_from(frame.size - BEFORE).map_err(io::Error::other)?;
        let mut payload = vec![0; size];
        self.file.read(frame.offset + BEFORE, &mut payload)?;
        Ok(payload)
    }

    /// Some bytes, not more than a piece.
    fn at(&mut self, offset: u64, size: u64) -> io::Result<&[u8]> {
        let has = self.from..self.from + self.piece.len() as u64;
        if offset < has.start || offset + size > has.end {
            let most = PIECE.min(self.length.saturating_sub(offset));
            let most = usize::try_from(most).map_err(io::Error::other)?;
            self.from = offset;
            self.piece.clear();
            self.piece.resize(most, 0);
            let read = self.file.read(offset, &mut self.piece);
            if read.is_err() {
                self.piece.clear();
            }
            read?;
        }
        let at = usize::try_from(offset - self.from).map_err(io::Error::other)?;
        let end = at + usize::try_from(size).map_err(io::Error::other)?;
        let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
        self.piece.get(at..end).ok_or_else(short)
    }
}
