//! Every shipped selector, played, recorded and replayed. Goal: given the same, it decides the same,
//! to the last decision; and each simulation ends in the same way. Method: a simulated minute with a
//! failing and a slow sink and with headers, recorded to bytes.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use flume_core::SinkSelector;
use flume_core::clock::WallClock;
use flume_core::sink_selector::{Backoff, round_robin};
use flume_policy::trace::{Chunk, Recorder, Trace, TraceHeader, TraceQueue};
use flume_policy::{
    Artifact, Compiler, Limits, Policy, PolicyEngine, PolicySelector, Properties, SelectorSetup,
    SinkInfo,
};

use super::{Replay, Replayed};
use crate::simulate::{Delay, Outage, Scenario, Simulated, Simulation, Window};

static ENGINE: LazyLock<PolicyEngine> =
    LazyLock::new(|| PolicyEngine::new(Compiler::in_process()).expect("an engine"));

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
        outages: vec![Outage {
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

/// The shipped selectors: all policies but the interceptors.
fn shipped() -> Vec<String> {
    let entries = std::fs::read_dir(flume_artifacts::folder().join("dist")).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter_map(|name| Some(name.strip_suffix(".wasm")?.to_owned()))
        .filter(|name| !INTERCEPTORS.contains(&name.as_str()))
        .collect();
    names.sort();
    assert!(names.len() >= 11, "{names:?}");
    names
}

const INTERCEPTORS: [&str; 4] = ["dedupe", "redact", "route-by-field", "sample"];

/// The properties that a selector needs.
fn properties(name: &str) -> Properties {
    match name {
        "maglev" => vec![("header".to_owned(), "key".to_owned())],
        _ => Vec::new(),
    }
}

fn selector(name: &str, wall: WallClock) -> (PolicySelector, Arc<Policy>) {
    // A busy machine must not decide what happens in virtual time.
    let limits = Limits {
        deadline: Duration::from_secs(5),
        ..Limits::default()
    };
    let bytes = std::fs::read(flume_artifacts::shipped(name)).expect("a policy");
    let artifact = Artifact::load(&ENGINE, name, &bytes, None).expect("a policy");
    let policy = Policy::new(ENGINE.clone(), artifact, wall);
    let weights = match name.contains("weighted") {
        true => vec![("weight".to_owned(), "1".to_owned())],
        false => Vec::new(),
    };
    let sink = |at: usize| SinkInfo {
        name: format!("s{at}"),
        kind: "null".to_owned(),
        properties: weights.clone(),
    };
    let setup = SelectorSetup {
        properties: properties(name),
        sinks: (0..SINKS).map(sink).collect(),
        seed: 11,
    };
    let fallback = round_robin::configure(Backoff::none(SINKS), 0);
    let seated = policy.selector("g1", limits, setup, fallback);
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
    let (_, trace) = played("round-robin");
    let seen = replayed(&trace, "weighted");
    assert!(seen.differing() > 100, "{seen:?}");
    assert_eq!(seen.differences.len(), 3);
}
