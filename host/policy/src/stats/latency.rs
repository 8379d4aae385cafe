//! How long calls take, as a histogram that costs one addition for each call.
//!
//! There are four buckets for each power of two, so a quantile is at most a quarter too high. That is
//! enough to see a policy that has become slow, and needs neither a lock nor a definition of slow.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Buckets for each power of two, as a power of two.
const FINE: u32 = 2;

/// Longer calls, from 2⁴⁰ ns (18 minutes), are in the last bucket: no deadline is that long.
const LONGEST: u32 = 40;

const BUCKETS: usize = ((LONGEST - FINE + 1) << FINE) as usize;

/// Durations, counted by their size.
#[derive(Debug)]
pub struct Latency {
    buckets: [AtomicU64; BUCKETS],
    longest: AtomicU64,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            longest: AtomicU64::new(0),
        }
    }
}

impl Latency {
    /// Counts one call.
    pub fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket_of(nanos)) {
            bucket.fetch_add(1, Relaxed);
        }
        // Compared first: it seldom grows, and a needless store would be expensive.
        if nanos > self.longest.load(Relaxed) {
            self.longest.fetch_max(nanos, Relaxed);
        }
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    /// The duration that this many of a thousand do not exceed, at most a quarter too high; zero if
    /// nothing was counted.
    pub fn quantile(&self, per_mille: u64) -> Duration {
        let counts = self.buckets.iter().map(|bucket| bucket.load(Relaxed));
        let total: u64 = counts.clone().sum();
        let wanted = (u128::from(total) * u128::from(per_mille)).div_ceil(1000);
        let mut passed = 0_u128;
        for (at, count) in counts.enumerate() {
            passed += u128::from(count);
            if count > 0 && passed >= wanted {
                return Duration::from_nanos(most_of(at)).min(self.longest());
            }
        }
        self.longest()
    }

    /// The longest call.
    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest.load(Relaxed))
    }
}

fn bucket_of(nanos: u64) -> usize {
    let nanos = nanos.min((1 << LONGEST) - 1);
    let Some(power) = nanos.checked_ilog2().filter(|power| *power >= FINE) else {
        return usize::try_from(nanos).unwrap_or_default();
    };
    let fine = (nanos >> (power - FINE)) & ((1 << FINE) - 1);
    let bucket = (u64::from(power - FINE + 1) << FINE) + fine;
    usize::try_from(bucket).unwrap_or(BUCKETS)
}

/// The longest duration of a bucket, in nanoseconds.
fn most_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let Some(coarse) = (bucket >> FINE).checked_sub(1) else {
        return bucket;
    };
    let fine = (bucket & ((1 << FINE) - 1)) + (1 << FINE);
    ((fine + 1) << coarse) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_within_its_bucket_and_a_quarter() {
        let mut last = 0;
        for power in 0..LONGEST {
            for nanos in [1_u64 << power, (1 << power) + 1, (1 << power) * 3 / 2] {
                let bucket = bucket_of(nanos);
                assert!(bucket >= last && bucket < BUCKETS, "{nanos}");
                last = bucket_of(1 << power);
                let most = most_of(bucket);
                assert!(
                    most >= nanos && most <= nanos + nanos / 4,
                    "{nanos}: {most}"
                );
                assert!(bucket == 0 || most_of(bucket - 1) < nanos, "{nanos}");
            }
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_counted_from_below() {
        let latency = Latency::default();
        assert_eq!(latency.quantile(500), Duration::ZERO);
        for nanos in 1..=1000 {
            latency.record(Duration::from_nanos(nanos));
        }
        assert_eq!(latency.count(), 1000);
        let (half, most) = (latency.quantile(500), latency.quantile(1000));
        assert!((500..=625).contains(&half.as_nanos()), "{half:?}");
        assert_eq!((most, latency.longest()), (latency.quantile(999), most));
        assert_eq!(most, Duration::from_nanos(1000));
        // One long call shows in the longest, and not in the median.
        latency.record(Duration::from_secs(5));
        assert_eq!(latency.longest(), Duration::from_secs(5));
        assert_eq!(latency.quantile(500), half);
    }
}
