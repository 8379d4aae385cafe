//! A policy's share of the processors: part of each second, over all seats with the same bound.
//!
//! A deadline bounds one call, not their sum: a guest that always stays just below it would have a
//! core to itself. The bucket holds what may be used in a second. It is filled by time and emptied
//! by the processor time of calls, starts and trials; it may go below empty, and then the policy
//! waits for it to fill.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use flume_core::clock::Instant;
use parking_lot::Mutex;

/// The share of the seats with one bound.
#[derive(Debug)]
pub(crate) struct CpuShare {
    /// Percent of one processor; 0 is no bound.
    percent: u32,
    /// Nanoseconds used so far.
    spent: AtomicU64,
    bucket: Mutex<TokenBucket>,
}

#[derive(Debug)]
struct TokenBucket {
    /// Nanoseconds that may be used now.
    left: i128,
    filled_at: Instant,
    /// What had been used at that time.
    counted: u64,
}

/// The shares of one policy, one for each bound in use.
#[derive(Debug, Default)]
pub(crate) struct CpuShares(Mutex<Vec<Weak<CpuShare>>>);

impl CpuShare {
    pub(crate) fn new(percent: u32, now: Instant) -> Self {
        let bucket = TokenBucket {
            left: most(percent),
            filled_at: now,
            counted: 0,
        };
        Self {
            percent,
            spent: AtomicU64::new(0),
            bucket: Mutex::new(bucket),
        }
    }

    /// Takes time from the share.
    pub(crate) fn spent(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.spent.fetch_add(nanos, Relaxed);
    }

    /// How long the policy has to wait; `None` if it may be asked now.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        if self.percent == 0 {
            return None;
        }
        let mut bucket = self.bucket.lock();
        let counted = self.spent.load(Relaxed);
        let spent = i128::from(counted.saturating_sub(bucket.counted));
        let passed = now.saturating_duration_since(bucket.filled_at).as_nanos();
        let passed = i128::try_from(passed).unwrap_or(i128::MAX / 10_000);
        let filled = passed * i128::from(self.percent) / 100;
        bucket.left = (bucket.left - spent + filled).min(most(self.percent));
        (bucket.filled_at, bucket.counted) = (now, counted);
        let missing = u64::try_from(-bucket.left).ok()?;
        Some(Duration::from_nanos(missing) * 100 / self.percent).filter(|wait| !wait.is_zero())
    }
}

impl CpuShares {
    /// The share with this bound; a new one is full.
    pub(crate) fn of(&self, percent: u32, now: Instant) -> Arc<CpuShare> {
        let mut shares = self.0.lock();
        shares.retain(|share| share.strong_count() > 0);
        let known = shares.iter().filter_map(Weak::upgrade);
        if let Some(share) = known.into_iter().find(|share| share.percent == percent) {
            return share;
        }
        let share = Arc::new(CpuShare::new(percent, now));
        shares.push(Arc::downgrade(&share));
        share
    }
}

/// What a second adds.
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
        let now = clock::now();
        let share = CpuShare::new(10, now);
        assert_eq!(share.wait(now), None);
        // A tenth of a second a second; 40 ms too many take 0.4 s to come back.
        share.spent(millis(140));
        assert_eq!(share.wait(now), Some(millis(400)));
        assert_eq!(share.wait(now + millis(399)), Some(millis(1)));
        assert_eq!(share.wait(now + millis(400)), None);
        // What was not used is not saved beyond a second.
        let later = now + Duration::from_secs(3600);
        assert_eq!(share.wait(later), None);
        share.spent(millis(101));
        assert_eq!(share.wait(later), Some(millis(10)));
    }

    #[test]
    fn no_bound_is_no_bound() {
        let now = clock::now();
        let share = CpuShare::new(0, now);
        share.spent(Duration::from_secs(3600));
        assert_eq!(share.wait(now), None);
    }

    #[test]
    fn seats_with_the_same_bound_share() {
        let (shares, now) = (CpuShares::default(), clock::now());
        let (one, other, wide) = (shares.of(10, now), shares.of(10, now), shares.of(20, now));
        one.spent(millis(140));
        assert_eq!(other.wait(now), Some(millis(400)));
        assert_eq!(wide.wait(now), None);
        drop((one, other));
        assert_eq!(shares.of(10, now).wait(now), None, "a new one is full");
    }
}
