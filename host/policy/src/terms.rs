//! What a seat is made from, whichever version runs in it: its setup, its limits, its counters.

use std::sync::Arc;
use std::time::Duration;

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

/// Where processor time is counted: for the policy, and for its share of the processors.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) stats: Arc<Stats>,
    pub(crate) share: Arc<CpuShare>,
}

impl Account {
    pub(crate) fn spent(&self, time: Duration) {
        self.stats.spent(time);
        self.share.spent(time);
    }
}
