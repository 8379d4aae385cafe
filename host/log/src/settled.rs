//! Which records are settled: delivered, or given up, and not to be read again.

use std::collections::BTreeMap;

/// All records below a sequence, and ranges above it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    low: u64,
    /// Ends by beginnings. They neither touch nor overlap, and all are above `low`.
    ranges: BTreeMap<u64, u64>,
}

impl Settled {
    /// As a settle frame says it.
    pub(crate) fn new(low: u64, ranges: &[(u64, u64)]) -> Self {
        let mut settled = Self {
            low,
            ranges: BTreeMap::new(),
        };
        for (first, end) in ranges {
            settled.add(*first, *end);
        }
        settled
    }

    /// All below is settled.
    pub(crate) fn low(&self) -> u64 {
        self.low
    }

    /// The ranges above, in order.
    pub(crate) fn ranges(&self) -> Vec<(u64, u64)> {
        self.ranges
            .iter()
            .map(|(first, end)| (*first, *end))
            .collect()
    }

    /// Records of these sequences, the end excluded, are settled. Doing it twice changes nothing.
    pub(crate) fn add(&mut self, first: u64, end: u64) {
        let (mut first, mut end) = (first.max(self.low), end);
        if first >= end {
            return;
        }
        let touching: Vec<u64> = self
            .ranges
            .range(..=end)
            .rev()
            .take_while(|(_, other)| **other >= first)
            .map(|(at, _)| *at)
            .collect();
        for at in touching {
            let other = self.ranges.remove(&at).unwrap_or(at);
            (first, end) = (first.min(at), end.max(other));
        }
        if first <= self.low {
            self.low = end;
        } else {
            self.ranges.insert(first, end);
        }
    }

    /// Behind all that is settled.
    pub(crate) fn high(&self) -> u64 {
        self.ranges
            .last_key_value()
            .map_or(self.low, |(_, end)| *end)
    }

    /// The first record from this one on that is not settled.
    pub(crate) fn first_open(&self, from: u64) -> u64 {
        let from = from.max(self.low);
        let range = self.ranges.range(..=from).next_back();
        range.map_or(from, |(_, end)| from.max(*end))
    }

    /// How many records of these sequences, the end excluded, are not settled.
    pub(crate) fn open(&self, first: u64, end: u64) -> u64 {
        let first = first.max(self.low);
        let before = self.ranges.range(..first).next_back();
        let within = self.ranges.range(first..end.max(first));
        let covered = before.into_iter().chain(within).map(|(at, to)| {
            let (at, to) = ((*at).max(first), (*to).min(end));
            to.saturating_sub(at)
        });
        end.saturating_sub(first) - covered.sum::<u64>()
    }

    /// Whether a record is settled.
    pub(crate) fn has(&self, sequence: u64) -> bool {
        let range = self.ranges.range(..=sequence).next_back();
        sequence < self.low || range.is_some_and(|(_, end)| sequence < *end)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_is_a_set_in_whatever_order_it_is_told() {
        for seed in 0..2_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut settled, mut model) = (Settled::default(), BTreeSet::new());
            for _ in 0..30 {
                let first = random.u64(0..60);
                let end = first + random.u64(0..8);
                settled.add(first, end);
                model.extend(first..end);
                let again = Settled::new(settled.low(), &settled.ranges());
                assert_eq!(again, settled, "seed {seed}");
            }
            for at in 0..80 {
                assert_eq!(settled.has(at), model.contains(&at), "seed {seed}: {at}");
            }
            let (first, end) = (random.u64(0..80), random.u64(0..80));
            let open = (first..end).filter(|at| !model.contains(at)).count();
            assert_eq!(settled.open(first, end), open as u64, "seed {seed}");
            let next = (first..).find(|at| !model.contains(at)).unwrap();
            assert_eq!(settled.first_open(first), next, "seed {seed}");
            let high = model.last().map_or(0, |last| last + 1);
            assert_eq!(settled.high(), high, "seed {seed}");
            let low = (0..).find(|at| !model.contains(at)).unwrap();
            assert_eq!(settled.low(), low, "seed {seed}");
        }
    }
}
