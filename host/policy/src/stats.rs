//! What a policy did, counted over all its places.

use std::time::Duration;

use flume_core::counters::Counter;

use crate::error::ViolationKind;

mod footprint;
mod latency;

pub use footprint::Footprint;
pub(crate) use footprint::InstanceMemory;
pub use latency::Latency;

/// Counters of one policy.
#[derive(Debug, Default)]
pub struct Stats {
    /// Calls of `order`, `route` or `intercept`.
    pub calls: Counter,
    /// Events handed to an interceptor.
    pub events: Counter,
    /// Nanoseconds in calls, starts and trials included: the policy's account of CPU time.
    pub nanos: Counter,
    /// Batches that the native fallback ordered.
    pub fallbacks: Counter,
    /// Batches that found the policy's share of the processors used up.
    pub throttled: Counter,
    /// Events that went where `on-error` says.
    pub poison: Counter,
    /// Instances that were made to replace another of the same version.
    pub replacements: Counter,
    /// Swaps to another version.
    pub swaps: Counter,
    /// Roll-backs to the previous version, by hand or by the error budget.
    pub roll_backs: Counter,
    /// Log lines beyond the limit.
    pub log_lines_dropped: Counter,
    /// How long those calls took.
    pub latency: Latency,
    /// The linear memory of its instances.
    pub memory: Footprint,
    /// How long a place took to put in another version, with its state: the delay of a batch.
    pub swap_latency: Latency,
    violations: [Counter; ViolationKind::ALL.len()],
}

impl Stats {
    /// How often a rule was broken.
    pub fn violations(&self, kind: ViolationKind) -> u64 {
        self.of(kind).map_or(0, Counter::get)
    }

    /// How often any rule was broken.
    pub fn all_violations(&self) -> u64 {
        self.violations.iter().map(Counter::get).sum()
    }

    pub(crate) fn violated(&self, kind: ViolationKind) {
        if let Some(counter) = self.of(kind) {
            counter.increment();
        }
    }

    /// Counts a call of `order`, `route` or `intercept` that took this long.
    pub(crate) fn called(&self, took: Duration) {
        self.calls.increment();
        self.latency.record(took);
    }

    pub(crate) fn spent(&self, time: Duration) {
        self.nanos
            .add(usize::try_from(time.as_nanos()).unwrap_or(usize::MAX));
    }

    fn of(&self, kind: ViolationKind) -> Option<&Counter> {
        let at = ViolationKind::ALL.iter().position(|known| *known == kind)?;
        self.violations.get(at)
    }
}
