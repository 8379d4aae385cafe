//! What transactions promise on any channel. The module's documentation shows what does not
//! compile: using a transaction after its end, ending it twice (Flume:
//! TestBasicChannelSemantics.testBegin, testPut1-2, testTake1-2, testCommit1-2, testRollback1-7,
//! testClose1-5; B3, B4, B6, B7).

use std::time::Duration;

use std::sync::Arc;

use super::*;
use crate::channel::Channel;
use crate::channel::memory::{FULL, MemoryChannel, MemoryConfig};
use crate::event::Event;

fn channel(capacity: usize) -> Arc<dyn Channel> {
    let defaults = MemoryConfig::defaults(1 << 30);
    Arc::new(MemoryChannel::new(
        "c1",
        &MemoryConfig {
            capacity,
            ..defaults
        },
    ))
}

fn numbered(numbers: std::ops::Range<usize>) -> Vec<Event> {
    numbers
        .map(|number| Event::new(number.to_string()))
        .collect()
}

/// Flume: TestBasicChannelSemantics.testHappyPath (B1).
#[tokio::test(start_paused = true)]
async fn a_thousand_events_keep_their_order() {
    let channel = channel(1000);
    for event in numbered(0..1000) {
        let transaction = PutTransaction::of(&channel, vec![event]).unwrap();
        transaction.commit().await.unwrap();
    }
    for event in numbered(0..1000) {
        let mut transaction = TakeTransaction::begin(&channel);
        assert_eq!(transaction.take_batch(1), 1);
        assert_eq!(transaction.events(), [event]);
        assert!(transaction.commit().is_done());
    }
}

/// Flume: TestBasicChannelSemantics.testMultiThreadedHappyPath (B1): a producer and a consumer, the
/// channel much smaller than what goes through it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_events_keep_their_order_between_threads() {
    let channel = channel(10);
    let into = Arc::clone(&channel);
    let producer = tokio::spawn(async move {
        for event in numbered(0..1000) {
            let transaction = PutTransaction::of(&into, vec![event]).unwrap();
            transaction.commit().await.unwrap();
        }
    });
    let consumer = async {
        let mut taken = Vec::new();
        while taken.len() < 1000 {
            channel.ready().await;
            let mut transaction = TakeTransaction::begin(&channel);
            transaction.take_batch(7);
            taken.extend_from_slice(transaction.events());
            assert!(transaction.commit().is_done());
        }
        taken
    };
    let taken = tokio::time::timeout(Duration::from_secs(60), consumer)
        .await
        .unwrap();
    assert_eq!(taken, numbered(0..1000));
    producer.await.unwrap();
}

/// Flume: TestBasicChannelSemantics.testGetTransaction (B2). Flume's transactions belong to
/// threads; these belong to their owner, and may move.
#[tokio::test(start_paused = true)]
async fn a_transaction_may_move_to_another_thread() {
    let channel = channel(10);
    let transaction = PutTransaction::of(&channel, numbered(0..2)).unwrap();
    let there = std::thread::spawn(move || transaction.try_reserve().unwrap());
    assert!(there.join().unwrap().commit().is_done());
    let mut transaction = TakeTransaction::begin(&channel);
    assert_eq!(transaction.take_batch(1), 1);
    let there = std::thread::spawn(move || {
        transaction.take_batch(1);
        transaction
    });
    assert_eq!(there.join().unwrap().events(), numbered(0..2));
}

/// Flume: TestBasicChannelSemantics.testPut3, testTake3 (B4): an interrupted put or take. Here that
/// is a dropped future: nothing is stored, stays reserved or is lost.
#[tokio::test(start_paused = true)]
async fn a_dropped_commit_is_rolled_back() {
    let channel = channel(2);
    PutTransaction::of(&channel, numbered(0..1))
        .unwrap()
        .commit()
        .await
        .unwrap();
    let commit = PutTransaction::of(&channel, numbered(1..3))
        .unwrap()
        .commit();
    assert!(
        tokio::time::timeout(Duration::from_secs(1), commit)
            .await
            .is_err()
    );
    assert_eq!(channel.depth(), 1);
    PutTransaction::of(&channel, numbered(1..2))
        .unwrap()
        .commit()
        .await
        .unwrap();
    let ready = async {
        let mut transaction = TakeTransaction::begin(&channel);
        transaction.take_batch(2);
        std::future::pending::<()>().await;
        assert!(transaction.commit().is_done());
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(1), ready)
            .await
            .is_err()
    );
    assert_eq!(channel.depth(), 2);
}

/// Flume: TestBasicChannelSemantics.testPut3, testTake3, testClose5 (B5): there a refused commit
/// leaves the transaction open, to be rolled back by hand. Here it is rolled back already; to keep
/// the events, use `try_reserve`.
#[tokio::test(start_paused = true)]
async fn a_refused_commit_leaves_nothing_behind() {
    let channel = channel(2);
    let refused = PutTransaction::of(&channel, numbered(0..3))
        .unwrap()
        .commit()
        .await;
    assert_eq!(refused, Err(FULL));
    let kept = PutTransaction::of(&channel, numbered(0..3))
        .unwrap()
        .try_reserve()
        .unwrap_err();
    assert_eq!(kept.commit().await, Err(FULL));
    PutTransaction::of(&channel, numbered(0..2))
        .unwrap()
        .commit()
        .await
        .unwrap();
}

/// Flume: TestBasicChannelSemantics.testClose (B7): closing in any state. Here: dropping.
#[tokio::test(start_paused = true)]
async fn a_dropped_transaction_is_rolled_back_in_any_state() {
    let channel = channel(2);
    drop(PutTransaction::of(&channel, numbered(0..2)).unwrap());
    drop(
        PutTransaction::of(&channel, numbered(0..2))
            .unwrap()
            .reserve()
            .await
            .unwrap(),
    );
    drop(TakeTransaction::begin(&channel));
    PutTransaction::of(&channel, numbered(0..2))
        .unwrap()
        .commit()
        .await
        .unwrap();
    let mut transaction = TakeTransaction::begin(&channel);
    transaction.take_batch(2);
    assert_eq!((channel.depth(), transaction.channel().name()), (0, "c1"));
    drop(transaction);
    assert_eq!(channel.depth(), 2);
}

/// A panic of a task that holds a transaction is a rollback too.
#[tokio::test(start_paused = true)]
async fn a_panic_rolls_back() {
    let channel = channel(2);
    PutTransaction::of(&channel, numbered(0..2))
        .unwrap()
        .commit()
        .await
        .unwrap();
    let from = Arc::clone(&channel);
    let sink = tokio::spawn(async move {
        let mut transaction = TakeTransaction::begin(&from);
        transaction.take_batch(2);
        panic!("on purpose");
    });
    assert!(sink.await.unwrap_err().is_panic());
    let mut transaction = TakeTransaction::begin(&channel);
    transaction.take_batch(2);
    assert_eq!(transaction.events(), numbered(0..2));
}

#[tokio::test(start_paused = true)]
async fn an_empty_transaction_commits() {
    let channel = channel(1);
    let empty = || PutTransaction::of(&channel, Vec::new()).unwrap();
    empty().commit().await.unwrap();
    PutTransaction::of(&channel, numbered(0..1))
        .unwrap()
        .commit()
        .await
        .unwrap();
    // Also when the channel is full.
    empty().commit().await.unwrap();
    assert!(TakeTransaction::begin(&channel).commit().is_done());
    assert_eq!(channel.depth(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_split_transaction_ends_share_by_share_and_rejoins_in_order() {
    let channel = channel(6);
    let put = PutTransaction::of(&channel, numbered(0..6)).unwrap();
    put.commit().await.unwrap();
    let mut transaction = TakeTransaction::begin(&channel);
    transaction.take_batch(6);
    // The last event has no owner.
    let mut shares = transaction.split(&[2, 1, 2, 0, 1]);
    let owners: Vec<usize> = shares.iter().map(|(owner, _)| *owner).collect();
    assert_eq!(owners, [2, 1, 0]);
    let bodies = |share: &Share| -> Vec<Event> { share.transaction.events().to_vec() };
    let numbers = numbered(0..6);
    assert_eq!(
        bodies(&shares[0].1),
        [numbers[0].clone(), numbers[2].clone()]
    );
    assert_eq!(
        bodies(&shares[2].1),
        [numbers[3].clone(), numbers[5].clone()]
    );

    assert!(shares.remove(1).1.transaction.commit().is_done());
    let failed = shares.into_iter().rev().map(|(_, share)| share).collect();
    TakeTransaction::rejoin(failed).unwrap().rollback();
    let mut transaction = TakeTransaction::begin(&channel);
    transaction.take_batch(6);
    let left = [0, 2, 3, 5].map(|at: usize| numbers[at].clone());
    assert_eq!(transaction.events(), left);
    assert!(TakeTransaction::rejoin(Vec::new()).is_none());
}

/// A source with two required channels puts at once what fits into both, and nothing twice.
#[tokio::test(start_paused = true)]
async fn a_front_has_room_in_every_channel_or_in_none() {
    let (large, small) = (channel(5), channel(2));
    let channels = [&large, &small];
    let mut batch = numbered(0..4).into_iter();
    let reserved = ReservedFront::reserve(&channels, &mut batch, 3);
    assert_eq!(reserved.events(), numbered(0..2));
    drop(reserved);
    assert_eq!(
        batch.as_slice(),
        numbered(0..4),
        "dropped: still in the batch"
    );
    assert_eq!((large.depth(), small.depth()), (0, 0));

    let reserved = ReservedFront::reserve(&channels, &mut batch, 3);
    reserved.commit().await.unwrap();
    assert_eq!(batch.as_slice(), numbered(2..4));
    for channel in channels {
        let mut transaction = TakeTransaction::begin(channel);
        transaction.take_batch(5);
        assert_eq!(transaction.events(), numbered(0..2));
    }
    let full = ReservedFront::reserve(&channels, &mut batch, 3);
    assert!(full.events().is_empty());
    full.commit().await.unwrap();
    assert_eq!(batch.as_slice(), numbered(2..4));
    // The large channel has all of its free room: nothing stayed reserved there.
    let rest = PutTransaction::of(&large, numbered(2..5)).unwrap();
    assert!(rest.try_reserve().unwrap().commit().is_done());
}

#[tokio::test(start_paused = true)]
async fn a_front_keeps_to_the_transaction_capacity() {
    let small = channel(100);
    let mut batch = numbered(0..250).into_iter();
    let channels = [&small];
    let reserved = ReservedFront::reserve(&channels, &mut batch, usize::MAX);
    assert_eq!(reserved.events().len(), 100);
}

/// Parts are transactions of their own, and together the whole.
#[tokio::test(start_paused = true)]
async fn a_take_in_parts_is_settled_or_returned_part_by_part() {
    let channel = channel(10);
    let put = PutTransaction::of(&channel, numbered(0..6)).unwrap();
    put.commit().await.unwrap();
    let mut first = TakeTransaction::begin(&channel);
    first.take_batch(6);
    let picked = first.pick(&[1, 4, 9]);
    assert_eq!(first.events().len(), 4);
    assert_eq!(picked.len(), 2);
    assert!(picked.into_iter().all(|one| one.commit().is_done()));
    let second = first.split_off(1);
    assert_eq!(first.events(), numbered(0..1));
    first.append(second);
    first.split_off(3).rollback();
    first.rollback();
    let mut all = TakeTransaction::begin(&channel);
    all.take_batch(6);
    let left = [numbered(0..1), numbered(2..4), numbered(5..6)].concat();
    assert_eq!(all.events(), left);
    assert_eq!(channel.try_reserve(&numbered(0..9)), 6);
}
