//! Interceptors: what they are shown, what they change, and what happens when they cannot.

use std::sync::Arc;
use std::time::Duration;

use flume_core::channel::memory::{MemoryChannel, MemoryConfig};
use flume_core::{Batch, Channel, Context, Event, Interceptor, InterceptorError, TakeTransaction};
use flume_policy::{Limits, PolicyInterceptor, Remedy, SeatState, StandIn};

use crate::support::{dead_letters, guest, interceptor, limited, policy};

fn poisoned() -> Batch {
    Batch::new(["a", "poison", "b"].map(Event::new).to_vec())
}

/// Why an event of a batch was refused, or all of it.
fn refusal(interceptor: &PolicyInterceptor, batch: &mut Batch) -> Option<InterceptorError> {
    let handled = interceptor.intercept(batch);
    let first = batch.refused().first();
    handled
        .err()
        .or_else(|| first.map(|(_, error)| error.clone()))
}

#[test]
fn redact_masks_bodies_and_leaves_the_rest() {
    let policy = policy(guest("interceptor-redact"));
    let properties = [("patterns", "###-##"), ("header", "masked")];
    let redact = interceptor(&policy, &properties, Remedy::Fail).unwrap();
    let events = [
        Event::new("no"),
        Event::new("123-45").with_header("h", "1"),
        Event::new(""),
    ];
    let mut batch = Batch::new(events.to_vec());
    redact.intercept(&mut batch).unwrap();
    let masked = Event::new("******")
        .with_header("h", "1")
        .with_header("masked", "1");
    assert_eq!(
        batch.events(),
        [events[0].clone(), masked, events[2].clone()]
    );
    redact.intercept(&mut Batch::default()).unwrap();
    assert_eq!(policy.stats().all_violations(), 0);
}

/// What is left of a batch of these events.
fn left(interceptor: &PolicyInterceptor, events: Vec<Event>) -> Vec<Event> {
    let mut batch = Batch::new(events);
    interceptor.intercept(&mut batch).unwrap();
    batch.into_events()
}

#[test]
fn sample_keeps_its_share_and_counts_on_after_a_swap() {
    let policy = policy(guest("interceptor-sample"));
    let third = interceptor(&policy, &[("every", "3")], Remedy::Fail).unwrap();
    let numbered = |from: usize| {
        (from..from + 100)
            .map(|at| Event::new(at.to_string()))
            .collect()
    };
    let mut kept = left(&third, numbered(0));
    let candidate = policy.prepare(guest("interceptor-sample")).unwrap();
    policy.install(candidate);
    kept.extend(left(&third, numbered(100)));
    // The seed is 1, and counts as one event.
    let expected: Vec<Event> = (0..200)
        .filter(|at| at % 3 == 1)
        .map(|at: i32| Event::new(at.to_string()))
        .collect();
    assert_eq!(kept, expected);
    assert_eq!(policy.stats().all_violations(), 0);
}

#[test]
fn route_by_field_sets_a_header_and_leaves_bodies_alone() {
    let policy = policy(guest("interceptor-route-by-field"));
    let properties = [
        ("field", "/a/level"),
        ("header", "level"),
        ("default", "none"),
        ("prefix", "40"),
    ];
    let route = interceptor(&policy, &properties, Remedy::Fail).unwrap();
    let far = format!("{{\"x\": \"{}\", \"a\": {{\"level\": 1}}}}", "x".repeat(40));
    let bodies = [r#"{"a": {"level": "warn"}}"#, "no json", "", &far];
    let events = bodies.map(|body| Event::new(body.to_owned()));
    let expected = ["warn", "none", "none", "none"];
    let expected = expected.iter().zip(&events);
    let expected: Vec<Event> = expected
        .map(|(level, event)| event.clone().with_header("level", *level))
        .collect();
    assert_eq!(left(&route, events.to_vec()), expected);
    assert_eq!(policy.stats().all_violations(), 0);
}

/// At its largest, in the memory of the default limits: what was seen gets across a swap, and no
/// more than that is remembered. The deadline is for busy machines.
#[test]
fn dedupe_remembers_what_it_may_and_hands_it_over() {
    const MOST: usize = 250_000;
    let patient = Limits {
        deadline: Duration::from_secs(5),
        ..Limits::default()
    };
    let policy = limited(guest("interceptor-dedupe"), patient);
    let capacity = MOST.to_string();
    let properties = [
        ("header", "id"),
        ("window-ms", "0"),
        ("capacity", capacity.as_str()),
    ];
    let dedupe = interceptor(&policy, &properties, Remedy::Fail).unwrap();
    let of = |ids: std::ops::Range<usize>| -> Vec<Event> {
        ids.map(|id| Event::new("").with_header("id", id.to_string()))
            .collect()
    };
    for start in (0..=MOST).step_by(10_000) {
        let end = (start + 10_000).min(MOST + 1);
        assert_eq!(left(&dedupe, of(start..end)).len(), end - start);
    }
    let candidate = policy.prepare(guest("interceptor-dedupe")).unwrap();
    policy.install(candidate);
    assert_eq!(left(&dedupe, of(1..1_001)).len(), 0);
    assert_eq!(left(&dedupe, of(MOST - 1_000..MOST + 1)).len(), 0);
    // One more than there is room for: the oldest is new again.
    assert_eq!(left(&dedupe, of(0..1)).len(), 1);
    let stats = policy.stats();
    assert_eq!((stats.all_violations(), stats.swaps.get()), (0, 1));
}

#[test]
fn poison_goes_where_the_configuration_says() {
    let policy = policy(guest("hostile-trap"));
    let seen = |body: &'static str| Event::new(body).with_header("seen", "yes");
    let run = |remedy| {
        let trap = interceptor(&policy, &[], remedy).unwrap();
        let mut batch = poisoned();
        match refusal(&trap, &mut batch) {
            Some(error) => Err(error),
            None => Ok(batch.into_events()),
        }
    };
    assert_eq!(run(Remedy::Drop), Ok(vec![seen("a"), seen("b")]));
    assert_eq!(
        run(Remedy::Pass),
        Ok(vec![seen("a"), Event::new("poison"), seen("b")])
    );
    let error = run(Remedy::Fail).unwrap_err();
    assert!(!error.is_transient, "it is poison whenever it comes");
    let error = error.to_string();
    assert!(error.starts_with("interceptor r1.i1: trap: "), "{error}");
    assert!(error.contains("event 0 is poison"), "{error}");
}

fn channel(capacity: &str) -> Arc<dyn Channel> {
    let keys = [("capacity", capacity), ("transactionCapacity", "1")];
    let mut context = Context::of("a1.channels.dead", &keys);
    let config = MemoryConfig::configure(&mut context, 1 << 30).unwrap();
    Arc::new(MemoryChannel::new("dead", &config))
}

#[test]
fn poison_may_go_to_a_channel() {
    let policy = policy(guest("hostile-trap"));
    let dead = channel("1");
    let trap = interceptor(&policy, &[], dead_letters(&dead)).unwrap();
    let mut batch = poisoned();
    trap.intercept(&mut batch).unwrap();
    assert_eq!((batch.events().len(), dead.depth()), (2, 0));
    // Committed by whoever accepts the batch.
    let mut aside = batch.take_aside().into_iter();
    assert!(aside.all(|put| put.commit().is_done()));
    let mut taken = TakeTransaction::begin(&dead);
    assert_eq!(taken.take_batch(9), 1);
    assert_eq!(&taken.events()[0].body[..], b"poison");
    // In the batch, and alone.
    let tries = taken.events()[0]
        .headers
        .get(flume_core::dead_letter::ATTEMPTS);
    assert_eq!(tries.map(|tries| &**tries), Some("2"));
    // The room of the taken event is not free yet: now the source gets an error, and nothing is lost.
    let error = refusal(&trap, &mut poisoned()).unwrap();
    assert_eq!(error.message, "no room in channel dead");
    assert!(error.is_transient, "there may be room later");
    assert!(taken.commit().is_done());
    assert_eq!(refusal(&trap, &mut poisoned()), None);
}

/// A policy that fails on everything is to blame: it is taken out, and the source gets an error.
#[test]
fn a_policy_that_handles_nothing_is_quarantined() {
    let policy = policy(guest("hostile-trap"));
    let trap = interceptor(&policy, &[], Remedy::Fail).unwrap();
    let pass = interceptor(&policy, &[], Remedy::Pass).unwrap();
    let all = || Batch::new(vec![Event::new("poison"); 4]);
    let mut last = None;
    for _ in 0..20 {
        last = refusal(&trap, &mut all());
        let mut batch = all();
        pass.intercept(&mut batch).unwrap();
        assert_eq!(batch.events(), vec![Event::new("poison"); 4]);
    }
    let last = last.unwrap();
    assert_eq!(last.message, "its policy is quarantined");
    assert!(last.is_transient, "a policy can be replaced");
    let seats = || policy.report().seats;
    for (seat, stand_in) in seats().iter().zip([StandIn::Nobody, StandIn::Unchanged]) {
        assert_eq!(
            (seat.state, seat.stand_in),
            (SeatState::Quarantined, stand_in)
        );
        assert!(seat.down_since.is_some() && !seat.tries_next, "{seat:?}");
    }
    // Another version is taken with the next batch, so somebody has to send one.
    let again = policy.prepare(guest("hostile-trap")).unwrap();
    policy.install(again);
    assert!(seats().iter().all(|seat| seat.tries_next));
}
