//! Seats that begin without a version: what stands in does the work until one comes that they accept.

use flume_core::{Batch, Event, Interceptor as _, SinkSelector as _, clock};
use flume_policy::{
    Artifact, InterceptorSetup, PolicyError, PolicySelector, Remedy, SeatState, SelectorSetup,
    StandIn, ViolationKind, World,
};

use crate::support::{Limited, fallback, guest, pairs, policy, sinks};

const SELECTOR: World = World::Selector { router: false };

/// A group of three sinks, one of which has a weight that is none.
fn heavy() -> SelectorSetup {
    let mut sinks = sinks(&[5, 1, 1]);
    sinks[0].properties = pairs(&[("weight", "heavy")]);
    SelectorSetup {
        sinks,
        ..SelectorSetup::default()
    }
}

fn vacant(policy: &Limited, setup: SelectorSetup) -> PolicySelector {
    let place = ("g2", "heavy is no weight");
    policy.vacant_selector(place, policy.limits.clone(), setup, fallback(3))
}

fn state(policy: &Limited, place: &str) -> SeatState {
    let seats = policy.report().seats;
    let seat = seats.iter().find(|seat| seat.place == place);
    seat.expect("a seat").state
}

/// The first sinks of the next seven batches.
fn firsts(selector: &mut PolicySelector) -> [usize; 7] {
    std::array::from_fn(|_| selector.order(clock::now())[0])
}

const IN_TURN: [usize; 7] = [0, 1, 2, 0, 1, 2, 0];

#[test]
fn a_policy_without_a_version_is_its_fallback_until_the_first_one() {
    let policy = policy(Artifact::none("a1/weighted", SELECTOR));
    let setup = SelectorSetup {
        sinks: sinks(&[5, 1, 1]),
        ..SelectorSetup::default()
    };
    let refused = policy.selector("g1", setup.clone(), fallback(3));
    assert!(matches!(refused, Err(PolicyError::Load(_))), "{refused:?}");
    let mut selector = vacant(&policy, setup);
    assert_eq!(firsts(&mut selector), IN_TURN);
    assert_eq!(state(&policy, "g2"), SeatState::Vacant);
    let report = policy.report();
    assert_eq!((report.digest.as_str(), report.previous), ("", None));
    assert!(policy.roll_back().is_err(), "there is nothing before it");

    let candidate = policy.prepare(guest("selector-weighted")).unwrap();
    let differences = candidate.differences();
    assert!(
        differences[0].starts_with("the first version"),
        "{differences:?}"
    );
    policy.install(candidate);
    let shares = firsts(&mut selector)
        .iter()
        .filter(|sink| **sink == 0)
        .count();
    assert_eq!(shares, 5, "by weight");
    assert_eq!(state(&policy, "g2"), SeatState::Running);
    assert!(policy.roll_back().is_err(), "none is before the first one");
    assert_eq!(policy.stats().fallbacks.get(), 7);
}

/// Nobody tries a version there twice that was refused once.
#[test]
fn a_vacant_seat_does_not_go_back_to_a_version_that_it_did_not_accept() {
    let policy = policy(guest("selector-weighted"));
    let setup = SelectorSetup {
        sinks: sinks(&[5, 1, 1]),
        ..SelectorSetup::default()
    };
    let mut fits = policy.selector("g1", setup, fallback(3)).unwrap();
    let refused = policy.selector("g2", heavy(), fallback(3));
    assert!(
        matches!(refused, Err(PolicyError::Config(_))),
        "{refused:?}"
    );
    let mut selector = vacant(&policy, heavy());
    assert_eq!(firsts(&mut selector), IN_TURN);
    policy.install(policy.prepare(guest("selector-round-robin")).unwrap());
    assert_eq!(
        (firsts(&mut selector), firsts(&mut fits)),
        (IN_TURN, IN_TURN)
    );
    assert_eq!(state(&policy, "g2"), SeatState::Running);
    policy.roll_back().unwrap();
    let shares = firsts(&mut fits).iter().filter(|sink| **sink == 0).count();
    assert_eq!(shares, 5, "by weight again");
    firsts(&mut selector);
    assert_eq!(
        state(&policy, "g2"),
        SeatState::Running,
        "it keeps what it has"
    );
    for kind in ViolationKind::ALL {
        assert_eq!(policy.stats().violations(*kind), 0, "{kind:?}");
    }
}

#[test]
fn a_vacant_interceptor_lets_nothing_by_unless_it_is_to_pass() {
    for (remedy, passes) in [
        (Remedy::Pass, true),
        (Remedy::Fail, false),
        (Remedy::Drop, false),
    ] {
        let policy = policy(Artifact::none("a1/redact", World::Interceptor));
        let (place, setup) = (("r1.i1", "it is garbage"), InterceptorSetup::default());
        let limits = policy.limits.clone();
        let interceptor = policy.vacant_interceptor(place, limits, setup, remedy.clone());
        let mut batch = Batch::new(vec![Event::new("x")]);
        let handled = interceptor.intercept(&mut batch);
        assert_eq!(handled.is_ok(), passes, "{remedy:?}");
        if let Err(error) = handled {
            assert!(error.to_string().contains("could not be loaded"), "{error}");
        }
        assert_eq!(batch.events().len(), 1, "nothing is dropped unseen");
        let seat = policy.report().seats.remove(0);
        assert_eq!(seat.state, SeatState::Vacant);
        let stand_in = if passes {
            StandIn::Unchanged
        } else {
            StandIn::Nobody
        };
        assert_eq!((seat.stand_in, seat.tries_next), (stand_in, false));
        assert_eq!(seat.vacancy.as_deref(), Some("it is garbage"));
    }
}
