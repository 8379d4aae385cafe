//! What the golden scripts cannot show: custom selectors, randomness, and late reports.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::*;
use crate::clock;
use crate::context::Context;
use crate::diagnostic::Code;
use crate::sink_processor::{Group, ProcessorRecipe};

/// A custom selector with a fixed order that remembers what is reported to it.
#[derive(Clone, Default)]
struct Fixed {
    order: VecDeque<SinkIndex>,
    told: Arc<Mutex<Vec<(&'static str, SinkIndex)>>>,
}

impl SinkSelector for Fixed {
    fn order(&mut self, _: Instant) -> VecDeque<SinkIndex> {
        self.order.clone()
    }
    fn failed(&mut self, sink: SinkIndex, _: Instant) {
        self.told.lock().push(("failed", sink));
    }
    fn delivered(&mut self, sink: SinkIndex, _: Instant) {
        self.told.lock().push(("delivered", sink));
    }
    fn states(&self, _: Instant) -> Vec<SinkState> {
        Vec::new()
    }
}

fn names(count: usize) -> Vec<String> {
    (1..=count).map(|at| format!("s{at}")).collect()
}

/// One call in which the sinks in `dead` fail and the others deliver; returns the one that
/// delivered.
fn process(
    processor: &mut dyn SinkProcessor,
    dead: &[SinkIndex],
    now: Instant,
) -> Option<SinkIndex> {
    let mut call = processor.begin(now);
    while let Some(sink) = processor.next(&mut call) {
        let failed = dead.contains(&sink);
        let outcome = if failed {
            Outcome::Failed
        } else {
            Outcome::Returned(Status::Ready)
        };
        match processor.report(&mut call, sink, outcome, now) {
            Verdict::Return(_) => return Some(sink),
            Verdict::Continue => assert!(failed),
        }
    }
    None
}

fn configured(context: &mut Context, sinks: usize, seed: u64) -> Option<ProcessorRecipe> {
    configure(context, &Group::of(&names(sinks), seed)).recipe
}

fn random(sinks: usize, seed: u64) -> Box<dyn SinkProcessor> {
    let mut context = Context::of("g.processor", &[("selector", "RANDOM")]);
    configured(&mut context, sinks, seed)
        .unwrap()
        .processor
        .make()
}

/// Flume: TestLoadBalancingSinkProcessor.testRandomOneActiveSink (L2).
#[test]
fn random_finds_the_one_active_sink() {
    let mut processor = random(3, 7);
    for _ in 0..10 {
        assert_eq!(process(&mut *processor, &[0, 2], clock::now()), Some(1));
    }
}

/// Flume: TestLoadBalancingSinkProcessor.testRandomPersistentFailure (L4).
#[test]
fn random_leaves_out_a_dead_sink() {
    let mut processor = random(3, 7);
    let mut shares = [0; 3];
    for _ in 0..300 {
        shares[process(&mut *processor, &[1], clock::now()).unwrap()] += 1;
    }
    assert_eq!((shares[1], shares[0] + shares[2]), (0, 300));
    assert!(shares[0] > 100 && shares[2] > 100, "{shares:?}");
}

/// Flume: TestLoadBalancingSinkProcessor.testRandomNoFailure (L5).
#[test]
fn random_uses_all_sinks_unequally_and_repeatably() {
    let run = |seed| {
        let mut processor = random(10, seed);
        let mut shares = [0; 10];
        for _ in 0..10_000 {
            shares[process(&mut *processor, &[], clock::now()).unwrap()] += 1;
        }
        shares
    };
    let shares = run(1);
    assert_eq!(shares.iter().sum::<i32>(), 10_000);
    assert!(
        shares.iter().all(|share| (800..1200).contains(share)),
        "{shares:?}"
    );
    assert!(shares.iter().any(|share| *share != shares[0]));
    assert_eq!(shares, run(1), "the same seed gives the same choices");
    assert_ne!(shares, run(2));
}

/// Flume: TestLoadBalancingSinkProcessor.testCustomSelector (L12), the part about sinks.
#[test]
fn a_custom_selector_decides_and_gets_reports() {
    let selector = Fixed {
        order: [0, 1, 2].into(),
        ..Fixed::default()
    };
    let told = Arc::clone(&selector.told);
    let mut processor = LoadBalancingProcessor::new(3, Box::new(selector));
    for _ in 0..10 {
        assert_eq!(process(&mut processor, &[0], clock::now()), Some(1));
    }
    let expected = [("failed", 0), ("delivered", 1)].repeat(10);
    assert_eq!(*told.lock(), expected);
}

#[test]
fn a_custom_selector_cannot_break_a_call() {
    let order = [9, 1, 1, usize::MAX, 1, 0].into();
    let selector = Fixed {
        order,
        ..Fixed::default()
    };
    let mut processor = LoadBalancingProcessor::new(2, Box::new(selector));
    let now = clock::now();
    let mut call = processor.begin(now);
    while let Some(sink) = processor.next(&mut call) {
        processor.report(&mut call, sink, Outcome::Failed, now);
    }
    assert_eq!(call.tried(), [1, 0]);
}

/// A sink that had nothing to deliver ends the call, and nothing is reported to the selector.
#[test]
fn backoff_ends_a_call() {
    let selector = Fixed {
        order: [1, 0].into(),
        ..Fixed::default()
    };
    let told = Arc::clone(&selector.told);
    let mut processor = LoadBalancingProcessor::new(2, Box::new(selector));
    let now = clock::now();
    let mut call = processor.begin(now);
    assert_eq!(processor.next(&mut call), Some(1));
    let outcome = Outcome::Returned(Status::Backoff);
    let verdict = processor.report(&mut call, 1, outcome, now);
    assert_eq!(verdict, Verdict::Return(Status::Backoff));
    assert_eq!(*told.lock(), []);
}

#[test]
fn what_cannot_work_is_refused_with_the_reason() {
    let refused = |keys: &[(&str, &str)], sinks| {
        let mut context = Context::of("g.processor", keys);
        assert!(configured(&mut context, sinks, 1).is_none());
        let found = context.finish();
        assert_eq!(found.len(), 1, "{found:?}");
        (found[0].code, found[0].help.clone().unwrap_or_default())
    };
    let (code, help) = refused(&[("selector", "roundrobin")], 2);
    assert_eq!(
        (code, help.as_str()),
        (Code::UnknownType, "did you mean `round_robin`?")
    );
    let (code, help) = refused(&[("selector", "com.example.Mine")], 2);
    assert_eq!(code, Code::Unsupported);
    assert!(help.contains("`round_robin`, `random`"), "{help}");
    assert!(
        help.contains("policy new --lang rust --kind selector"),
        "{help}"
    );
    assert_eq!(
        refused(&[("selector.maxTimeOut", "long")], 2).0,
        Code::BadValue
    );
    assert_eq!(refused(&[], 1).0, Code::GroupSize);
}

/// A custom selector that looks at what is about to be routed.
#[derive(Clone, Default)]
struct Looking(Arc<Mutex<Vec<String>>>);

impl SinkSelector for Looking {
    fn order(&mut self, _: Instant) -> VecDeque<SinkIndex> {
        VecDeque::new()
    }
    fn order_load(&mut self, _: Instant, load: Load<'_>) -> VecDeque<SinkIndex> {
        let seen = format!("depth {}, events {:?}", load.depth, load.events);
        self.0.lock().push(seen);
        VecDeque::from([1, 0])
    }
    fn wants_events(&self) -> bool {
        true
    }
    fn step(&mut self, sink: SinkIndex, step: Step, _: Instant) {
        self.0.lock().push(format!("{sink}: {step:?}"));
    }
    fn failed(&mut self, _: SinkIndex, _: Instant) {}
    fn delivered(&mut self, _: SinkIndex, _: Instant) {}
    fn states(&self, _: Instant) -> Vec<SinkState> {
        Vec::new()
    }
}

/// A selector that wants the load sees it, and every step; others are just asked for an order.
#[test]
fn a_selector_may_look_at_the_load() {
    let seen = Looking::default();
    let mut processor = LoadBalancingProcessor::new(2, Box::new(seen.clone()));
    assert!(processor.wants_events());
    let events = [crate::Event::new("a")];
    let load = Load {
        depth: 7,
        events: &events,
    };
    let mut call = processor.begin_load(clock::now(), load);
    assert_eq!(processor.next(&mut call), Some(1));
    processor.step(1, Step::Begun, clock::now());
    let expected = ["depth 7, events [{} b\"a\"]", "1: Begun"];
    assert_eq!(*seen.0.lock(), expected);

    let fixed = Fixed {
        order: VecDeque::from([0]),
        ..Fixed::default()
    };
    let mut plain = LoadBalancingProcessor::new(2, Box::new(fixed));
    assert!(!plain.wants_events());
    let mut call = plain.begin_load(clock::now(), load);
    assert_eq!(plain.next(&mut call), Some(0));
}
