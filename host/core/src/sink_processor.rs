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
//! point: what a call holds, it holds in its [`Call`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Instant;
use crate::context::Context;
use crate::sink::Status;
use crate::sink_selector::{Load, Step};

pub mod default;
pub mod failover;
pub mod load_balance;

pub use default::DefaultProcessor;
pub use failover::FailoverProcessor;
pub use load_balance::LoadBalancingProcessor;

/// One type of processor.
#[derive(Debug)]
pub struct ProcessorType {
    /// The name to write, then Flume's class.
    pub names: &'static [&'static str],
    /// Makes it. `None` leaves an error in the context.
    pub configure: Configure,
}

/// Makes a processor from the keys below `processor.`, the group's sinks, and a seed for what is
/// random.
pub type Configure = fn(&mut Context, &[String], u64) -> Option<Box<dyn SinkProcessor>>;

/// The types of processors.
pub static PROCESSORS: &[ProcessorType] = &[
    ProcessorType {
        names: &["default", "org.apache.flume.sink.DefaultSinkProcessor"],
        configure: |context, sinks, _| boxed(DefaultProcessor::configure(context, sinks)),
    },
    ProcessorType {
        names: &["failover", "org.apache.flume.sink.FailoverSinkProcessor"],
        configure: |context, sinks, _| boxed(FailoverProcessor::configure(context, sinks)),
    },
    ProcessorType {
        names: &[
            "load_balance",
            "org.apache.flume.sink.LoadBalancingSinkProcessor",
        ],
        configure: |context, sinks, seed| {
            boxed(LoadBalancingProcessor::configure(context, sinks, seed))
        },
    },
];

/// The type of this name, in any case.
pub fn find(name: &str) -> Option<&'static ProcessorType> {
    PROCESSORS.iter().find(|kind| {
        kind.names
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    })
}

fn boxed<P: SinkProcessor + 'static>(processor: Option<P>) -> Option<Box<dyn SinkProcessor>> {
    Some(Box::new(processor?))
}

/// A sink's place in its group, in the order of the file, from 0.
pub type SinkIndex = usize;

/// One run through the sinks of a group. The shares of a split batch have a clone each.
#[derive(Debug, Clone)]
pub struct Call {
    /// When the call began.
    now: Instant,
    /// Which call of the processor this is, from 1.
    number: u64,
    /// Sinks still to try, if that was decided when the call began.
    order: VecDeque<SinkIndex>,
    /// Sinks tried so far.
    tried: Vec<SinkIndex>,
    /// The sink that this call alone may try, until the call is dropped.
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
    /// Threw, in Flume's words.
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

/// How one sink of a group stands, for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkState {
    /// The sink that a failover group uses now.
    Active,
    /// Usable, not in use.
    Standby,
    /// Usable (load balancing).
    Live,
    /// Not tried before this time.
    Penalty {
        /// When it may be tried again.
        until: Instant,
        /// Failures in sequence.
        failures: u32,
    },
}

/// Chooses among the sinks of a group.
pub trait SinkProcessor: Send {
    /// Begins a call.
    fn begin(&mut self, now: Instant) -> Call;

    /// The same, for processors to which it matters what is about to be delivered.
    fn begin_load(&mut self, now: Instant, _load: Load<'_>) -> Call {
        self.begin(now)
    }

    /// Begins a call that has a sink for each event of the load, if this processor splits the
    /// batch. What a sink then fails to deliver begins a call of its own, with an order.
    fn route(&mut self, _now: Instant, _load: Load<'_>) -> Option<(Call, Vec<SinkIndex>)> {
        None
    }

    /// Whether [`Load::events`] is worth the runner's while.
    fn wants_events(&self) -> bool {
        false
    }

    /// A batch begins or ends at a sink; its outcome is [reported](Self::report) before its end.
    fn step(&mut self, _sink: SinkIndex, _step: Step, _now: Instant) {}

    /// The next sink to try; each at most once in a call.
    fn next(&mut self, call: &mut Call) -> Option<SinkIndex>;

    /// Learns how a tried sink answered.
    fn report(
        &mut self,
        call: &mut Call,
        sink: SinkIndex,
        outcome: Outcome,
        now: Instant,
    ) -> Verdict;

    /// What a call says that has tried everything in vain.
    fn exhausted(&self) -> &'static str;

    /// How each sink stands, in the order of the group.
    fn states(&self, now: Instant) -> Vec<SinkState>;
}

/// How long a sink rests after this many failures in sequence: `2ⁿ` seconds, capped.
pub(crate) fn penalty(failures: u32, cap: Duration) -> Duration {
    Duration::from_secs(1_u64.checked_shl(failures).unwrap_or(u64::MAX)).min(cap)
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
            let (by_alias, by_class) = (find(alias).unwrap(), find(class).unwrap());
            assert!(std::ptr::eq(by_alias, by_class), "{alias}");
        }
        assert!(find("fail_over").is_none());
    }
}
