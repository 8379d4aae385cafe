//! Latency shed: sinks take turns, but one that is much slower than the best is left out.
//!
//! | sink | left out | back in turn |
//! |---|---|---|
//! | average above `factor` × the best average, and above `floor-ms` | from then on; one batch every `trickle-ms` measures it | below the middle between the best and the limit, or below `floor-ms` |
//!
//! The limit for returning is lower than the one for being left out, so a sink near the limit does
//! not come and go. The best sink is never left out, so there is always one.

use flume_policy_sdk::{
    Ask, Backoff, Latencies, News, SelectorSetup, SinkSelector, State, export_selector,
};

/// Takes turns among the sinks that are quick enough.
#[derive(Debug)]
pub struct Shed {
    backoff: Backoff,
    latencies: Latencies,
    factor: f64,
    /// In nanoseconds.
    floor: f64,
    /// In nanoseconds.
    trickle: u64,
    /// For each sink that is left out, when it was last tried.
    shed: Vec<Option<u64>>,
    turn: usize,
}

impl SinkSelector for Shed {
    fn configure(setup: &mut SelectorSetup) -> Self {
        let sinks = setup.sinks.len();
        let properties = &mut setup.properties;
        Self {
            backoff: Backoff::with_default(properties, sinks, true),
            latencies: Latencies::configure(properties, sinks),
            factor: properties.number("factor", 3.0, 1.1..=1000.0),
            floor: f64::from(properties.number("floor-ms", 5, 0..=3_600_000_u32)) * 1e6,
            trickle: properties.number("trickle-ms", 1000, 1..=3_600_000_u64) * 1_000_000,
            shed: vec![None; sinks],
            turn: 0,
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
        let now = ask.at.now;
        let allowed = self.backoff.allowed(now);
        self.judge(&allowed, now);
        let (mut order, mut slow): (Vec<usize>, Vec<usize>) = allowed
            .into_iter()
            .partition(|sink| self.shed[*sink].is_none());
        // Sinks that are left out are the last resort, the most recently tried one last.
        slow.sort_by_key(|sink| self.shed[*sink]);
        let due = slow
            .first()
            .copied()
            .filter(|sink| self.shed[*sink].is_some_and(|tried_at| now >= tried_at + self.trickle));
        if let Some(due) = due {
            self.shed[due] = Some(now);
            order.insert(0, due);
            slow.remove(0);
        } else if !order.is_empty() {
            self.turn = (self.turn + 1) % order.len();
            order.rotate_left(self.turn);
        }
        order.extend(slow);
        order
    }
}

impl Shed {
    /// The sinks that are too slow now.
    fn judge(&mut self, allowed: &[usize], now: u64) {
        let known = allowed.iter().filter_map(|sink| self.latencies.of(*sink));
        let best = known.fold(f64::INFINITY, f64::min);
        let limit = (best * self.factor).max(self.floor);
        let back = (best * (1.0 + self.factor) / 2.0).max(self.floor);
        for sink in allowed {
            let Some(latency) = self.latencies.of(*sink) else {
                continue;
            };
            let shed = &mut self.shed[*sink];
            match shed {
                None if latency > limit => *shed = Some(now),
                Some(_) if latency <= back => *shed = None,
                _ => {}
            }
        }
    }
}

impl State for Shed {
    const FORMAT: u32 = Latencies::FORMAT;

    fn export(&self) -> Vec<u8> {
        self.latencies.pack()
    }

    fn import(&mut self, format: u32, bytes: &[u8]) -> Result<(), String> {
        self.latencies.unpack(format, bytes)
    }
}

export_selector!(Shed, state);

#[cfg(test)]
mod tests {
    use super::*;
    use flume_policy_sdk::testing::Group;

    const SINKS: [&str; 3] = ["k1", "k2", "k3"];

    /// The sinks that deliver some batches, one every 10 ms, each sink with its own latency.
    fn shares(group: &mut Group<Shed>, batches: u32, latencies: [u64; 3]) -> [u32; 3] {
        let mut shares = [0; 3];
        for _ in 0..batches {
            group.advance_ms(10);
            let sink = group.order()[0] as usize;
            group.begin(sink);
            group.deliver(sink, 10, latencies[sink]);
            shares[sink] += 1;
        }
        shares
    }

    #[test]
    fn sinks_take_turns_while_none_is_much_slower() {
        let mut group = Group::<Shed>::of(&SINKS, &[]);
        assert_eq!(shares(&mut group, 300, [10, 20, 29]), [100, 100, 100]);
        assert_eq!(shares(&mut group, 300, [10, 20, 29]), [100, 100, 100]);
    }

    #[test]
    fn a_slow_sink_keeps_a_trickle_and_comes_back() {
        let mut group = Group::<Shed>::of(&SINKS, &[]);
        shares(&mut group, 300, [10, 10, 10]);
        // The average has to reach the limit first.
        shares(&mut group, 2000, [10, 10, 200]);
        let [quick, other, slow] = shares(&mut group, 1000, [10, 10, 200]);
        assert_eq!(slow, 10, "one batch each second");
        assert!(quick.abs_diff(other) <= 1, "{quick} {other}");
        // 200 ms decay to the middle of 10 and 30 ms in 10 s x ln 19.
        assert_eq!(shares(&mut group, 2800, [10, 10, 10])[2], 28);
        let shares = shares(&mut group, 600, [10, 10, 10]);
        assert!(shares[2] > 90, "{shares:?}");
    }

    #[test]
    fn what_is_quick_enough_is_never_left_out() {
        let mut group = Group::<Shed>::of(&SINKS, &[("floor-ms", "50")]);
        assert_eq!(shares(&mut group, 300, [1, 5, 49]), [100, 100, 100]);
        assert_eq!(shares(&mut group, 300, [1, 5, 49]), [100, 100, 100]);
    }

    #[test]
    fn there_is_no_to_and_fro_at_the_limit() {
        let mut group = Group::<Shed>::of(&SINKS, &[]);
        shares(&mut group, 300, [10, 10, 31]);
        // Between the two limits, a sink that is out stays out.
        let [_, _, slow] = shares(&mut group, 6000, [10, 10, 25]);
        assert_eq!(slow, 60);
    }

    #[test]
    fn the_slow_sink_is_the_last_resort() {
        let mut group = Group::<Shed>::of(&SINKS, &[]);
        shares(&mut group, 300, [10, 10, 200]);
        assert_eq!(group.order().last(), Some(&2));
        group.fail(0);
        group.fail(1);
        assert_eq!(group.order(), [2], "alone it is the best");
    }

    #[test]
    fn averages_survive_a_swap() {
        let mut old = Group::<Shed>::of(&SINKS, &[]);
        shares(&mut old, 300, [10, 10, 200]);
        old.order();
        let mut new = Group::<Shed>::of(&SINKS, &[]);
        new.import(&old).unwrap();
        let shares = shares(&mut new, 90, [10, 10, 200]);
        assert_eq!(shares, [45, 45, 0]);
    }

    #[test]
    fn keys_have_bounds() {
        for (key, value) in [("factor", "1"), ("trickle-ms", "0"), ("floor-ms", "-1")] {
            Group::<Shed>::with(&[("k1", &[])], &[(key, value)]).unwrap_err();
        }
    }
}
