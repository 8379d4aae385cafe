//! Guests give the same orders as their native twins, batch for batch, through random lives.

use std::collections::VecDeque;
use std::time::Duration;

use flume_core::sink_selector::{self, Backoff};
use flume_core::{SinkSelector, clock};
use flume_policy::{Limits, SelectorSetup};

use crate::support::{fallback, guest, limited, pairs, sinks};

/// Two selectors that must not differ.
fn compare(
    name: &str,
    properties: &[(&str, &str)],
    weights: &[u32],
    mut native: impl SinkSelector,
    seed: u64,
) {
    let count = weights.len();
    // Sinks stay idle for a while here: without a limit on that, there is no violation.
    let idle = Limits {
        idle: Duration::from_secs(86_400),
        ..Limits::default()
    };
    let policy = limited(guest(name), idle);
    let setup = SelectorSetup {
        properties: pairs(properties),
        sinks: sinks(weights),
        seed: 1,
    };
    let mut guest = policy.selector("g1", setup, fallback(count)).unwrap();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut now = clock::now();
    for round in 0..3000 {
        let expected = native.order(now);
        let order = guest.order(now);
        assert_eq!(order, expected, "{name}, seed {seed}, round {round}");
        for sink in order {
            now += Duration::from_millis(random.u64(0..400));
            let fails = random.u8(0..10) < if sink == 0 { 6 } else { 2 };
            let selectors: [&mut dyn SinkSelector; 2] = [&mut native, &mut guest];
            for selector in selectors {
                match fails {
                    true => selector.failed(sink, now),
                    false => selector.delivered(sink, now),
                }
            }
            if !fails {
                break;
            }
        }
    }
    assert_eq!(policy.stats().all_violations(), 0);
    assert_eq!(policy.stats().fallbacks.get(), 0);
}

#[test]
fn round_robin_is_its_native_twin() {
    for (seed, sinks) in [(1, 2), (2, 3), (3, 8)] {
        let native = sink_selector::find("round_robin").unwrap();
        let weights = vec![1; sinks];
        compare(
            "selector-round-robin",
            &[],
            &weights,
            Boxed((native.build)(Backoff::none(sinks), 0)),
            seed,
        );
        let backoff = Backoff::capped(sinks, Duration::from_secs(5));
        let properties = [("backoff", "true"), ("maxTimeOut", "5000")];
        compare(
            "selector-round-robin",
            &properties,
            &weights,
            Boxed((native.build)(backoff, 0)),
            seed,
        );
    }
}

#[test]
fn weighted_is_smooth_weighted_round_robin() {
    for (seed, weights) in [(1, &[3, 1][..]), (2, &[5, 1, 1]), (3, &[7, 0, 2, 2, 9])] {
        let backoff = Backoff::capped(weights.len(), Duration::from_secs(30));
        let credits = vec![0; weights.len()];
        let native = Weighted {
            backoff,
            weights: weights.to_vec(),
            credits,
        };
        compare(
            "selector-weighted",
            &[("backoff", "true")],
            weights,
            native,
            seed,
        );
    }
}

struct Boxed(Box<dyn SinkSelector>);

impl SinkSelector for Boxed {
    fn order(&mut self, now: clock::Instant) -> VecDeque<usize> {
        self.0.order(now)
    }
    fn failed(&mut self, sink: usize, now: clock::Instant) {
        self.0.failed(sink, now);
    }
    fn delivered(&mut self, sink: usize, now: clock::Instant) {
        self.0.delivered(sink, now);
    }
    fn states(&self, now: clock::Instant) -> Vec<flume_core::sink_processor::SinkState> {
        self.0.states(now)
    }
}

/// The textbook's version, in the words of the core.
struct Weighted {
    backoff: Backoff,
    weights: Vec<u32>,
    credits: Vec<i64>,
}

impl SinkSelector for Weighted {
    fn order(&mut self, now: clock::Instant) -> VecDeque<usize> {
        let allowed = self.backoff.allowed(now);
        let mut total = 0;
        for sink in &allowed {
            self.credits[*sink] += i64::from(self.weights[*sink]);
            total += i64::from(self.weights[*sink]);
        }
        let mut ranked: Vec<(bool, i64, usize)> = allowed
            .iter()
            .map(|s| (self.weights[*s] == 0, -self.credits[*s], *s))
            .collect();
        ranked.sort_unstable();
        if let Some((_, _, first)) = ranked.first() {
            self.credits[*first] -= total;
        }
        ranked.into_iter().map(|(_, _, sink)| sink).collect()
    }
    fn failed(&mut self, sink: usize, now: clock::Instant) {
        self.backoff.failed(sink, now);
    }
    fn delivered(&mut self, sink: usize, _: clock::Instant) {
        self.backoff.delivered(sink);
    }
    fn states(&self, now: clock::Instant) -> Vec<flume_core::sink_processor::SinkState> {
        self.backoff.states(now)
    }
}
