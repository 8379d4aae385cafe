//! Hostile guests: the group or source of each goes on working, and each has its own named error. A
//! guest without a test of its name here does not compile.
//!
//! Guests in Rust are here, those that are text in the modules below: files that are refused, orders
//! and batches that are broken, and swaps that go wrong.

use std::time::Duration;

use flume_core::{Batch, Event, Interceptor, SinkSelector, clock};
use flume_policy::{
    Artifact, Limits, LoadError, Policy, PolicyError, Remedy, SeatState, ViolationKind,
};

use crate::support::{ENGINE, attacked, guest, interceptor, limited, loaded, policy, selector};

mod batches;
mod bombs;
mod orders;
mod refused;
mod swaps;

use batches::*;
use orders::*;
use refused::*;
use swaps::*;

macro_rules! assert_tested {
    ($($name:ident)*) => { $(const _: fn() = $name;)* };
}

flume_artifacts::foreach_hostile!(assert_tested);

/// The text of a guest.
fn source(name: &str) -> Vec<u8> {
    std::fs::read(flume_artifacts::hostile(name)).unwrap()
}

/// A guest that is text.
fn wat(name: &str) -> Artifact {
    loaded(name, &source(name))
}

/// Limits under which a test is quick.
fn quick() -> Limits {
    Limits {
        deadline: Duration::from_millis(10),
        start_deadline: Duration::from_millis(100),
        ..Limits::default()
    }
}

/// The only rule that a policy has broken.
fn broken(policy: &Policy) -> Option<ViolationKind> {
    let stats = policy.stats();
    let broken = |kind: &&ViolationKind| stats.violations(**kind) > 0;
    let kinds: Vec<_> = ViolationKind::ALL.iter().filter(broken).collect();
    assert!(kinds.len() <= 1, "{kinds:?}");
    kinds.first().map(|kind| **kind)
}

/// Asks for this many orders, some time apart; each must have all three sinks.
fn orders(name: &str, count: usize, limits: Limits, expected: ViolationKind) {
    let policy = limited(guest(name), limits);
    let mut selector = selector(&policy).unwrap();
    let mut now = clock::now();
    for _ in 0..count {
        let order = attacked(&mut selector, now);
        assert_eq!(order.len(), 3);
        now += Duration::from_secs(40);
    }
    let stats = policy.stats();
    assert!(stats.violations(expected) > 0, "{expected:?}: {stats:?}");
    assert_eq!(stats.violations(expected), stats.all_violations());
}

#[test]
fn spin() {
    let quick = Limits {
        deadline: Duration::from_millis(5),
        ..Limits::default()
    };
    orders("hostile-spin", 10, quick, ViolationKind::Deadline);
}

#[test]
fn hoard() {
    let small = Limits {
        memory: 8 << 20,
        ..Limits::default()
    };
    orders("hostile-hoard", 20, small, ViolationKind::Memory);
}

#[test]
fn liar() {
    orders(
        "hostile-liar",
        3,
        Limits::default(),
        ViolationKind::OrderRepeated,
    );
}

#[test]
fn mute() {
    let error = selector(&policy(guest("hostile-mute")))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("trap: ") && error.contains("not today"),
        "{error}"
    );
}

#[test]
fn wrong_world() {
    let bytes = flume_artifacts::bytes("hostile-wrong-world").unwrap();
    let error = Artifact::load(&ENGINE, "p", &bytes, None).unwrap_err();
    assert!(matches!(error, LoadError::WrongWorld { .. }), "{error}");
}

/// The poison goes where it should, the rest of the batch goes on.
#[test]
fn trap() {
    let policy = policy(guest("hostile-trap"));
    let drop = interceptor(&policy, &[], Remedy::Drop).unwrap();
    for place in [0, 42, 99] {
        let body = |at| {
            if at == place {
                "a poison".to_owned()
            } else {
                format!("event {at}")
            }
        };
        let mut batch = Batch::new((0..100).map(|at| Event::new(body(at))).collect());
        drop.intercept(&mut batch).unwrap();
        let left: Vec<usize> = (0..batch.events().len())
            .map(|at| batch.origin(at))
            .collect();
        let expected: Vec<usize> = (0..100).filter(|at| *at != place).collect();
        assert_eq!(left, expected);
        assert!(
            batch
                .events()
                .iter()
                .all(|event| event.headers.contains("seen"))
        );
    }
    assert_eq!(policy.stats().poison.get(), 3);
    // The first of all events is handed in alone.
    let traps = policy.stats().violations(ViolationKind::Trap);
    assert!(
        (3..=24).contains(&traps),
        "{traps} traps for three events in 100"
    );
}

/// One event in each batch is to blame, the rest goes well, and the instance is made anew each time.
/// A hundred times a second that is no event's fault any more.
#[test]
fn trap_a_hundred_times_a_second() {
    let policy = policy(guest("hostile-trap"));
    let drop = interceptor(&policy, &[], Remedy::Drop).unwrap();
    let began = clock::now();
    let is_quarantined = || {
        let seats = policy.report().seats;
        seats
            .iter()
            .any(|seat| seat.state == SeatState::Quarantined)
    };
    while !is_quarantined() {
        let took = clock::now() - began;
        assert!(took < Duration::from_secs(60), "it never loses its place");
        for body in ["a poison", "an event"] {
            let mut batch = Batch::new(vec![Event::new(body)]);
            // In the end without a policy.
            let answer = drop.intercept(&mut batch);
            assert!(answer.is_ok() || is_quarantined(), "{answer:?}");
        }
    }
    assert!(policy.stats().violations(ViolationKind::Trap) >= 5 * 100);
}

/// A state that is too large is dropped, and the successor begins without it.
#[test]
fn state() {
    let policy = limited(
        guest("hostile-state"),
        Limits {
            memory: 256 << 20,
            ..Limits::default()
        },
    );
    let mut selector = selector(&policy).unwrap();
    let now = clock::now();
    assert_eq!(selector.order(now), [2, 1, 0]);
    let candidate = policy.prepare(guest("selector-weighted")).unwrap();
    policy.install(candidate);
    assert_eq!(selector.order(now), [0, 1, 2]);
    assert_eq!(policy.stats().violations(ViolationKind::Memory), 1);
    assert!(matches!(selector_error(), PolicyError::Violation(_)));
}

fn selector_error() -> PolicyError {
    selector(&policy(guest("hostile-mute"))).unwrap_err()
}
