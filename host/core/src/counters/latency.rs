//! How long things take: a histogram that is counted without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The upper bounds of the buckets, in seconds; the last bucket has none.
pub const BOUNDS: [f64; 15] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// A histogram of durations.
#[derive(Debug, Default)]
pub struct Latency {
    /// Each bucket by itself.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

/// What a histogram has counted.
#[derive(Debug, Clone, PartialEq)]
pub struct LatencyCounts {
    /// Durations so far.
    pub count: u64,
    /// Their sum, in seconds.
    pub sum: f64,
    /// Upper bound of each bucket, and the durations in it alone. The last bound is infinite.
    pub buckets: Vec<(f64, u64)>,
}

impl Latency {
    /// Counts a duration.
    pub fn record(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Relaxed);
        }
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Relaxed);
    }

    /// What was counted so far.
    pub fn counts(&self) -> LatencyCounts {
        let bounds = BOUNDS.iter().copied().chain([f64::INFINITY]);
        let counts = self.buckets.iter().map(|bucket| bucket.load(Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        LatencyCounts {
            count: buckets.iter().map(|(_, count)| count).sum(),
            sum: Duration::from_nanos(self.nanos.load(Relaxed)).as_secs_f64(),
            buckets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_that_is_not_below_it() {
        let latency = Latency::default();
        for millis in [0, 1, 2, 60_000, 60_001, 100_000] {
            latency.record(Duration::from_millis(millis));
        }
        let counts = latency.counts();
        assert_eq!((counts.count, counts.sum), (6, 220.004));
        let filled: Vec<_> = counts.buckets.iter().filter(|(_, n)| *n > 0).collect();
        assert_eq!(
            filled,
            [&(0.001, 2), &(0.0025, 1), &(60.0, 1), &(f64::INFINITY, 2)]
        );
    }
}
