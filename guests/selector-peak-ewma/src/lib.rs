//! Peak EWMA: the sink that will probably finish first.
//!
//! The cost of a sink is `latency × (batches in flight + 1)`. Its latency is a decaying average,
//! but a batch that takes longer than the average becomes the average at once: a sink that gets
//! slow is avoided at once, and comes back slowly. A failure counts as a batch that took
//! `penalty-ms`.

use flume_policy_sdk::{Ask, Latencies, News, SelectorSetup, SinkSelector, State, export_selector};

/// Orders sinks by their cost.
#[derive(Debug)]
pub struct PeakEwma {
    latencies: Latencies,
    /// The time that a failure counts as, in nanoseconds.
    penalty: f64,
}

impl SinkSelector for PeakEwma {
    fn configure(setup: &mut SelectorSetup) -> Self {
        let penalty = setup
            .properties
            .number("penalty-ms", 1000, 1..=3_600_000_u32);
        Self {
            latencies: Latencies::configure(&mut setup.properties, setup.sinks.len()),
            penalty: f64::from(penalty) * 1e6,
        }
    }

    fn failed(&mut self, sink: usize, at: u64) {
        self.latencies.peak(sink, self.penalty, at);
    }

    fn delivered(&mut self, sink: usize, news: &News) {
        self.latencies.delivered_peak(sink, news);
    }

    fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
        let cost = |sink: usize| {
            let busy = f64::from(ask.sinks[sink].in_flight);
            match self.latencies.of(sink) {
                Some(_) => self.latencies.faded(sink, ask.at.now) * (busy + 1.0),
                // Nothing is known about it, so it gets one batch, not all of them.
                None => self.penalty * busy,
            }
        };
        let costs: Vec<f64> = (0..ask.sinks.len()).map(cost).collect();
        let mut order: Vec<usize> = (0..costs.len()).collect();
        // The sort is stable: of equal costs, the sink listed first wins.
        order.sort_by(|one, other| costs[*one].total_cmp(&costs[*other]));
        order
    }
}

impl State for PeakEwma {
    const FORMAT: u32 = Latencies::FORMAT;

    fn export(&self) -> Vec<u8> {
        self.latencies.pack()
    }

    fn import(&mut self, format: u32, bytes: &[u8]) -> Result<(), String> {
        self.latencies.unpack(format, bytes)
    }
}

export_selector!(PeakEwma, state);

#[cfg(test)]
mod tests {
    use super::*;
    use flume_policy_sdk::testing::Group;

    const SINKS: [&str; 3] = ["k1", "k2", "k3"];

    fn group(latencies: [u64; 3]) -> Group<PeakEwma> {
        let mut group = Group::<PeakEwma>::of(&SINKS, &[]);
        for (sink, latency) in latencies.into_iter().enumerate() {
            group.begin(sink);
            group.deliver(sink, 10, latency);
        }
        group
    }

    #[test]
    fn every_sink_is_tried_once_at_the_start() {
        let mut group = Group::<PeakEwma>::of(&SINKS, &[]);
        let mut tried = [0, 0, 0];
        for _ in 0..3 {
            let sink = group.order()[0] as usize;
            group.begin(sink);
            tried[sink] += 1;
        }
        assert_eq!(tried, [1, 1, 1]);
    }

    #[test]
    fn latency_and_batches_under_way_multiply() {
        let mut group = group([10, 25, 40]);
        assert_eq!(group.order(), [0, 1, 2]);
        group.begin(0);
        assert_eq!(group.order(), [0, 1, 2], "20 and 25");
        group.begin(0);
        assert_eq!(group.order(), [1, 0, 2], "30 and 25");
        group.begin(1);
        assert_eq!(group.order(), [0, 2, 1], "30, 40 and 50");
    }

    #[test]
    fn a_peak_counts_at_once_and_is_forgotten_slowly() {
        let mut group = group([1, 10, 40]);
        // Otherwise both batches would be reported together, with their mean.
        group.order();
        group.begin(0);
        group.deliver(0, 10, 100);
        assert_eq!(group.order(), [1, 2, 0]);
        // The others go on; the peak decays by half in seven seconds.
        let mut back = None;
        for second in 1..60 {
            group.advance_ms(1000);
            for (sink, latency) in [(1, 10), (2, 40)] {
                group.begin(sink);
                group.deliver(sink, 10, latency);
            }
            if group.order()[0] == 0 {
                back = Some(second);
                break;
            }
        }
        // 100 ms decay below 10 ms in 10 s x ln 10.
        assert_eq!(back, Some(24));
    }

    #[test]
    fn a_failure_is_a_penalty_and_no_exclusion() {
        let mut group = group([1, 10, 40]);
        group.begin(0);
        group.fail(0);
        assert_eq!(group.order(), [1, 2, 0]);
        group.begin(1);
        group.fail(1);
        group.begin(2);
        group.fail(2);
        assert_eq!(group.order().len(), 3);
    }

    #[test]
    fn a_dead_sink_is_tried_about_once_a_minute() {
        let mut group = group([5, 5, 5]);
        let mut failures = 0;
        for _ in 0..3000 {
            group.advance_ms(100);
            failures += u32::from(group.order()[0] == 0);
            group.play(&[0], 5);
        }
        assert!((3..=7).contains(&failures), "{failures} in five minutes");
    }

    #[test]
    fn averages_survive_a_swap() {
        let mut old = group([30, 10, 20]);
        assert_eq!(old.order(), [1, 2, 0]);
        let mut new = Group::<PeakEwma>::of(&SINKS, &[]);
        new.import(&old).unwrap();
        assert_eq!(new.order(), [1, 2, 0]);
    }

    #[test]
    fn keys_have_bounds() {
        for (key, value) in [("decay-ms", "0"), ("penalty-ms", "0"), ("decay", "5")] {
            Group::<PeakEwma>::with(&[("k1", &[])], &[(key, value)]).unwrap_err();
        }
    }
}
