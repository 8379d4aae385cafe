//! Random: each call tries the sinks in a fresh random order.
//!
//! Flume's version throws when all sinks are backed off; here the order is then empty.

use std::collections::VecDeque;

use super::{Backoff, SinkSelector};
use crate::clock::Instant;
use crate::sink_group::{SinkIndex, SinkState};

/// The name to write.
pub const NAMES: &[&str] = &["random"];

/// Shuffles the sinks for each call.
#[derive(Debug)]
pub struct RandomSelector {
    backoff: Backoff,
    random: fastrand::Rng,
}

/// Makes the selector; the same seed gives the same orders.
pub fn configure(backoff: Backoff, seed: u64) -> Box<dyn SinkSelector> {
    Box::new(RandomSelector {
        backoff,
        random: fastrand::Rng::with_seed(seed),
    })
}

impl SinkSelector for RandomSelector {
    fn order(&mut self, now: Instant) -> VecDeque<SinkIndex> {
        let mut order = self.backoff.allowed(now);
        self.random.shuffle(&mut order);
        order.into()
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
