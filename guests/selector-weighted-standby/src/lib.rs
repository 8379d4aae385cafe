//! Weighted shares among primaries; standbys replace exactly the lost share.
//!
//! | weight of | while all primaries are well | while primaries of weight `L` together are out |
//! |---|---|---|
//! | a primary | its own | its own; 0 if it is out |
//! | a standby | 0 | `L`, shared by the weights of the standbys that are well |
//!
//! So the load of the other primaries does not change when one fails: they are sized for it.

use flume_policy_sdk::{
    Ask, Backoff, News, SelectorSetup, Shares, Sink, SinkSelector, State, export_selector,
};

/// Weights are counted in fractions of one, so that a lost weight of 1 can be shared by three.
const PARTS: i64 = 1 << 20;

/// Orders primaries by their shares, and standbys by the lost share.
#[derive(Debug)]
pub struct WeightedStandby {
    backoff: Backoff,
    weights: Vec<i64>,
    standby: Vec<bool>,
    /// The weights for the current order, in fractions.
    active: Vec<i64>,
    shares: Shares,
}

impl SinkSelector for WeightedStandby {
    fn configure(setup: &mut SelectorSetup) -> Self {
        let weight =
            |sink: &mut Sink| i64::from(sink.properties.number("weight", 1_u32, 1..=1_000_000));
        let weights: Vec<i64> = setup.sinks.iter_mut().map(weight).collect();
        let standby = |sink: &mut Sink| sink.properties.flag("standby", false);
        let standby: Vec<bool> = setup.sinks.iter_mut().map(standby).collect();
        if standby.iter().all(|standby| *standby) {
            setup
                .properties
                .problem("every sink is a `standby`: there is nothing to stand in for");
        }
        let sinks = weights.len();
        Self {
            backoff: Backoff::with_default(&mut setup.properties, sinks, true),
            active: weights.clone(),
            weights,
            standby,
            shares: Shares::of(sinks),
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
        self.weigh(&allowed);
        let mut order = self.shares.order(ask, allowed, &self.active);
        // A batch that its primary refuses goes to the standbys, not to the other primaries.
        if let Some((_, rest)) = order.split_first_mut() {
            rest.sort_by_key(|sink| !self.standby[*sink]);
        }
        order
    }
}

impl WeightedStandby {
    /// The current weights.
    fn weigh(&mut self, allowed: &[usize]) {
        let weight = |sink: usize| self.weights[sink];
        let sum = |standby: bool, sinks: &mut dyn Iterator<Item = usize>| -> i64 {
            sinks
                .filter(|sink| self.standby[*sink] == standby)
                .map(weight)
                .sum()
        };
        let lost =
            sum(false, &mut (0..self.weights.len())) - sum(false, &mut allowed.iter().copied());
        let ready = sum(true, &mut allowed.iter().copied()).max(1);
        let active = |sink: usize| match (self.standby[sink], allowed.contains(&sink)) {
            (false, _) => weight(sink) * PARTS,
            (true, true) => lost * PARTS / ready * weight(sink),
            (true, false) => 0,
        };
        let active: Vec<i64> = (0..self.weights.len()).map(active).collect();
        for (sink, weight) in active.iter().enumerate() {
            if *weight == 0 {
                self.shares.forget(sink);
            }
        }
        self.active = active;
    }
}

impl State for WeightedStandby {
    // Not the layout of `weighted`: credits are in fractions.
    const FORMAT: u32 = flume_policy_sdk::words::format(b"shs1");

    fn export(&self) -> Vec<u8> {
        self.shares.pack()
    }

    fn import(&mut self, format: u32, bytes: &[u8]) -> Result<(), String> {
        flume_policy_sdk::words::same_format(format, Self::FORMAT)?;
        let most: Vec<i64> = self.weights.iter().map(|weight| weight * PARTS).collect();
        self.shares.unpack(Shares::FORMAT, bytes, &most)
    }
}

export_selector!(WeightedStandby, state);

#[cfg(test)]
mod tests {
    use super::*;
    use flume_policy_sdk::testing::Group;

    const STANDBY: [(&str, &str); 1] = [("standby", "true")];

    /// Primaries of weight 5, 3 and 2, and some standbys of weight 1.
    fn group(standbys: usize) -> Group<WeightedStandby> {
        let mut sinks: Vec<(&str, &[(&str, &str)])> = vec![
            ("p5", &[("weight", "5")]),
            ("p3", &[("weight", "3")]),
            ("p2", &[("weight", "2")]),
        ];
        sinks.extend(
            [("s1", &STANDBY[..]), ("s2", &STANDBY)]
                .iter()
                .take(standbys),
        );
        Group::with(&sinks, &[]).unwrap()
    }

    /// How many of 1000 batches each sink delivers while some are down.
    fn shares(group: &mut Group<WeightedStandby>, broken: &[usize]) -> [u32; 5] {
        let mut shares = [0; 5];
        for _ in 0..1000 {
            group.advance_ms(10);
            if let Some(sink) = group.play(broken, 1) {
                shares[sink] += 1;
            }
        }
        shares
    }

    #[test]
    fn standbys_get_nothing_while_all_primaries_are_well() {
        assert_eq!(shares(&mut group(2), &[]), [500, 300, 200, 0, 0]);
    }

    #[test]
    fn standbys_replace_exactly_what_is_lost() {
        for (broken, expected) in [
            (&[0][..], [0, 300, 200, 250, 250]),
            (&[1], [500, 0, 200, 150, 150]),
            (&[0, 2], [0, 300, 0, 350, 350]),
            (&[0, 3], [0, 300, 200, 0, 500]),
            (&[0, 1, 2], [0, 0, 0, 500, 500]),
        ] {
            let found = shares(&mut group(2), broken);
            let is_near = found
                .iter()
                .zip(expected)
                .all(|(f, e): (&u32, u32)| f.abs_diff(e) <= 4);
            assert!(is_near, "{broken:?}: {found:?}");
        }
    }

    #[test]
    fn without_a_standby_the_others_share_the_load() {
        let found = shares(&mut group(0), &[0]);
        assert!(
            found[1].abs_diff(600) <= 6 && found[2].abs_diff(400) <= 6,
            "{found:?}"
        );
    }

    #[test]
    fn a_primary_that_is_well_again_gets_its_share_back() {
        let mut group = group(1);
        shares(&mut group, &[0]);
        group.advance_ms(30_001);
        let found = shares(&mut group, &[]);
        assert!(found[0].abs_diff(500) <= 6 && found[3] <= 1, "{found:?}");
    }

    #[test]
    fn a_batch_that_a_primary_does_not_take_goes_to_a_standby() {
        let mut group = group(1);
        assert_eq!(group.order()[..2], [0, 3]);
    }

    #[test]
    fn a_group_of_standbys_is_none() {
        let sinks: [(&str, &[(&str, &str)]); 2] = [("s1", &STANDBY), ("s2", &STANDBY)];
        Group::<WeightedStandby>::with(&sinks, &[]).unwrap_err();
        let sinks: [(&str, &[(&str, &str)]); 2] = [("p", &[("weight", "0")]), ("s2", &STANDBY)];
        Group::<WeightedStandby>::with(&sinks, &[]).unwrap_err();
    }

    #[test]
    fn credits_survive_a_swap() {
        let mut alone = group(1);
        let expected: Vec<_> = (0..10).map(|_| alone.order()[0]).collect();
        let mut old = group(1);
        let mut found: Vec<_> = (0..4).map(|_| old.order()[0]).collect();
        let mut new = group(1);
        new.import(&old).unwrap();
        found.extend((4..10).map(|_| new.order()[0]));
        assert_eq!(found, expected);
    }
}
