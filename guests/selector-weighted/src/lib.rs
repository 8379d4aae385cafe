//! Smooth weighted round robin: sinks get batches in proportion to their weights, well mixed.
//!
//! With weights 5, 1, 1 seven batches go to `aabacaa`, not to `aaaaabc`. [`Shares`] explains how,
//! and where the batches of a failing sink go.

use flume_policy_sdk::{
    Ask, Backoff, News, SelectorSetup, Shares, Sink, SinkSelector, State, export_selector,
};

/// Orders sinks by their shares.
#[derive(Debug)]
pub struct Weighted {
    backoff: Backoff,
    weights: Vec<i64>,
    shares: Shares,
}

impl SinkSelector for Weighted {
    fn configure(setup: &mut SelectorSetup) -> Self {
        let weight =
            |sink: &mut Sink| i64::from(sink.properties.number("weight", 1_u32, 0..=1_000_000));
        let weights: Vec<i64> = setup.sinks.iter_mut().map(weight).collect();
        if weights.iter().all(|weight| *weight == 0) {
            setup.properties.problem("no sink has a `weight` above 0");
        }
        Self {
            backoff: Backoff::configure(&mut setup.properties, weights.len()),
            shares: Shares::of(weights.len()),
            weights,
        }
    }

    fn failed(&mut self, sink: usize, at: u64) {
        self.backoff.failed(sink, at);
        self.shares.failed(sink);
    }

    fn delivered(&mut self, sink: usize, news: &News) {
        self.backoff.delivered(sink);
        self.shares.delivered(sink, news);
    }

    fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
        let allowed = self.backoff.allowed(ask.at.now);
        self.shares.order(ask, allowed, &self.weights)
    }
}

impl State for Weighted {
    const FORMAT: u32 = Shares::FORMAT;

    fn export(&self) -> Vec<u8> {
        self.shares.pack()
    }

    fn import(&mut self, format: u32, bytes: &[u8]) -> Result<(), String> {
        self.shares.unpack(format, bytes, &self.weights)
    }
}

export_selector!(Weighted, state);

#[cfg(test)]
mod tests {
    use super::*;
    use flume_policy_sdk::testing::Group;

    fn group(weights: &[&'static str]) -> Group<Weighted> {
        let names = ["k1", "k2", "k3"];
        let properties: Vec<[(&str, &str); 1]> = weights.iter().map(|w| [("weight", *w)]).collect();
        let sinks: Vec<(&str, &[(&str, &str)])> = names
            .iter()
            .zip(&properties)
            .map(|(name, of)| (*name, &of[..]))
            .collect();
        Group::with(&sinks, &[("backoff", "true")]).unwrap()
    }

    #[test]
    fn shares_follow_the_weights_and_are_mixed() {
        let mut group = group(&["5", "1", "1"]);
        let firsts: Vec<u32> = (0..7).map(|_| group.order()[0]).collect();
        assert_eq!(firsts, [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn a_dead_sink_gets_nothing_and_the_others_their_shares() {
        let mut group = group(&["5", "3", "1"]);
        group.fail(0);
        let mut shares = [0; 3];
        for _ in 0..40 {
            shares[group.order()[0] as usize] += 1;
        }
        assert_eq!(shares, [0, 30, 10]);
    }

    /// Deliveries of 40 batches while the first sink is broken, and how often it was tried first.
    fn deliveries(weights: &[&'static str], broken: &[usize]) -> [u32; 3] {
        let mut group = group(weights);
        let mut shares = [0; 3];
        for _ in 0..40 {
            group.advance_ms(100);
            if let Some(sink) = group.play(broken, 1) {
                shares[sink] += 1;
            }
        }
        shares
    }

    #[test]
    fn deliveries_follow_the_weights_whatever_fails() {
        assert_eq!(deliveries(&["3", "1", "0"], &[]), [30, 10, 0]);
        assert_eq!(deliveries(&["6", "3", "1"], &[0]), [0, 30, 10]);
        assert_eq!(deliveries(&["6", "1", "1"], &[0]), [0, 20, 20]);
        assert_eq!(deliveries(&["6", "1", "0"], &[0, 1])[2], 40);
    }

    #[test]
    fn credits_and_failures_survive_a_swap() {
        let mut alone = group(&["5", "1", "1"]);
        let expected: Vec<_> = (0..7).map(|_| alone.play(&[], 1)).collect();
        let mut old = group(&["5", "1", "1"]);
        let mut found: Vec<_> = (0..3).map(|_| old.play(&[], 1)).collect();
        // News that the host has not reported yet goes to the successor.
        old.order();
        let mut new = group(&["5", "1", "1"]);
        new.import(&old).unwrap();
        found.push(Some(0));
        found.extend((4..7).map(|_| new.play(&[], 1)));
        assert_eq!(found, expected);
    }

    #[test]
    fn weights_must_be_numbers() {
        let sinks: [(&str, &[(&str, &str)]); 2] = [("k1", &[("weight", "heavy")]), ("k2", &[])];
        let errors = Group::<Weighted>::with(&sinks, &[]).unwrap_err();
        let text = format!("{errors:?}");
        assert!(
            text.contains("`weight` of sink `k1` must be a number"),
            "{text}"
        );
    }
}
