//! Swaps: between two batches, with state, and back again when the new version is bad.

use std::time::Duration;

use flume_core::{Interceptor as _, SinkSelector, clock};
use flume_policy::{Limits, Policy, PolicySelector, SeatState, SelectorSetup};

use crate::support::{
    ATTACKED, Limited, attacked, fallback, guest, limited, policy, selector, selector_text, sinks,
    text,
};

fn weighted(policy: &Limited) -> PolicySelector {
    let setup = SelectorSetup {
        sinks: sinks(&[5, 1, 1]),
        ..SelectorSetup::default()
    };
    policy.selector("g1", setup, fallback(3)).unwrap()
}

/// Another file, the same policy.
fn another(name: &str) -> flume_policy::Artifact {
    let mut bytes = flume_artifacts::bytes(name).unwrap();
    // A custom section, empty and without a name.
    bytes.extend([0, 1, 0]);
    flume_policy::Artifact::load(&crate::support::ENGINE, name, &bytes, None).unwrap()
}

#[test]
fn state_is_handed_over_between_two_batches() {
    let now = clock::now();
    let firsts = |selector: &mut PolicySelector, count: usize| -> Vec<usize> {
        (0..count).map(|_| selector.order(now)[0]).collect()
    };
    let alone = policy(guest("selector-weighted"));
    let expected = firsts(&mut weighted(&alone), 14);

    let policy = policy(guest("selector-weighted"));
    let mut selector = weighted(&policy);
    let mut found = firsts(&mut selector, 3);
    policy.install(policy.prepare(another("selector-weighted")).unwrap());
    found.extend(firsts(&mut selector, 11));
    assert_eq!(found, expected);
    assert_eq!(policy.stats().swaps.get(), 1);
}

#[test]
fn a_candidate_says_what_is_new_about_it() {
    let policy = policy(guest("selector-weighted"));
    let _selector = weighted(&policy);
    let candidate = policy.prepare(guest("selector-round-robin")).unwrap();
    let differences = candidate.differences();
    assert!(
        differences.contains(&"hands over state: true -> false".to_owned()),
        "{differences:?}"
    );
    assert!(differences[0].starts_with("bytes: "));
}

#[test]
fn a_bad_candidate_changes_nothing() {
    let policy = policy(guest("selector-weighted"));
    let mut selector = weighted(&policy);
    let digest = policy.artifact().digest().to_owned();
    for bad in [guest("hostile-mute"), guest("interceptor-redact")] {
        policy.prepare(bad).unwrap_err();
    }
    assert_eq!(policy.artifact().digest(), digest);
    assert_eq!(selector.order(clock::now())[0], 0);
    assert_eq!(policy.report().generation, 1);
}

#[test]
fn the_version_before_comes_back_by_hand() {
    let policy = policy(guest("selector-weighted"));
    let mut selector = weighted(&policy);
    let now = clock::now();
    policy.install(policy.prepare(text("reverse", &reversed())).unwrap());
    assert_eq!(selector.order(now), [2, 1, 0]);
    policy.roll_back().unwrap();
    assert_eq!(selector.order(now)[0], 0);
    let error = policy.roll_back().unwrap_err().to_string();
    assert_eq!(
        error,
        "policy selector-weighted: there is no version before the one that runs"
    );
}

fn reversed() -> String {
    let order = "(i32.store (i32.const 128) (i32.const 2))
        (i32.store (i32.const 132) (i32.const 1)) (i32.store (i32.const 136) (i32.const 0))
        (call $answer (i32.const 3))";
    selector_text(order, "")
}

/// The previous version comes back when the new one has spent its error budget, in every place,
/// even where nothing has gone wrong yet.
#[test]
fn the_version_before_comes_back_by_itself() {
    let limits = Limits {
        violations: 2,
        ..Limits::default()
    };
    let policy = limited(text("reverse", &reversed()), limits);
    let (mut one, mut other) = (selector(&policy).unwrap(), selector(&policy).unwrap());
    let mut now = clock::now();
    policy.install(policy.prepare(guest("hostile-liar")).unwrap());
    for _ in 0..2 {
        assert_eq!(attacked(&mut one, now).len(), 3);
        now += Duration::from_secs(1);
    }
    assert_eq!(policy.artifact().name(), "reverse");
    assert_eq!(
        (one.order(now), other.order(now)),
        ([2, 1, 0].into(), [2, 1, 0].into())
    );
    assert_eq!(policy.stats().roll_backs.get(), 1);
    assert!(
        policy.roll_back().is_err(),
        "the failed version is forgotten"
    );
}

/// Without a version before it, a policy that goes on breaking the contract is left alone, until
/// another one comes.
#[test]
fn a_repeated_offender_is_quarantined() {
    let limits = Limits {
        violations: 3,
        ..Limits::default()
    };
    let policy = limited(guest("hostile-liar"), limits);
    let mut selector = selector(&policy).unwrap();
    let mut now = clock::now();
    let state = |policy: &Policy| policy.report().seats[0].state;
    assert_eq!(attacked(&mut selector, now).len(), 3);
    assert!(matches!(state(&policy), SeatState::Resting { .. }));
    assert_eq!(attacked(&mut selector, now).len(), 3);
    assert_eq!(
        policy.stats().all_violations(),
        1,
        "a resting policy is not asked"
    );
    for _ in 0..2 {
        now += Duration::from_secs(1);
        attacked(&mut selector, now);
    }
    assert_eq!(state(&policy), SeatState::Quarantined);
    now += Duration::from_secs(3600);
    attacked(&mut selector, now);
    assert_eq!(policy.stats().all_violations(), 3);
    policy.install(policy.prepare(text("reverse", &reversed())).unwrap());
    assert_eq!(selector.order(now), [2, 1, 0]);
    assert_eq!(state(&policy), SeatState::Running);
}

/// An empty order is accepted while all sinks are down, and not for ever.
#[test]
fn sinks_may_rest_but_not_for_ever() {
    let policy = limited(
        text("empty", &selector_text("(call $answer (i32.const 0))", "")),
        Limits {
            idle: Duration::from_secs(5),
            ..Limits::default()
        },
    );
    let mut selector = selector(&policy).unwrap();
    let mut now = clock::now();
    for sink in 0..3 {
        selector.failed(sink, now);
    }
    assert!(selector.order(now).is_empty());
    now += Duration::from_secs(5);
    assert!(selector.order(now).is_empty());
    now += Duration::from_secs(1);
    assert_eq!(selector.order(now).len(), 3);
    assert_eq!(policy.stats().all_violations(), 1);
}

#[test]
fn interceptors_are_swapped_too() {
    let policy = policy(guest("hostile-trap"));
    let remedy = flume_policy::Remedy::Drop;
    let seat = crate::support::interceptor(&policy, &[], remedy).unwrap();
    let error = policy
        .prepare(guest("interceptor-redact"))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "the policy does not accept its properties: it needs the key `patterns`"
    );
    policy.install(policy.prepare(another("hostile-trap")).unwrap());
    let mut batch = flume_core::Batch::new(vec![flume_core::Event::new("x")]);
    seat.intercept(&mut batch).unwrap();
    assert_eq!(policy.report().seats[0].generation, 2);
}

#[test]
fn swaps_are_timed_and_give_back_the_memory_of_the_version_before_the_last() {
    let policy = policy(guest("selector-weighted"));
    let mut selector = selector(&policy).unwrap();
    let stats = policy.stats();
    let one = stats.memory.now();
    assert!(one > 0);
    for name in [
        "selector-round-robin",
        "selector-weighted",
        "selector-round-robin",
    ] {
        policy.install(policy.prepare(guest(name)).unwrap());
        assert_eq!(selector.order(clock::now()).len(), 3);
    }
    assert_eq!((stats.swap_latency.count(), stats.latency.count()), (3, 3));
    // Soon two instances are left: those of the running and of the previous version. They need not
    // be equally large.
    let two_and_a_half = one * 5 / 2;
    let patience = clock::now() + Duration::from_secs(10);
    while stats.memory.now() > two_and_a_half && clock::now() < patience {
        std::thread::yield_now();
    }
    assert!((one..two_and_a_half).contains(&stats.memory.now()));
    assert!(stats.memory.most() > two_and_a_half);
}

/// A selector that always tries this sink of three first.
fn first(sink: usize) -> flume_policy::Artifact {
    let order =
        format!("(i32.store (i32.const 128) (i32.const {sink})) (call $answer (i32.const 1))");
    text(&format!("first-{sink}"), &selector_text(&order, ""))
}

/// The first one, until it sees a certain event: then one that does not exist.
fn liar() -> flume_policy::Artifact {
    let order = "(i32.store (i32.const 128)
            (i32.mul (call $attacked (local.get $headers)) (i32.const 7)))
        (call $answer (i32.const 1))";
    text("liar", &selector_text(order, ATTACKED))
}

/// One version leaves all seats, whatever their limits are. A seat that began with it gets the
/// version before when the roll-back is finished, and stays with its fallback until then.
#[test]
fn seats_with_other_limits_go_back_together() {
    let policy = policy(first(1));
    let seat = |violations| {
        let limits = Limits {
            violations,
            deadline: Duration::from_secs(5),
            start_deadline: Duration::from_secs(5),
            ..Limits::default()
        };
        let setup = SelectorSetup {
            sinks: sinks(&[1, 1, 1]),
            ..SelectorSetup::default()
        };
        Policy::selector(&policy, "g", limits, setup, fallback(3)).unwrap()
    };
    let (mut strict, mut patient) = (seat(1), seat(1_000));
    policy.install(policy.prepare(liar()).unwrap());
    let mut late = seat(1);
    let now = clock::now();
    attacked(&mut patient, now);
    assert_eq!(policy.artifact().name(), "liar", "it has its patience");
    attacked(&mut strict, now);
    assert_eq!(policy.artifact().name(), "first-1");
    assert_eq!((strict.order(now)[0], patient.order(now)[0]), (1, 1));
    let later = now + Duration::from_secs(60);
    attacked(&mut late, now);
    let state = |at: usize| policy.report().seats[at].state;
    assert_eq!(state(2), SeatState::Quarantined);
    let finished = policy.finish_roll_back().unwrap();
    assert_eq!(
        (finished.from().name(), finished.to().name()),
        ("liar", "first-1")
    );
    assert_eq!((late.order(later)[0], state(2)), (1, SeatState::Running));
    assert!(policy.finish_roll_back().is_none(), "once");
    let numbers: Vec<u64> = policy.report().seats.iter().map(|s| s.generation).collect();
    assert_eq!((policy.report().generation, numbers), (3, vec![3; 3]));
    assert_eq!(policy.stats().roll_backs.get(), 1);
}

/// What is installed for new seats leaves the others alone, and there is no roll-back from it.
#[test]
fn a_version_for_new_seats_leaves_the_others() {
    let policy = policy(first(0));
    let mut before = selector(&policy).unwrap();
    policy.install_for_new_seats(first(1));
    let mut after = selector(&policy).unwrap();
    let now = clock::now();
    assert_eq!((before.order(now)[0], after.order(now)[0]), (0, 1));
    policy.roll_back().unwrap_err();
    policy.install(policy.prepare(first(2)).unwrap());
    assert_eq!((before.order(now)[0], after.order(now)[0]), (2, 2));
    policy.roll_back().unwrap();
    assert_eq!((before.order(now)[0], after.order(now)[0]), (1, 1));
}

/// Random changes against a model of two fields: all seats always run what it says.
#[test]
fn seats_follow_the_history() {
    let versions = [first(0), first(1), first(2)];
    for seed in 0..8 {
        let mut random = fastrand::Rng::with_seed(seed);
        let policy = policy(versions[0].clone());
        let mut seats = vec![selector(&policy).unwrap()];
        let (mut current, mut previous, mut changes) = (0, None, 1);
        for _ in 0..12 {
            match random.u8(0..4) {
                0 => seats.push(selector(&policy).unwrap()),
                1 => match (policy.roll_back(), previous.take()) {
                    (Ok(roll_back), Some(before)) => {
                        assert_eq!(roll_back.from().digest(), versions[current].digest());
                        (current, changes) = (before, changes + 1);
                    }
                    (Err(_), None) => {}
                    (found, expected) => panic!("{found:?}, expected {expected:?}"),
                },
                _ => {
                    let next = random.usize(0..3);
                    policy.install(policy.prepare(versions[next].clone()).unwrap());
                    previous = Some(std::mem::replace(&mut current, next));
                    changes += 1;
                }
            }
            // A seat may be idle while versions come and go.
            for seat in &mut seats {
                if random.u8(0..3) > 0 {
                    assert_eq!(seat.order(clock::now())[0], current, "seed {seed}");
                }
            }
            let report = policy.report();
            let digest = |at: usize| versions[at].digest().to_owned();
            assert_eq!(
                (report.generation, report.digest),
                (changes, digest(current))
            );
            assert_eq!(report.previous, previous.map(digest));
        }
        assert_eq!(policy.stats().fallbacks.get(), 0);
    }
}
