//! A file that is read in large pieces, forwards for the most part.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes that are read at once at least.
const PIECE: usize = 256 << 10;

/// A file, and the piece of it that was read last.
#[derive(Debug)]
pub(crate) struct Window {
    file: File,
    length: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self {
            file,
            length,
            start: 0,
            bytes: Vec::new(),
        })
    }

    /// Bytes of the file when it was opened.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The bytes from an offset on: as many as asked for, or what is left of the file.
    pub(crate) fn get(&mut self, at: u64, count: usize) -> io::Result<&[u8]> {
        let left = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX);
        let count = count.min(left);
        if !self.holds(at, count) {
            self.load(at, count.max(PIECE.min(left)))?;
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(from..from + count).unwrap_or_default())
    }

    /// What is at hand from an offset on without another read; more is read if that is nothing.
    pub(crate) fn piece(&mut self, at: u64) -> io::Result<&[u8]> {
        self.get(at, 1)?;
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(from..).unwrap_or_default())
    }

    fn holds(&self, at: u64, count: usize) -> bool {
        let from = at
            .checked_sub(self.start)
            .and_then(|from| usize::try_from(from).ok());
        from.and_then(|from| from.checked_add(count))
            .is_some_and(|end| end <= self.bytes.len())
    }

    fn load(&mut self, at: u64, count: usize) -> io::Result<()> {
        (self.start, self.bytes) = (at, Vec::new());
        self.bytes.try_reserve_exact(count)?;
        self.bytes.resize(count, 0);
        let read = self.file.read_exact_at(&mut self.bytes, at);
        if read.is_err() {
            self.bytes.clear();
        }
        read
    }
}
