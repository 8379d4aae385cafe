//! A set of sequences, as a list of ranges in order.

/// Ranges, first and end of each, in order; they do not touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// All below a sequence.
    pub(super) fn below(end: u64) -> Self {
        let mut all = Self::default();
        all.add(0, end);
        all
    }

    pub(super) fn add(&mut self, first: u64, end: u64) {
        if first >= end {
            return;
        }
        self.0.push((first, end));
        self.0.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::new();
        for (first, end) in self.0.drain(..) {
            match joined.last_mut() {
                Some(last) if first <= last.1 => last.1 = last.1.max(end),
                _ => joined.push((first, end)),
            }
        }
        self.0 = joined;
    }

    pub(super) fn has(&self, sequence: u64) -> bool {
        let at = self.0.partition_point(|(_, end)| *end <= sequence);
        self.0.get(at).is_some_and(|(first, _)| *first <= sequence)
    }

    /// How many of a range are not in the set.
    pub(super) fn missing(&self, first: u64, end: u64) -> u64 {
        let covered = |(from, to): &(u64, u64)| (*to).min(end).saturating_sub((*from).max(first));
        end.saturating_sub(first) - self.0.iter().map(covered).sum::<u64>()
    }

    /// The first one from here on that is not in the set.
    pub(super) fn next_missing(&self, from: u64) -> u64 {
        let range = self
            .0
            .iter()
            .find(|(first, end)| *first <= from && from < *end);
        range.map_or(from, |(_, end)| *end)
    }

    /// The end of the last range.
    pub(super) fn high(&self) -> u64 {
        self.0.last().map_or(0, |(_, end)| *end)
    }

    /// Up to where all are in the set, and the ranges above.
    pub(super) fn parts(mut self) -> (u64, Vec<(u64, u64)>) {
        let low = match self.0.first() {
            Some((0, end)) => *end,
            _ => return (0, self.0),
        };
        self.0.remove(0);
        (low, self.0)
    }
}
