//! What whoever opens a log says, and is told.

use std::sync::Arc;
use std::time::Duration;

use crate::error::LogError;
use crate::reader::Place;

/// The settings of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Bytes of a segment. A larger put gets a segment of its own.
    pub segment_bytes: u64,
    /// When a put is done.
    pub sync: Sync,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            sync: Sync::Always,
        }
    }
}

/// When a put is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// When it is safe on the disk.
    Always,
    /// When it is written; a sync follows at most this much later. A process that is killed loses
    /// nothing. A machine that stops loses some or all of the puts since the last sync, each as a whole,
    /// and they are counted in [`Recovered::torn`]. So does a disk whose late sync fails: the segment is
    /// given up, puts go on in another one, and what cannot be read again is told as damage.
    Interval(Duration),
}

/// What was found when a log was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records that are not settled. Those that are damaged are among them, until a reader has told it.
    pub waiting: u64,
    /// Records of the last commits that are not there. They were not finished, and nobody was told that
    /// they are safe (with [`Sync::Interval`]: they were not synced); or their bytes have changed since:
    /// at the end of the log that looks the same.
    pub torn: u64,
}

/// A put that was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The sequence of its first record.
    pub first: u64,
    /// Where it is, for [`Reader::seek`](crate::Reader::seek).
    pub place: Place,
}

/// Is told where a put is once it is done, or why it is not. (It is dropped if another one panics that
/// is told at the same time.)
pub type Done = Box<dyn FnOnce(Result<Committed, Arc<LogError>>) + Send>;

/// Is told that what was settled is safe, or why it is not.
pub type Flushed = Box<dyn FnOnce(Result<(), Arc<LogError>>) + Send>;
