//! Bytes that are damaged are copied to a file of their own before their segment may be used again.
//!
//! The name says the segment and the place. Of a disk that is dying there may be more than anybody
//! wants to look at, so there is a limit; what is above it is counted.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::{Disk, DiskFile};
use crate::error::LogError;

/// Files that are kept at most, by all lives of a log together.
const MOST_FILES: usize = 64;

/// Their bytes at most.
const MOST_BYTES: u64 = 64 << 20;

const ENDING: &str = ".damaged";

/// What was damaged and is kept beside a log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SetAside {
    /// Files with copies.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Damaged ranges of which no copy could be made, or which were too many. Of this life only.
    pub not_kept: usize,
}

/// Where copies go.
#[derive(Debug)]
pub(crate) struct Aside {
    disk: Arc<dyn Disk>,
    counts: Mutex<SetAside>,
}

impl Aside {
    /// Counts what is there.
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Result<Self, LogError> {
        let mut counts = SetAside::default();
        let names = disk.list().map_err(LogError::disk("read the folder"))?;
        for name in names.iter().filter(|name| name.ends_with(ENDING)) {
            let length = disk.open(name).and_then(|file| file.length());
            counts.bytes += length.map_err(LogError::disk(format!("read {name}")))?;
            counts.files += 1;
        }
        Ok(Self {
            disk,
            counts: Mutex::new(counts),
        })
    }

    pub(crate) fn counts(&self) -> SetAside {
        *self.counts.lock()
    }

    /// Copies bytes of a segment; returns the name of the copy, if there is one.
    pub(crate) fn keep(
        &self,
        segment: &str,
        file: &dyn DiskFile,
        bytes: &Range<u64>,
    ) -> Option<String> {
        if bytes.is_empty() {
            return None;
        }
        let number = segment.split('.').next().unwrap_or(segment);
        let name = format!("{number}-{}{ENDING}", bytes.start);
        // Told again, since the process ended before it was safe that it was told.
        if self.disk.open(&name).is_ok() {
            return Some(name);
        }
        let size = bytes.end - bytes.start;
        let mut counts = self.counts.lock();
        if counts.files >= MOST_FILES || size > MOST_BYTES.saturating_sub(counts.bytes) {
            counts.not_kept += 1;
            return None;
        }
        match self.copy(segment, &name, file, bytes) {
            Ok(()) => {
                counts.files += 1;
                counts.bytes += size;
                Some(name)
            }
            Err(error) => {
                counts.not_kept += 1;
                tracing::warn!(file = name, %error, "what is damaged was not copied");
                None
            }
        }
    }

    fn copy(
        &self,
        segment: &str,
        name: &str,
        file: &dyn DiskFile,
        bytes: &Range<u64>,
    ) -> io::Result<()> {
        let size = usize::try_from(bytes.end - bytes.start).map_err(io::Error::other)?;
        let mut copy = vec![0; size];
        file.read(bytes.start, &mut copy)?;
        self.disk.keep(segment, name, &copy)
    }
}
