//! Round robin: each call starts one sink further in the list of those that may be tried.
//!
//! So without back-off the whole load of a dead sink falls on the next one, as in Flume.

use std::collections::VecDeque;

use super::{Backoff, SinkSelector};
use crate::clock::Instant;
use crate::sink_group::{SinkIndex, SinkState};

/// The name to write.
pub const NAMES: &[&str] = &["round_robin"];

/// Starts each call at the next sink.
#[derive(Debug)]
pub struct RoundRobinSelector {
    backoff: Backoff,
    /// Where the next call starts in the list of allowed sinks, which may have shrunk since.
    head: usize,
}

/// Makes the selector. The seed is not used: nothing here is random.
pub fn configure(backoff: Backoff, _: u64) -> Box<dyn SinkSelector> {
    Box::new(RoundRobinSelector { backoff, head: 0 })
}

impl SinkSelector for RoundRobinSelector {
    fn order(&mut self, now: Instant) -> VecDeque<SinkIndex> {
        let mut order = VecDeque::from(self.backoff.allowed(now));
        let start = if self.head < order.len() {
            self.head
        } else {
            0
        };
        self.head = if start + 1 == order.len() {
            0
        } else {
            start + 1
        };
        order.rotate_left(start);
        order
    }

    fn failed(&mut self, sink: SinkIndex, now: Instant) {
        self.backoff.failed(sink, now);
    }

    fn delivered(&mut self, sink: SinkIndex, _: Instant) {
        self.backoff.delivered(sink);
    }

    fn states(&self, now: Instant) -> Vec<SinkState> {
        self.backoff.states(now)
    }
}
