//! Batches of made-up guests, in time that passes only here.

use super::*;
use proptest::prelude::*;

/// What came of a batch.
#[derive(Debug, Default)]
struct Ran {
    /// What was handled, in order.
    handled: Vec<usize>,
    /// Events that broke their deadline alone.
    poison: Vec<usize>,
    /// In how many calls the last of them was.
    tries: u32,
    /// Calls that were over before their deadline, by how many events they were about, with the
    /// part of their deadline that they took.
    calls: Vec<(usize, f64)>,
    /// Time and number of those that were not.
    lost: Duration,
    broken: usize,
}

/// Hands a batch in to a guest whose call about some events takes so long.
fn run(
    batch: usize,
    cost: &mut CallCost,
    limits: &Limits,
    takes: &dyn Fn(Range<usize>) -> Duration,
) -> Ran {
    let mut ran = Ran::default();
    let mut parts = Parts::of(batch);
    while let Some(mut part) = parts.next() {
        let events = cost.part(part.events.len(), limits);
        let rest = part.split_off(events);
        let deadline = part.deadline(events, cost, limits);
        parts.put_back(rest);
        let took = takes(part.events.clone());
        if took <= deadline {
            cost.learn(events, took);
            ran.calls
                .push((events, took.as_secs_f64() / deadline.as_secs_f64()));
            ran.handled.extend(part.events);
            continue;
        }
        cost.overran(events);
        ran.lost += deadline;
        ran.broken += 1;
        ran.tries = part.tries();
        ran.poison.extend(parts.halve(part, deadline));
    }
    ran
}

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

fn times(each: Duration, events: usize) -> Duration {
    each * u32::try_from(events).unwrap()
}

fn limits(deadline: u64, each: u64) -> Limits {
    Limits {
        deadline: micros(deadline),
        deadline_per_event: micros(each),
        ..Limits::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a call and an event cost, and however large the batches are: every event is handled
    /// once, in order, and no call breaks its deadline, unless one event alone does.
    #[test]
    fn a_batch_passes_or_one_event_alone_is_too_slow(
        batches in prop::collection::vec(1_usize..3000, 1..5),
        (deadline, each) in (1_000_u64..50_000, prop::sample::select(vec![0_u64, 1, 10, 500, 60_000])),
        (call, event) in (0_u64..60_000_000, 0_u64..60_000_000),
        scale in 0_u32..24,
    ) {
        let limits = limits(deadline, each);
        let (call, event) = (Duration::from_nanos(call >> (scale / 2)), Duration::from_nanos(event >> scale));
        let mut cost = CallCost::default();
        for batch in batches {
            let ran = run(batch, &mut cost, &limits, &|events| call + times(event, events.len()));
            let all: Vec<usize> = (0..batch).collect();
            if call + event <= limits.deadline_for(1) {
                prop_assert_eq!((ran.broken, &ran.handled), (0, &all), "{:?}", cost);
            } else {
                prop_assert_eq!((ran.broken, &ran.poison), (batch, &all));
            }
        }
    }

    /// Whatever each event costs: none is handled twice, none is lost, and only what is too slow
    /// by itself is poison.
    #[test]
    fn only_what_is_too_slow_alone_is_poison(
        costs in prop::collection::vec(prop::sample::select(vec![1_u64, 1, 1, 1, 80, 400, 5_000, 30_000]), 1..800),
    ) {
        let limits = Limits::default();
        let takes = |events: Range<usize>| micros(costs[events].iter().sum());
        let mut cost = CallCost::default();
        for _ in 0..2 {
            let ran = run(costs.len(), &mut cost, &limits, &takes);
            let alone = |at: &usize| micros(costs[*at]) > limits.deadline_for(1);
            let (poison, handled): (Vec<usize>, Vec<usize>) = (0..costs.len()).partition(alone);
            prop_assert_eq!(ran.handled, handled);
            prop_assert_eq!(ran.poison, poison);
        }
    }
}

/// A slow guest gets parts of about a quarter of their deadline, and a fast one whole batches.
#[test]
fn a_part_takes_a_quarter_of_its_deadline() {
    let limits = Limits::default();
    let mut slow = CallCost::default();
    let mut fast = slow.clone();
    let takes =
        |each: u64| move |events: Range<usize>| times(Duration::from_nanos(each), events.len());
    for batch in [500, 5000, 500] {
        let ran = run(batch, &mut slow, &limits, &takes(76_000));
        assert!(ran.calls.iter().all(|(_, share)| *share < 0.26), "{ran:?}");
        let usual = ran
            .calls
            .iter()
            .filter(|(events, _)| (66..=70).contains(events));
        assert!(usual.count() >= batch / 70 - 5, "{ran:?}");
        run(batch, &mut fast, &limits, &takes(50));
    }
    assert_eq!(slow.part(5000, &limits), 68);
    assert_eq!(fast.part(500, &limits), 500);
    let whole = run(500, &mut fast, &limits, &takes(50));
    assert_eq!(whole.calls.len(), 1);
}

/// Small parts do not help a guest that does something of its own in each call.
#[test]
fn what_a_call_costs_by_itself_does_not_make_parts_small() {
    let limits = Limits::default();
    let takes = |events: Range<usize>| micros(6_000) + times(micros(1), events.len());
    let mut cost = CallCost::default();
    let first = run(500, &mut cost, &limits, &takes);
    assert!(first.calls.len() < 20, "{first:?}");
    let next = run(500, &mut cost, &limits, &takes);
    assert!(next.calls.len() <= 2, "{next:?}");
    assert_eq!(first.broken + next.broken, 0);
}

/// A guest may make ready in its first call; that says nothing about the others.
#[test]
fn a_long_first_call_is_not_what_calls_cost() {
    let limits = Limits::default();
    for (first, each) in [(18_000, 76), (18_000, 1), (5_000, 400), (1_000, 76)] {
        let takes = |events: Range<usize>| match events.start {
            0 => micros(first),
            _ => times(micros(each), events.len()),
        };
        let mut cost = CallCost::default();
        let ran = run(5_000, &mut cost, &limits, &takes);
        assert_eq!(ran.broken, 0, "{first} {each}: {ran:?}");
        let shares = ran.calls.iter().skip(1).map(|(_, share)| *share);
        assert!(shares.fold(0.0, f64::max) < 0.5, "{first} {each}: {ran:?}");
        let most = 20 + usize::try_from(each).unwrap() * 5_000 / 4_000;
        assert!(ran.calls.len() < most, "{first} {each}: {ran:?}");
    }
}

/// A guest that becomes slow breaks some deadlines and nothing else.
#[test]
fn a_guest_that_becomes_slow_is_given_less() {
    let limits = Limits::default();
    let takes = |each: u64| move |events: Range<usize>| times(micros(each), events.len());
    let mut cost = CallCost::default();
    run(2000, &mut cost, &limits, &takes(1));
    assert_eq!(cost.part(2000, &limits), 2000);
    let slow = run(2000, &mut cost, &limits, &takes(400));
    assert!(slow.poison.is_empty() && slow.broken <= 6, "{slow:?}");
    assert_eq!(slow.handled, (0..2000).collect::<Vec<_>>());
    assert_eq!(run(2000, &mut cost, &limits, &takes(400)).broken, 0);
}

/// What is alone in the end was in each call before.
#[test]
fn each_call_that_an_event_was_in_is_counted() {
    for batch in [1, 8, 16, 500] {
        let (poison, calls) = (batch / 2, std::cell::Cell::new(0));
        let takes = |events: Range<usize>| {
            let is_in = events.contains(&poison);
            calls.set(calls.get() + u32::from(is_in));
            if is_in { Duration::MAX } else { Duration::ZERO }
        };
        let ran = run(batch, &mut CallCost::default(), &limits(50_000, 0), &takes);
        assert_eq!((ran.poison, ran.tries), (vec![poison], calls.get()));
        assert_eq!(calls.get() > 1, batch > 1);
    }
}

/// One call that was interrupted, or one event that never ends, is soon forgotten.
#[test]
fn one_outlier_is_soon_forgotten() {
    let limits = Limits::default();
    let takes = |events: Range<usize>| times(micros(2), events.len());
    let mut cost = CallCost::default();
    for _ in 0..20 {
        run(500, &mut cost, &limits, &takes);
    }
    cost.learn(500, limits.deadline);
    assert_eq!(cost.part(500, &limits), 500);

    // Of a slow guest, in a call about few events, as if each of many cost nothing.
    let slow = |events: Range<usize>| times(micros(76), events.len());
    let mut learnt = CallCost::default();
    for outlier in [1, 5, 20] {
        run(5_000, &mut learnt, &limits, &slow);
        learnt.learn(outlier, micros(19_000));
        let ran = run(5_000, &mut learnt, &limits, &slow);
        let shares = ran.calls.iter().map(|(_, share)| *share);
        assert!(shares.fold(0.0, f64::max) < 0.5, "{outlier}: {ran:?}");
    }

    let spins = |events: Range<usize>| match events.contains(&321) {
        true => Duration::MAX,
        false => takes(events),
    };
    let ran = run(500, &mut cost, &limits, &spins);
    assert_eq!(ran.poison, [321]);
    assert!(ran.lost < 3 * limits.deadline_for(500), "{ran:?}");
    let calls = (0..4).map(|_| run(500, &mut cost, &limits, &takes).calls.len());
    assert_eq!(calls.last(), Some(1));
}
