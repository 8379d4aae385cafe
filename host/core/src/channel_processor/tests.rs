//! Goal: each event is in all of its required channels or in none, each refusal names its event,
//! and no source waits for ever. Method: small memory channels and paused time.

use std::time::Duration;

use super::*;
use crate::channel::memory::{FULL, MemoryChannel, MemoryConfig};
use crate::channel_selector::TYPES;
use crate::clock;
use crate::context::Context;
use crate::interceptor::{Batch, Interceptor};
use crate::testing::Witness;
use crate::transaction::TakeTransaction;

mod attempts;
mod durable;
mod gates;
mod later;

const SECOND: Duration = Duration::from_secs(1);

/// A channel with this capacity (3 s `keep-alive`).
fn channel(name: &str, capacity: usize) -> Arc<dyn Channel> {
    let defaults = MemoryConfig::defaults(1 << 30);
    let config = MemoryConfig {
        capacity,
        ..defaults
    };
    Arc::new(MemoryChannel::new(name, &config))
}

/// A processor over these channels, with the keys of its selector (`type` among them).
fn processor(
    interceptors: Vec<Box<dyn Interceptor>>,
    keys: &[(&str, &str)],
    channels: &[&Arc<dyn Channel>],
) -> ChannelProcessor {
    let names: Vec<String> = channels
        .iter()
        .map(|channel| channel.name().to_owned())
        .collect();
    let mut context = Context::of("r1.selector", keys);
    let kind = context.string("type", "replicating");
    let selector = (TYPES.find(&kind).unwrap().configure)(&mut context, &names)
        .unwrap()
        .make();
    let channels = channels.iter().map(|channel| Arc::clone(channel)).collect();
    ChannelProcessor::new(InterceptorChain::new(interceptors), selector, channels)
}

fn events(bodies: &[&'static str]) -> Vec<Event> {
    bodies.iter().map(|body| Event::new(*body)).collect()
}

/// Everything that is in a channel, as text.
fn contents(channel: &Arc<dyn Channel>) -> String {
    let mut transaction = TakeTransaction::begin(channel);
    while transaction.take_batch(100) > 0 {}
    let bodies = transaction.events().iter();
    let bodies: Vec<_> = bodies
        .map(|event| String::from_utf8_lossy(&event.body))
        .collect();
    bodies.join(" ")
}

/// Takes this many events and commits.
fn discard(channel: &Arc<dyn Channel>, events: usize) {
    let mut transaction = TakeTransaction::begin(channel);
    assert_eq!(transaction.take_batch(events), events);
    assert!(transaction.commit().is_done());
}

/// What a source is told if the channel `c1` refuses.
fn put_list_full() -> ChannelError {
    ChannelError::PutListFull {
        transaction: "MemoryTransaction",
        capacity: 100,
    }
}

fn by_c1(error: ChannelError) -> ProcessError {
    let channel = "c1".to_owned();
    ProcessError::Channel { channel, error }
}

/// The places and errors of what was refused.
fn refused(outcomes: &Outcomes) -> Vec<(usize, String)> {
    let refused = outcomes.refused().iter();
    refused
        .map(|(at, error)| (*at, error.to_string()))
        .collect()
}

/// Fails on events whose body is `bad`, drops those with `drop`, and marks the others.
struct Picky;

impl Interceptor for Picky {
    fn name(&self) -> &str {
        "picky"
    }
    fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
        batch.try_retain(|event| {
            if event.body == "bad" {
                return Err(InterceptorError::never("picky", "bad event"));
            }
            event.headers.insert("seen", "yes");
            Ok(event.body != "drop")
        });
        Ok(())
    }
}

/// Flume: TestChannelProcessor.testRequiredAndOptionalChannels (C3).
#[tokio::test(start_paused = true)]
async fn an_event_and_a_batch_reach_required_and_optional_channels() {
    let channels = ["c1", "c2", "c3", "c4"].map(|name| channel(name, 101));
    let processor = processor(vec![], &[("optional", "c2 c4")], &channels.each_ref());
    processor.process_batch(events(&["one"])).await.unwrap();
    processor
        .process_batch(vec![Event::new("x"); 100])
        .await
        .unwrap();
    assert_eq!(channels.map(|channel| channel.depth()), [101; 4]);
}

/// Flume: TestChannelProcessor.testExceptionFromGetTransaction (C3): the channel's refusal passes
/// unchanged. (testNullFromGetTransaction: there is no null.)
#[tokio::test(start_paused = true)]
async fn a_refusal_passes_unchanged() {
    let small = channel("c1", 1);
    let processor = processor(vec![], &[], &[&small]);
    let refused = processor.process_batch(events(&["a", "b"])).await;
    assert_eq!(refused, Err(by_c1(FULL)));
    let refused = processor.process_batch(vec![Event::new("x"); 101]).await;
    assert_eq!(refused, Err(by_c1(put_list_full())));
}

/// Flume commits to the first channel and refuses the second, so the client's next try makes a
/// duplicate. Here no channel has the events.
#[tokio::test(start_paused = true)]
async fn a_refused_event_is_in_no_channel() {
    let (large, small) = (channel("a", 100), channel("b", 1));
    for channels in [[&large, &small], [&small, &large]] {
        let processor = processor(vec![], &[], &channels);
        assert!(processor.process_batch(events(&["1", "2"])).await.is_err());
        assert_eq!((large.depth(), small.depth()), (0, 0));
        let outcomes = processor.process_each(events(&["1", "2"])).await;
        assert_eq!(outcomes.refused().len(), 1);
        assert_eq!(
            (contents(&large), contents(&small)),
            ("1".into(), "1".into())
        );
        discard(&large, 1);
        discard(&small, 1);
    }
    // Nothing stays reserved either.
    let all = processor(vec![], &[], &[&large]);
    all.process_batch(vec![Event::new("x"); 100]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_event_is_answered_separately() {
    let small = channel("c1", 3);
    let processor = processor(vec![], &[], &[&small]);
    let start = clock::now();
    let outcomes = processor
        .process_each(events(&["0", "1", "2", "3", "4"]))
        .await;
    let full = FULL.to_string();
    assert_eq!(refused(&outcomes), [(3, full.clone()), (4, full)]);
    assert_eq!(
        clock::now() - start,
        6 * SECOND,
        "each channel has its own wait"
    );
    assert_eq!(contents(&small), "0 1 2");
    assert!(!outcomes.all_accepted());
}

/// Room that becomes free while one event waits is used, in order, by the events after it too.
#[tokio::test(start_paused = true)]
async fn a_waiting_event_goes_on_when_there_is_room() {
    let small = channel("c1", 2);
    let processor = processor(vec![], &[], &[&small]);
    let start = clock::now();
    let taker = async {
        tokio::time::sleep(SECOND).await;
        discard(&small, 2);
    };
    let put = processor.process_each(events(&["0", "1", "2", "3"]));
    let (outcomes, ()) = tokio::join!(put, taker);
    assert!(outcomes.all_accepted());
    assert_eq!(clock::now() - start, SECOND);
    assert_eq!(contents(&small), "2 3");
}

/// An event that is too large is refused alone; those after it go in.
#[tokio::test(start_paused = true)]
async fn an_event_without_room_does_not_affect_others() {
    let defaults = MemoryConfig::defaults(1 << 30);
    let config = MemoryConfig {
        byte_capacity: 1000,
        ..defaults
    };
    let small: Arc<dyn Channel> = Arc::new(MemoryChannel::new("c1", &config));
    let processor = processor(vec![], &[], &[&small]);
    let mut batch = events(&["0", "1", "2"]);
    batch.insert(1, Event::new(vec![b'x'; 900]));
    let outcomes = processor.process_each(batch).await;
    let error = ChannelError::BytesFull {
        byte_capacity: 1000,
    }
    .to_string();
    assert_eq!(refused(&outcomes), [(1, error)]);
    assert_eq!(contents(&small), "0 1 2");
}

/// A read may bring more lines than a transaction may hold.
#[tokio::test(start_paused = true)]
async fn many_single_events_are_split_by_transaction_capacity() {
    let (large, larger) = (channel("a", 1000), channel("b", 2000));
    let processor = processor(vec![], &[], &[&large, &larger]);
    let batch: Vec<Event> = (0..350)
        .map(|number| Event::new(number.to_string()))
        .collect();
    assert!(processor.process_each(batch).await.all_accepted());
    assert_eq!((large.depth(), larger.depth()), (350, 350));
    assert!(processor.process_each(vec![]).await.all_accepted());
}

/// Two sources, and two channels that are nearly full and drained at different rates, so that one
/// has room while the other is full. With another order of reservation each source would hold what
/// the other waits for.
async fn check_no_deadlock(a: Arc<dyn Channel>, b: Arc<dyn Channel>, sources: [Source; 2]) {
    let source = |(processor, batch): Source| async move {
        for _ in 0..20 {
            processor.process_batch(batch.clone()).await.unwrap();
        }
    };
    let sink = |channel: Arc<dyn Channel>, rhythm: u64| async move {
        for _ in 0..40 {
            channel.ready().await;
            tokio::time::sleep(Duration::from_millis(rhythm)).await;
            discard(&channel, 1);
        }
    };
    let [forth, back] = sources;
    let start = clock::now();
    let tasks = [
        tokio::spawn(source(forth)),
        tokio::spawn(source(back)),
        tokio::spawn(sink(a, 10)),
        tokio::spawn(sink(b, 13)),
    ];
    for task in tasks {
        task.await.unwrap();
    }
    let elapsed = clock::now() - start;
    assert!(elapsed < SECOND, "{elapsed:?}");
}

/// A processor and the batch that is put into it repeatedly.
type Source = (ChannelProcessor, Vec<Event>);

#[tokio::test(start_paused = true)]
async fn reversed_channel_lists_do_not_wait_for_each_other() {
    let (a, b) = (channel("a", 1), channel("b", 1));
    let forth = (processor(vec![], &[], &[&a, &b]), events(&["x"]));
    let back = (processor(vec![], &[], &[&b, &a]), events(&["x"]));
    check_no_deadlock(a, b, [forth, back]).await;
}

#[tokio::test(start_paused = true)]
async fn reversed_multiplexed_batches_do_not_wait_for_each_other() {
    let keys = [
        ("type", "multiplexing"),
        ("header", "to"),
        ("mapping.a", "a"),
        ("mapping.b", "b"),
        ("default", "a"),
    ];
    let (a, b) = (channel("a", 1), channel("b", 1));
    let to = |to: &'static str| Event::new("x").with_header("to", to);
    let forth = (processor(vec![], &keys, &[&a, &b]), vec![to("a"), to("b")]);
    let back = (processor(vec![], &keys, &[&a, &b]), vec![to("b"), to("a")]);
    check_no_deadlock(a, b, [forth, back]).await;
}

/// Runs of events for one channel stay together, and each channel keeps the order.
#[tokio::test(start_paused = true)]
async fn multiplexed_events_keep_their_order_in_each_channel() {
    let keys = [
        ("type", "multiplexing"),
        ("header", "to"),
        ("mapping.a", "a"),
        ("mapping.b", "b"),
        ("mapping.both", "b a"),
        ("optional.a", "b"),
    ];
    let to = |body: &'static str, to: &'static str| Event::new(body).with_header("to", to);
    let batch = || {
        vec![
            to("1", "a"),
            to("2", "a"),
            to("3", "b"),
            to("4", "both"),
            to("5", "none"),
            to("6", "a"),
        ]
    };
    // Optional copies follow once a run, or the whole batch, is in.
    for (each, in_b) in [(true, "1 2 3 4 6"), (false, "3 4 1 2 6")] {
        let (a, b) = (channel("a", 100), channel("b", 100));
        let processor = processor(vec![], &keys, &[&a, &b]);
        if each {
            assert!(processor.process_each(batch()).await.all_accepted());
        } else {
            processor.process_batch(batch()).await.unwrap();
        }
        assert_eq!(
            (contents(&a).as_str(), contents(&b).as_str()),
            ("1 2 4 6", in_b)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_channel_refuses_only_the_events_that_are_for_it() {
    let keys = [
        ("type", "multiplexing"),
        ("header", "to"),
        ("mapping.a", "a"),
        ("default", "b"),
    ];
    let (a, b) = (channel("a", 1), channel("b", 100));
    let processor = processor(vec![], &keys, &[&a, &b]);
    let to_a = |body: &'static str| Event::new(body).with_header("to", "a");
    let batch = vec![
        to_a("0"),
        Event::new("1"),
        to_a("2"),
        Event::new("3"),
        to_a("4"),
    ];
    let outcomes = processor.process_each(batch).await;
    let places: Vec<usize> = outcomes.refused().iter().map(|(at, _)| *at).collect();
    assert_eq!(places, [2, 4]);
    assert_eq!((contents(&a).as_str(), contents(&b).as_str()), ("0", "1 3"));
}

/// A full optional channel costs nobody a wait: it takes what fits, and counts what it missed.
#[tokio::test(start_paused = true)]
async fn a_full_optional_channel_does_not_affect_the_source() {
    let (required, optional) = (channel("a", 100), channel("b", 2));
    let processor = processor(vec![], &[("optional", "b")], &[&required, &optional]);
    let start = clock::now();
    let outcomes = processor
        .process_each(events(&["0", "1", "2", "3", "4"]))
        .await;
    assert!(outcomes.all_accepted());
    processor.process_batch(events(&["5"])).await.unwrap();
    assert_eq!(clock::now(), start, "nothing waits");
    assert_eq!(optional.counters().event_missed.get(), 4);
    assert_eq!(
        (contents(&required).as_str(), contents(&optional).as_str()),
        ("0 1 2 3 4 5", "0 1")
    );
    discard(&optional, 2);
    processor
        .process_batch(events(&["6", "7", "8"]))
        .await
        .unwrap();
    assert_eq!(contents(&optional), "6 7", "of a batch, too, what fits");
    assert_eq!(optional.counters().event_missed.get(), 5);
    assert_eq!(required.counters().event_missed.get(), 0);
}

/// Interceptors run before the channels (Flume: CensoringInterceptor.testCensor, I10), and one that
/// fails on an event does not take the rest of a read with it.
#[tokio::test(start_paused = true)]
async fn an_interceptor_error_affects_only_its_event() {
    let small = channel("c1", 3);
    let processor = processor(vec![Box::new(Picky)], &[], &[&small]);
    let batch = events(&["0", "drop", "2", "bad", "4", "5"]);
    let outcomes = processor.process_each(batch.clone()).await;
    let bad = "interceptor picky: bad event".to_owned();
    assert_eq!(refused(&outcomes), [(3, bad), (5, FULL.to_string())]);
    assert_eq!(contents(&small), "0 2 4");
    let mut transaction = TakeTransaction::begin(&small);
    transaction.take_batch(3);
    assert!(
        transaction
            .events()
            .iter()
            .all(|event| event.headers.contains("seen"))
    );
    assert!(transaction.commit().is_done());
    let large = channel("c1", 100);
    let processor = self::processor(vec![Box::new(Picky)], &[], &[&large]);
    assert!(matches!(
        processor.process_batch(batch).await,
        Err(ProcessError::Interceptor(_))
    ));
    assert_eq!(large.depth(), 0, "a batch is all or nothing");
}

/// The place of a refused event is the one from before other events were dropped.
#[tokio::test(start_paused = true)]
async fn places_are_those_of_the_source() {
    let small = channel("c1", 1);
    let processor = processor(vec![Box::new(Picky)], &[], &[&small]);
    let outcomes = processor
        .process_each(events(&["drop", "1", "drop", "3"]))
        .await;
    assert_eq!(refused(&outcomes), [(3, FULL.to_string())]);
    let nothing = processor.process_each(events(&["drop", "drop"])).await;
    assert!(
        nothing.all_accepted(),
        "events dropped by an interceptor count as accepted"
    );
}

/// Interceptors may remember what they saw. The channel has room for a few of the events at a time,
/// and while some of them wait, others are dropped or refused.
#[tokio::test(start_paused = true)]
async fn an_event_passes_the_interceptors_once_in_a_channel_of_any_size() {
    for capacity in [1, 2, 3, 7, 50, 100] {
        let small = channel("c1", capacity);
        let (first, last) = (Witness::default(), Witness::default());
        let chain: Vec<Box<dyn Interceptor>> = vec![
            Box::new(first.clone()),
            Box::new(Picky),
            Box::new(last.clone()),
        ];
        let processor = processor(chain, &[], &[&small]);
        let body = |number: usize| Event::new(number.to_string());
        let batch: Vec<Event> = (0..100).map(body).collect();
        let mut mixed = batch.clone();
        for (at, text) in [(90, "bad"), (40, "drop"), (0, "drop")] {
            mixed.insert(at, Event::new(text));
        }
        let put = processor.process_each(mixed);
        let taker = async {
            let mut taken = Vec::new();
            while taken.len() < 100 {
                small.ready().await;
                tokio::time::sleep(SECOND / 10).await;
                let mut transaction = TakeTransaction::begin(&small);
                transaction.take_batch(100);
                taken.extend(transaction.events().iter().map(|event| event.body.clone()));
                assert!(transaction.commit().is_done());
            }
            taken
        };
        let (outcomes, taken) = tokio::join!(put, taker);
        let bad = "interceptor picky: bad event".to_owned();
        assert_eq!(refused(&outcomes), [(92, bad)], "capacity {capacity}");
        let expected: Vec<_> = batch.into_iter().map(|event| event.body).collect();
        assert_eq!(taken, expected, "capacity {capacity}");
        assert_eq!((last.seen(), last.most()), (100, 1), "capacity {capacity}");
        // `drop` was there twice.
        assert_eq!(
            (first.seen(), first.most()),
            (102, 2),
            "capacity {capacity}"
        );
    }
}

/// A refused event is offered again as it left the interceptors.
#[tokio::test(start_paused = true)]
async fn a_refused_event_can_be_offered_again_and_is_not_intercepted_again() {
    let small = channel("c1", 1);
    let witness = Witness::default();
    let processor = processor(
        vec![Box::new(witness.clone()), Box::new(Picky)],
        &[],
        &[&small],
    );
    let mut put = processor
        .begin(events(&["drop", "0", "drop", "1", "drop"]))
        .await;
    let progress = put.advance().await;
    assert_eq!((progress.accepted, progress.refused), (3, None));
    for _ in 0..3 {
        let progress = put.advance().await;
        assert_eq!((progress.accepted, put.place()), (0, 3));
        assert!(progress.refused.is_some_and(|error| error.is_transient()));
    }
    discard(&small, 1);
    let progress = put.advance().await;
    assert_eq!((progress.accepted, progress.refused), (2, None));
    assert!(put.is_complete());
    assert_eq!((contents(&small).as_str(), witness.seen()), ("1", 3));
}

/// Room comes first, so a batch that a full channel refuses was not shown to the interceptors. One
/// that becomes larger in them needs more room, and is refused if there is none.
#[tokio::test(start_paused = true)]
async fn a_batch_without_room_does_not_reach_the_interceptors() {
    struct Double;
    impl Interceptor for Double {
        fn name(&self) -> &str {
            "double"
        }
        fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
            for event in batch.events_mut() {
                event.body = event.body.repeat(2).into();
            }
            Ok(())
        }
    }
    let small = channel("c1", 2);
    let witness = Witness::default();
    let processor = processor(vec![Box::new(witness.clone())], &[], &[&small]);
    processor.process_batch(events(&["0", "1"])).await.unwrap();
    let full = Err(by_c1(FULL));
    assert_eq!(processor.process_batch(events(&["2"])).await, full);
    assert_eq!(witness.seen(), 2);
    discard(&small, 2);
    processor.process_batch(events(&["2", "3"])).await.unwrap();
    assert_eq!((witness.seen(), contents(&small).as_str()), (4, "2 3"));

    let config = MemoryConfig {
        byte_capacity: 1000,
        ..MemoryConfig::defaults(1 << 30)
    };
    let narrow: Arc<dyn Channel> = Arc::new(MemoryChannel::new("c1", &config));
    let processor = self::processor(vec![Box::new(Double)], &[], &[&narrow]);
    let body = |bytes: usize| vec![Event::new(vec![b'x'; bytes])];
    processor.process_batch(body(400)).await.unwrap();
    discard(&narrow, 1);
    let refused = processor.process_batch(body(401)).await;
    assert!(matches!(
        refused,
        Err(ProcessError::Channel {
            error: ChannelError::BytesFull { .. },
            ..
        })
    ));
    processor.process_batch(body(400)).await.unwrap();
}
