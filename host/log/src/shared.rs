//! What the committer and readers share.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::aside::Aside;
use crate::disk::DiskFile;
use crate::settled::Settled;

/// A segment that holds records which may be read.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) generation: u64,
    /// Up to where it is safe, and may be read.
    pub(crate) end: u64,
    /// The sequence behind its last record.
    pub(crate) next: u64,
    /// Bytes of the file.
    pub(crate) length: u64,
    pub(crate) file: Arc<dyn DiskFile>,
}

/// The state of a log.
#[derive(Debug)]
pub(crate) struct State {
    /// Oldest first; the last one is written to.
    pub(crate) segments: VecDeque<Segment>,
    /// The sequence of the next record.
    pub(crate) next: u64,
    /// What was settled, safe or not.
    pub(crate) settled: Settled,
    /// Files to be used again, by generation.
    pub(crate) spares: VecDeque<u64>,
    /// Where copies of damaged bytes go.
    pub(crate) aside: Arc<Aside>,
}

/// A handle on the state.
pub(crate) type Shared = Arc<Mutex<State>>;

impl State {
    /// The segment with this generation, or else the next one after it.
    pub(crate) fn from(&self, generation: u64) -> Option<&Segment> {
        self.segments
            .iter()
            .find(|segment| segment.generation >= generation)
    }
}
