//! Every shipped selector, played, recorded and replayed. Goal: told the same, it says the same to
//! the last decision; and what is played is the same every time. Method: a simulated minute with a
//! failing and a slow sink and with headers, recorded to bytes.

use std::sync::Arc;
use std::time::Duration;

use flume_core::SinkSelector;
use flume_policy::replay::{Replay, Replayed};
use flume_policy::simulate::{Delay, Fault, Scenario, Simulated, Simulation, Window};
use flume_policy::trace::{Chunk, Recorder, Trace, TraceHeader, TraceQueue};
use flume_policy::{Limits, Policy, PolicySelector, SelectorSetup};

use crate::support::{ENGINE, fallback, guest, pairs, sinks};

const SINKS: usize = 3;

fn scenario() -> Scenario {
    let window = |from, to| Window {
        from: Duration::from_secs(from),
        to: Duration::from_secs(to),
    };
    Scenario {
        sinks: SINKS,
        rate: 2000,
        duration: Duration::from_secs(30),
        parallel: 2,
        headers: vec![("key".to_owned(), 50)],
        faults: vec![Fault {
            sink: 1,
            during: window(5, 15),
            percent: 60,
        }],
        delays: vec![Delay {
            sink: 2,
            during: window(10, 20),
            latency: Duration::from_millis(30),
        }],
        ..Scenario::default()
    }
}

/// The selectors in the folder of guests.
fn shipped() -> Vec<String> {
    let entries = std::fs::read_dir(flume_artifacts::folder()).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter(|name| name.starts_with("selector-") && flume_artifacts::guest(name).is_ok())
        .collect();
    names.sort();
    assert!(names.len() >= 3, "{names:?}");
    names
}

/// What a selector cannot do without.
fn properties(name: &str) -> &'static [(&'static str, &'static str)] {
    match name {
        "selector-maglev" => &[("header", "key")],
        _ => &[],
    }
}

fn selector(name: &str, wall: flume_core::clock::WallClock) -> (PolicySelector, Arc<Policy>) {
    // A busy machine must not decide what happens in virtual time.
    let limits = Limits {
        deadline: Duration::from_secs(5),
        ..Limits::default()
    };
    let policy = Policy::new(ENGINE.clone(), guest(name), limits, wall);
    let mut setup = SelectorSetup {
        properties: pairs(properties(name)),
        sinks: sinks(&[1; SINKS]),
        seed: 11,
    };
    if !name.contains("weighted") {
        setup
            .sinks
            .iter_mut()
            .for_each(|sink| sink.properties.clear());
    }
    let seated = policy.selector("g1", setup, fallback(SINKS));
    (
        seated.unwrap_or_else(|error| panic!("{name}: {error}")),
        policy,
    )
}

/// Plays a selector; the outcome, and the record of it.
fn played(name: &str) -> (Simulated, Trace) {
    let simulation = Simulation::new(scenario()).unwrap();
    let (selector, policy) = selector(name, simulation.wall());
    let headers = selector.headers().to_vec();
    let queue = Arc::new(TraceQueue::new(256 << 20));
    let zero = policy.zero();
    let wall = simulation.wall();
    let header = TraceHeader {
        headers: headers.clone(),
        ..TraceHeader::default()
    };
    let recorder = Recorder::new(Box::new(selector), Arc::clone(&queue), zero, wall, headers);
    let seen = simulation.run(Box::new(recorder), zero);
    assert_eq!(policy.misses(), 0, "{name}");
    let mut file = header.encode();
    while let Some(Chunk(chunk)) = queue.take() {
        file.extend(chunk);
    }
    (seen, Trace::read(&file).unwrap())
}

fn replayed(trace: &Trace, name: &str) -> Replayed {
    let replay = Replay::new(0);
    let (selector, policy) = selector(name, replay.wall());
    let selector: Box<dyn SinkSelector> = Box::new(selector);
    let seen = replay.run(&trace.entries, selector, SINKS, policy.zero(), 3);
    assert_eq!(policy.misses(), 0, "{name}");
    seen
}

#[test]
fn every_shipped_selector_plays_the_same_and_never_differs_from_its_record() {
    for name in shipped() {
        let (seen, trace) = played(&name);
        assert!(seen.delivered() > 30_000, "{name}: {seen:?}");
        assert_eq!(seen, played(&name).0, "{name}");
        let again = replayed(&trace, &name);
        assert!(again.decisions > 1000, "{name}: {again:?}");
        assert_eq!(
            (again.differing(), again.lost),
            (0, 0),
            "{name}: {:?}",
            again.differences
        );
    }
}

#[test]
fn another_selector_differs() {
    let (_, trace) = played("selector-round-robin");
    let seen = replayed(&trace, "selector-weighted");
    assert!(seen.differing() > 100, "{seen:?}");
    assert_eq!(seen.differences.len(), 3);
}
