//! Guests give the same orders as their native twins, batch for batch, through random lives.

use std::collections::VecDeque;
use std::time::Duration;

use flume_core::sink_processor::{FailoverProcessor, Outcome, SinkProcessor};
use flume_core::sink_selector::{self, Backoff};
use flume_core::{SinkSelector, Status, clock};
use flume_policy::SelectorSetup;

use crate::support::{assert_sound, fallback, guest, pairs, policy, sinks};

/// Two selectors that must not differ.
fn compare(
    name: &str,
    properties: &[(&str, &str)],
    weights: &[u32],
    mut native: impl SinkSelector,
    seed: u64,
) {
    let count = weights.len();
    let policy = policy(guest(name));
    let setup = SelectorSetup {
        properties: pairs(properties),
        sinks: sinks(weights),
        seed,
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
    assert_sound(&policy);
}

#[test]
fn round_robin_is_its_native_twin() {
    for (seed, sinks) in [(1, 2), (2, 3), (3, 8)] {
        let native = sink_selector::TYPES.find("round_robin").unwrap();
        let weights = vec![1; sinks];
        compare(
            "selector-round-robin",
            &[],
            &weights,
            Boxed((native.configure)(Backoff::none(sinks), 0)),
            seed,
        );
        let backoff = Backoff::capped(sinks, Duration::from_secs(5));
        let properties = [("backoff", "true"), ("maxTimeOut", "5000")];
        compare(
            "selector-round-robin",
            &properties,
            &weights,
            Boxed((native.configure)(backoff, 0)),
            seed,
        );
    }
}

/// The same generator from the same seed, though addresses have 32 bits in the guest and 64 here.
#[test]
fn random_is_its_native_twin() {
    for (seed, sinks) in [(1, 2), (2, 3), (3, 8), (u64::MAX, 33)] {
        let native = sink_selector::TYPES.find("random").unwrap();
        let weights = vec![1; sinks];
        let plain = Boxed((native.configure)(Backoff::none(sinks), seed));
        compare("selector-random", &[], &weights, plain, seed);
        let backoff = Backoff::capped(sinks, Duration::from_secs(5));
        let properties = [("backoff", "true"), ("maxTimeOut", "5000")];
        let resting = Boxed((native.configure)(backoff, seed));
        compare("selector-random", &properties, &weights, resting, seed);
    }
}

/// The native one decides from sink to sink, the guest at the start of the batch.
#[test]
fn failover_is_its_native_twin() {
    for (seed, priorities, cap) in [
        (1, &[10, 5][..], 30_000),
        (2, &[-1, -2, -3], 30_000),
        (3, &[1, 9, 2, 8, 3], 3000),
        (4, &[5, 4, 3], 0),
        (5, &[-7, 0, 7, 70], 40_000),
    ] {
        let mut native = FailoverProcessor::new(priorities, Duration::from_millis(cap));
        let mut properties = vec![("maxpenalty".to_owned(), cap.to_string())];
        let priority =
            |(at, priority): (usize, &i32)| (format!("priority.s{at}"), priority.to_string());
        properties.extend(priorities.iter().enumerate().map(priority));
        let setup = SelectorSetup {
            properties,
            sinks: sinks(&vec![1; priorities.len()]),
            seed,
        };
        let policy = policy(guest("selector-failover"));
        let mut guest = policy
            .selector("g1", setup, fallback(priorities.len()))
            .unwrap();
        let mut random = fastrand::Rng::with_seed(seed);
        let mut now = clock::now();
        for round in 0..3000 {
            // Bad times and good ones, so that sequences of failures get long and end.
            let bad = if round / 100 % 2 == 0 { 9 } else { 2 };
            let mut call = native.begin(now);
            let mut order = guest.order(now);
            while let Some(sink) = native.next(&mut call) {
                assert_eq!(order.pop_front(), Some(sink), "seed {seed}, round {round}");
                now += Duration::from_millis(random.u64(0..200));
                if random.u8(0..10) < bad {
                    native.report(&mut call, sink, Outcome::Failed, now);
                    guest.failed(sink, now);
                } else {
                    let delivered = Outcome::Returned(Status::Ready);
                    native.report(&mut call, sink, delivered, now);
                    guest.delivered(sink, now);
                    order.clear();
                    break;
                }
            }
            assert!(order.is_empty(), "seed {seed}, round {round}: {order:?}");
            now += Duration::from_millis(random.u64(0..5000));
        }
        assert_sound(&policy);
    }
}

#[test]
fn weighted_is_smooth_weighted_round_robin() {
    for (seed, weights) in [(1, &[3, 1][..]), (2, &[5, 1, 1]), (3, &[7, 0, 2, 2, 9])] {
        compare(
            "selector-weighted",
            &[("backoff", "true")],
            weights,
            Weighted::new(weights),
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
    fn states(&self, now: clock::Instant) -> Vec<flume_core::sink_group::SinkState> {
        self.0.states(now)
    }
}

/// The textbook's version, in terms of the core, with a second round for batches whose first
/// sink fails.
struct Weighted {
    backoff: Backoff,
    weights: Vec<u32>,
    credits: Vec<i64>,
    first: Option<usize>,
    failing: Vec<bool>,
}

impl Weighted {
    fn new(weights: &[u32]) -> Self {
        Self {
            backoff: Backoff::capped(weights.len(), Duration::from_secs(30)),
            weights: weights.to_vec(),
            credits: vec![0; weights.len()],
            first: None,
            failing: vec![false; weights.len()],
        }
    }

    fn earn(&mut self, sinks: &[usize]) -> i64 {
        let mut total = 0;
        for sink in sinks {
            self.credits[*sink] += i64::from(self.weights[*sink]);
            total += i64::from(self.weights[*sink]);
        }
        total
    }
}

impl SinkSelector for Weighted {
    fn order(&mut self, now: clock::Instant) -> VecDeque<usize> {
        let allowed = self.backoff.allowed(now);
        let total = self.earn(&allowed);
        let mut ranked: Vec<(bool, i64, usize)> = allowed
            .iter()
            .map(|s| (self.weights[*s] == 0, -self.credits[*s], *s))
            .collect();
        ranked.sort_unstable();
        self.first = ranked.first().map(|(_, _, first)| *first);
        if let Some(first) = self.first {
            self.credits[first] -= total;
        }
        ranked.into_iter().map(|(_, _, sink)| sink).collect()
    }
    fn failed(&mut self, sink: usize, now: clock::Instant) {
        self.failing[sink] = true;
        self.backoff.failed(sink, now);
    }
    fn delivered(&mut self, sink: usize, _: clock::Instant) {
        self.failing[sink] = false;
        self.backoff.delivered(sink);
        if self.first != Some(sink) {
            let well: Vec<usize> = (0..self.weights.len())
                .filter(|sink| !self.failing[*sink])
                .collect();
            self.credits[sink] -= self.earn(&well);
            let bound = i64::from(self.weights.iter().sum::<u32>());
            for credit in &mut self.credits {
                *credit = (*credit).clamp(-bound, bound);
            }
        }
    }
    fn states(&self, now: clock::Instant) -> Vec<flume_core::sink_group::SinkState> {
        self.backoff.states(now)
    }
}
