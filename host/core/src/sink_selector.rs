//! The sink selector contract: in which order a load-balancing group tries its sinks.
//!
//! Native selectors are in [`TYPES`]: adding one is a file and a line. A custom selector implements
//! [`SinkSelector`] and is passed to
//! [`LoadBalancingProcessor::new`](crate::sink_processor::LoadBalancingProcessor::new).

use std::collections::VecDeque;

use crate::clock::Instant;
use crate::registry::{Registry, Type};
use crate::sink_group::{Load, SinkIndex, SinkState, Step};

pub mod backoff;
mod native;
pub mod order;
pub mod random;
pub mod round_robin;

pub use backoff::Backoff;
pub use native::NativeSelector;
pub use order::Order;

/// Makes a native selector from its group's back-off and a seed.
pub type ConfigureSinkSelector = fn(Backoff, u64) -> Box<dyn SinkSelector>;

/// The native selectors.
pub static TYPES: Registry<ConfigureSinkSelector> = Registry {
    kind: "sink selector",
    types: &[
        Type::new(round_robin::NAMES, round_robin::configure),
        Type::new(random::NAMES, random::configure),
    ],
    elsewhere: &[],
    left_out: &[],
};

/// Orders the sinks of a load-balancing group; asked once per batch.
///
/// The answer is not trusted: the processor drops indices that are out of range or repeated.
pub trait SinkSelector: Send {
    /// The sinks to try, best first. An empty order means that none may be tried now.
    fn order(&mut self, now: Instant) -> VecDeque<SinkIndex>;

    /// The same, for selectors that look at what is about to be routed.
    fn order_load(&mut self, now: Instant, _load: Load<'_>) -> VecDeque<SinkIndex> {
        self.order(now)
    }

    /// A sink for each event of the load, from selectors that split batches. `None`: the batch
    /// stays whole, so ask for an order.
    fn route(&mut self, _now: Instant, _load: Load<'_>) -> Option<Vec<SinkIndex>> {
        None
    }

    /// Whether the caller should fill in [`Load::events`].
    fn wants_events(&self) -> bool {
        false
    }

    /// A batch begins or ends at a sink. The outcome is reported separately, before the end:
    /// [`failed`](Self::failed), [`delivered`](Self::delivered).
    fn step(&mut self, _sink: SinkIndex, _step: Step, _now: Instant) {}

    /// A sink of the order failed. Of several batches in flight to it at that time, only the first
    /// is reported.
    fn failed(&mut self, sink: SinkIndex, now: Instant);

    /// A sink of the order delivered.
    fn delivered(&mut self, sink: SinkIndex, now: Instant);

    /// The state of each sink.
    fn states(&self, now: Instant) -> Vec<SinkState>;
}
