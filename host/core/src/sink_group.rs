//! Types about the sinks of a group that sink processors and sink selectors share.

use std::time::Duration;

use crate::clock::Instant;
use crate::event::Event;

/// A sink's place in its group, in the order of the file, from 0.
pub type SinkIndex = usize;

/// The state of one sink of a group, for operators.
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
        /// Consecutive failures.
        failures: u32,
    },
}

/// What is about to be routed, for selectors that look at it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Load<'a> {
    /// Events in the channel.
    pub depth: usize,
    /// The next events of the channel, if the selector [wants](crate::SinkSelector::wants_events) them.
    pub events: &'a [Event],
}

/// One step of a batch on its way to a sink, for selectors that keep count.
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

/// A failure that took no longer than this costs a group nothing: a connection that is refused, say,
/// and not one that is waited for.
pub const QUICK: Duration = Duration::from_secs(1);

/// How long the last attempt in vain took, for each sink of a group.
#[derive(Debug)]
pub(crate) struct InVain(Vec<Duration>);

impl InVain {
    /// No sink has been tried.
    pub(crate) fn new(sinks: usize) -> Self {
        Self(vec![Duration::ZERO; sinks])
    }

    /// Notes how an attempt ended.
    pub(crate) fn note(&mut self, sink: SinkIndex, step: Step) {
        if let (Step::Ended { events: 0, latency }, Some(took)) = (step, self.0.get_mut(sink)) {
            *took = latency;
        }
    }

    /// Whether nothing is lost by trying a sink before its penalty is over.
    pub(crate) fn was_quick(&self, sink: SinkIndex) -> bool {
        self.0.get(sink).is_some_and(|took| *took <= QUICK)
    }
}

/// How long a sink rests after this many consecutive failures: `2ⁿ` seconds, capped.
pub(crate) fn penalty(failures: u32, cap: Duration) -> Duration {
    Duration::from_secs(1_u64.checked_shl(failures).unwrap_or(u64::MAX)).min(cap)
}
