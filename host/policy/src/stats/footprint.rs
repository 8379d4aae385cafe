//! How much linear memory the instances of a policy have, together.
//!
//! An instance's memory never shrinks, so each instance notes what it has when that has changed, and
//! subtracts it at its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Stats;

/// Bytes now, and the most so far.
#[derive(Debug, Default)]
pub struct Footprint {
    now: AtomicU64,
    most: AtomicU64,
}

impl Footprint {
    /// Bytes now, over all instances: those at work, and those that are kept warm.
    pub fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }

    /// The most that it ever was.
    pub fn most(&self) -> u64 {
        self.most.load(Relaxed)
    }
}

/// One instance's part of it.
#[derive(Debug)]
pub(crate) struct InstanceMemory {
    stats: Arc<Stats>,
    bytes: usize,
}

impl InstanceMemory {
    /// An instance that has no memory yet.
    pub(crate) fn new(stats: Arc<Stats>) -> Self {
        Self { stats, bytes: 0 }
    }

    /// Notes what the instance has.
    pub(crate) fn note(&mut self, bytes: usize) {
        if bytes > self.bytes {
            let grown = (bytes - self.bytes) as u64;
            let memory = &self.stats.memory;
            let now = memory.now.fetch_add(grown, Relaxed) + grown;
            memory.most.fetch_max(now, Relaxed);
            self.bytes = bytes;
        }
    }
}

impl Drop for InstanceMemory {
    fn drop(&mut self) {
        self.stats.memory.now.fetch_sub(self.bytes as u64, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_come_and_go_and_the_most_stays() {
        let stats = Arc::new(Stats::default());
        let mut first = InstanceMemory::new(Arc::clone(&stats));
        first.note(100);
        let mut second = InstanceMemory::new(Arc::clone(&stats));
        second.note(50);
        second.note(70);
        assert_eq!((stats.memory.now(), stats.memory.most()), (170, 170));
        drop(first);
        assert_eq!((stats.memory.now(), stats.memory.most()), (70, 170));
    }
}
