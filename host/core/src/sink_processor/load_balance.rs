//! The load-balancing processor: a selector orders the sinks, the first that answers ends the call.
//!
//! The order is asked for once per call and checked. The outcome is reported to the selector;
//! unlike in Flume, deliveries are reported too.

pub use self::keys::configure;
use super::{Abilities, Call, Outcome, SinkProcessor, Verdict};
use crate::clock::Instant;
use crate::sink::Status;
use crate::sink_group::{InVain, Load, SinkIndex, SinkState, Step};
use crate::sink_selector::{Order, SinkSelector};

mod keys;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &[
    "load_balance",
    "org.apache.flume.sink.LoadBalancingSinkProcessor",
];

/// A selector orders its sinks, which take turns batch by batch, so that none of them runs ahead.
pub const ABILITIES: Abilities = Abilities {
    mirrors: false,
    selects: true,
    pipelines: false,
    spares: false,
    own_keys: &[
        (
            "parallelism",
            "only `load_balance` uses several sinks at once",
        ),
        ("shadow", "only `load_balance` has a selector"),
        ("record", "only `load_balance` has a selector"),
    ],
};

/// Spreads calls over the sinks of a group.
pub struct LoadBalancingProcessor {
    selector: Box<dyn SinkSelector>,
    /// For each sink, how many calls had begun when it last failed.
    failed_in: Vec<u64>,
    in_vain: InVain,
    calls: u64,
}

impl LoadBalancingProcessor {
    /// A group of this many sinks.
    pub fn new(sinks: usize, selector: Box<dyn SinkSelector>) -> Self {
        Self {
            selector,
            failed_in: vec![0; sinks],
            in_vain: InVain::new(sinks),
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
        // As with orders, the answer is checked.
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
        self.in_vain.note(sink, step);
        self.selector.step(sink, step, now);
    }

    fn next(&mut self, call: &mut Call) -> Option<SinkIndex> {
        let sink = call.order.pop_front()?;
        call.tried.push(sink);
        Some(sink)
    }

    fn nearest(&mut self, call: &mut Call) -> Option<SinkIndex> {
        let states = self.selector.states(call.now).into_iter().enumerate();
        let penalties = states.map(|(sink, state)| match state {
            SinkState::Penalty { until, .. } => Some((until, sink)),
            _ => None,
        });
        // A selector that excludes none of its sinks has its own reason to try none.
        let penalties: Option<Vec<(Instant, SinkIndex)>> = penalties.collect();
        let penalties = penalties?.into_iter();
        let quick = penalties.filter(|(_, sink)| self.in_vain.was_quick(*sink));
        let (_, nearest) = quick.min()?;
        call.tried.push(nearest);
        Some(nearest)
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
                // Batches that were already in flight when the sink failed say nothing new.
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
