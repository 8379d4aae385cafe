//! Goal: a candidate gets what the live selector gets; it is counted, never obeyed or waited for.
//! Method: scripted candidates, one of them stuck until the test lets it go.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use flume_core::clock;

/// Answers as scripted, and writes down what it gets.
struct Scripted {
    order: Vec<SinkIndex>,
    wants_events: bool,
    heard: Arc<Mutex<Vec<String>>>,
    /// Waited for before each answer.
    gate: Option<Receiver<()>>,
}

impl Scripted {
    fn new(order: &[SinkIndex]) -> Self {
        Self {
            order: order.to_vec(),
            wants_events: false,
            heard: Arc::default(),
            gate: None,
        }
    }

    fn hear(&self, what: String) {
        self.heard.lock().push(what);
    }
}

impl SinkSelector for Scripted {
    fn order(&mut self, _: Instant) -> VecDeque<SinkIndex> {
        self.order.clone().into()
    }
    fn order_load(&mut self, now: Instant, load: Load<'_>) -> VecDeque<SinkIndex> {
        if let Some(gate) = &self.gate {
            gate.recv().ok();
        }
        let bodies: usize = load.events.iter().map(|event| event.body.len()).sum();
        let headers: usize = load.events.iter().map(|event| event.headers.len()).sum();
        self.hear(format!("order {} {headers} {bodies}", load.depth));
        self.order(now)
    }
    fn wants_events(&self) -> bool {
        self.wants_events
    }
    fn step(&mut self, sink: SinkIndex, step: Step, _: Instant) {
        self.hear(format!("{sink} {step:?}"));
    }
    fn failed(&mut self, sink: SinkIndex, _: Instant) {
        self.hear(format!("{sink} failed"));
    }
    fn delivered(&mut self, sink: SinkIndex, _: Instant) {
        self.hear(format!("{sink} delivered"));
    }
    fn states(&self, _: Instant) -> Vec<SinkState> {
        Vec::new()
    }
}

fn shadow(live: Scripted, candidate: Scripted) -> Shadow {
    Shadow::new(Box::new(live), Box::new(candidate), 3, "test", || 0)
        .ok()
        .unwrap()
}

/// Waits until all notes are taken: the candidate has given this many answers.
fn settled(stats: &ShadowStats, decisions: u64) {
    let began = clock::now();
    while stats.compared.get() + stats.unanswered.get() < decisions {
        assert!(clock::now() - began < Duration::from_secs(30), "{stats:?}");
        thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn a_candidate_hears_the_same_and_is_not_obeyed() {
    for (order, first, rest) in [
        (&[0, 1, 2][..], 0, 0),
        (&[0, 2, 1], 0, 1),
        (&[1, 0, 2], 1, 0),
        (&[], 1, 0),
    ] {
        let (live, candidate) = (Scripted::new(&[0, 1, 2]), Scripted::new(order));
        let heard = [Arc::clone(&live.heard), Arc::clone(&candidate.heard)];
        let mut shadow = shadow(live, candidate);
        let (stats, now) = (shadow.stats(), clock::now());
        shadow.step(0, Step::Begun, now);
        shadow.failed(0, now);
        shadow.step(
            0,
            Step::Ended {
                events: 0,
                latency: LOOK,
            },
            now,
        );
        shadow.delivered(1, now);
        let load = Load {
            depth: 9,
            events: &[],
        };
        assert_eq!(shadow.order_load(now, load), [0, 1, 2]);
        settled(&stats, 1);
        assert_eq!(*heard[0].lock(), *heard[1].lock());
        assert_eq!(heard[0].lock().len(), 5);
        let counts = (stats.first_differs.get(), stats.order_differs.get());
        assert_eq!(counts, (first, rest), "{order:?}");
    }
}

#[test]
fn who_wants_events_gets_them_and_a_candidate_no_bodies() {
    let events = [Event::new("body").with_header("h", "x")];
    let load = Load {
        depth: 1,
        events: &events,
    };
    for (live_wants, candidate_wants) in [(false, true), (true, false), (false, false)] {
        let (mut live, mut candidate) = (Scripted::new(&[0]), Scripted::new(&[0]));
        (live.wants_events, candidate.wants_events) = (live_wants, candidate_wants);
        let heard = [Arc::clone(&live.heard), Arc::clone(&candidate.heard)];
        let mut shadow = shadow(live, candidate);
        assert_eq!(shadow.wants_events(), live_wants || candidate_wants);
        shadow.order_load(clock::now(), load);
        settled(&shadow.stats(), 1);
        let expected = |wants, shown: &str| {
            if wants {
                shown.to_owned()
            } else {
                "order 1 0 0".into()
            }
        };
        assert_eq!(heard[0].lock()[0], expected(live_wants, "order 1 1 4"));
        assert_eq!(heard[1].lock()[0], expected(candidate_wants, "order 1 1 0"));
    }
}

/// A candidate that answers when the test says so.
fn gated() -> (Scripted, Sender<()>, Arc<Mutex<Vec<String>>>) {
    let (open, gate) = channel();
    let mut candidate = Scripted::new(&[0]);
    candidate.gate = Some(gate);
    let heard = Arc::clone(&candidate.heard);
    (candidate, open, heard)
}

#[test]
fn a_stuck_candidate_delays_nobody_and_catches_up() {
    let (candidate, open, heard) = gated();
    let mut shadow = shadow(Scripted::new(&[0]), candidate);
    let (stats, now) = (shadow.stats(), clock::now());
    shadow.order(now);
    let orders = 3 * MOST_NOTES;
    for _ in 0..orders {
        assert_eq!(shadow.order(now), [0]);
    }
    let dropped = stats.dropped.get();
    assert!(
        dropped >= u64::try_from(orders - 2 * MOST_NOTES).unwrap(),
        "{dropped}"
    );
    // Missed: a batch under way to sink 1, and the failure of sink 2.
    shadow.step(1, Step::Begun, now);
    shadow.failed(2, now);
    let answered = u64::try_from(orders + 1).unwrap() - dropped;
    for _ in 0..answered {
        open.send(()).unwrap();
    }
    settled(&stats, answered);
    open.send(()).unwrap();
    shadow.order(now);
    settled(&stats, answered + 1);
    let heard = heard.lock();
    assert_eq!(
        heard[heard.len() - 3..],
        ["1 Begun", "2 failed", "order 0 0 0"]
    );
    // Ends its thread.
    drop(shadow);
}

#[test]
fn a_live_selector_ends_without_waiting_for_the_candidate() {
    let (candidate, open, _) = gated();
    let mut shadow = shadow(Scripted::new(&[0]), candidate);
    shadow.order(clock::now());
    drop(shadow);
    drop(open);
}

#[test]
fn what_somebody_else_answered_is_not_compared() {
    let misses = std::sync::atomic::AtomicU64::new(0);
    let misses = move || misses.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let (live, candidate) = (Scripted::new(&[0]), Scripted::new(&[1]));
    let mut shadow = Shadow::new(Box::new(live), Box::new(candidate), 3, "test", misses)
        .ok()
        .unwrap();
    let stats = shadow.stats();
    shadow.order(clock::now());
    settled(&stats, 1);
    assert_eq!((stats.unanswered.get(), stats.compared.get()), (1, 0));
}
