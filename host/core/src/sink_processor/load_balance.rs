//! The load-balancing processor: a selector orders the sinks, the first that answers ends the call.
//!
//! The order is asked for once per call and checked; the selector hears what became of it. Unlike
//! Flume's, it also hears of deliveries.

use super::{Call, Outcome, SinkIndex, SinkProcessor, SinkState, Verdict};
use crate::clock::Instant;
use crate::context::Context;
use crate::diagnostic::Code;
use crate::sink::Status;
use crate::sink_selector::{self, Backoff, Load, Order, SinkSelector, Step};

/// Spreads calls over the sinks of a group.
pub struct LoadBalancingProcessor {
    selector: Box<dyn SinkSelector>,
    /// For each sink the number of the last call that had begun when it last failed.
    failed_in: Vec<u64>,
    calls: u64,
}

impl LoadBalancingProcessor {
    /// Reads `selector` (`round_robin`; or `random`), `backoff` (false) and
    /// `selector.maxTimeOut` (ms, 30000). `None` for an unknown selector, a bad number, or fewer
    /// than two sinks; the seed makes `random` repeatable.
    pub fn configure(context: &mut Context, sinks: &[String], seed: u64) -> Option<Self> {
        let name = context.string("selector", "round_robin");
        let backoff = Backoff::configure(context, sinks.len());
        let Some(selector) = sink_selector::find(&name) else {
            sink_selector::unknown(context, &name);
            return None;
        };
        Self::with_selector(context, sinks, (selector.build)(backoff?, seed))
    }

    /// A group with a selector that was made elsewhere. `None` for fewer than two sinks.
    pub fn with_selector(
        context: &mut Context,
        sinks: &[String],
        selector: Box<dyn SinkSelector>,
    ) -> Option<Self> {
        if sinks.len() >= 2 {
            return Some(Self::new(sinks.len(), selector));
        }
        let message = format!(
            "`{}` of type `load_balance` needs at least two sinks, its group has {}",
            context.path(),
            sinks.len()
        );
        context.error(
            "type",
            Code::GroupSize,
            message,
            "add sinks to the group's `sinks`",
        );
        None
    }

    /// A group of this many sinks.
    pub fn new(sinks: usize, selector: Box<dyn SinkSelector>) -> Self {
        Self {
            selector,
            failed_in: vec![0; sinks],
            calls: 0,
        }
    }
}

impl SinkProcessor for LoadBalancingProcessor {
    fn begin(&mut self, now: Instant) -> Call {
        self.begin_load(now, Load::default())
    }

    fn begin_load(&mut self, now: Instant, load: Load<'_>) -> Call {
        self.calls += 1;
        let wanted = self.selector.order_load(now, load);
        let order = Order::checked(wanted, self.failed_in.len());
        Call::new(now, self.calls, order.into())
    }

    fn route(&mut self, now: Instant, load: Load<'_>) -> Option<(Call, Vec<SinkIndex>)> {
        let route = self.selector.route(now, load)?;
        let sinks = self.failed_in.len();
        // As with orders, the answer is not trusted.
        if route.len() != load.events.len() || route.iter().any(|sink| *sink >= sinks) {
            return None;
        }
        self.calls += 1;
        Some((Call::new(now, self.calls, [].into()), route))
    }

    fn wants_events(&self) -> bool {
        self.selector.wants_events()
    }

    fn step(&mut self, sink: SinkIndex, step: Step, now: Instant) {
        self.selector.step(sink, step, now);
    }

    fn next(&mut self, call: &mut Call) -> Option<SinkIndex> {
        let sink = call.order.pop_front()?;
        call.tried.push(sink);
        Some(sink)
    }

    fn report(
        &mut self,
        call: &mut Call,
        sink: SinkIndex,
        outcome: Outcome,
        now: Instant,
    ) -> Verdict {
        match outcome {
            Outcome::Returned(status) => {
                if status == Status::Ready {
                    self.selector.delivered(sink, now);
                }
                Verdict::Return(status)
            }
            Outcome::Failed => {
                // Batches that were under way when the sink failed say nothing new.
                if let Some(failed_in) = self.failed_in.get_mut(sink)
                    && call.number > *failed_in
                {
                    *failed_in = self.calls;
                    self.selector.failed(sink, now);
                }
                Verdict::Continue
            }
        }
    }

    fn exhausted(&self) -> &'static str {
        "All configured sinks have failed"
    }

    fn states(&self, now: Instant) -> Vec<SinkState> {
        self.selector.states(now)
    }
}

impl std::fmt::Debug for LoadBalancingProcessor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadBalancingProcessor")
            .field("sinks", &self.failed_in.len())
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
