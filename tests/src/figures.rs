//! Figures of the measuring tools: quantiles, and medians with their limits.

use std::fmt;
use std::time::Duration;

/// Waiting times, sorted.
#[derive(Clone, Debug, Default)]
pub struct Waits(Vec<Duration>);

impl Waits {
    /// The distribution of these times, in any order.
    #[must_use]
    pub fn new(mut waits: Vec<Duration>) -> Self {
        waits.sort_unstable();
        Self(waits)
    }

    /// The distribution of all these together.
    #[must_use]
    pub fn all<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        Self::new(parts.flat_map(|part| &part.0).copied().collect())
    }

    /// The number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The quantile in parts of ten thousand; zero if there are no values.
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

/// The median, the lowest and the highest of some values; `None` if there are no values.
#[must_use]
pub fn spread(mut values: Vec<f64>) -> Option<(f64, f64, f64)> {
    values.sort_unstable_by(f64::total_cmp);
    let median = *values.get(values.len() / 2)?;
    Some((median, *values.first()?, *values.last()?))
}

/// The median of some values, with its confidence interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// The median.
    pub median: f64,
    /// The median absolute deviation: half of the values are within this distance of the median.
    pub deviation: f64,
    /// With 95 % confidence the true median is between these: two of the values, chosen by rank.
    pub limits: (f64, f64),
    /// The number of values.
    pub count: usize,
}

impl Estimate {
    /// The summary of these values; zero if there are no values.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let sorted = sorted(values.iter().copied());
        let count = sorted.len();
        let Some(&median) = sorted.get(count / 2) else {
            return Self::default();
        };
        let distances = self::sorted(sorted.iter().map(|value| (value - median).abs()));
        // The number of values below the true median is binomial, with a standard deviation of
        // half the root of their count.
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the root of a count of values is smaller than the count"
        )]
        let reach = (0.98 * (count as f64).sqrt()).ceil() as usize;
        let low = (count / 2).saturating_sub(reach);
        let high = (count.div_ceil(2) + reach).min(count) - 1;
        Self {
            median,
            deviation: distances[count / 2],
            limits: (sorted[low], sorted[high]),
            count,
        }
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values
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

    #[test]
    fn an_estimate_leaves_out_what_may_be_chance() {
        let values: Vec<f64> = (1..=11).rev().map(f64::from).collect();
        let all = Estimate::of(&values);
        assert_eq!(
            (all.median, all.deviation, all.limits),
            (6.0, 3.0, (2.0, 10.0))
        );
        let few = Estimate::of(&[5.0, 1.0, 3.0]);
        assert_eq!(
            (few.median, few.deviation, few.limits),
            (3.0, 2.0, (1.0, 5.0))
        );
        assert_eq!(Estimate::of(&[7.0]).limits, (7.0, 7.0));
        assert_eq!(Estimate::of(&[]), Estimate::default());
    }
}
