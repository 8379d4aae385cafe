//! The shipped selectors in the host: each does what it is for, through real WebAssembly.

use std::time::Duration;

use flume_core::clock::{self, Instant};
use flume_core::sink_group::Step;
use flume_core::{Event, Load, SinkSelector};
use flume_policy::{PolicyError, PolicySelector, SelectorSetup, SinkInfo};

use crate::support::{Limited, assert_sound, fallback, guest, pairs, policy};

/// Every selector, with the keys that it needs.
const SHIPPED: [(&str, &[(&str, &str)]); 11] = [
    ("selector-failover", &[]),
    ("selector-maglev", &[("header", "host")]),
    ("selector-p2c", &[]),
    ("selector-peak-ewma", &[]),
    ("selector-primary", &[]),
    ("selector-random", &[]),
    ("selector-round-robin", &[]),
    ("selector-shed", &[]),
    ("selector-sticky", &[]),
    ("selector-weighted", &[]),
    ("selector-weighted-standby", &[]),
];

/// A group at work, in virtual time.
struct Life {
    policy: Limited,
    selector: PolicySelector,
    now: Instant,
}

impl Life {
    /// Sinks `s0`, `s1`, … with properties of their own.
    fn of(name: &str, properties: &[(&str, &str)], sinks: &[&[(&str, &str)]]) -> Self {
        let policy = policy(guest(name));
        let selector = place(&policy, properties, sinks).unwrap();
        let now = clock::now();
        Self {
            policy,
            selector,
            now,
        }
    }

    fn wait(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }

    fn begin(&mut self, sink: usize) {
        self.selector.step(sink, Step::Begun, self.now);
    }

    fn deliver(&mut self, sink: usize, ms: u64) {
        self.selector.delivered(sink, self.now);
        let latency = Duration::from_millis(ms);
        let ended = Step::Ended {
            events: 10,
            latency,
        };
        self.selector.step(sink, ended, self.now);
    }

    fn fail(&mut self, sink: usize) {
        self.selector.failed(sink, self.now);
        let latency = Duration::from_millis(1);
        let ended = Step::Ended { events: 0, latency };
        self.selector.step(sink, ended, self.now);
    }

    /// One batch; says who delivered it.
    fn play(&mut self, broken: &[usize], latencies: &[u64]) -> Option<usize> {
        for sink in self.selector.order(self.now) {
            self.begin(sink);
            if broken.contains(&sink) {
                self.fail(sink);
                continue;
            }
            self.deliver(sink, latencies.get(sink).copied().unwrap_or(1));
            return Some(sink);
        }
        None
    }

    /// Who delivers some batches, one every 10 ms.
    fn shares(&mut self, batches: u32, broken: &[usize], latencies: &[u64]) -> [u32; 4] {
        let mut shares = [0; 4];
        for _ in 0..batches {
            self.wait(10);
            let sink = self.play(broken, latencies).expect("a sink that is well");
            shares[sink] += 1;
        }
        shares
    }

    fn route(&mut self, events: &[Event]) -> Vec<usize> {
        let load = Load {
            depth: events.len(),
            events,
        };
        self.selector.route(self.now, load).expect("a router")
    }
}

/// No call broke the contract.
impl Drop for Life {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_sound(&self.policy);
        }
    }
}

fn place(
    policy: &Limited,
    properties: &[(&str, &str)],
    sinks: &[&[(&str, &str)]],
) -> Result<PolicySelector, PolicyError> {
    let sink = |(at, properties): (usize, &&[(&str, &str)])| SinkInfo {
        name: format!("s{at}"),
        kind: "null".to_owned(),
        properties: pairs(properties),
    };
    let setup = SelectorSetup {
        properties: pairs(properties),
        sinks: sinks.iter().enumerate().map(sink).collect(),
        seed: 1,
    };
    policy.selector("g1", setup, fallback(sinks.len()))
}

fn assert_near(found: &[u32], expected: &[u32]) {
    let is_near = found.iter().zip(expected).all(|(f, e)| f.abs_diff(*e) <= 5);
    assert!(is_near, "{found:?}, not {expected:?}");
}

#[test]
fn every_selector_is_tried_here() {
    let mut folders: Vec<String> = std::fs::read_dir(flume_artifacts::folder())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.starts_with("selector-"))
        .collect();
    folders.sort();
    assert_eq!(folders, SHIPPED.map(|(name, _)| name));
}

/// All sinks are well, then all but one, then no sink, and all again: with and without state, and with
/// a key that nobody knows.
#[test]
fn every_selector_lives_through_bad_times_and_refuses_strange_keys() {
    for (name, properties) in SHIPPED {
        let mut life = Life::of(name, properties, &[&[], &[], &[]]);
        for batch in 0..400 {
            life.wait(200);
            let broken: &[usize] = match batch / 100 {
                1 => &[0],
                2 => &[0, 1, 2],
                _ => &[],
            };
            life.play(broken, &[1, 2, 3]);
        }
        life.wait(31_000);
        assert!(life.play(&[], &[]).is_some(), "{name}");

        let mut strange = properties.to_vec();
        strange.push(("wieght", "3"));
        let error = place(&life.policy, &strange, &[&[], &[]]).unwrap_err();
        assert!(error.to_string().contains("wieght"), "{name}: {error}");
    }
}

#[test]
fn weighted_delivers_three_to_one_also_while_another_sink_fails() {
    let sinks: [&[(&str, &str)]; 3] = [&[("weight", "3")], &[("weight", "1")], &[("weight", "4")]];
    let mut life = Life::of("selector-weighted", &[], &sinks[..2]);
    assert_eq!(life.shares(400, &[], &[])[..2], [300, 100]);
    for backoff in ["false", "true"] {
        let mut life = Life::of("selector-weighted", &[("backoff", backoff)], &sinks);
        assert_near(&life.shares(400, &[2], &[]), &[300, 100, 0]);
    }
}

#[test]
fn a_standby_replaces_what_is_lost() {
    let sinks: [&[(&str, &str)]; 4] = [
        &[("weight", "5")],
        &[("weight", "3")],
        &[("weight", "2")],
        &[("standby", "true")],
    ];
    let mut life = Life::of("selector-weighted-standby", &[], &sinks);
    assert_eq!(life.shares(1000, &[], &[]), [500, 300, 200, 0]);
    assert_near(&life.shares(1000, &[0], &[]), &[0, 300, 200, 500]);
    life.wait(31_000);
    assert_near(&life.shares(1000, &[], &[]), &[500, 300, 200, 0]);
}

#[test]
fn p2c_avoids_the_slow_sink() {
    let mut life = Life::of("selector-p2c", &[], &[&[], &[], &[]]);
    // Several batches are stuck at the first sink.
    for _ in 0..4 {
        life.begin(0);
    }
    let [stuck, second, third, _] = life.shares(1000, &[], &[1, 1, 1]);
    assert_eq!((stuck, second + third), (0, 1000));
    for _ in 0..4 {
        life.deliver(0, 900);
    }
    let [slow, second, third, _] = life.shares(1000, &[], &[900, 2, 2]);
    assert!(
        slow < 50 && second > 200 && third > 200,
        "{slow} {second} {third}"
    );
}

#[test]
fn peak_ewma_leaves_a_slow_sink_at_once_and_a_broken_one() {
    let mut life = Life::of("selector-peak-ewma", &[], &[&[], &[]]);
    let [first, second, ..] = life.shares(100, &[], &[5, 5]);
    assert!(first > 0 && second > 0, "{first} {second}");
    assert!(life.shares(1000, &[], &[200, 5])[0] <= 2);
    assert_eq!(life.shares(100, &[1], &[200, 5])[0], 100);
}

/// The state of one policy is its latencies, and another policy takes it over.
#[test]
fn peak_ewma_knows_what_p2c_has_learnt() {
    let mut life = Life::of("selector-p2c", &[], &[&[], &[]]);
    for (sink, latency) in [(0, 50), (1, 5)] {
        life.begin(sink);
        life.deliver(sink, latency);
    }
    life.selector.order(life.now);
    let candidate = life.policy.prepare(guest("selector-peak-ewma")).unwrap();
    life.policy.install(candidate);
    assert_eq!(life.selector.order(life.now), [1, 0]);
}

fn hosts(count: usize) -> Vec<Event> {
    let host = |at| Event::new("x").with_header("host", format!("host-{at}"));
    (0..count).map(host).collect()
}

#[test]
fn maglev_keeps_keys_together_and_moves_few() {
    let by_host = [("header", "host")];
    let mut life = Life::of("selector-maglev", &by_host, &[&[], &[], &[], &[]]);
    let events = hosts(2000);
    let before = life.route(&events);
    assert_eq!(life.route(&events), before);
    let share = |route: &[usize], sink| route.iter().filter(|to| **to == sink).count();
    assert!((0..4).all(|sink| share(&before, sink) > 400));

    life.begin(1);
    life.fail(1);
    let during = life.route(&events);
    assert_eq!(share(&during, 1), 0);
    let moved = before.iter().zip(&during).filter(|(b, d)| b != d).count();
    assert_eq!(
        moved,
        share(&before, 1),
        "only those of the sink that failed"
    );

    // A host that cannot split asks for an order.
    life.wait(2001);
    for (event, sink) in events.iter().zip(&before).take(50) {
        let load = Load {
            depth: 1,
            events: std::slice::from_ref(event),
        };
        assert_eq!(life.selector.order_load(life.now, load)[0], *sink);
    }
}

#[test]
fn sticky_stays_where_it_is() {
    let mut life = Life::of("selector-sticky", &[], &[&[], &[], &[]]);
    assert_eq!(life.shares(100, &[], &[])[0], 100);
    assert_eq!(life.shares(100, &[0], &[])[1], 100);
    life.wait(60_000);
    assert_eq!(life.shares(100, &[], &[])[1], 100);
}

#[test]
fn the_primary_returns_after_its_probes() {
    let keys = [("probes", "3"), ("over-ms", "3000"), ("primary", "s1")];
    let mut life = Life::of("selector-primary", &keys, &[&[], &[], &[]]);
    assert_eq!(life.shares(10, &[], &[])[1], 10);
    assert_eq!(life.play(&[1], &[]), Some(0));
    // Three probes, one each second; the third ends the outage.
    assert_eq!(life.shares(299, &[], &[])[1], 2);
    assert_eq!(life.shares(100, &[], &[])[1], 100);
}

#[test]
fn shed_keeps_a_trickle_and_takes_the_sink_back() {
    let keys = [("decay-ms", "1000"), ("trickle-ms", "500")];
    let mut life = Life::of("selector-shed", &keys, &[&[], &[], &[]]);
    assert_eq!(life.shares(300, &[], &[10, 10, 10]), [100, 100, 100, 0]);
    life.shares(300, &[], &[10, 10, 300]);
    assert_near(&life.shares(1000, &[], &[10, 10, 300]), &[490, 490, 20]);
    life.shares(1000, &[], &[10, 10, 10]);
    assert_near(&life.shares(300, &[], &[10, 10, 10]), &[100, 100, 100]);
}

#[test]
fn failover_goes_back_to_the_best_sink() {
    let sinks: [&[(&str, &str)]; 2] = [&[("priority", "5")], &[("priority", "10")]];
    let mut life = Life::of("selector-failover", &[], &sinks);
    assert_eq!(life.shares(10, &[], &[])[1], 10);
    assert_eq!(life.shares(10, &[1], &[])[0], 10);
    life.wait(2000);
    assert_eq!(life.shares(10, &[], &[])[1], 10);
}
