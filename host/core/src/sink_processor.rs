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

use std::collections::VecDeque;

use crate::clock::Instant;
use crate::sink::Status;

/// A sink's place in its group, in the order of the file, from 0.
pub type SinkIndex = usize;

/// One run through the sinks of a group.
#[derive(Debug, Clone)]
pub struct Call {
    /// When the call began.
    pub now: Instant,
    /// Sinks still to try; a processor may use it as it likes.
    pub order: VecDeque<SinkIndex>,
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
