//! A batch that a sink has and has not answered for, as the metrics see it.

use std::sync::Arc;

use flume_core::SinkCounter;
use flume_core::clock::{self, Instant};

/// Counts a batch as under way until it is dropped.
#[derive(Debug)]
pub(super) struct Sent {
    taken: Instant,
    counters: Arc<SinkCounter>,
}

impl Sent {
    /// A batch of this sink is under way from now on.
    pub(super) fn new(counters: &Arc<SinkCounter>) -> Self {
        counters.batch_under_way.increment();
        Self {
            taken: clock::now(),
            counters: Arc::clone(counters),
        }
    }

    /// The batch is delivered.
    pub(super) fn delivered(self) {
        let took = clock::now().saturating_duration_since(self.taken);
        self.counters.latency.record(took);
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.counters.batch_under_way.decrement();
    }
}
