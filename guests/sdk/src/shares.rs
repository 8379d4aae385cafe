//! Shares by weight, well mixed: smooth weighted round robin that stays fair when sinks fail.
//!
//! | what happens | credits |
//! |---|---|
//! | an order | every sink that may be tried gains its weight; the sink with the most comes first and pays their sum |
//! | the first sink delivers | – |
//! | the first sink fails, another one delivers | every sink that is well gains its weight; the one that delivered pays their sum |
//!
//! Without the last row, the batches of a failing sink would all go to the second sink in the
//! order, for free. With it, they are shared by weight as well.

use crate::selector::{Ask, News};
use crate::words;

/// The most outcomes to wait for.
const MOST_PICKS: u64 = 64;

/// How much each sink has had.
///
/// ```
/// use flume_policy_sdk::{Ask, News, SelectorSetup, Shares, SinkSelector, testing::Group};
///
/// /// Two batches of three to the first sink.
/// struct TwoToOne(Shares);
///
/// impl SinkSelector for TwoToOne {
///     fn configure(_: &mut SelectorSetup) -> Self {
///         Self(Shares::of(2))
///     }
///     fn failed(&mut self, sink: usize, _: u64) {
///         self.0.failed(sink);
///     }
///     fn delivered(&mut self, sink: usize, news: &News) {
///         self.0.delivered(sink, news);
///     }
///     fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
///         self.0.order(ask, vec![0, 1], &[2, 1])
///     }
/// }
///
/// let mut group = Group::<TwoToOne>::of(&["k1", "k2"], &[]);
/// let firsts: Vec<u32> = (0..6).map(|_| group.order()[0]).collect();
/// assert_eq!(firsts, [0, 1, 0, 0, 1, 0]);
/// ```
#[derive(Debug, Clone)]
pub struct Shares {
    credits: Vec<i64>,
    /// Orders in which the sink came first, without an outcome so far. The host does not report
    /// every outcome (only one of several batches that fail together), so some of these stay. Such
    /// a sink has paid for a batch that it did not get, and gets another one in return.
    picks: Vec<u64>,
    /// Batches that it delivered in another sink's place and has not paid for yet.
    unpaid: Vec<u64>,
}

impl Shares {
    /// The layout of [`pack`](Self::pack).
    pub const FORMAT: u32 = words::format(b"shr1");

    /// Shares for this many sinks, all starting equal.
    pub fn of(sinks: usize) -> Self {
        Self {
            credits: vec![0; sinks],
            picks: vec![0; sinks],
            unpaid: vec![0; sinks],
        }
    }

    /// A sink delivered.
    pub fn delivered(&mut self, sink: usize, news: &News) {
        let batches = u64::from(news.batches);
        let paid = self.picks[sink].min(batches);
        self.picks[sink] -= paid;
        self.unpaid[sink] += batches - paid;
    }

    /// A sink failed.
    pub fn failed(&mut self, sink: usize) {
        self.picks[sink] = self.picks[sink].saturating_sub(1);
    }

    /// Orders the sinks that may be tried, the first one by weight, and charges it. `weights` has
    /// a weight for each sink of the group; sinks of weight 0 come last.
    pub fn order(&mut self, ask: &Ask<'_>, mut allowed: Vec<usize>, weights: &[i64]) -> Vec<usize> {
        self.settle(ask, &allowed, weights);
        let total = self.earn(&allowed, weights);
        // The sort is stable: of sinks with equal credits, the one listed first wins.
        allowed.sort_by_key(|sink| (weights[*sink] == 0, -self.credits[*sink]));
        if let Some(first) = allowed.first() {
            self.credits[*first] -= total;
            self.picks[*first] = (self.picks[*first] + 1).min(MOST_PICKS);
        }
        allowed
    }

    /// A sink that had no weight for a while starts again from zero.
    pub fn forget(&mut self, sink: usize) {
        self.credits[sink] = 0;
    }

    /// Charges sinks for batches delivered in others' places.
    fn settle(&mut self, ask: &Ask<'_>, allowed: &[usize], weights: &[i64]) {
        if self.unpaid.iter().all(|batches| *batches == 0) {
            return;
        }
        let is_well = |sink: &usize| ask.sinks[*sink].failures == 0;
        let well: Vec<usize> = allowed.iter().copied().filter(is_well).collect();
        for sink in 0..self.unpaid.len() {
            // A sink that has failed since then no longer shares; it has paid by failing.
            let batches = std::mem::take(&mut self.unpaid[sink]);
            // More than a few would only be clamped.
            for _ in 0..batches.min(100) {
                if well.contains(&sink) {
                    self.credits[sink] -= self.earn(&well, weights);
                }
            }
        }
        let bound: i64 = weights.iter().sum();
        for credit in &mut self.credits {
            *credit = (*credit).clamp(-bound, bound);
        }
    }

    /// Sinks gain their weights; returns the sum.
    fn earn(&mut self, sinks: &[usize], weights: &[i64]) -> i64 {
        for sink in sinks {
            self.credits[*sink] += weights[*sink];
        }
        sinks.iter().map(|sink| weights[*sink]).sum()
    }

    /// The credits, for [`State::export`](crate::State::export).
    pub fn pack(&self) -> Vec<u8> {
        words::pack(self.credits.iter().map(|credit| credit.cast_unsigned()))
    }

    /// Takes over credits. They are limited to the sum of the weights, because they may come from
    /// other weights.
    ///
    /// # Errors
    /// The bytes have another layout.
    pub fn unpack(&mut self, format: u32, bytes: &[u8], weights: &[i64]) -> Result<(), String> {
        words::same_format(format, Self::FORMAT)?;
        let bound: i64 = weights.iter().sum();
        let rows = words::rows::<1>(bytes, self.credits.len())?;
        let credit = |[word]: &[u64; 1]| word.cast_signed().clamp(-bound, bound);
        self.credits = rows.iter().map(credit).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Group;
    use crate::{SelectorSetup, SinkSelector};

    /// Weights 3, 1 and 1.
    struct Plain(Shares);

    impl SinkSelector for Plain {
        fn configure(_: &mut SelectorSetup) -> Self {
            Self(Shares::of(3))
        }
        fn failed(&mut self, sink: usize, _: u64) {
            self.0.failed(sink);
        }
        fn delivered(&mut self, sink: usize, news: &News) {
            self.0.delivered(sink, news);
        }
        fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
            self.0.order(ask, vec![0, 1, 2], &[3, 1, 1])
        }
    }

    /// Deliveries and first tries of 100 batches, while some sinks fail.
    fn lives(broken: &[u32]) -> ([u32; 3], [u32; 3]) {
        let mut group = Group::<Plain>::of(&["k1", "k2", "k3"], &[]);
        let (mut delivered, mut firsts) = ([0; 3], [0; 3]);
        for _ in 0..100 {
            group.advance_ms(1);
            let order = group.order();
            firsts[order[0] as usize] += 1;
            for sink in order {
                if !broken.contains(&sink) {
                    group.deliver(sink as usize, 10, 1);
                    delivered[sink as usize] += 1;
                    break;
                }
                group.fail(sink as usize);
            }
        }
        (delivered, firsts)
    }

    #[test]
    fn deliveries_follow_the_weights() {
        assert_eq!(lives(&[]), ([60, 20, 20], [60, 20, 20]));
    }

    /// Without a charge for deliveries in its place, the second sink would get 60 of them.
    #[test]
    fn a_sink_that_fails_does_not_distort_the_others() {
        for (broken, expected) in [(0, [0, 50, 50]), (2, [75, 25, 0])] {
            let (delivered, firsts) = lives(&[broken]);
            let near = |found: [u32; 3], expected: [u32; 3]| {
                found
                    .iter()
                    .zip(expected)
                    .all(|(found, expected)| found.abs_diff(expected) <= 1)
            };
            assert!(near(delivered, expected), "{broken}: {delivered:?}");
            assert!(near(firsts, [60, 20, 20]), "{broken}: {firsts:?}");
        }
    }

    #[test]
    fn credits_are_cut_to_what_the_weights_allow() {
        let mut shares = Shares::of(2);
        let bytes = words::pack([100, (-3_i64).cast_unsigned()]);
        shares.unpack(Shares::FORMAT, &bytes, &[3, 1]).unwrap();
        assert_eq!(shares.credits, [4, -3]);
        shares.unpack(1, &bytes, &[3, 1]).unwrap_err();
        shares
            .unpack(Shares::FORMAT, &bytes[..8], &[3, 1])
            .unwrap_err();
    }
}
