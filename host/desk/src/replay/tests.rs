//! Goal: a replay gives what was recorded, finds every difference and invents no other.
//! Method: native selectors recorded in a simulation; entries written by hand.

use super::*;
use crate::simulate::{Outage, Scenario, Simulation, Window};
use flume_core::clock;
use flume_core::sink_selector::{Backoff, TYPES};
use flume_policy::trace::{Chunk, Recorder, Trace, TraceHeader, TraceQueue};

fn native(name: &str, sinks: usize, seed: u64) -> Box<dyn SinkSelector> {
    let backoff = Backoff::capped(sinks, Duration::from_secs(4));
    (TYPES.find(name).unwrap().configure)(backoff, seed)
}

/// What a selector does in a minute with a failing sink.
fn recorded(name: &str) -> Vec<TraceEntry> {
    let during = Window {
        from: Duration::from_secs(10),
        to: Duration::from_secs(20),
    };
    let outages = vec![Outage {
        sink: 1,
        during,
        percent: 70,
    }];
    let scenario = Scenario {
        sinks: 3,
        parallel: 2,
        outages,
        ..Scenario::default()
    };
    let simulation = Simulation::new(scenario).unwrap();
    let (queue, zero) = (Arc::new(TraceQueue::new(64 << 20)), clock::now());
    let inner = native(name, 3, 5);
    let recorder = Recorder::new(
        inner,
        Arc::clone(&queue),
        zero,
        simulation.wall(),
        Vec::new(),
    );
    simulation.run(Box::new(recorder), zero);
    let mut file = TraceHeader::default().encode();
    while let Some(Chunk(chunk)) = queue.take() {
        file.extend(chunk);
    }
    Trace::read(&file).unwrap().entries
}

fn replayed(entries: &[TraceEntry], selector: Box<dyn SinkSelector>, most: usize) -> Replayed {
    Replay::new(0).run(entries, selector, 3, clock::now(), most)
}

#[test]
fn a_selector_never_differs_from_itself() {
    for name in ["round_robin", "random"] {
        let entries = recorded(name);
        let seen = replayed(&entries, native(name, 3, 5), 10);
        assert!(seen.decisions > 1000, "{seen:?}");
        assert_eq!((seen.differing(), seen.lost), (0, 0), "{name}: {seen:?}");
        assert_eq!(seen.recorded_first, seen.replayed_first);
        assert_eq!(seen.recorded_first.iter().sum::<u64>(), seen.decisions);
    }
}

#[test]
fn another_selector_differs_and_the_first_differences_are_kept() {
    let entries = recorded("round_robin");
    let seen = replayed(&entries, native("random", 3, 5), 4);
    assert!(seen.first_differs > seen.decisions / 2, "{seen:?}");
    assert!(seen.order_differs > 0);
    assert_eq!(seen.differences.len(), 4);
    assert_eq!(
        seen,
        replayed(&entries, native("random", 3, 5), 4),
        "it is the same every time"
    );
    assert_eq!(
        replayed(&entries, native("random", 3, 5), 0).differences,
        []
    );
}

#[test]
fn a_difference_says_what_was_told() {
    let entry = |millis: u64, what| TraceEntry {
        at: millis * 1_000_000,
        what,
    };
    let order = |answer: &[usize]| {
        let load = Shown {
            unix_ms: 1,
            depth: 42,
            ..Shown::default()
        };
        What::Order {
            load,
            answer: answer.to_vec(),
        }
    };
    let entries = [
        entry(1, order(&[0, 1, 2])),
        entry(2, What::Begun { sink: 1 }),
        entry(3, What::Begun { sink: 2 }),
        entry(4, What::Delivered { sink: 2 }),
        entry(
            4,
            What::Ended {
                sink: 2,
                events: 7,
                latency: 1_000_000,
            },
        ),
        entry(5, What::Failed { sink: 0 }),
        entry(5, What::Lost(3)),
        entry(6, order(&[2, 1, 0])),
        entry(7, order(&[2, 1, 0])),
    ];
    let seen = replayed(&entries, native("round_robin", 3, 0), 10);
    assert_eq!((seen.decisions, seen.first_differs, seen.lost), (3, 1, 3));
    assert_eq!(seen.order_differs, 1);
    let told = |sink| Told {
        sink,
        ..Told::default()
    };
    let expected = Difference {
        number: 2,
        at: Duration::from_millis(6),
        told: vec![
            Told {
                failures: 1,
                ..told(0)
            },
            Told {
                in_flight: 1,
                ..told(1)
            },
            Told {
                batches: 1,
                events: 7,
                latency: Duration::from_millis(1),
                ..told(2)
            },
        ],
        depth: 42,
        events: 0,
        recorded: vec![2, 1, 0],
        // Sink 0 is excluded; the second of the others comes first.
        replayed: vec![2, 1],
    };
    assert_eq!(seen.differences[0], expected);
    assert_eq!(seen.differences[1].told, []);
}
