//! Figures of the measuring tools: quantiles, and medians with their limits.

use std::fmt;
use std::time::Duration;

/// Waiting times, sorted.
#[derive(Clone, Debug, Default)]
pub struct Waits(Vec<Duration>);

impl Waits {
    /// Of these times, in any order.
    #[must_use]
    pub fn new(mut waits: Vec<Duration>) -> Self {
        waits.sort_unstable();
        Self(waits)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time that so many of ten thousand do not exceed; zero if there are none.
    #[must_use]
    pub fn quantile(&self, per_ten_thousand: usize) -> Duration {
        let rank = (self.0.len() * per_ten_thousand).div_ceil(10_000);
        self.0
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, at) in [
            ("p50", 5_000),
            ("p99", 9_900),
            ("p99.9", 9_990),
            ("max", 10_000),
        ] {
            write!(out, "{name} {:>9.3} ms  ", millis(self.quantile(at)))?;
        }
        write!(out, "of {}", self.0.len())
    }
}

/// In milliseconds.
#[must_use]
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The median, the lowest and the highest of some values; `None` of none.
#[must_use]
pub fn spread(mut values: Vec<f64>) -> Option<(f64, f64, f64)> {
    values.sort_unstable_by(f64::total_cmp);
    let median = *values.get(values.len() / 2)?;
    Some((median, *values.first()?, *values.last()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_count_from_below() {
        let waits = Waits::new((1..=1000).rev().map(Duration::from_millis).collect());
        let at = |per| waits.quantile(per).as_millis();
        assert_eq!((at(5_000), at(9_990), at(10_000)), (500, 999, 1000));
        assert_eq!(Waits::default().quantile(5_000), Duration::ZERO);
        assert_eq!(spread(vec![3.0, 1.0, 2.0]), Some((2.0, 1.0, 3.0)));
    }
}
