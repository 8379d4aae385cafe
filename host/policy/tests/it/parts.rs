//! Batches that take longer than a call may: they pass in parts, and towards their source each is
//! one batch all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use flume_artifacts::slow_interceptor;
use flume_core::channel::memory::{MemoryChannel, MemoryConfig};
use flume_core::dead_letter;
use flume_core::{
    Batch, Channel, ChannelProcessor, Context, Event, Interceptor as _, InterceptorChain,
    TakeTransaction, channel_selector,
};
use flume_policy::{Artifact, Limits, PolicyInterceptor, Remedy, SeatState};

use crate::support::{Limited, dead_letters, guest, interceptor, limited, policy, text};

/// About 76 µs, which is what a plain JSON interceptor in Go takes.
const TURNS: u32 = 280_000;

/// More than fits into a deadline of 200 ms on any machine.
const EVENTS: usize = 10_000;

/// More than the default: a part is planned by what those before it cost, for a quarter of this, and on a
/// busy machine the next one may take several times as long.
fn limits() -> Limits {
    Limits {
        deadline: Duration::from_millis(200),
        ..Limits::default()
    }
}

fn slow(call: u32, event: u32) -> Artifact {
    text("slow", &slow_interceptor(call, event))
}

fn numbered(from: usize, count: usize) -> Batch {
    Batch::new(
        (from..from + count)
            .map(|at| Event::new(at.to_string()))
            .collect(),
    )
}

/// Hands in a batch; returns the numbers that are left.
fn left(interceptor: &PolicyInterceptor, mut batch: Batch) -> Vec<usize> {
    interceptor.intercept(&mut batch).unwrap();
    assert_eq!(batch.refused(), []);
    let number = |event: &Event| std::str::from_utf8(&event.body).unwrap().parse().unwrap();
    batch.events().iter().map(number).collect()
}

/// What the guest keeps of these events, if it sees each of them once.
fn kept(events: std::ops::Range<usize>) -> Vec<usize> {
    events.filter(|at| at % 3 != 0).collect()
}

fn assert_no_violation(policy: &Limited) {
    let report = policy.report();
    assert_eq!(policy.stats().all_violations(), 0, "{report:?}");
    assert_eq!(report.seats[0].state, SeatState::Running);
}

#[test]
fn a_slow_guest_sees_each_event_of_a_large_batch_once_and_in_order() {
    let policy = limited(slow(0, TURNS), limits());
    let slow = interceptor(&policy, &[], Remedy::Fail).unwrap();
    let mut seen = 0;
    for size in [500, 1, EVENTS, 500] {
        assert_eq!(left(&slow, numbered(seen, size)), kept(seen..seen + size));
        seen += size;
    }
    assert_no_violation(&policy);
    let calls = usize::try_from(policy.stats().calls.get()).unwrap();
    assert!(calls > 10, "{calls} calls for {seen} events");
    assert_eq!(policy.stats().events.get(), seen as u64);
    let cost = slow.cost().per_event();
    assert!(cost > Duration::from_micros(10), "{cost:?}");
}

/// Half of a deadline in each call, and a tenth of a thousandth for each event.
#[test]
fn a_guest_with_work_of_its_own_in_each_call_is_not_called_for_each_event() {
    let limits = Limits {
        deadline: Duration::from_millis(100),
        ..Limits::default()
    };
    let policy = limited(slow(20_000_000, 1_000), limits);
    let slow = interceptor(&policy, &[], Remedy::Fail).unwrap();
    assert_eq!(left(&slow, numbered(0, 500)), kept(0..500));
    assert_no_violation(&policy);
    let calls = policy.stats().calls.get();
    assert!(calls < 100, "{calls} calls for 500 events");
}

/// While a batch is under way, another version comes, again and again, with the state of the one
/// before it.
#[test]
fn no_event_is_seen_twice_or_missed_when_versions_change_between_parts() {
    let policy = limited(slow(0, TURNS), limits());
    let slow_guest = interceptor(&policy, &[], Remedy::Fail).unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let swapping = {
        let (policy, is_over) = (Arc::clone(&policy), Arc::clone(&is_over));
        // Not the same code twice in a row: that would be no other version.
        let versions = [slow(0, TURNS + 1), slow(0, TURNS + 2)];
        thread::spawn(move || {
            for version in versions.iter().cycle() {
                if is_over.load(Ordering::Acquire) {
                    break;
                }
                policy.install(policy.prepare(version.clone()).unwrap());
            }
        })
    };
    let mut seen = 0;
    while policy.stats().swap_latency.count() < 4 || seen == 0 {
        assert_eq!(
            left(&slow_guest, numbered(seen, EVENTS)),
            kept(seen..seen + EVENTS)
        );
        seen += EVENTS;
    }
    is_over.store(true, Ordering::Release);
    swapping.join().unwrap();
    assert_no_violation(&policy);
    assert_eq!(policy.stats().replacements.get(), 0);
}

fn channel(name: &str, capacity: &str) -> Arc<dyn Channel> {
    let keys = [("capacity", capacity), ("transactionCapacity", capacity)];
    let mut context = Context::of("a1.channels.c1", &keys);
    let config = MemoryConfig::configure(&mut context, 1 << 30).unwrap();
    Arc::new(MemoryChannel::new(name, &config))
}

/// Events of which these are poison. A new place hands them in in parts: of 1, 4, 16, 64, 256.
fn poisoned(poison: &[usize]) -> Vec<Event> {
    let body = |at: usize| match poison.contains(&at) {
        true => format!("poison {at}"),
        false => at.to_string(),
    };
    (0..2_000).map(|at| Event::new(body(at))).collect()
}

/// What the parts before it did to their events is not put.
#[tokio::test]
async fn of_a_batch_whose_last_part_fails_nothing_is_put() {
    let policy = policy(guest("hostile-trap"));
    let trap = interceptor(&policy, &[], Remedy::Fail).unwrap();
    let into = channel("c1", "2000");
    let channels = vec![Arc::clone(&into)];
    let mut context = Context::of("r1.selector", &[]);
    let replicating = channel_selector::TYPES.find("replicating").unwrap();
    let selector = (replicating.configure)(&mut context, &["c1".to_owned()]).unwrap();
    let chain = InterceptorChain::new(vec![Box::new(trap)]);
    let processor = ChannelProcessor::new(chain, selector.make(), channels);
    let refused = processor.process_batch(poisoned(&[1_900])).await;
    let words = refused.unwrap_err().to_string();
    assert!(words.contains("trap: "), "{words}");
    assert!(policy.stats().calls.get() > 5, "in parts");
    assert_eq!(into.depth(), 0);
    processor.process_batch(poisoned(&[])).await.unwrap();
    assert_eq!(into.depth(), 2_000);
}

#[test]
fn poison_of_any_part_goes_to_the_dead_letters() {
    let policy = policy(guest("hostile-trap"));
    let dead = channel("dead", "10");
    let remedy = dead_letters(&dead);
    let trap = interceptor(&policy, &[], remedy).unwrap();
    let poison = [0, 3, 700, 1_999];
    let mut batch = Batch::new(poisoned(&poison));
    trap.intercept(&mut batch).unwrap();
    let mut aside = batch.take_aside().into_iter();
    assert!(aside.all(|put| put.commit().is_done()));
    let mut letters = TakeTransaction::begin(&dead);
    letters.take_batch(10);
    let bodies = poison.map(|at| Event::new(format!("poison {at}")));
    let letters: Vec<Event> = letters.events().to_vec();
    let digest = policy.report().digest;
    let mut calls = Vec::new();
    for letter in &letters {
        let header = |name| letter.headers.get(name).map(|value| &**value);
        assert_eq!(header(dead_letter::POLICY_DIGEST), Some(digest.as_str()));
        assert_eq!(header(dead_letter::TIME), Some("77"));
        calls.push(
            header(dead_letter::ATTEMPTS)
                .unwrap()
                .parse::<u32>()
                .unwrap(),
        );
        assert!(header(dead_letter::REASON).unwrap().contains("trap"));
        assert!(header(dead_letter::INTERCEPTOR).is_some() && header(dead_letter::SINK).is_none());
    }
    // In a part of the batch, in less of it, and so on until it was alone; the first one at once.
    assert!(calls.iter().any(|calls| *calls > 1), "{calls:?}");
    assert!(
        calls.iter().all(|calls| (1..=12).contains(calls)),
        "{calls:?}"
    );
    let plain = letters.into_iter().map(|mut letter| {
        dead_letter::take_off(&mut letter.headers);
        letter
    });
    assert_eq!(plain.collect::<Vec<_>>(), bodies);
    let expected: Vec<Event> = poisoned(&poison)
        .into_iter()
        .filter(|event| !bodies.contains(event))
        .map(|event| event.with_header("seen", "yes"))
        .collect();
    assert_eq!(batch.events(), expected);
}
