//! The sink processor contract: which sink of a group is tried, and when a call is over.
//!
//! A processor is a pure machine. The runner owns sinks and transactions and asks it; time is an
//! argument. One *call* is Flume's `process()`: sinks are tried one after the other until one of
//! them ends the call.
//!
//! | runner | processor |
//! |---|---|
//! | `begin(now)` | a [`Call`]; the time is read once for the whole call |
//! | `next(&mut call)` | the sink to try, or `None`: nothing left, the call has failed |
//! | `report(&mut call, sink, outcome, now)` | [`Verdict::Return`] ends the call, [`Verdict::Continue`] asks `next` again |
//!
//! Several calls may be open at once (`processor.parallelism`), and a call may be dropped at any
//! point: all state of a call is in its [`Call`].

use std::collections::VecDeque;
use std::sync::Arc;

use crate::clock::Instant;
use crate::registry::{Registry, Type};
use crate::sink::Status;
use crate::sink_group::{Load, SinkIndex, SinkState, Step};

pub mod default;
pub mod failover;
pub mod load_balance;

mod keys;

pub use default::DefaultProcessor;
pub use failover::FailoverProcessor;
pub use keys::{
    Abilities, ConfigureProcessor, Group, ProcessorKeys, ProcessorRecipe, ProcessorType,
    RecordPlan, foreign_keys,
};
pub use load_balance::LoadBalancingProcessor;

/// The types of processors.
pub static TYPES: Registry<ConfigureProcessor, Abilities> = Registry {
    kind: "sink processor",
    types: &[
        Type::able(default::NAMES, default::configure, default::ABILITIES),
        Type::able(failover::NAMES, failover::configure, failover::ABILITIES),
        Type::able(
            load_balance::NAMES,
            load_balance::configure,
            load_balance::ABILITIES,
        ),
    ],
    elsewhere: &[],
    left_out: &[],
};

/// One run through the sinks of a group. Each share of a split batch has its own clone.
#[derive(Debug, Clone)]
pub struct Call {
    /// When the call began.
    now: Instant,
    /// The number of this call of the processor, from 1.
    number: u64,
    /// Sinks still to try, if that was decided when the call began.
    order: VecDeque<SinkIndex>,
    /// Sinks tried so far.
    tried: Vec<SinkIndex>,
    /// A sink that no other call may try until this call is dropped.
    probe: Option<(SinkIndex, Arc<()>)>,
}

impl Call {
    /// A call, the `number`th of its processor, that will try sinks in this order.
    pub fn new(now: Instant, number: u64, order: VecDeque<SinkIndex>) -> Self {
        let (tried, probe) = (Vec::new(), None);
        Self {
            now,
            number,
            order,
            tried,
            probe,
        }
    }

    /// When the call began.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Sinks tried so far, in order.
    pub fn tried(&self) -> &[SinkIndex] {
        &self.tried
    }
}

/// How a tried sink answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Delivered, or nothing to deliver.
    Returned(Status),
    /// Failed (in Flume: threw an exception).
    Failed,
}

/// Whether a call goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The call is over with this status.
    Return(Status),
    /// Ask for the next sink.
    Continue,
}

/// Chooses among the sinks of a group.
pub trait SinkProcessor: Send {
    /// Begins a call.
    fn begin(&mut self, now: Instant) -> Call;

    /// The same, for processors that look at what is about to be delivered.
    fn begin_load(&mut self, now: Instant, _load: Load<'_>) -> Call {
        self.begin(now)
    }

    /// Begins a call that has a sink for each event of the load, if this processor splits the
    /// batch. Events that a sink then fails to deliver begin a new call, with an order.
    fn route(&mut self, _now: Instant, _load: Load<'_>) -> Option<(Call, Vec<SinkIndex>)> {
        None
    }

    /// Whether the runner should fill in [`Load::events`].
    fn wants_events(&self) -> bool {
        false
    }

    /// A batch begins or ends at a sink; its outcome is [reported](Self::report) before its end.
    fn step(&mut self, _sink: SinkIndex, _step: Step, _now: Instant) {}

    /// The next sink to try; each at most once in a call.
    fn next(&mut self, call: &mut Call) -> Option<SinkIndex>;

    /// The sink to try if the call may try none, because all are excluded: the one whose exclusion
    /// ends first, among those that failed quickly. So events do not wait for the end of a penalty
    /// after a collector has returned. `None`: they wait.
    fn nearest(&mut self, _call: &mut Call) -> Option<SinkIndex> {
        None
    }

    /// Reports how a tried sink answered.
    fn report(
        &mut self,
        call: &mut Call,
        sink: SinkIndex,
        outcome: Outcome,
        now: Instant,
    ) -> Verdict;

    /// The error of a call in which every sink failed.
    fn exhausted(&self) -> &'static str;

    /// The state of each sink, in the order of the group.
    fn states(&self, now: Instant) -> Vec<SinkState>;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flume: SinkProcessorFactoryTest.test and testInstantiatingLoadBalancingSinkProcessor (F5,
    /// F6): a type by its class is the type by its alias.
    #[test]
    fn a_type_is_found_by_alias_and_by_class() {
        for (alias, class) in [
            ("default", "org.apache.flume.sink.DefaultSinkProcessor"),
            ("failover", "org.apache.flume.sink.FailoverSinkProcessor"),
            (
                "Load_Balance",
                "org.apache.flume.sink.LoadBalancingSinkProcessor",
            ),
        ] {
            let (by_alias, by_class) = (TYPES.find(alias).unwrap(), TYPES.find(class).unwrap());
            assert!(std::ptr::eq(by_alias, by_class), "{alias}");
        }
        assert!(TYPES.find("fail_over").is_none());
    }
}
