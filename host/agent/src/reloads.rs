//! What became of changed configuration files.

use std::sync::Arc;

use flume_core::clock::WallClock;
use parking_lot::Mutex;

/// Counts changes of the configuration file, for the whole process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reloads(Arc<Mutex<ReloadCounts>>);

/// Changes of the configuration file so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReloadCounts {
    /// Files that were taken.
    pub taken: u64,
    /// Files that were refused, whole or for an agent.
    pub refused: u64,
    /// Whether the last one was taken; true if there was none.
    pub last_taken: bool,
    /// When the last one was, in milliseconds since 1970; 0 if there was none.
    pub last_time: u64,
}

impl Default for ReloadCounts {
    fn default() -> Self {
        Self {
            taken: 0,
            refused: 0,
            last_taken: true,
            last_time: 0,
        }
    }
}

impl Reloads {
    /// Notes what became of a changed file.
    pub(crate) fn note(&self, taken: bool, wall: &WallClock) {
        let mut counts = self.0.lock();
        match taken {
            true => counts.taken += 1,
            false => counts.refused += 1,
        }
        (counts.last_taken, counts.last_time) = (taken, wall.millis());
    }

    pub(crate) fn counts(&self) -> ReloadCounts {
        *self.0.lock()
    }
}
