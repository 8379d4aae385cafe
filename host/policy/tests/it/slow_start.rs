//! A policy whose start takes longer than a batch may wait: its next instance is made off the data
//! path.

use std::thread;
use std::time::Duration;

use flume_core::{Batch, Interceptor as _, SinkSelector as _, clock};
use flume_policy::{Artifact, Limits, Policy, Remedy, SeatState, StandIn, ViolationKind};

use crate::support::{
    ATTACKED, ENGINE, attack, attacked, interceptor, limited, selector, selector_text, text,
};

/// Tens of milliseconds on any machine.
const SLOW: &str = r#"(start $slow) (func $slow (local $turns i32)
    (loop $next (br_if $next (i32.lt_u
        (local.tee $turns (i32.add (local.get $turns) (i32.const 1))) (i32.const 200000000)))))"#;

/// Calls about a certain event stop, the others are answered.
const STOPS: &str = "(if (call $attacked (local.get $headers)) (then unreachable))
    (call $answer (i32.const 3))";

/// After any pause.
const LATER: Duration = Duration::from_secs(120);

fn limits() -> Limits {
    Limits {
        deadline: Duration::from_millis(5),
        start_deadline: Duration::from_secs(30),
        ..Limits::default()
    }
}

fn stops(name: &str, more: &str) -> Artifact {
    text(name, &selector_text(STOPS, &format!("{more} {ATTACKED}")))
}

fn state(policy: &Policy) -> SeatState {
    policy.report().seats[0].state
}

/// Until the instance is there; longer than any start.
fn until(mut is_there: impl FnMut() -> bool) {
    let began = clock::now();
    while !is_there() {
        assert!(began.elapsed() < Duration::from_secs(60), "still not there");
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// A call leaves a start that has only begun, however long that takes: so no call has waited for
/// it.
#[test]
fn a_group_does_not_wait_for_it() {
    let policy = limited(stops("slow", SLOW), limits());
    let mut selector = selector(&policy).unwrap();
    let stats = policy.stats();
    let now = clock::now();
    assert_eq!(attacked(&mut selector, now).len(), 3);
    assert_eq!(stats.violations(ViolationKind::Trap), 1);
    assert!(matches!(state(&policy), SeatState::Resting { .. }));

    assert_eq!(selector.order(now + LATER).len(), 3);
    assert_eq!(state(&policy), SeatState::Starting);
    assert_eq!((stats.fallbacks.get(), stats.replacements.get()), (2, 0));

    until(|| {
        selector.order(now + LATER);
        state(&policy) == SeatState::Running
    });
    assert_eq!(selector.order(now + LATER), [0, 1, 2]);
    assert_eq!((stats.all_violations(), stats.replacements.get()), (1, 1));
}

/// The same policy with a fast start is back with the next call.
#[test]
fn a_fast_start_is_waited_for() {
    let patient = Limits {
        deadline: Duration::from_secs(5),
        ..limits()
    };
    let policy = limited(stops("fast", ""), patient);
    let mut selector = selector(&policy).unwrap();
    let now = clock::now();
    attacked(&mut selector, now);
    assert_eq!(selector.order(now + LATER), [0, 1, 2]);
    let stats = policy.stats();
    assert_eq!((stats.fallbacks.get(), stats.replacements.get()), (1, 1));
}

/// Another version does not wait for the start of the one before it.
#[test]
fn another_version_comes_in_between() {
    let policy = limited(stops("slow", SLOW), limits());
    let mut selector = selector(&policy).unwrap();
    let now = clock::now();
    attacked(&mut selector, now);
    selector.order(now + LATER);
    assert_eq!(state(&policy), SeatState::Starting);
    let good = selector_text("(call $answer (i32.const 2))", "");
    policy.install(policy.prepare(text("good", &good)).unwrap());
    assert_eq!(selector.order(now + LATER), [0, 1]);
    assert_eq!(state(&policy), SeatState::Running);
    assert_eq!(policy.stats().replacements.get(), 0);
}

/// An interceptor that stops at each event after the trial.
fn stopping() -> Artifact {
    let source = std::fs::read_to_string(flume_artifacts::hostile("trap_in_intercept")).unwrap();
    let source = source.replacen("(module", &format!("(module {SLOW}"), 1);
    Artifact::load(&ENGINE, "slow", source.as_bytes(), None).unwrap()
}

/// The batch is refused as a whole, since looking for its poison would take many starts; so are
/// those that come before the instance is there. The last violation of the budget ends it.
#[test]
fn a_source_does_not_wait_for_it() {
    let limits = Limits {
        violations: 2,
        ..limits()
    };
    let policy = limited(stopping(), limits);
    let intercept = interceptor(&policy, &[], Remedy::Drop).unwrap();
    let stats = policy.stats();
    let refused = || {
        let mut batch = Batch::new(vec![attack(); 4]);
        let error = intercept.intercept(&mut batch).unwrap_err();
        assert_eq!(batch.events().len(), 4);
        error.message
    };
    assert_eq!(refused(), "its policy is being started");
    assert_eq!(state(&policy), SeatState::Starting);
    let seat = &policy.report().seats[0];
    assert_eq!((seat.stand_in, seat.tries_next), (StandIn::Nobody, false));
    assert!(seat.down_since.is_some());
    assert_eq!(stats.violations(ViolationKind::Trap), 1);
    until(|| {
        let message = refused();
        assert_eq!(message, "its policy is being started");
        stats.violations(ViolationKind::Trap) == 2
    });
    assert_eq!(state(&policy), SeatState::Quarantined);
    assert_eq!(refused(), "its policy is quarantined");
    assert_eq!(stats.replacements.get(), 1);
}

/// Under `pass` the events go on meanwhile.
#[test]
fn nor_do_events_that_may_pass() {
    let policy = limited(stopping(), limits());
    let intercept = interceptor(&policy, &[], Remedy::Pass).unwrap();
    for _ in 0..3 {
        let mut batch = Batch::new(vec![attack(); 4]);
        intercept.intercept(&mut batch).unwrap();
        assert_eq!(batch.events(), vec![attack(); 4]);
        assert_eq!(state(&policy), SeatState::Starting);
    }
}
