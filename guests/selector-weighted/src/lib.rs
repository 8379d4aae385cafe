//! Smooth weighted round robin: sinks get batches in proportion to their weights, well mixed.
//!
//! Each order raises every sink's credit by its weight; the sink with the most credit comes first
//! and pays the sum of the weights. With weights 5, 1, 1 that gives `aabacaa`, not `aaaaabc`.

use flume_policy_sdk::{Ask, Backoff, News, SelectorSetup, SinkSelector, State, export_selector};

/// Orders sinks by their credit.
#[derive(Debug)]
pub struct Weighted {
    backoff: Backoff,
    weights: Vec<i64>,
    credits: Vec<i64>,
}

impl SinkSelector for Weighted {
    fn configure(setup: &mut SelectorSetup) -> Self {
        let weight = |sink: &mut flume_policy_sdk::Sink| {
            i64::from(sink.properties.number("weight", 1_u32, 0..=1_000_000))
        };
        let weights: Vec<i64> = setup.sinks.iter_mut().map(weight).collect();
        if weights.iter().all(|weight| *weight == 0) {
            setup.properties.problem("no sink has a `weight` above 0");
        }
        Self {
            backoff: Backoff::configure(&mut setup.properties, weights.len()),
            credits: vec![0; weights.len()],
            weights,
        }
    }

    fn failed(&mut self, sink: usize, at: u64) {
        self.backoff.failed(sink, at);
    }

    fn delivered(&mut self, sink: usize, _: &News) {
        self.backoff.delivered(sink);
    }

    fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
        let mut order = self.backoff.allowed(ask.at.now);
        let total: i64 = order.iter().map(|sink| self.weights[*sink]).sum();
        for sink in &order {
            self.credits[*sink] += self.weights[*sink];
        }
        // A stable sort: of equal credits the sink that is listed first. Sinks of weight 0 are a
        // last resort.
        let credit = |sink: &usize| (self.weights[*sink] == 0, -self.credits[*sink]);
        order.sort_by_key(credit);
        if let Some(first) = order.first() {
            self.credits[*first] -= total;
        }
        order
    }
}

impl State for Weighted {
    const FORMAT: u32 = 1;

    fn export(&self) -> Vec<u8> {
        self.credits
            .iter()
            .flat_map(|credit| credit.to_le_bytes())
            .collect()
    }

    fn import(&mut self, format: u32, bytes: &[u8]) -> Result<(), String> {
        let (credits, rest) = bytes.as_chunks::<8>();
        if format != Self::FORMAT || credits.len() != self.credits.len() || !rest.is_empty() {
            return Err(format!("no credits of {} sinks", self.credits.len()));
        }
        let bound = self.weights.iter().sum::<i64>();
        let credit = |bytes: &[u8; 8]| i64::from_le_bytes(*bytes).clamp(-bound, bound);
        self.credits = credits.iter().map(credit).collect();
        Ok(())
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
