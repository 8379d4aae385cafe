//! Goal: a channel that is as fast as memory, has the room of a disk, keeps the order between the two, and
//! loses nothing at a stop. Method: real folders, and Flume's own cases (SM) where they concern behaviour.
//!
//! Random histories, with kills, are in [`laws`].

use std::path::Path;
use std::time::Duration;

use flume_core::counters::SpillCounter;
use flume_core::{ChannelError, Event, PutTransaction, TakeTransaction, clock};

use super::*;
use crate::channel::file::tests::{self as file, contents, numbered, put, taken};
use crate::channel::file::{comes_first, event_of};

mod laws;
mod limits;

/// The settings of a channel in this folder, with more keys.
fn config(folder: &Path, keys: &[(&str, &str)]) -> SpillableConfig {
    let data = folder.display().to_string();
    let mut all = vec![("dataDirs", data.as_str()), ("minimumRequiredSpace", "0")];
    all.extend(keys);
    let mut context = Context::of("a1.channels.c1", &all);
    let config = SpillableConfig::configure(&mut context, 1 << 30);
    let mut found = context.finish();
    found.retain(|found| found.code != flume_core::Code::InMemory);
    assert!(found.is_empty(), "{found:?}");
    config.unwrap()
}

/// An open channel.
async fn opened(folder: &Path, keys: &[(&str, &str)]) -> Arc<dyn Channel> {
    let channel = config(folder, keys).make("c1");
    channel.open().await.unwrap();
    channel
}

/// The keys for so many events in memory and on the disk, and so many seconds.
fn keys<'a>(memory: &'a str, overflow: &'a str, timeout: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("memoryCapacity", memory),
        ("overflowCapacity", overflow),
        ("overflowTimeout", timeout),
    ]
}

/// What `channel export` would say of a folder.
fn exported(folder: &Path) -> Vec<Event> {
    let folders = [folder.to_owned()];
    let disk = flume_log::disk::Folders::look(&folders).unwrap();
    let mut events = Vec::new();
    let each = &mut |_, record: &[u8]| {
        events.extend(event_of(bytes::Bytes::copy_from_slice(record)));
        std::ops::ControlFlow::Continue(())
    };
    flume_log::verify::export(&disk, comes_first(&folders), &mut |_| {}, each).unwrap();
    events
}

/// A file channel over the folder of a spillable one keeps the order too.
#[tokio::test]
async fn a_file_channel_goes_on_in_order_where_a_spillable_one_was() {
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &keys("4", "20", "0")).await;
    puts(&channel, &[0..4, 4..10]).await;
    assert_eq!(channel.close().await, 0);
    assert_eq!(exported(folder.path()), numbered(0..10));
    let channel = file::opened(folder.path(), &[]).await;
    assert_eq!(contents(&channel).await, numbered(0..10));
}

fn spills(channel: &Arc<dyn Channel>) -> &SpillCounter {
    channel
        .counters()
        .durable
        .get()
        .unwrap()
        .spill
        .get()
        .unwrap()
}

/// How many events were kept in memory, how many went to the disk, and how many are there.
fn counts(channel: &Arc<dyn Channel>) -> (u64, u64, u64) {
    let spills = spills(channel);
    (
        spills.kept.get(),
        spills.spilled.get(),
        spills.on_disk.get(),
    )
}

async fn puts(channel: &Arc<dyn Channel>, ranges: &[std::ops::Range<usize>]) {
    for range in ranges {
        put(channel, numbered(range.clone())).await.unwrap();
    }
}

/// Takes exactly these, and commits.
async fn takes(channel: &Arc<dyn Channel>, range: std::ops::Range<usize>) {
    let take = taken(channel, range.len()).await;
    assert_eq!(take.events(), numbered(range));
    take.commit().await.unwrap();
}

/// Flume: testPutTake (SM1), testBasicStart (SM5): while memory has room the disk has no part in it.
#[tokio::test]
async fn what_fits_into_memory_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &keys("10000000", "20000000", "1")).await;
    for range in [0..2, 2..7] {
        let reserved = PutTransaction::of(&channel, numbered(range)).unwrap();
        assert!(reserved.reserve().await.unwrap().commit().is_done());
    }
    assert_eq!(counts(&channel), (7, 0, 0));
    let take = taken(&channel, 7).await;
    assert_eq!(take.events(), numbered(0..7));
    assert!(take.commit().is_done());
    assert_eq!(channel.depth(), 0);
    assert_eq!(channel.capacity(), 30_000_000);
}

/// Flume: testCapacityDisableOverflow (SM2).
#[tokio::test(start_paused = true)]
async fn without_a_disk_a_full_memory_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &keys("2", "0", "5")).await;
    put(&channel, numbered(0..2)).await.unwrap();
    let begun = clock::now();
    let refused = put(&channel, numbered(2..3)).await.unwrap_err();
    assert!(clock::now() - begun >= Duration::from_secs(5));
    assert!(
        refused.to_string().contains("overflow is disabled"),
        "{refused}"
    );
    assert!(refused.is_transient() && channel.is_full());
    assert_eq!(channel.try_reserve(&numbered(2..3)), 0);
    takes(&channel, 0..2).await;
    assert!(channel.depth() == 0 && !channel.is_full());
    assert_eq!(counts(&channel), (2, 0, 0));
}

/// Flume: testCapacityWithOverflow (SM3).
#[tokio::test(start_paused = true)]
async fn a_full_disk_part_refuses_after_the_timeout() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = keys("2", "4", "3").to_vec();
    all.push(("transactionCapacity", "3"));
    let channel = opened(folder.path(), &all).await;
    put(&channel, numbered(1..3)).await.unwrap();
    // The first put that finds memory full waits for it; the next one does not.
    let begun = clock::now();
    put(&channel, numbered(3..5)).await.unwrap();
    let waited = clock::now() - begun;
    assert!(
        waited >= Duration::from_secs(3) && waited < Duration::from_secs(4),
        "{waited:?}"
    );
    let begun = clock::now();
    put(&channel, numbered(5..7)).await.unwrap();
    assert!(clock::now() - begun < Duration::from_secs(1));
    assert!(channel.is_full());
    let begun = clock::now();
    let refused = put(&channel, numbered(7..9)).await.unwrap_err();
    assert!(clock::now() - begun >= Duration::from_secs(3));
    assert!(
        refused
            .to_string()
            .starts_with("The channel has reached it's capacity."),
        "{refused}"
    );
    let too_large = PutTransaction::of(&channel, numbered(0..4)).unwrap_err();
    assert!(
        too_large
            .to_string()
            .contains("SpillableMemoryTransaction of capacity 3")
    );
    assert_eq!(
        (counts(&channel), spills(&channel).begun.get()),
        ((2, 4, 4), 1)
    );
    takes(&channel, 1..3).await;
    takes(&channel, 3..5).await;
    takes(&channel, 5..7).await;
    assert_eq!(counts(&channel), (2, 4, 0));
}

/// Room in memory that comes free in time is used, and the disk is not.
#[tokio::test(start_paused = true)]
async fn a_put_that_waits_takes_memory_that_comes_free() {
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &keys("2", "10", "3")).await;
    put(&channel, numbered(0..2)).await.unwrap();
    let sink = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(channel.is_short_of_room());
        takes(&channel, 0..2).await;
    };
    let (outcome, ()) = tokio::join!(put(&channel, numbered(2..4)), sink);
    outcome.unwrap();
    assert_eq!(counts(&channel), (4, 0, 0));
}

/// Flume: testRestart (SM4). There a stop loses what is in memory.
#[tokio::test]
async fn a_stop_loses_nothing_and_keeps_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let all = keys("2", "10", "0");
    let channel = opened(folder.path(), &all).await;
    puts(&channel, &[1..3, 3..5, 5..6]).await;
    assert_eq!(counts(&channel), (2, 3, 3));
    assert_eq!(channel.close().await, 0);
    let channel = opened(folder.path(), &all).await;
    assert_eq!(channel.counters().entered(), 5);
    assert_eq!(counts(&channel), (0, 0, 5));
    put(&channel, numbered(6..7)).await.unwrap();
    // Again, with what came first still there, and a batch that was given back.
    taken(&channel, 1).await.rollback();
    assert_eq!(channel.close().await, 0);
    let channel = opened(folder.path(), &all).await;
    takes(&channel, 1..7).await;
    // Memory comes first again, as soon as the reader knows that there is nothing left.
    let mut next = 7;
    put(&channel, numbered(next..next + 1)).await.unwrap();
    while counts(&channel).0 == 0 {
        takes(&channel, next..next + 1).await;
        next += 1;
        assert!(next < 1000, "never again");
        tokio::time::sleep(Duration::from_millis(5)).await;
        put(&channel, numbered(next..next + 1)).await.unwrap();
    }
    assert_eq!(channel.close().await, 0);
    let channel = opened(folder.path(), &all).await;
    takes(&channel, next..next + 1).await;
}

#[tokio::test]
async fn a_channel_that_is_not_open_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let channel = config(folder.path(), &keys("10", "10", "0")).make("c1");
    let closed = |refused: Result<(), ChannelError>| {
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("the log is closed [channel=c1]"),
            "{refused}"
        );
    };
    closed(put(&channel, numbered(0..3)).await);
    channel.open().await.unwrap();
    put(&channel, numbered(0..3)).await.unwrap();
    assert_eq!(channel.close().await, 0);
    closed(put(&channel, numbered(3..4)).await);
    let channel = opened(folder.path(), &[]).await;
    takes(&channel, 0..3).await;
}

/// Events that a sink does not give back are only in memory: they are said to be lost.
#[tokio::test]
async fn what_a_sink_keeps_at_the_end_is_counted_as_lost() {
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &keys("10", "10", "0")).await;
    put(&channel, numbered(0..5)).await.unwrap();
    let kept = taken(&channel, 2).await;
    let room = PutTransaction::of(&channel, numbered(5..6))
        .unwrap()
        .reserve()
        .await
        .unwrap();
    assert_eq!(channel.close().await, 2);
    drop((kept, room));
    assert_eq!(
        contents(&opened(folder.path(), &[]).await).await,
        numbered(2..5)
    );
}

/// A batch of events in memory that comes back in front of events on the disk stays in front of them, also
/// over a stop; those on the disk may be more than are read at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_in_front_of_a_long_backlog_is_in_front_after_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let all = keys("10", "10000", "0");
    let channel = opened(folder.path(), &all).await;
    let large = |number: usize| {
        let mut body = number.to_string().into_bytes();
        body.resize(40_000, b'x');
        Event::new(body)
    };
    let under_way = {
        put(&channel, (0..10).map(large).collect()).await.unwrap();
        taken(&channel, 10).await
    };
    for from in (10..1_000).step_by(10) {
        put(&channel, (from..from + 10).map(large).collect())
            .await
            .unwrap();
    }
    assert_eq!(counts(&channel), (10, 990, 990));
    under_way.rollback();
    assert_eq!(channel.close().await, 0);
    let mut channel = opened(folder.path(), &all).await;
    let mut next = 0;
    while next < 1_000 {
        if next == 490 {
            assert_eq!(channel.close().await, 0);
            channel = opened(folder.path(), &all).await;
        }
        let take = taken(&channel, 70.min(490 - next % 490).min(1_000 - next)).await;
        for event in take.events() {
            assert_eq!(*event, large(next));
            next += 1;
        }
        take.commit().await.unwrap();
    }
    assert_eq!(channel.depth(), 0);
}

/// Flume: testOverflow (SM6), testDrainOrder (SM7), testDrainingOnChannelBoundary (SM9: there a take ends
/// where memory ends).
#[tokio::test(start_paused = true)]
async fn events_leave_in_order_through_memory_disk_and_memory() {
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &keys("10", "10", "1")).await;
    puts(&channel, &[1..6, 6..11, 11..16, 16..21]).await;
    assert_eq!(counts(&channel), (10, 10, 10));
    for range in [1..2, 2..7, 7..11] {
        takes(&channel, range).await;
    }
    puts(&channel, &[21..23, 23..26]).await;
    for range in [11..14, 14..19, 19..21, 21..26] {
        takes(&channel, range).await;
    }
    put(&channel, numbered(26..31)).await.unwrap();
    assert_eq!(counts(&channel).2, 0);
    takes(&channel, 26..31).await;

    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &keys("5", "15", "1")).await;
    puts(&channel, &[1..6, 6..11, 11..16, 16..21]).await;
    for range in [1..4, 4..6, 6..11, 11..16, 16..18] {
        takes(&channel, range).await;
    }
    put(&channel, numbered(21..26)).await.unwrap();
    takes(&channel, 18..26).await;
}

/// Flume: testRollBack (SM10).
#[tokio::test]
async fn what_is_rolled_back_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &keys("100", "900", "0")).await;
    put(&channel, numbered(1..6)).await.unwrap();
    drop(
        PutTransaction::of(&channel, numbered(6..11))
            .unwrap()
            .reserve()
            .await
            .unwrap(),
    );
    takes(&channel, 1..6).await;
    assert_eq!(TakeTransaction::begin(&channel).take_batch(2), 0);
    put(&channel, numbered(11..16)).await.unwrap();
    takes(&channel, 11..16).await;
    put(&channel, numbered(16..21)).await.unwrap();
    taken(&channel, 5).await.rollback();
    takes(&channel, 16..21).await;
    put(&channel, numbered(21..26)).await.unwrap();
    takes(&channel, 21..26).await;
    assert_eq!(channel.bytes(), Some(0));
}

/// A batch from both places comes back as it was, and each event is settled where it was.
#[tokio::test]
async fn a_batch_from_memory_and_disk_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let all = keys("3", "10", "0");
    let channel = opened(folder.path(), &all).await;
    puts(&channel, &[0..3, 3..6]).await;
    let mut take = taken(&channel, 5).await;
    let end = take.split_off(2);
    // What comes meanwhile is behind it. Memory is full until something is settled.
    put(&channel, numbered(6..8)).await.unwrap();
    end.rollback();
    take.rollback();
    let mut take = taken(&channel, 8).await;
    assert_eq!(take.events(), numbered(0..8));
    // Of memory 0 and 2 are delivered, of the disk 4.
    for one in take.pick(&[0, 2, 4]) {
        one.commit().await.unwrap();
    }
    assert_eq!((channel.bytes(), counts(&channel).2), (Some(500), 4));
    take.rollback();
    assert_eq!(channel.close().await, 0);
    let mut expected = numbered(0..8);
    expected.retain(|event| !["0", "2", "4"].contains(&&*String::from_utf8_lossy(&event.body)));
    assert_eq!(contents(&opened(folder.path(), &all).await).await, expected);
}

/// Flume: testCounters (SM13).
#[tokio::test]
async fn counters_say_what_went_where() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = keys("5000", "5000", "0").to_vec();
    all.push(("transactionCapacity", "5000"));
    let channel = opened(folder.path(), &all).await;
    let seen = || {
        let counters = channel.counters();
        let put = counters.event_put_success.get();
        assert_eq!(counters.event_put_attempt.get(), put);
        assert_eq!(
            counters.event_take_attempt.get(),
            counters.event_take_success.get()
        );
        (channel.depth(), put, counters.event_take_success.get())
    };
    puts(&channel, &[0..2_500, 2_500..5_000]).await;
    assert_eq!(seen(), (5_000, 5_000, 0));
    takes(&channel, 0..5_000).await;
    assert_eq!(
        (seen(), counts(&channel)),
        ((0, 5_000, 5_000), (5_000, 0, 0))
    );
    for from in (0..10_000).step_by(1_000) {
        put(&channel, numbered(from..from + 1_000)).await.unwrap();
    }
    assert_eq!(
        (seen(), counts(&channel)),
        ((10_000, 15_000, 5_000), (10_000, 5_000, 5_000))
    );
    assert_eq!(spills(&channel).is_active.get(), 1);
    takes(&channel, 0..5_000).await;
    assert_eq!(seen(), (5_000, 15_000, 10_000));
    takes(&channel, 5_000..10_000).await;
    assert_eq!(
        (seen(), counts(&channel)),
        ((0, 15_000, 15_000), (10_000, 5_000, 0))
    );
    assert_eq!(spills(&channel).is_active.get(), 0);
}

/// Flume: testParallelSingleSourceAndSink (SM12), testParallelMultipleSourcesAndSinks (SM14).
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_each_source_sends_arrives_once_and_in_its_order() {
    for (sources, memory) in [(1, "100000"), (3, "40")] {
        let folder = tempfile::tempdir().unwrap();
        let channel = opened(folder.path(), &keys(memory, "100000", "0")).await;
        let each = 3_000;
        let mut writers = tokio::task::JoinSet::new();
        for source in 0..sources {
            let channel = Arc::clone(&channel);
            writers.spawn(async move {
                let first = source * each;
                for from in (first..first + each).step_by(10) {
                    put(&channel, numbered(from..from + 10)).await.unwrap();
                }
            });
        }
        let mut next: Vec<usize> = (0..sources).map(|source| source * each).collect();
        let mut number = 0;
        while number < sources * each {
            channel.ready().await;
            let mut take = TakeTransaction::begin(&channel);
            take.take_batch(35);
            number += 1;
            if number % 7 == 0 {
                number -= 1;
                take.rollback();
                take = TakeTransaction::begin(&channel);
                take.take_batch(35);
                number += 1;
            }
            number -= 1;
            for event in take.events() {
                let seen: usize = String::from_utf8_lossy(&event.body).parse().unwrap();
                assert_eq!(seen, next[seen / each]);
                next[seen / each] += 1;
            }
            number += take.events().len();
            take.commit().await.unwrap();
        }
        while let Some(ended) = writers.join_next().await {
            ended.unwrap();
        }
        assert_eq!(
            (channel.depth(), channel.bytes(), counts(&channel).2),
            (0, Some(0), 0)
        );
        let (kept, spilled, _) = counts(&channel);
        assert_eq!(kept + spilled, (sources * each) as u64);
    }
}
