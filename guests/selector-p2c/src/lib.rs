//! Power of two choices: the less busy of two sinks drawn at random.
//!
//! If several agents or workers choose by old news, always taking the least busy sink sends all
//! their batches to the same one at the same moment. Two draws avoid that and are nearly as good.

use std::cmp::Ordering;

use flume_policy_sdk::{
    Ask, Backoff, Latencies, News, Random, SelectorSetup, SinkSelector, State, export_selector,
};

/// Draws two sinks and puts the less busy one first.
#[derive(Debug)]
pub struct PowerOfTwo {
    backoff: Backoff,
    latencies: Latencies,
    random: Random,
}

impl SinkSelector for PowerOfTwo {
    fn configure(setup: &mut SelectorSetup) -> Self {
        let sinks = setup.sinks.len();
        Self {
            backoff: Backoff::with_default(&mut setup.properties, sinks, true),
            latencies: Latencies::configure(&mut setup.properties, sinks),
            random: Random::seeded(setup.seed),
        }
    }

    fn failed(&mut self, sink: usize, at: u64) {
        self.backoff.failed(sink, at);
    }

    fn delivered(&mut self, sink: usize, news: &News) {
        self.backoff.delivered(sink);
        self.latencies.delivered(sink, news);
    }

    fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
        let mut order = self.backoff.allowed(ask.at.now);
        // The draw is the first two of a shuffle. The rest is for batches that fail, best first.
        for place in 0..order.len().min(2) {
            let drawn = place + self.random.below(order.len() - place);
            order.swap(place, drawn);
        }
        let load = |sink: usize| {
            let latency = self.latencies.faded(sink, ask.at.now);
            (ask.sinks[sink].in_flight, latency)
        };
        let compare = |one: &usize, other: &usize| -> Ordering {
            let ((one_busy, one_slow), (other_busy, other_slow)) = (load(*one), load(*other));
            one_busy
                .cmp(&other_busy)
                .then(one_slow.total_cmp(&other_slow))
        };
        let drawn = order.len().min(2);
        let (first, rest) = order.split_at_mut(drawn);
        first.sort_by(compare);
        rest.sort_by(compare);
        order
    }
}

impl State for PowerOfTwo {
    const FORMAT: u32 = Latencies::FORMAT;

    fn export(&self) -> Vec<u8> {
        self.latencies.pack()
    }

    fn import(&mut self, format: u32, bytes: &[u8]) -> Result<(), String> {
        self.latencies.unpack(format, bytes)
    }
}

export_selector!(PowerOfTwo, state);

#[cfg(test)]
mod tests {
    use super::*;
    use flume_policy_sdk::testing::Group;

    const SINKS: [&str; 3] = ["k1", "k2", "k3"];

    fn firsts(group: &mut Group<PowerOfTwo>) -> [u32; 3] {
        let mut firsts = [0; 3];
        for _ in 0..3000 {
            firsts[group.order()[0] as usize] += 1;
        }
        firsts
    }

    #[test]
    fn the_busiest_sink_never_comes_first() {
        let mut group = Group::<PowerOfTwo>::of(&SINKS, &[]);
        for sink in [0, 0, 0, 1] {
            group.begin(sink);
        }
        let firsts = firsts(&mut group);
        // The least busy one wins two of the three pairs, the next one the third.
        assert_eq!(firsts[0], 0);
        assert!((900..1100).contains(&firsts[1]), "{firsts:?}");
    }

    #[test]
    fn of_two_that_are_equally_busy_the_quicker_one() {
        let mut group = Group::<PowerOfTwo>::of(&SINKS, &[]);
        for (sink, latency) in [(0, 5), (1, 1), (2, 3)] {
            group.begin(sink);
            group.deliver(sink, 10, latency);
        }
        let firsts = firsts(&mut group);
        assert_eq!(firsts[0], 0);
        assert!((1850..2150).contains(&firsts[1]), "{firsts:?}");
        group.begin(1);
        assert!(
            (0..100).all(|_| group.order()[0] != 1),
            "busy counts more than quick"
        );
    }

    #[test]
    fn a_slow_sink_gets_less_of_what_several_workers_send() {
        let mut group = Group::<PowerOfTwo>::of(&["quick", "slow"], &[]);
        let (mut delivered, mut under_way) = ([0_u32; 2], Vec::new());
        for now in 0..4000_u64 {
            under_way.retain(|(sink, latency, end)| {
                if *end <= now {
                    group.deliver(*sink, 10, *latency);
                }
                *end > now
            });
            if under_way.len() < 8 {
                let sink = group.order()[0] as usize;
                group.begin(sink);
                delivered[sink] += 1;
                let latency = [2, 20][sink];
                under_way.push((sink, latency, now + latency));
            }
            group.advance_ms(1);
        }
        assert!(
            delivered[0] > 4 * delivered[1] && delivered[1] > 0,
            "{delivered:?}"
        );
    }

    #[test]
    fn a_slow_sink_is_tried_again_when_the_memory_fades() {
        let mut group = Group::<PowerOfTwo>::of(&["k1", "k2"], &[("decay-ms", "1000")]);
        let mut last = [0, 0];
        for second in 1..60_u64 {
            let sink = group.play(&[], if second < 5 { 500 } else { 5 }).unwrap();
            last[sink] = second;
            group.advance_ms(1000);
        }
        assert!(last.iter().all(|second| *second > 40), "{last:?}");
    }

    #[test]
    fn failed_sinks_are_left_out_unless_told_otherwise() {
        let mut group = Group::<PowerOfTwo>::of(&SINKS, &[]);
        group.fail(1);
        assert!((0..50).all(|_| !group.order().contains(&1)));
        let mut group = Group::<PowerOfTwo>::of(&SINKS, &[("backoff", "false")]);
        group.fail(1);
        assert_eq!(group.order().len(), 3);
    }

    #[test]
    fn averages_and_batches_under_way_survive_a_swap() {
        let mut old = Group::<PowerOfTwo>::of(&["k1", "k2"], &[]);
        old.begin(0);
        old.begin(1);
        old.deliver(1, 10, 7);
        old.order();
        let mut new = Group::<PowerOfTwo>::of(&["k1", "k2"], &[]);
        new.import(&old).unwrap();
        assert!(
            (0..20).all(|_| new.order()[0] == 1),
            "one is under way at the other"
        );
        new.deliver(0, 10, 2);
        assert!(
            (0..20).all(|_| new.order()[0] == 0),
            "the other took longer"
        );
    }
}
