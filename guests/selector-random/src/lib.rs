//! Random: each batch tries the sinks in a fresh random order.
//!
//! The twin of the native `random`; from the same seed both give the same orders, batch for batch.

use flume_policy_sdk::{Ask, Backoff, News, Random, SelectorSetup, SinkSelector, export_selector};

/// Shuffles the sinks for each batch.
#[derive(Debug)]
pub struct Shuffled {
    backoff: Backoff,
    random: Random,
}

impl SinkSelector for Shuffled {
    fn configure(setup: &mut SelectorSetup) -> Self {
        Self {
            backoff: Backoff::configure(&mut setup.properties, setup.sinks.len()),
            random: Random::seeded(setup.seed),
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
        self.random.shuffle(&mut order);
        order
    }
}

export_selector!(Shuffled);

#[cfg(test)]
mod tests {
    use super::*;
    use flume_policy_sdk::testing::Group;

    #[test]
    fn each_sink_comes_first_about_as_often() {
        let mut group = Group::<Shuffled>::of(&["k1", "k2", "k3"], &[]);
        let mut firsts = [0; 3];
        for _ in 0..3000 {
            let mut order = group.order();
            firsts[order[0] as usize] += 1;
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2]);
        }
        assert!(
            firsts.iter().all(|first| (900..1100).contains(first)),
            "{firsts:?}"
        );
    }

    #[test]
    fn a_failed_sink_is_left_out_for_a_while() {
        let properties = [("backoff", "true"), ("maxTimeOut", "1000")];
        let mut group = Group::<Shuffled>::of(&["k1", "k2"], &properties);
        group.fail(0);
        assert_eq!(group.order(), [1]);
        group.advance_ms(1001);
        assert_eq!(group.order().len(), 2);
    }

    #[test]
    fn without_backoff_a_failed_sink_stays() {
        let mut group = Group::<Shuffled>::of(&["k1", "k2"], &[]);
        group.fail(0);
        assert_eq!(group.order().len(), 2);
    }
}
