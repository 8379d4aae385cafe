//! Flume's cases for the memory channel, and its further promises: waits and wakes.
//!
//! The laws over random histories are in [`laws`], threads in [`threads`].

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock;
use crate::transaction::{PutTransaction, TakeTransaction};

mod laws;
mod threads;

/// A configuration with these keys, on a machine with plenty of memory.
fn config(keys: &[(&str, &str)]) -> MemoryConfig {
    let mut context = Context::of("a1.channels.c1", keys);
    let config = MemoryConfig::configure(&mut context, 1 << 30);
    let found = context.finish();
    assert!(found.is_empty(), "{found:?}");
    config.unwrap()
}

/// A channel by its own type, and as the trait that its users see.
fn channel(keys: &[(&str, &str)]) -> (Arc<MemoryChannel>, Arc<dyn Channel>) {
    let channel = Arc::new(MemoryChannel::new("c1", &config(keys)));
    (Arc::clone(&channel), channel)
}

fn events(bodies: &[&'static str]) -> Vec<Event> {
    bodies.iter().map(|body| Event::new(*body)).collect()
}

/// This many events with bodies of this many bytes.
fn bulk(count: usize, bytes: usize) -> Vec<Event> {
    vec![Event::new(vec![b'x'; bytes]); count]
}

async fn put(channel: &Arc<dyn Channel>, events: Vec<Event>) -> Result<(), ChannelError> {
    PutTransaction::of(channel, events)?.commit().await
}

/// The refusal of a batch larger than this.
fn put_list_full(capacity: usize) -> ChannelError {
    let transaction = "MemoryTransaction";
    ChannelError::PutListFull {
        transaction,
        capacity,
    }
}

/// Takes up to this many events and commits.
fn take(channel: &Arc<dyn Channel>, most: usize) -> Vec<Event> {
    let mut transaction = TakeTransaction::begin(channel);
    transaction.take_batch(most);
    let events = transaction.events().to_vec();
    assert!(transaction.commit().is_done());
    events
}

#[tokio::test(start_paused = true)]
async fn a_taker_that_holds_events_back_learns_that_a_put_waits() {
    let (_, channel) = channel(&[("capacity", "2"), ("transactionCapacity", "2")]);
    put(&channel, bulk(2, 1)).await.unwrap();
    let mut held = TakeTransaction::begin(&channel);
    held.take_batch(2);
    let second = Duration::from_secs(1);
    let nobody = tokio::time::timeout(second, channel.short_of_room()).await;
    assert!(nobody.is_err(), "no put waits");
    let waiting = Arc::clone(&channel);
    let waits = tokio::spawn(async move { put(&waiting, bulk(1, 1)).await });
    tokio::time::timeout(second, channel.short_of_room())
        .await
        .unwrap();
    assert!(held.commit().is_done());
    waits.await.unwrap().unwrap();
    let nobody = tokio::time::timeout(second, channel.short_of_room()).await;
    assert!(nobody.is_err(), "no put waits any longer");
}

/// Flume: TestMemoryChannel.testPutTake (M1).
#[tokio::test(start_paused = true)]
async fn what_was_put_is_taken() {
    let (_, channel) = channel(&[]);
    let event = Event::new("test event").with_header("k", "v");
    put(&channel, vec![event.clone()]).await.unwrap();
    assert_eq!(take(&channel, 100), [event]);
}

/// Flume: TestMemoryChannel.testPutAcceptsNullValueInHeader (M2). There is no null value here; the
/// nearest thing is an empty one.
#[tokio::test(start_paused = true)]
async fn an_empty_header_value_is_kept() {
    let (_, channel) = channel(&[]);
    let event = Event::new("").with_header("k", "");
    put(&channel, vec![event.clone()]).await.unwrap();
    assert_eq!(take(&channel, 1), [event]);
}

/// Flume: TestMemoryChannel.testChannelResize (M3). There a capacity below what the channel holds is
/// given up; here it holds at once.
#[tokio::test(start_paused = true)]
async fn a_channel_takes_its_new_capacity_at_once() {
    let keys = [("capacity", "5"), ("transactionCapacity", "5")];
    let (memory, channel) = channel(&keys);
    put(&channel, events(&["0", "1", "2", "3", "4"]))
        .await
        .unwrap();
    assert_eq!(put(&channel, events(&["5"])).await, Err(FULL));
    let limits = |capacity| config(&[("capacity", capacity), ("transactionCapacity", "2")]);
    memory.resize(&limits("6"));
    put(&channel, events(&["5"])).await.unwrap();
    memory.resize(&limits("2"));
    assert_eq!((channel.capacity(), channel.depth()), (2, 6));
    // Six are held: the first four that leave make no room.
    for taken in [["0", "1"], ["2", "3"]] {
        assert_eq!(channel.try_reserve(&events(&["6"])), 0);
        assert_eq!(take(&channel, 2), events(&taken));
    }
    assert_eq!(channel.try_reserve(&events(&["6"])), 0);
    assert_eq!(take(&channel, 1), events(&["4"]));
    put(&channel, events(&["6"])).await.unwrap();
    assert_eq!(put(&channel, events(&["7"])).await, Err(FULL));
    // The same limit once more changes nothing.
    memory.resize(&limits("2"));
    assert_eq!(memory.events.lock().room.charged().0, 2);
    assert_eq!(take(&channel, 2), events(&["5", "6"]));
    assert_eq!(memory.events.lock().room.charged(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_put_waits_until_the_excess_has_left() {
    let (memory, channel) = channel(&[("capacity", "5"), ("transactionCapacity", "5")]);
    put(&channel, bulk(5, 1)).await.unwrap();
    memory.resize(&config(&[("capacity", "2"), ("transactionCapacity", "2")]));
    let taker = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        take(&channel, 2);
        tokio::time::sleep(Duration::from_secs(1)).await;
        take(&channel, 2);
    };
    let start = clock::now();
    let (outcome, ()) = tokio::join!(put(&channel, bulk(1, 1)), taker);
    outcome.unwrap();
    assert_eq!(clock::now() - start, Duration::from_secs(2));
    assert_eq!(channel.depth(), 2);
}

/// Events that are taken but not settled count, and come back over the limit if they must.
#[tokio::test(start_paused = true)]
async fn what_comes_back_is_kept_over_the_limit() {
    let (memory, channel) = channel(&[("capacity", "4"), ("transactionCapacity", "4")]);
    put(&channel, bulk(4, 1)).await.unwrap();
    let mut taken = TakeTransaction::begin(&channel);
    assert_eq!(taken.take_batch(4), 4);
    memory.resize(&config(&[("capacity", "1"), ("transactionCapacity", "1")]));
    taken.rollback();
    assert_eq!((channel.depth(), channel.capacity()), (4, 1));
    for _ in 0..3 {
        assert_eq!(channel.try_reserve(&bulk(1, 1)), 0);
        assert_eq!(take(&channel, 1).len(), 1);
    }
    assert_eq!(channel.try_reserve(&bulk(1, 1)), 0);
    assert_eq!(take(&channel, 1).len(), 1);
    assert_eq!(channel.try_reserve(&bulk(2, 1)), 1);
}

/// Flume: TestMemoryChannel.testTransactionPutCapacityOverload (M4).
#[tokio::test(start_paused = true)]
async fn a_put_list_is_limited() {
    let (_, channel) = channel(&[("capacity", "5"), ("transactionCapacity", "2")]);
    let refused = PutTransaction::of(&channel, bulk(3, 1)).unwrap_err();
    assert_eq!(refused, put_list_full(2));
    assert!(!refused.is_transient());
    assert!(
        refused
            .to_string()
            .starts_with("Put queue for MemoryTransaction of capacity 2 full")
    );
    assert_eq!(channel.depth(), 0, "all or nothing");
    put(&channel, bulk(2, 1)).await.unwrap();
    assert_eq!(channel.depth(), 2);
}

/// The same for takes: a batch is cut to the transaction's capacity.
#[tokio::test(start_paused = true)]
async fn a_take_list_is_limited() {
    let (_, channel) = channel(&[("capacity", "5"), ("transactionCapacity", "2")]);
    put(&channel, events(&["1", "2"])).await.unwrap();
    put(&channel, events(&["3"])).await.unwrap();
    let mut transaction = TakeTransaction::begin(&channel);
    assert_eq!(transaction.take_batch(1), 1);
    assert_eq!(transaction.events(), events(&["1"]));
    assert_eq!(transaction.take_batch(100), 1);
    assert_eq!(transaction.take_batch(100), 0);
    assert_eq!(transaction.events(), events(&["1", "2"]));
}

/// Flume: TestMemoryChannel.testCapacityOverload (M5).
#[tokio::test(start_paused = true)]
async fn capacity_is_a_limit_at_commit() {
    let (_, channel) = channel(&[("capacity", "5"), ("transactionCapacity", "3")]);
    put(&channel, bulk(3, 4)).await.unwrap();
    let start = clock::now();
    let refused = put(&channel, bulk(3, 4)).await.unwrap_err();
    assert_eq!(refused, FULL);
    assert!(refused.is_transient());
    assert_eq!(clock::now() - start, Duration::from_secs(3), "keep-alive");
    assert_eq!(channel.depth(), 3, "all or nothing");
    put(&channel, bulk(2, 4)).await.unwrap();
}

/// Flume: TestMemoryChannel.testCapacityBufferEmptyingAfterTakeCommit (M6).
#[tokio::test(start_paused = true)]
async fn a_committed_take_makes_room() {
    let (_, channel) = channel(&[("capacity", "3"), ("transactionCapacity", "3")]);
    put(&channel, bulk(3, 4)).await.unwrap();
    let mut transaction = TakeTransaction::begin(&channel);
    transaction.take_batch(2);
    assert_eq!(
        put(&channel, bulk(2, 4)).await,
        Err(FULL),
        "not committed yet"
    );
    assert!(transaction.commit().is_done());
    put(&channel, bulk(2, 4)).await.unwrap();
}

/// Flume: TestMemoryChannel.testCapacityBufferEmptyingAfterRollback (M7).
#[tokio::test(start_paused = true)]
async fn a_rolled_back_put_leaves_its_room() {
    let (_, channel) = channel(&[("capacity", "3"), ("transactionCapacity", "3")]);
    drop(PutTransaction::of(&channel, bulk(3, 4)).unwrap());
    let reserved = PutTransaction::of(&channel, bulk(3, 4))
        .unwrap()
        .reserve()
        .await
        .unwrap();
    drop(reserved);
    put(&channel, bulk(3, 4)).await.unwrap();
}

/// Flume: TestMemoryChannel.testByteCapacityOverload (M8).
#[tokio::test(start_paused = true)]
async fn bytes_are_a_limit_at_commit() {
    let (_, channel) = channel(&[
        ("byteCapacity", "2000"),
        ("byteCapacityBufferPercentage", "20"),
    ]);
    put(&channel, bulk(3, 405)).await.unwrap();
    let refused = put(&channel, bulk(2, 405)).await.unwrap_err();
    assert_eq!(
        refused,
        ChannelError::BytesFull {
            byte_capacity: 2000
        }
    );
    assert!(refused.is_transient());
    assert_eq!(channel.depth(), 3);
}

/// Flume: TestMemoryChannel.testByteCapacityAfterRollback (M9).
#[tokio::test(start_paused = true)]
async fn a_rollback_charges_no_bytes() {
    let (memory, channel) = channel(&[("byteCapacity", "1000")]);
    drop(PutTransaction::of(&channel, bulk(8, 100)).unwrap());
    drop(
        PutTransaction::of(&channel, bulk(8, 100))
            .unwrap()
            .reserve()
            .await
            .unwrap(),
    );
    assert_eq!(memory.events.lock().room.charged(), (0, 0));
    let nine = PutTransaction::of(&channel, bulk(9, 100)).unwrap();
    assert!(nine.try_reserve().is_err(), "8 slots");
    assert_eq!(memory.events.lock().room.charged(), (0, 0));
    put(&channel, bulk(8, 100)).await.unwrap();
}

/// Flume: TestMemoryChannel.testByteCapacityBufferEmptyingAfterRollback (M10).
#[tokio::test(start_paused = true)]
async fn bytes_of_a_rolled_back_put_are_free() {
    let (_, channel) = channel(&[("byteCapacity", "2000")]);
    drop(PutTransaction::of(&channel, bulk(3, 405)).unwrap());
    put(&channel, bulk(3, 405)).await.unwrap();
}

/// Flume: TestMemoryChannel.testByteCapacityBufferChangeConfig (M11).
#[tokio::test(start_paused = true)]
async fn byte_capacity_can_be_changed() {
    let (memory, channel) = channel(&[("byteCapacity", "2000")]);
    let bytes = |bytes: &'static str| config(&[("byteCapacity", bytes)]);
    put(&channel, bulk(1, 405)).await.unwrap();
    memory.resize(&bytes("1500"));
    put(&channel, bulk(1, 405)).await.unwrap();
    let full = ChannelError::BytesFull {
        byte_capacity: 1500,
    };
    assert_eq!(put(&channel, bulk(1, 405)).await, Err(full));
    // Ten slots are in use. In Flume, 1500 stays.
    for (too_small, byte_capacity) in [("250", 250), ("300", 300)] {
        memory.resize(&bytes(too_small));
        let full = ChannelError::BytesFull { byte_capacity };
        assert_eq!(put(&channel, bulk(1, 405)).await, Err(full));
    }
    memory.resize(&bytes("3300"));
    put(&channel, bulk(3, 405)).await.unwrap();
    let full = ChannelError::BytesFull {
        byte_capacity: 3300,
    };
    assert_eq!(put(&channel, bulk(1, 405)).await, Err(full));
    memory.resize(&bytes("4000"));
    put(&channel, bulk(1, 405)).await.unwrap();
    assert_eq!(memory.events.lock().room.charged(), (6, 30));
}

/// Flume: TestMemoryChannel.testNullEmptyEvent (M12). An empty body costs a slot, as in Flume.
#[tokio::test(start_paused = true)]
async fn an_empty_body_is_an_event() {
    let (memory, channel) = channel(&[]);
    put(&channel, events(&["", ""])).await.unwrap();
    assert_eq!(memory.events.lock().room.charged(), (2, 2));
    assert_eq!(take(&channel, 2), events(&["", ""]));
}

/// Flume: TestMemoryChannel.testNegativeCapacities (M13): lenient mode has the defaults, strict
/// mode refuses them.
#[test]
fn capacities_are_positive() {
    let keys = [
        ("capacity", "-3"),
        ("transactionCapacity", "-1"),
        ("keep-alive", "-1"),
    ];
    let mut context = Context::of("c", &keys);
    let config = MemoryConfig::configure(&mut context, 1000).unwrap();
    assert_eq!((config.capacity, config.transaction_capacity), (100, 100));
    assert_eq!(config.keep_alive, Duration::ZERO, "negative: do not wait");
    assert!(context.has_errors());
}

/// 1000 bytes are 8 slots, and less than one slot means no limit.
#[test]
fn byte_slots_are_flumes() {
    let slots = |bytes, buffer| {
        let keys = [
            ("byteCapacity", bytes),
            ("byteCapacityBufferPercentage", buffer),
        ];
        config(&keys).byte_slots()
    };
    assert_eq!(
        [slots("1000", "20"), slots("1999", "0"), slots("250", "20")],
        [8, 19, 2]
    );
    for unlimited in [
        slots("0", "20"),
        slots("124", "20"),
        slots("1000000", "100"),
    ] {
        assert_eq!(unlimited, u64::MAX / 2);
    }
    assert_eq!(config(&[]).byte_capacity, (1 << 30) / 100 * 80);
}

#[test]
fn a_transaction_fits_into_its_channel() {
    let mut context = Context::of("a1.channels.c1", &[("capacity", "10")]);
    assert!(MemoryConfig::configure(&mut context, 1000).is_none());
    let found = context.finish();
    assert_eq!(found.len(), 1);
    assert!(found[0].message.contains("(100)") && found[0].message.contains("(10)"));
}

/// Flume: TestMemoryChannel.testByteCapacityBufferEmptyingAfterTakeCommit (M20), which never runs
/// there and expects the refusal at put; it comes at commit.
#[tokio::test(start_paused = true)]
async fn bytes_of_a_committed_take_are_free() {
    let (_, channel) = channel(&[("byteCapacity", "2000")]);
    put(&channel, bulk(3, 405)).await.unwrap();
    assert!(put(&channel, bulk(2, 405)).await.is_err());
    take(&channel, 2);
    put(&channel, bulk(2, 405)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_put_waits_for_bytes_and_then_again_for_places() {
    let keys = [
        ("capacity", "2"),
        ("transactionCapacity", "2"),
        ("byteCapacity", "1000"),
    ];
    let (memory, channel) = channel(&keys);
    put(&channel, bulk(2, 400)).await.unwrap();
    let start = clock::now();
    let takers = async {
        tokio::time::sleep(Duration::from_millis(2900)).await;
        // With only the bytes increased, the put goes on to wait for its place.
        let more = [
            ("capacity", "2"),
            ("transactionCapacity", "2"),
            ("byteCapacity", "4000"),
        ];
        memory.resize(&config(&more));
        tokio::time::sleep(Duration::from_millis(2900)).await;
        take(&channel, 1);
    };
    let (outcome, ()) = tokio::join!(put(&channel, bulk(1, 400)), takers);
    outcome.unwrap();
    assert_eq!(clock::now() - start, Duration::from_millis(5800));
}

/// A put that gives up while it waits for a place releases its bytes.
#[tokio::test(start_paused = true)]
async fn bytes_reserved_in_vain_are_released() {
    let keys = [
        ("capacity", "1"),
        ("transactionCapacity", "1"),
        ("byteCapacity", "1000"),
    ];
    let (memory, channel) = channel(&keys);
    put(&channel, bulk(1, 100)).await.unwrap();
    assert_eq!(put(&channel, bulk(1, 500)).await, Err(FULL));
    assert_eq!(memory.events.lock().room.charged(), (1, 1));
    // And so does one whose source is dropped.
    let waiting = put(&channel, bulk(1, 500));
    assert!(
        tokio::time::timeout(Duration::from_secs(1), waiting)
            .await
            .is_err()
    );
    assert_eq!(memory.events.lock().room.charged(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn without_keep_alive_nothing_waits() {
    let keys = [
        ("capacity", "1"),
        ("transactionCapacity", "1"),
        ("keep-alive", "0"),
    ];
    let (_, channel) = channel(&keys);
    put(&channel, bulk(1, 1)).await.unwrap();
    let start = clock::now();
    assert_eq!(put(&channel, bulk(1, 1)).await, Err(FULL));
    assert!(
        clock::now() - start <= Duration::from_millis(1),
        "the timer's own tick"
    );
}

/// The largest `keep-alive` is just a long wait.
#[tokio::test(start_paused = true)]
async fn the_longest_keep_alive_does_not_overflow() {
    let keys = [
        ("capacity", "1"),
        ("transactionCapacity", "1"),
        ("keep-alive", "2147483647"),
    ];
    let (_, channel) = channel(&keys);
    put(&channel, bulk(1, 1)).await.unwrap();
    let taker = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        take(&channel, 1);
    };
    let (outcome, ()) = tokio::join!(put(&channel, bulk(1, 1)), taker);
    outcome.unwrap();
}

#[tokio::test(start_paused = true)]
async fn takers_are_woken_by_puts_and_by_rollbacks() {
    let (_, channel) = channel(&[]);
    let (ready, outcome) = tokio::join!(channel.ready(), put(&channel, bulk(1, 1)));
    assert_eq!((ready, outcome), ((), Ok(())));
    let mut transaction = TakeTransaction::begin(&channel);
    transaction.take_batch(1);
    tokio::join!(channel.ready(), async { transaction.rollback() });
    assert_eq!(channel.depth(), 1);
}

/// One put wakes several takers in turn, even if the first does not take.
#[tokio::test(start_paused = true)]
async fn an_unused_wake_is_passed_on() {
    let (_, channel) = channel(&[]);
    let all = async { tokio::join!(channel.ready(), channel.ready(), channel.ready()) };
    let putting = async {
        tokio::task::yield_now().await;
        put(&channel, bulk(1, 1)).await
    };
    let both = async { tokio::join!(all, putting) };
    assert!(
        tokio::time::timeout(Duration::from_secs(1), both)
            .await
            .is_ok(),
        "one of the takers still sleeps"
    );
}

#[tokio::test(start_paused = true)]
async fn counters_count_what_happened() {
    let keys = [
        ("capacity", "3"),
        ("transactionCapacity", "3"),
        ("keep-alive", "0"),
    ];
    let (_, channel) = channel(&keys);
    put(&channel, bulk(3, 1)).await.unwrap();
    put(&channel, bulk(1, 1)).await.unwrap_err();
    TakeTransaction::begin(&channel).take_batch(2);
    take(&channel, 1);
    take(&channel, 2);
    take(&channel, 1);
    let counters = channel.counters();
    let attempts = (
        counters.event_put_attempt.get(),
        counters.event_take_attempt.get(),
    );
    let successes = (
        counters.event_put_success.get(),
        counters.event_take_success.get(),
    );
    // A refused put is counted by who knows that it is not tried again.
    assert_eq!((attempts, successes), ((3, 6), (3, 3)));
}

/// An event of one character with headers of so many bytes in all.
fn with_headers(bytes: usize) -> Event {
    let event = Event::new("x").with_header("h", "");
    let value = "v".repeat(bytes - event.headers.bytes());
    event.with_header("h", value)
}

/// 60 events of one character used to hold 700 MiB under a limit of 1 MB.
#[tokio::test(start_paused = true)]
async fn large_headers_count_as_bytes() {
    let (memory, channel) = channel(&[("byteCapacity", "1000000")]);
    let large = vec![with_headers(8 << 20); 60];
    assert_eq!(channel.try_reserve(&large), 0);
    let refused = ChannelError::BytesFull {
        byte_capacity: 1_000_000,
    };
    assert_eq!(put(&channel, large).await, Err(refused));
    assert_eq!(memory.events.lock().room.charged(), (0, 0));
    // 10,000 bytes of headers are 90 slots, of the 8000 that there are.
    let some = vec![with_headers(10_000); 100];
    assert_eq!(channel.try_reserve(&some), 88);
    channel.release(&some[..88]);
    assert_eq!(memory.events.lock().room.charged(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn usual_headers_cost_nothing() {
    let (memory, channel) = channel(&[]);
    for (headers, slots) in [(100, 1), (1024, 1), (1024 + 99, 1), (1024 + 100, 2)] {
        put(&channel, vec![with_headers(headers)]).await.unwrap();
        assert_eq!(memory.events.lock().room.charged(), (1, slots), "{headers}");
        take(&channel, 1);
    }
    assert_eq!(memory.events.lock().room.charged(), (0, 0));
}

#[test]
fn operators_see_the_limits_that_hold() {
    let shown = config(&[("capacity", "7"), ("transactionCapacity", "7")]).shown();
    // 80 % of the memory.
    assert!(
        shown.contains(&("byteCapacity", (1 << 30) / 100 * 80)),
        "{shown:?}"
    );
}
