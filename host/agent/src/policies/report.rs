//! What operators see of a policy's file.

use std::path::PathBuf;
use std::time::Duration;

use flume_policy::{SeatReport, Stats, ViolationKind};

/// How a policy's file stands.
#[derive(Debug, Clone)]
pub struct PolicyFileReport {
    /// `agent/stem`.
    pub name: String,
    /// The agent.
    pub agent: String,
    /// The file as it is used.
    pub path: PathBuf,
    /// SHA-256 of the version that is to run, in hex.
    pub digest: String,
    /// What it is, in words.
    pub world: &'static str,
    /// How many versions there were, this one included.
    pub generation: u64,
    /// The digest of the version that a roll-back would bring back.
    pub previous: Option<String>,
    /// Whether it came over the admin port and is not what the file says.
    pub uploaded: bool,
    /// Its places.
    pub seats: Vec<SeatReport>,
    /// What it did so far, over all places.
    pub totals: Totals,
    /// Why the last new version did not come to run, until one does.
    pub last_error: Option<String>,
}

/// What a policy did, over all its places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
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
    /// Returns to the version before.
    pub roll_backs: u64,
    /// Log lines beyond the rate.
    pub log_lines_dropped: u64,
    /// What 99 of 100 calls do not exceed, a quarter too high at most.
    pub usual_call: Duration,
    /// The longest call.
    pub longest_call: Duration,
    /// The longest time that a batch waited for a swap.
    pub longest_swap: Duration,
    /// Bytes of linear memory now, of warm versions, too.
    pub memory: u64,
    /// The most bytes of linear memory so far.
    pub most_memory: u64,
    /// Broken rules, in the order of [`ViolationKind::ALL`].
    pub violations: Vec<(ViolationKind, u64)>,
}

impl Totals {
    /// Adds what one policy did.
    pub(crate) fn add(&mut self, stats: &Stats) {
        self.calls += stats.calls.get();
        self.events += stats.events.get();
        self.cpu += Duration::from_nanos(stats.nanos.get());
        self.fallbacks += stats.fallbacks.get();
        self.throttled += stats.throttled.get();
        self.poison += stats.poison.get();
        self.replacements += stats.replacements.get();
        self.swaps += stats.swaps.get();
        self.roll_backs += stats.roll_backs.get();
        self.log_lines_dropped += stats.log_lines_dropped.get();
        self.usual_call = self.usual_call.max(stats.latency.quantile(990));
        self.longest_call = self.longest_call.max(stats.latency.longest());
        self.longest_swap = self.longest_swap.max(stats.swap_latency.longest());
        self.memory += stats.memory.now();
        self.most_memory += stats.memory.most();
        if self.violations.is_empty() {
            self.violations = ViolationKind::ALL.iter().map(|kind| (*kind, 0)).collect();
        }
        for (kind, count) in &mut self.violations {
            *count += stats.violations(*kind);
        }
    }
}
