//! Goal: a trace has exactly what a selector was given and answered, whatever happens to its file.
//! Method: a recorder over a scripted selector, its queue taken out at odd moments, files cut at
//! every byte and damaged at every byte.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use flume_core::clock::{self, Instant, WallClock};
use flume_core::sink_group::{Load, SinkState, Step};
use flume_core::{Event, SinkSelector};
use proptest::prelude::*;

/// Answers in turn, and asks for events if it is made so.
struct Scripted {
    wants_events: bool,
    seen: Arc<parking_lot::Mutex<Vec<usize>>>,
}

impl SinkSelector for Scripted {
    fn order(&mut self, _: Instant) -> VecDeque<usize> {
        [2, 0, 300].into()
    }
    fn order_load(&mut self, now: Instant, load: Load<'_>) -> VecDeque<usize> {
        self.seen.lock().push(load.events.len());
        self.order(now)
    }
    fn route(&mut self, _: Instant, load: Load<'_>) -> Option<Vec<usize>> {
        (load.events.len() == 2).then(|| vec![1, 0])
    }
    fn wants_events(&self) -> bool {
        self.wants_events
    }
    fn failed(&mut self, _: usize, _: Instant) {}
    fn delivered(&mut self, _: usize, _: Instant) {}
    fn states(&self, _: Instant) -> Vec<SinkState> {
        Vec::new()
    }
}

fn header() -> TraceHeader {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    TraceHeader {
        run: 7,
        part: 0,
        began_unix_ms: 1_700_000_000_000,
        selector: "a1/weighted".to_owned(),
        digest: "ab".repeat(32),
        seed: u64::MAX,
        properties: vec![pair("backoff", "true")],
        sinks: vec![SinkInfo {
            name: "s1".to_owned(),
            kind: "avro".to_owned(),
            properties: vec![pair("weight", "3")],
        }],
        headers: vec!["h".to_owned()],
    }
}

struct Recorded {
    recorder: Recorder,
    queue: Arc<TraceQueue>,
    zero: Instant,
    seen: Arc<parking_lot::Mutex<Vec<usize>>>,
}

fn recorded(capacity: usize, wants_events: bool, headers: &[&str]) -> Recorded {
    let (queue, zero) = (Arc::new(TraceQueue::new(capacity)), clock::now());
    let seen = Arc::default();
    let selector = Box::new(Scripted {
        wants_events,
        seen: Arc::clone(&seen),
    });
    let headers = headers.iter().map(|name| (*name).to_owned()).collect();
    let wall = WallClock::fixed(1_700_000_000_123);
    let recorder = Recorder::new(selector, Arc::clone(&queue), zero, wall, headers);
    Recorded {
        recorder,
        queue,
        zero,
        seen,
    }
}

/// The file so far.
fn file(queue: &TraceQueue) -> Vec<u8> {
    let mut file = header().encode();
    while let Some(Chunk(chunk)) = queue.take() {
        file.extend(chunk);
    }
    file
}

fn events() -> [Event; 2] {
    [
        Event::new("body")
            .with_header("h", "é")
            .with_header("other", "x"),
        Event::new("body"),
    ]
}

/// One of each kind.
fn one_of_each(recorded: &mut Recorded) -> Vec<TraceEntry> {
    let at = |millis| recorded.zero + Duration::from_millis(millis);
    let events = events();
    let load = Load {
        depth: 1000,
        events: &events,
    };
    let recorder = &mut recorded.recorder;
    recorder.order_load(at(1), load);
    assert_eq!(recorder.route(at(2), load), Some(vec![1, 0]));
    assert_eq!(recorder.route(at(3), Load::default()), None);
    recorder.step(1, Step::Begun, at(4));
    recorder.failed(1, at(5));
    recorder.delivered(2, at(5));
    let latency = Duration::from_nanos(12_345_678);
    recorder.step(
        1,
        Step::Ended {
            events: 100,
            latency,
        },
        at(6),
    );
    let unix_ms = 1_700_000_000_123;
    let shown = [Event::new("").with_header("h", "é"), Event::new("")];
    let load = Shown {
        unix_ms,
        depth: 1000,
        events: shown.to_vec().into(),
    };
    let nothing = Shown {
        unix_ms,
        ..Shown::default()
    };
    [
        (
            1,
            What::Order {
                load: load.clone(),
                answer: vec![2, 0, 300],
            },
        ),
        (
            2,
            What::Route {
                load,
                answer: Some(vec![1, 0]),
            },
        ),
        (
            3,
            What::Route {
                load: nothing,
                answer: None,
            },
        ),
        (4, What::Begun { sink: 1 }),
        (5, What::Failed { sink: 1 }),
        (5, What::Delivered { sink: 2 }),
        (
            6,
            What::Ended {
                sink: 1,
                events: 100,
                latency: 12_345_678,
            },
        ),
    ]
    .map(|(millis, what)| TraceEntry {
        at: millis * 1_000_000,
        what,
    })
    .to_vec()
}

#[test]
fn a_trace_has_what_was_heard_and_said() {
    let mut recorded = recorded(1 << 16, true, &["h"]);
    let expected = one_of_each(&mut recorded);
    let file = file(&recorded.queue);
    let trace = Trace::read(&file).unwrap();
    assert_eq!(
        trace,
        Trace {
            header: header(),
            entries: expected,
            cut: 0
        }
    );
    assert!(
        !file.windows(4).any(|bytes| bytes == b"body"),
        "bodies are not recorded"
    );
    assert!(
        !file.windows(5).any(|bytes| bytes == b"other"),
        "nor are other headers"
    );
}

#[test]
fn a_selector_that_wants_no_events_gets_none_though_they_are_recorded() {
    let (events, now) = (events(), clock::now());
    for (wants, headers, recorder_wants, seen) in [
        (false, &["h"][..], true, 0),
        (true, &[][..], true, 2),
        (false, &[][..], false, 0),
    ] {
        let mut recorded = recorded(1 << 16, wants, headers);
        assert_eq!(recorded.recorder.wants_events(), recorder_wants);
        recorded.recorder.order_load(
            now,
            Load {
                depth: 2,
                events: &events,
            },
        );
        assert_eq!(*recorded.seen.lock(), [seen]);
    }
}

#[test]
fn what_has_no_room_is_dropped_counted_and_said() {
    let mut recorded = recorded(64, false, &[]);
    let at = |millis| recorded.zero + Duration::from_millis(millis);
    for millis in 0..100 {
        recorded.recorder.delivered(0, at(millis));
    }
    let (taken, dropped) = (recorded.queue.entries.get(), recorded.queue.dropped.get());
    assert_eq!(taken + dropped, 100);
    assert!((5..30).contains(&taken), "{taken}");
    let mut file = file(&recorded.queue);
    recorded.recorder.failed(1, at(200));
    let Chunk(chunk) = recorded.queue.take().unwrap();
    file.extend(chunk);
    let entries = Trace::read(&file).unwrap().entries;
    let kept = usize::try_from(taken).unwrap();
    assert_eq!(entries.len(), kept + 2);
    assert_eq!(entries[kept].what, What::Lost(dropped));
    assert_eq!(
        entries[kept + 1],
        TraceEntry {
            at: 200_000_000,
            what: What::Failed { sink: 1 }
        }
    );
}

#[test]
fn a_cut_file_is_read_up_to_the_cut_and_a_damaged_one_up_to_the_damage() {
    let mut recorded = recorded(1 << 16, true, &["h"]);
    let first = one_of_each(&mut recorded);
    let mut whole = file(&recorded.queue);
    let second_begins = whole.len();
    one_of_each(&mut recorded);
    let Chunk(chunk) = recorded.queue.take().unwrap();
    whole.extend(chunk);
    let head = header().encode().len();
    for end in 0..whole.len() {
        let read = Trace::read(&whole[..end]);
        match end {
            end if end < head => assert!(read.is_err(), "{end}"),
            end if end < second_begins => assert_eq!(read.unwrap().entries, [], "{end}"),
            end => {
                let read = read.unwrap();
                assert_eq!(
                    (read.entries, read.cut),
                    (first.clone(), end - second_begins)
                );
            }
        }
    }
    for at in second_begins..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        let read = Trace::read(&damaged).unwrap();
        assert_eq!(
            (read.entries.len(), read.cut),
            (first.len(), whole.len() - second_begins)
        );
    }
}

/// Events that no recorded header tells apart take no bytes of the file, and so no memory each time.
#[test]
fn a_small_file_of_many_events_takes_little_memory() {
    let mut file = TraceHeader {
        headers: Vec::new(),
        ..header()
    }
    .encode();
    let mut payload = vec![0, 0, 0];
    for count in [1000, MOST_EVENTS, 3] {
        for _ in 0..7 {
            payload.extend([encode::ORDER, 0, 0, 0]);
            encode::length(&mut payload, count);
            encode::length(&mut payload, 0);
        }
    }
    file.extend(encode::frame(&payload));
    let trace = Trace::read(&file).unwrap();
    let events = |entry: &TraceEntry| match &entry.what {
        What::Order { load, .. } => (load.events.len(), load.events.as_ptr()),
        other => panic!("{other:?}"),
    };
    let read: Vec<_> = trace.entries.iter().map(events).collect();
    let counts: Vec<usize> = read.iter().map(|(count, _)| *count).collect();
    assert_eq!(counts, [[1000; 7], [MOST_EVENTS; 7], [3; 7]].concat());
    let places: std::collections::HashSet<_> = read.iter().map(|(_, place)| place).collect();
    assert_eq!(places.len(), 2, "all share two pieces of memory");
    payload.extend([encode::ORDER, 0, 0, 0]);
    encode::length(&mut payload, MOST_EVENTS + 1);
    encode::length(&mut payload, 0);
    file.extend(encode::frame(&payload));
    assert!(
        Trace::read(&file).unwrap().cut > 0,
        "more than any batch has"
    );
}

#[test]
fn other_files_are_refused() {
    let mut newer = header().encode();
    newer[8] = 2;
    assert_eq!(Trace::read(&newer), Err(TraceError::Version(2)));
    assert_eq!(Trace::read(b""), Err(TraceError::NotATrace));
    assert_eq!(
        Trace::read(b"#!/bin/sh and so on"),
        Err(TraceError::NotATrace)
    );
    assert_eq!(Trace::read(MAGIC), Err(TraceError::NoHeader));
}

#[test]
fn files_of_a_run_go_on() {
    let trace = |run, part, cut| {
        let header = TraceHeader {
            run,
            part,
            ..header()
        };
        Trace {
            header,
            entries: Vec::new(),
            cut,
        }
    };
    assert!(trace(1, 0, 0).goes_on_in(&trace(1, 1, 0)));
    for (first, second) in [
        (trace(1, 0, 0), trace(1, 2, 0)),
        (trace(1, 0, 0), trace(2, 1, 0)),
        (trace(1, 0, 3), trace(1, 1, 0)),
    ] {
        assert!(!first.goes_on_in(&second));
    }
}

#[test]
fn the_end_waits_for_the_writer_but_not_for_ever() {
    let recorded = recorded(64, false, &[]);
    let queue = Arc::clone(&recorded.queue);
    // There is no writer, so nothing waits for it.
    drop(recorded);
    assert!(queue.is_closed());

    let queue = Arc::new(TraceQueue::new(64));
    let writer = Arc::clone(&queue);
    let thread = std::thread::spawn(move || {
        while !writer.is_closed() {
            std::thread::park_timeout(Duration::from_secs(5));
        }
        writer.finish();
    });
    queue.serve(thread.thread().clone());
    let began = clock::now();
    queue.close(Duration::from_secs(60));
    assert!(clock::now() - began < Duration::from_secs(30));
    thread.join().unwrap();

    let queue = TraceQueue::new(64);
    queue.serve(std::thread::current());
    queue.close(Duration::from_millis(1));
}

proptest! {
    #[test]
    fn numbers_come_back(value: u64, signed: i64) {
        let mut bytes = Vec::new();
        encode::number(&mut bytes, value);
        encode::signed(&mut bytes, signed);
        let (head, tail) = decode::numbers(&bytes).unwrap();
        prop_assert_eq!((head, tail), (value, signed));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
        let mut file = header().encode();
        file.extend(encode::frame(&bytes));
        let trace = Trace::read(&file).unwrap();
        prop_assert!(trace.entries.len() <= bytes.len() + 1);
    }
}
