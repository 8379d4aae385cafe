//! The sink selector contract: in which order a load-balancing group tries its sinks.
//!
//! Native selectors are in [`SELECTORS`]: adding one is a file and a line. A selector from
//! elsewhere implements [`SinkSelector`] and is handed to
//! [`LoadBalancingProcessor::with_selector`](crate::sink_processor::LoadBalancingProcessor::with_selector).

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Instant;
use crate::context::Context;
use crate::event::Event;
use crate::sink_processor::{SinkIndex, SinkState};

pub mod backoff;
pub mod order;

pub use backoff::Backoff;
pub use order::Order;

/// One native selector.
#[derive(Debug)]
pub struct SelectorType {
    /// How files call it, in any case.
    pub name: &'static str,
    /// Makes it from its sinks, the back-off that their group asks for, and a seed.
    pub build: fn(Backoff, u64) -> Box<dyn SinkSelector>,
}

/// Declares the modules of the native selectors and their table.
macro_rules! selectors {
    ($($name:literal => $module:ident,)*) => {
        $(pub mod $module;)*

        /// The native selectors.
        pub static SELECTORS: &[SelectorType] = &[
            $(SelectorType { name: $name, build: $module::build },)*
        ];
    };
}

selectors! {
    "round_robin" => round_robin,
    "random" => random,
}

/// The native selector of this name, in any case.
pub fn find(name: &str) -> Option<&'static SelectorType> {
    SELECTORS
        .iter()
        .find(|selector| selector.name.eq_ignore_ascii_case(name))
}

/// Says that the group's `selector` is none that is known.
pub fn unknown(context: &mut Context, name: &str) {
    let names: Vec<&str> = SELECTORS.iter().map(|selector| selector.name).collect();
    context.unknown_type("selector", name, &names);
}

/// What is about to be routed, for selectors that look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Load<'a> {
    /// Events in the channel.
    pub depth: usize,
    /// The next events of the channel, if the selector [wants](SinkSelector::wants_events) them.
    pub events: &'a [Event],
}

/// One step of a batch on its way to a sink, for selectors that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The sink has got a batch.
    Begun,
    /// The sink has answered for a batch.
    Ended {
        /// Events delivered; 0 if the batch failed or there was none.
        events: usize,
        /// Time since it began.
        latency: Duration,
    },
}

/// Orders the sinks of a load-balancing group; asked once per batch.
///
/// The answer is not trusted: the processor drops indices that are out of range or repeated.
pub trait SinkSelector: Send {
    /// The sinks to try, best first. An empty order means that none may be tried now.
    fn order(&mut self, now: Instant) -> VecDeque<SinkIndex>;

    /// The same, for selectors to which it matters what is about to be routed.
    fn order_load(&mut self, now: Instant, _load: Load<'_>) -> VecDeque<SinkIndex> {
        self.order(now)
    }

    /// A sink for each event of the load, from selectors that split batches. `None` means that the
    /// batch stays whole: ask for an order.
    fn route(&mut self, _now: Instant, _load: Load<'_>) -> Option<Vec<SinkIndex>> {
        None
    }

    /// Whether [`Load::events`] is worth the caller's while.
    fn wants_events(&self) -> bool {
        false
    }

    /// A batch begins or ends at a sink. The outcome is told apart from it, before its end:
    /// [`failed`](Self::failed), [`delivered`](Self::delivered).
    fn step(&mut self, _sink: SinkIndex, _step: Step, _now: Instant) {}

    /// A sink of the order failed. Of several batches that were under way to it when it failed,
    /// only the first is told.
    fn failed(&mut self, sink: SinkIndex, now: Instant);

    /// A sink of the order delivered.
    fn delivered(&mut self, sink: SinkIndex, now: Instant);

    /// How each sink stands.
    fn states(&self, now: Instant) -> Vec<SinkState>;
}
