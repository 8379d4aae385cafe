//! Interceptors: what they are shown, what they change, and what happens when they cannot.

use std::sync::Arc;

use flume_core::channel::memory::{MemoryChannel, MemoryConfig};
use flume_core::{Batch, Channel, Context, Event, Interceptor};
use flume_policy::Remedy;

use crate::support::{guest, interceptor, policy};

fn poisoned() -> Batch {
    Batch::new(["a", "poison", "b"].map(Event::new).to_vec())
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

#[test]
fn poison_goes_where_the_configuration_says() {
    let policy = policy(guest("hostile-trap"));
    let seen = |body: &'static str| Event::new(body).with_header("seen", "yes");
    let run = |remedy| {
        let trap = interceptor(&policy, &[], remedy).unwrap();
        let mut batch = poisoned();
        trap.intercept(&mut batch).map(|()| batch.into_events())
    };
    assert_eq!(run(Remedy::Drop), Ok(vec![seen("a"), seen("b")]));
    assert_eq!(
        run(Remedy::Pass),
        Ok(vec![seen("a"), Event::new("poison"), seen("b")])
    );
    let error = run(Remedy::Fail).unwrap_err().to_string();
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
    let trap = interceptor(&policy, &[], Remedy::DeadLetter(Arc::clone(&dead))).unwrap();
    let mut batch = poisoned();
    trap.intercept(&mut batch).unwrap();
    assert_eq!(batch.events().len(), 2);
    let mut taken = Vec::new();
    assert_eq!(
        (dead.take(9, &mut taken), &taken[0].body[..]),
        (1, &b"poison"[..])
    );
    // The room of the taken event is not free yet: now the source is told, and nothing is lost.
    let error = trap.intercept(&mut poisoned()).unwrap_err();
    assert_eq!(error.message, "no room in channel dead");
    dead.settle(&taken);
    trap.intercept(&mut poisoned()).unwrap();
}

/// A policy that fails on everything is to blame itself: it is taken out, and the source is told.
#[test]
fn a_policy_that_handles_nothing_is_quarantined() {
    let policy = policy(guest("hostile-trap"));
    let trap = interceptor(&policy, &[], Remedy::Fail).unwrap();
    let pass = interceptor(&policy, &[], Remedy::Pass).unwrap();
    let all = || Batch::new(vec![Event::new("poison"); 4]);
    let mut last = String::new();
    for _ in 0..20 {
        last = trap.intercept(&mut all()).unwrap_err().message;
        let mut batch = all();
        pass.intercept(&mut batch).unwrap();
        assert_eq!(batch.events(), vec![Event::new("poison"); 4]);
    }
    assert_eq!(last, "its policy is quarantined");
}
