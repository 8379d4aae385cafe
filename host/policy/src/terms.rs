//! What a seat is made from, whichever version runs in it: its setup, its limits, its counters.

use std::sync::Arc;
use std::time::Duration;

use flume_core::LogLimit;
use parking_lot::Mutex;

use crate::cpu_share::CpuShare;
use crate::limits::Limits;
use crate::setup::Setup;
use crate::stats::Stats;

/// What every instance of a seat is made from.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) setup: Setup,
    pub(crate) limits: Limits,
    pub(crate) account: Account,
}

/// What a place uses up, however often its instance is made anew: processor time, for the policy and
/// of its share of the processors, and lines of the log.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) stats: Arc<Stats>,
    pub(crate) share: Arc<CpuShare>,
    pub(crate) lines: Arc<Mutex<LogLimit>>,
}

impl Account {
    /// The account of a place with these limits.
    pub(crate) fn new(stats: Arc<Stats>, share: Arc<CpuShare>, limits: &Limits) -> Self {
        Self {
            stats,
            share,
            lines: Arc::new(Mutex::new(LogLimit::per_second(limits.log_lines))),
        }
    }

    pub(crate) fn spent(&self, time: Duration) {
        self.stats.spent(time);
        self.share.spent(time);
    }
}
