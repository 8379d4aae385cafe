//! What operators see of a policy file.

use std::path::PathBuf;
use std::time::Duration;

use flume_core::clock::Instant;
use flume_policy::{SeatReport, Stats, ViolationKind};

/// The state of a policy file.
#[derive(Debug, Clone)]
pub(crate) struct PolicyFileReport {
    /// `agent/stem`.
    pub name: String,
    /// The agent.
    pub agent: String,
    /// The file, as its places name it.
    pub path: PathBuf,
    /// SHA-256 of the version that is to run, in hex; empty if none could be loaded so far.
    pub digest: String,
    /// The kind of policy, in words.
    pub world: &'static str,
    /// The number of versions so far, this one included.
    pub generation: u64,
    /// The digest of the version that a roll-back would bring back.
    pub previous: Option<String>,
    /// Whether it came over the admin port, and not from the file.
    pub uploaded: bool,
    /// Its places.
    pub seats: Vec<SeatReport>,
    /// Its counts so far, over all places.
    pub totals: Totals,
    /// Why the last new version was not loaded; gone when one is.
    pub last_error: Option<String>,
    /// What that is about.
    pub failure: Option<Failure>,
    /// When the last new version was loaded, or was not, in milliseconds since 1970; 0 if there was
    /// none.
    pub last_time: u64,
    /// New versions that were not loaded.
    pub refusals: u64,
}

/// A version that does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Where it came from.
    pub origin: Origin,
    /// Since when there is such a version.
    pub since: Instant,
}

/// Where a version that does not run came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The file: its content would not start.
    File,
    /// The admin port. The file is not concerned.
    AdminPort,
    /// It ran, and spent its error budget.
    Budget,
}

impl Origin {
    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::AdminPort => "admin port",
            Self::Budget => "error budget",
        }
    }
}

/// The counts of a policy, over all its places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Calls.
    pub calls: u64,
    /// Events handed to an interceptor.
    pub events: u64,
    /// CPU time of its calls, starts and trials.
    pub cpu: Duration,
    /// Batches that the native fallback ordered instead.
    pub fallbacks: u64,
    /// Batches that found the policy's share of the processors used up.
    pub throttled: u64,
    /// Events that went where `on-error` says.
    pub poison: u64,
    /// Instances that replaced another of the same version.
    pub replacements: u64,
    /// Swaps to another version.
    pub swaps: u64,
    /// Returns to the previous version.
    pub roll_backs: u64,
    /// Log lines beyond the rate.
    pub log_lines_dropped: u64,
    /// The time that 99 of 100 calls do not exceed; up to a quarter too high.
    pub usual_call: Duration,
    /// The longest call.
    pub longest_call: Duration,
    /// The longest time that a batch waited for a swap.
    pub longest_swap: Duration,
    /// Bytes of linear memory now, versions kept for a roll-back included.
    pub memory: u64,
    /// The most bytes of linear memory so far.
    pub most_memory: u64,
    /// Broken rules, in the order of [`ViolationKind::ALL`].
    pub violations: Vec<(ViolationKind, u64)>,
}

impl Totals {
    /// The counts so far.
    pub(crate) fn of(stats: &Stats) -> Self {
        let violations = ViolationKind::ALL.iter();
        Self {
            calls: stats.calls.get(),
            events: stats.events.get(),
            cpu: Duration::from_nanos(stats.nanos.get()),
            fallbacks: stats.fallbacks.get(),
            throttled: stats.throttled.get(),
            poison: stats.poison.get(),
            replacements: stats.replacements.get(),
            swaps: stats.swaps.get(),
            roll_backs: stats.roll_backs.get(),
            log_lines_dropped: stats.log_lines_dropped.get(),
            usual_call: stats.latency.quantile(990),
            longest_call: stats.latency.longest(),
            longest_swap: stats.swap_latency.longest(),
            memory: stats.memory.now(),
            most_memory: stats.memory.most(),
            violations: violations
                .map(|kind| (*kind, stats.violations(*kind)))
                .collect(),
        }
    }
}
