//! Reads the frames of a segment one after the other, through a window.

use std::io;

use crate::disk::DiskFile;
use crate::frame::{self, ALIGN, HEAD, Head};

/// Bytes that are read at once.
const WINDOW: usize = 256 << 10;

/// A reader of the frames of one segment.
#[derive(Debug)]
pub(crate) struct Scan {
    generation: u64,
    window: Vec<u8>,
    /// Where the window begins.
    from: u64,
}

/// A whole frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) head: Head,
    /// What follows the head.
    pub(crate) payload: Vec<u8>,
    /// Where the next one begins.
    pub(crate) end: u64,
}

impl Scan {
    pub(crate) fn new(generation: u64) -> Self {
        Self {
            generation,
            window: Vec::new(),
            from: 0,
        }
    }

    /// Goes on with the segment of this generation.
    pub(crate) fn of(&mut self, generation: u64) {
        if self.generation != generation {
            *self = Self::new(generation);
        }
    }

    /// The frame at an offset; `None` if there is no whole one of this generation that ends at `limit`
    /// or before.
    pub(crate) fn frame(
        &mut self,
        file: &dyn DiskFile,
        offset: u64,
        limit: u64,
    ) -> io::Result<Option<Frame>> {
        let Some(head) = self.head(file, offset, limit)? else {
            return Ok(None);
        };
        let length = usize::try_from(head.length).unwrap_or(usize::MAX);
        let payload = self.bytes(file, offset + HEAD as u64, length, limit)?;
        let whole = payload.filter(|payload| head.is_of(payload));
        Ok(whole.map(|payload| Frame {
            head,
            payload: payload.to_vec(),
            end: head.end(offset),
        }))
    }

    /// The first whole frame behind an offset, with where it begins.
    pub(crate) fn next_whole(
        &mut self,
        file: &dyn DiskFile,
        offset: u64,
        limit: u64,
        wanted: impl Fn(&Head) -> bool,
    ) -> io::Result<Option<u64>> {
        let mut at = frame::aligned(offset + 1);
        while at < limit {
            if self
                .head(file, at, limit)?
                .is_some_and(|head| wanted(&head))
                && self.frame(file, at, limit)?.is_some()
            {
                return Ok(Some(at));
            }
            at += ALIGN;
        }
        Ok(None)
    }

    /// A head at an offset. What follows it may be damaged.
    fn head(&mut self, file: &dyn DiskFile, offset: u64, limit: u64) -> io::Result<Option<Head>> {
        let generation = self.generation;
        let bytes = self.bytes(file, offset, HEAD, limit)?;
        let head = bytes.and_then(|bytes| Head::read(generation, bytes));
        Ok(head.filter(|head| {
            offset
                .checked_add(head.size())
                .is_some_and(|end| end <= limit)
                && head.safe <= offset
        }))
    }

    /// These bytes of the file, if it has them below `limit`.
    fn bytes(
        &mut self,
        file: &dyn DiskFile,
        offset: u64,
        size: usize,
        limit: u64,
    ) -> io::Result<Option<&[u8]>> {
        let end = offset.saturating_add(size as u64);
        if end > limit {
            return Ok(None);
        }
        if offset < self.from || end > self.from + self.window.len() as u64 {
            let more = (limit - offset).min(WINDOW.max(size) as u64);
            self.window.clear();
            self.window.resize(usize::try_from(more).unwrap_or(size), 0);
            self.from = offset;
            let read = file.read(offset, &mut self.window);
            if read.is_err() {
                self.window.clear();
            }
            read?;
        }
        let at = usize::try_from(offset - self.from).unwrap_or(usize::MAX);
        Ok(self.window.get(at..at.saturating_add(size)))
    }
}
