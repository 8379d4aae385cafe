//! A policy's share of the processors: so much of each second, over all its places.
//!
//! A deadline bounds one call, not their sum: a guest that always stays just below it would have a
//! core to itself. The bucket holds what may be used in a second. It is filled by time and emptied
//! by the policy's account, so whatever the account counts (calls, starts, trials) is paid for; it
//! may go below empty, and then the policy waits for it to fill. Calls are not measured twice.

use std::sync::Arc;
use std::time::Duration;

use flume_core::clock::Instant;
use parking_lot::Mutex;

use crate::stats::Stats;

/// The share of one policy.
#[derive(Debug)]
pub(crate) struct Share {
    /// Percent of one processor; 0 is no bound.
    percent: u32,
    stats: Arc<Stats>,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// Nanoseconds that may be used now.
    left: i128,
    filled_at: Instant,
    /// The account at that time.
    account: u64,
}

impl Share {
    pub(crate) fn new(percent: u32, stats: Arc<Stats>, now: Instant) -> Self {
        let bucket = Bucket {
            left: most(percent),
            filled_at: now,
            account: stats.nanos.get(),
        };
        Self {
            percent,
            stats,
            bucket: Mutex::new(bucket),
        }
    }

    /// How long the policy has to wait; `None` if it may be asked now.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        if self.percent == 0 {
            return None;
        }
        let mut bucket = self.bucket.lock();
        let account = self.stats.nanos.get();
        let spent = i128::from(account.saturating_sub(bucket.account));
        let passed = now.saturating_duration_since(bucket.filled_at).as_nanos();
        let passed = i128::try_from(passed).unwrap_or(i128::MAX / 10_000);
        let filled = passed * i128::from(self.percent) / 100;
        bucket.left = (bucket.left - spent + filled).min(most(self.percent));
        (bucket.filled_at, bucket.account) = (now, account);
        let missing = u64::try_from(-bucket.left).ok()?;
        Some(Duration::from_nanos(missing) * 100 / self.percent).filter(|wait| !wait.is_zero())
    }
}

/// What a second brings.
fn most(percent: u32) -> i128 {
    i128::from(percent) * 10_000_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use flume_core::clock;

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_share_is_used_up_and_comes_back() {
        let stats = Arc::new(Stats::default());
        let now = clock::now();
        let share = Share::new(10, Arc::clone(&stats), now);
        assert_eq!(share.wait(now), None);
        // A tenth of a second a second; 40 ms too many take 0.4 s to come back.
        stats.spent(millis(140));
        assert_eq!(share.wait(now), Some(millis(400)));
        assert_eq!(share.wait(now + millis(399)), Some(millis(1)));
        assert_eq!(share.wait(now + millis(400)), None);
        // What was not used in time is not saved up.
        let later = now + Duration::from_secs(3600);
        assert_eq!(share.wait(later), None);
        stats.spent(millis(101));
        assert_eq!(share.wait(later), Some(millis(10)));
    }

    #[test]
    fn no_bound_is_no_bound() {
        let stats = Arc::new(Stats::default());
        let now = clock::now();
        let share = Share::new(0, Arc::clone(&stats), now);
        stats.spent(Duration::from_secs(3600));
        assert_eq!(share.wait(now), None);
    }
}
