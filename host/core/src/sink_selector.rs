//! The sink selector contract: in which order a load-balancing group tries its sinks.

use std::collections::VecDeque;

use crate::clock::Instant;
use crate::sink_processor::{SinkIndex, SinkState};

/// Orders the sinks of a load-balancing group; asked once per batch.
///
/// The answer is not trusted: the processor drops indices that are out of range or repeated.
pub trait SinkSelector: Send {
    /// The sinks to try, best first. An empty order means that none may be tried now.
    fn order(&mut self, now: Instant) -> VecDeque<SinkIndex>;

    /// A sink of the order failed.
    fn failed(&mut self, sink: SinkIndex, now: Instant);

    /// A sink of the order delivered.
    fn delivered(&mut self, sink: SinkIndex, now: Instant);

    /// How each sink stands.
    fn states(&self, now: Instant) -> Vec<SinkState>;
}
