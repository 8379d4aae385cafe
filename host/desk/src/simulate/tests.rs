//! Goal: a simulation does what a group does, counts every event, and is the same every time.
//! Method: native selectors and scripted ones, in scenarios whose outcome can be worked out.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;
use flume_core::clock;
use flume_core::sink_group::{Load, SinkIndex, SinkState, Step};
use flume_core::sink_selector::{Backoff, TYPES};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Even latencies, so that outcomes can be worked out.
fn even() -> Scenario {
    Scenario {
        jitter: 0,
        ..Scenario::default()
    }
}

fn window(from: u64, to: u64) -> Window {
    Window {
        from: seconds(from),
        to: seconds(to),
    }
}

fn play(scenario: &Scenario, name: &str, backoff: Backoff) -> Simulated {
    let selector = (TYPES.find(name).unwrap().configure)(backoff, scenario.seed);
    let simulation = Simulation::new(scenario.clone()).unwrap();
    let seen = simulation.run(selector, clock::now());
    let ended = seen.delivered() + seen.left + seen.refused;
    assert_eq!(seen.arrived, ended, "an event is lost or doubled: {seen:?}");
    seen
}

#[test]
fn round_robin_spreads_evenly() {
    let scenario = Scenario { sinks: 4, ..even() };
    let seen = play(&scenario, "round_robin", Backoff::none(4));
    assert_eq!(seen.refused, 0);
    assert_eq!(seen.exhausted, 0);
    // 1000 events a second and one at 0 s; what came last is under way.
    assert_eq!(seen.arrived, 60_000);
    let batches = seen.sinks.iter().map(|sink| sink.batches);
    assert!(batches.clone().max().unwrap() - batches.min().unwrap() <= 1);
    for sink in 0..4 {
        assert!((seen.share(sink) - 0.25).abs() < 0.001, "{seen:?}");
        assert_eq!(seen.sinks[sink].mean_latency(), Some(scenario.latency));
        assert_eq!(seen.sinks[sink].failed, 0);
    }
}

#[test]
fn a_sink_that_fails_gets_nothing_while_it_does() {
    let outage = Outage {
        sink: 1,
        during: window(10, 20),
        percent: 100,
    };
    let scenario = Scenario {
        sinks: 3,
        outages: vec![outage],
        ..even()
    };
    let seen = play(&scenario, "round_robin", Backoff::capped(3, seconds(2)));
    for slot in 10..20 {
        // The batch that was answered just before the failure ends in its slot.
        assert!(
            seen.share_in(1, slot).unwrap() < 0.01,
            "slot {slot}: {seen:?}"
        );
        assert_eq!(seen.sinks[0].failed_slots[slot], 0);
    }
    // Excluded for 2 s after each failure: it is tried again about every 2 s.
    assert!(
        (4..=6).contains(&seen.sinks[1].failed),
        "{}",
        seen.sinks[1].failed
    );
    assert!(seen.share_in(1, 30).unwrap() > 0.3);
}

#[test]
fn while_every_sink_fails_events_wait_and_none_is_lost() {
    let outage = |sink| Outage {
        sink,
        during: window(10, 20),
        percent: 100,
    };
    let scenario = Scenario {
        outages: vec![outage(0), outage(1)],
        ..even()
    };
    let seen = play(&scenario, "round_robin", Backoff::none(2));
    assert!(seen.exhausted >= 3, "{seen:?}");
    // 10 s of events at least, and what comes in the pause before the next call.
    assert!(
        (10_000..=15_100).contains(&seen.high_water),
        "{}",
        seen.high_water
    );
    assert!(seen.high_water_at > seconds(19));
    assert_eq!(seen.depth.iter().max(), Some(&seen.high_water));
    assert_eq!(seen.share_in(0, 15), None);
}

#[test]
fn a_full_channel_refuses() {
    let outage = |sink| Outage {
        sink,
        during: Window::ALWAYS,
        percent: 100,
    };
    let outages = vec![outage(0), outage(1)];
    let scenario = Scenario {
        outages,
        capacity: 500,
        batch: 100,
        ..even()
    };
    let seen = play(&scenario, "random", Backoff::none(2));
    assert_eq!(
        (seen.delivered(), seen.left, seen.high_water),
        (0, 500, 500)
    );
    assert_eq!(seen.refused, seen.arrived - 500);
}

#[test]
fn a_percentage_of_failures_is_one() {
    let outage = Outage {
        sink: 0,
        during: Window::ALWAYS,
        percent: 25,
    };
    let scenario = Scenario {
        outages: vec![outage],
        rate: 10_000,
        ..even()
    };
    let seen = play(&scenario, "round_robin", Backoff::none(2));
    let sink = &seen.sinks[0];
    let part = sink.failed as f64 / (sink.failed + sink.batches) as f64;
    assert!((part - 0.25).abs() < 0.02, "{part}");
}

#[test]
fn delays_count_while_they_last_and_the_last_one_counts() {
    let delay = |during, millis| Delay {
        sink: 0,
        during,
        latency: Duration::from_millis(millis),
    };
    let delays = vec![delay(Window::ALWAYS, 10), delay(window(20, 40), 200)];
    let scenario = Scenario { delays, ..even() };
    let seen = play(&scenario, "round_robin", Backoff::none(2));
    assert_eq!(seen.sinks[0].slowest, Duration::from_millis(200));
    assert_eq!(seen.sinks[1].slowest, scenario.latency);
}

#[test]
fn parallel_calls_use_different_sinks_and_queue_when_all_are_in_use() {
    // 100 events take 100 ms: a sink delivers 1000 a second, three of them 3000 at most.
    let latency = Duration::from_millis(100);
    let scenario = Scenario {
        sinks: 3,
        rate: 10_000,
        latency,
        ..even()
    };
    for (parallel, expected) in [(1, 60_000), (2, 120_000), (3, 180_000), (8, 180_000)] {
        let scenario = Scenario {
            parallel,
            ..scenario.clone()
        };
        let delivered = play(&scenario, "round_robin", Backoff::none(3)).delivered();
        assert!(
            (expected - 1000..=expected).contains(&delivered),
            "{parallel}: {delivered}"
        );
    }
}

#[test]
fn the_same_scenario_has_the_same_outcome_and_another_seed_another_one() {
    let scenario = Scenario {
        sinks: 3,
        parallel: 2,
        ..Scenario::default()
    };
    let first = play(&scenario, "random", Backoff::none(3));
    assert_eq!(first, play(&scenario, "random", Backoff::none(3)));
    let other = Scenario {
        seed: 2,
        ..scenario
    };
    assert_ne!(first, play(&other, "random", Backoff::none(3)));
}

/// Writes down what it is told, and sends each batch where its first event's header says.
struct Scripted {
    log: Arc<Mutex<Vec<String>>>,
    start: Instant,
}

impl SinkSelector for Scripted {
    fn order(&mut self, _: Instant) -> VecDeque<SinkIndex> {
        VecDeque::new()
    }
    fn order_load(&mut self, now: Instant, load: Load<'_>) -> VecDeque<SinkIndex> {
        let keys = load
            .events
            .iter()
            .map(|event| event.headers.get("k").unwrap().as_bytes()[0]);
        let keys: Vec<u8> = keys.map(|key| key - b'0').collect();
        let line = format!("{:?} order {} {keys:?}", now - self.start, load.depth);
        self.log.lock().unwrap().push(line);
        [usize::from(keys[0]), 1 - usize::from(keys[0])].into()
    }
    fn wants_events(&self) -> bool {
        true
    }
    fn step(&mut self, sink: SinkIndex, step: Step, now: Instant) {
        let line = format!("{:?} {sink} {step:?}", now - self.start);
        self.log.lock().unwrap().push(line);
    }
    fn failed(&mut self, sink: SinkIndex, now: Instant) {
        self.log
            .lock()
            .unwrap()
            .push(format!("{:?} {sink} failed", now - self.start));
    }
    fn delivered(&mut self, sink: SinkIndex, now: Instant) {
        self.log
            .lock()
            .unwrap()
            .push(format!("{:?} {sink} delivered", now - self.start));
    }
    fn states(&self, _: Instant) -> Vec<SinkState> {
        Vec::new()
    }
}

#[test]
fn a_selector_hears_all_that_the_group_runner_tells() {
    let outage = |sink| Outage {
        sink,
        during: window(1, 2),
        percent: 100,
    };
    let scenario = Scenario {
        rate: 1,
        duration: seconds(3),
        headers: vec![("k".to_owned(), 2)],
        outages: vec![outage(0), outage(1)],
        ..even()
    };
    let (log, start) = (Arc::default(), clock::now());
    let selector = Scripted {
        log: Arc::clone(&log),
        start,
    };
    let simulation = Simulation::new(scenario).unwrap();
    let wall = simulation.wall();
    simulation.run(Box::new(selector), start);
    let shown = wall.millis() - BEGAN_UNIX_MS;
    assert!(
        (2000..3000).contains(&shown),
        "the wall clock follows: {shown}"
    );
    let log = log.lock().unwrap();
    assert_eq!(log[0].get(..9), Some("0ns order"), "{log:#?}");
    let key = log[0].as_bytes()[log[0].len() - 2] - b'0';
    let expected = [
        format!("0ns order 1 [{key}]"),
        format!("0ns {key} Begun"),
        format!("2ms {key} delivered"),
        format!("2ms {key} Ended {{ events: 1, latency: 2ms }}"),
    ];
    assert_eq!(log[..4], expected, "{log:#?}");
    // The event of 1 s fails at both sinks three times, before pauses of 0.25, 0.5 and 1 s.
    assert_eq!(log[4].get(..9), Some("1s order "));
    assert_eq!(
        log.iter().filter(|line| line.contains("failed")).count(),
        6,
        "{log:#?}"
    );
    let ended = log
        .iter()
        .filter(|line| line.contains("Ended { events: 0, latency: 2ms }"));
    assert_eq!(ended.count(), 6, "{log:#?}");
}

#[test]
fn an_hour_takes_seconds() {
    let scenario = Scenario {
        sinks: 5,
        rate: 5000,
        duration: seconds(3600),
        ..Scenario::default()
    };
    let seen = play(&scenario, "round_robin", Backoff::none(5));
    assert_eq!(seen.arrived, 18_000_000);
}

#[test]
fn a_scenario_that_cannot_be_played_is_refused() {
    let outage = |sink, percent| {
        vec![Outage {
            sink,
            during: Window::ALWAYS,
            percent,
        }]
    };
    let headers = |values| vec![("a".to_owned(), values), ("b".to_owned(), 256)];
    let base = Scenario::default;
    let delay = Delay {
        sink: 0,
        during: Window::ALWAYS,
        latency: Duration::ZERO,
    };
    for (scenario, expected) in [
        (base(), None),
        (
            Scenario { sinks: 1, ..base() },
            Some(ScenarioError::Sinks(1)),
        ),
        (
            Scenario { rate: 0, ..base() },
            Some(ScenarioError::Zero("the rate")),
        ),
        (
            Scenario {
                delays: vec![delay],
                ..base()
            },
            Some(ScenarioError::Zero("a latency")),
        ),
        (
            Scenario {
                capacity: 99,
                ..base()
            },
            Some(ScenarioError::Capacity {
                capacity: 99,
                batch: 100,
            }),
        ),
        (
            Scenario {
                capacity: 100,
                ..base()
            },
            None,
        ),
        (
            Scenario {
                jitter: 99,
                ..base()
            },
            None,
        ),
        (
            Scenario {
                jitter: 100,
                ..base()
            },
            Some(ScenarioError::Jitter(100)),
        ),
        (
            Scenario {
                outages: outage(1, 1),
                ..base()
            },
            None,
        ),
        (
            Scenario {
                outages: outage(2, 1),
                ..base()
            },
            Some(ScenarioError::NoSuchSink { sink: 2, sinks: 2 }),
        ),
        (
            Scenario {
                headers: headers(256),
                ..base()
            },
            None,
        ),
        (
            Scenario {
                headers: headers(257),
                ..base()
            },
            Some(ScenarioError::Combinations(65_792)),
        ),
        (
            Scenario {
                headers: headers(0),
                ..base()
            },
            Some(ScenarioError::Zero("the number of values")),
        ),
    ] {
        assert_eq!(Simulation::new(scenario).err(), expected);
    }
}
