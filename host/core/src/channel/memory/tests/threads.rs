//! Many threads on one channel. Goal: no event is lost, duplicated or reordered, and all threads
//! finish. Method: each event carries its writer and number, and every committed event is counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// One event from a writer.
fn numbered(writer: usize, number: usize) -> Event {
    Event::new(format!("{writer} {number}"))
}

/// Writer and number of an event.
fn read(event: &Event) -> (usize, usize) {
    let text = std::str::from_utf8(&event.body).unwrap();
    let (writer, number) = text.split_once(' ').unwrap();
    (writer.parse().unwrap(), number.parse().unwrap())
}

/// Flume: TestMemoryChannelTransaction.testCommit (M14).
#[tokio::test(start_paused = true)]
async fn ten_puts_are_ten_takes_in_order() {
    let (_, channel) = channel(&[]);
    let sent: Vec<Event> = (0..10).map(|number| numbered(0, number)).collect();
    put(&channel, sent.clone()).await.unwrap();
    let mut transaction = TakeTransaction::begin(&channel);
    for _ in &sent {
        assert_eq!(transaction.take_batch(1), 1);
    }
    assert_eq!(transaction.take_batch(1), 0);
    assert_eq!(transaction.events(), sent);
    assert!(transaction.commit().is_done());
    assert_eq!(channel.depth(), 0);
}

/// Flume: TestMemoryChannelTransaction.testRollBack (M15).
#[tokio::test(start_paused = true)]
async fn rollbacks_undo() {
    let (_, channel) = channel(&[]);
    let sent: Vec<Event> = (0..10).map(|number| numbered(0, number)).collect();
    drop(PutTransaction::of(&channel, sent.clone()).unwrap());
    assert_eq!(take(&channel, 10), []);
    put(&channel, sent.clone()).await.unwrap();
    let mut transaction = TakeTransaction::begin(&channel);
    transaction.take_batch(4);
    transaction.rollback();
    let mut dropped = TakeTransaction::begin(&channel);
    dropped.take_batch(7);
    drop(dropped);
    assert_eq!(take(&channel, 100), sent);
}

/// Flume: TestMemoryChannelTransaction.testReEntTxn, testReEntTxnRollBack (M16): nested
/// transactions. A transaction is a value here, so two open ones are independent.
#[tokio::test(start_paused = true)]
async fn two_transactions_at_once_are_apart() {
    let (_, channel) = channel(&[]);
    let outer = PutTransaction::of(&channel, events(&["outer"])).unwrap();
    put(&channel, events(&["inner"])).await.unwrap();
    drop(outer);
    assert_eq!(take(&channel, 2), events(&["inner"]));
}

/// Flume: TestMemoryChannelConcurrency.testTransactionConcurrency (M17).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_threads_only_the_committed_one_is_seen() {
    let (_, channel) = channel(&[]);
    let begun = Arc::new(tokio::sync::Barrier::new(2));
    let writer = |body: &'static str, commit: bool| {
        let (channel, begun) = (Arc::clone(&channel), Arc::clone(&begun));
        tokio::spawn(async move {
            let transaction = PutTransaction::of(&channel, events(&[body])).unwrap();
            begun.wait().await;
            if commit {
                transaction.commit().await.unwrap();
            } else {
                drop(transaction);
            }
        })
    };
    let (committed, rolled_back) = (writer("committed", true), writer("rolled back", false));
    committed.await.unwrap();
    rolled_back.await.unwrap();
    assert_eq!(take(&channel, 10), events(&["committed"]));
}

/// Flume: TestMemoryChannelConcurrency.testManyThreads (M18).
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_hundred_writers_committed_is_stored() {
    let keys = [
        ("capacity", "100000"),
        ("transactionCapacity", "1000"),
        ("keep-alive", "0"),
    ];
    let (_, channel) = channel(&keys);
    let writers = (0..100).map(|writer| {
        let channel = Arc::clone(&channel);
        tokio::spawn(async move {
            let mut random = fastrand::Rng::with_seed(writer as u64);
            let mut committed = 0;
            for _ in 0..20 {
                let size = random.usize(1..20);
                let batch = (committed..committed + size).map(|number| numbered(writer, number));
                let transaction = PutTransaction::of(&channel, batch.collect()).unwrap();
                if random.bool() {
                    transaction.commit().await.unwrap();
                    committed += size;
                } else {
                    drop(transaction);
                }
            }
            committed
        })
    });
    let mut committed = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        committed.push(writer.await.unwrap());
    }
    let mut stored: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    while channel.depth() > 0 {
        for event in take(&channel, 1000) {
            let (writer, number) = read(&event);
            stored.entry(writer).or_default().push(number);
        }
    }
    for (writer, committed) in committed.into_iter().enumerate() {
        let stored = stored.remove(&writer).unwrap_or_default();
        assert_eq!(
            stored,
            (0..committed).collect::<Vec<_>>(),
            "writer {writer}"
        );
    }
}

/// Flume: TestMemoryChannelConcurrency.testConcurrentSinksAndSources (M19), and
/// TestBasicChannelSemantics.testMultiThreadedHappyPath (B1): writers and readers at once, a small
/// channel, random rollbacks.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_sources_and_sinks_lose_nothing() {
    const EACH: usize = 100;
    const WRITERS: usize = 50;
    let (memory, channel) = channel(&[("capacity", "100"), ("keep-alive", "30")]);
    let taken_in_all = Arc::new(AtomicUsize::new(0));
    let writers = (0..WRITERS).map(|writer| {
        let channel = Arc::clone(&channel);
        tokio::spawn(async move {
            let mut random = fastrand::Rng::with_seed(writer as u64);
            let mut number = 0;
            while number < EACH {
                let size = random.usize(1..=10).min(EACH - number);
                let batch = (number..number + size).map(|number| numbered(writer, number));
                let transaction = PutTransaction::of(&channel, batch.collect()).unwrap();
                if random.u8(..4) == 0 {
                    drop(transaction);
                } else {
                    transaction.commit().await.unwrap();
                    number += size;
                }
            }
        })
    });
    let readers = (0..50).map(|reader| {
        let (channel, taken_in_all) = (Arc::clone(&channel), Arc::clone(&taken_in_all));
        tokio::spawn(async move {
            let mut random = fastrand::Rng::with_seed(1000 + reader);
            let mut taken = Vec::new();
            while taken_in_all.load(Ordering::SeqCst) < WRITERS * EACH {
                let patience = Duration::from_millis(50);
                if tokio::time::timeout(patience, channel.ready())
                    .await
                    .is_err()
                {
                    continue;
                }
                let mut transaction = TakeTransaction::begin(&channel);
                transaction.take_batch(random.usize(1..=10));
                if random.u8(..4) == 0 {
                    transaction.rollback();
                } else {
                    taken.extend(transaction.events().iter().map(read));
                    taken_in_all.fetch_add(transaction.events().len(), Ordering::SeqCst);
                    assert!(transaction.commit().is_done());
                }
            }
            taken
        })
    });
    let (writers, readers): (Vec<_>, Vec<_>) = (writers.collect(), readers.collect());
    let everything = async {
        for writer in writers {
            writer.await.unwrap();
        }
        let mut taken = Vec::new();
        for reader in readers {
            taken.extend(reader.await.unwrap());
        }
        taken
    };
    let limit = Duration::from_secs(20);
    let mut taken = tokio::time::timeout(limit, everything)
        .await
        .expect("all threads finish within 20 s");
    taken.sort_unstable();
    let sent = (0..WRITERS).flat_map(|writer| (0..EACH).map(move |number| (writer, number)));
    assert_eq!(taken, sent.collect::<Vec<_>>());
    assert_eq!(memory.events.lock().room.charged(), (0, 0));
}
