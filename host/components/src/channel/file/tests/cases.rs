//! Flume's own cases that are about transactions over a restart.

use super::*;

/// Closes a channel, and opens it again.
async fn reopened(channel: &Arc<dyn Channel>, folder: &Path) -> Arc<dyn Channel> {
    channel.close().await;
    opened(folder, &[]).await
}

/// Flume: testCommitAfterNoPutTake, testRollbackAfterNoPutTake (FC6).
#[tokio::test]
async fn an_empty_transaction_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &[]).await;
    put(&channel, Vec::new()).await.unwrap();
    drop(PutTransaction::of(&channel, Vec::new()).unwrap());
    TakeTransaction::begin(&channel).commit().await.unwrap();
    drop(TakeTransaction::begin(&channel));
    let channel = reopened(&channel, folder.path()).await;
    assert_eq!(channel.depth(), 0);
    put(&channel, numbered(0..1)).await.unwrap();
    assert_eq!(contents(&channel).await, numbered(0..1));
}

/// Flume: testThreaded (FC7).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_and_readers_get_each_event_once() {
    const EACH: usize = 200;
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &[]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..10 {
        let (channel, first) = (Arc::clone(&channel), writer * EACH);
        // Half of them put one event at a time, half of them five.
        let step = if writer % 2 == 0 { 1 } else { 5 };
        tasks.spawn(async move {
            for at in (first..first + EACH).step_by(step) {
                put(&channel, numbered(at..at + step)).await.unwrap();
            }
            Vec::new()
        });
    }
    for reader in 0..10 {
        let channel = Arc::clone(&channel);
        let most = if reader % 2 == 0 { 1 } else { 5 };
        tasks.spawn(async move {
            let mut read = Vec::new();
            while read.len() < EACH {
                channel.ready().await;
                let mut take = TakeTransaction::begin(&channel);
                take.take_batch(most.min(EACH - read.len()));
                read.extend(take.events().to_vec());
                take.commit().await.unwrap();
            }
            read
        });
    }
    let mut read: Vec<usize> = Vec::new();
    while let Some(some) = tasks.join_next().await {
        let number =
            |event: Event| -> usize { String::from_utf8_lossy(&event.body).parse().unwrap() };
        read.extend(some.unwrap().into_iter().map(number));
    }
    read.sort_unstable();
    assert_eq!(read, (0..10 * EACH).collect::<Vec<usize>>());
    let channel = reopened(&channel, folder.path()).await;
    assert_eq!(channel.depth(), 0);
}

/// Flume: testFailAfterTakeBeforeCommit, testTakeTransactionCrossingCheckpoint,
/// testRollbackIncompleteTransaction (FC9).
#[tokio::test]
async fn open_takes_come_again_and_committed_ones_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &[]).await;
    put(&channel, numbered(0..10)).await.unwrap();
    let (two, three) = (taken(&channel, 2).await, taken(&channel, 3).await);
    let crossing = taken(&channel, 1).await;
    // Something is written between the take and its commit.
    put(&channel, numbered(10..12)).await.unwrap();
    crossing.commit().await.unwrap();
    drop(taken(&channel, 4).await);
    assert_eq!(channel.depth(), 6, "five are taken");
    let channel = reopened(&channel, folder.path()).await;
    let mut expected = numbered(0..12);
    expected.remove(5);
    assert_eq!(contents(&channel).await, expected);
    drop((two, three));
}

/// Flume: testRollbackSimulatedCrash, testRollbackSimulatedCrashWithSink (FC11).
#[tokio::test]
async fn a_put_that_was_rolled_back_is_never_there() {
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &[]).await;
    put(&channel, numbered(0..100)).await.unwrap();
    taken(&channel, 99).await.commit().await.unwrap();
    drop(PutTransaction::of(&channel, numbered(100..200)).unwrap());
    assert_eq!(channel.depth(), 1);
    let channel = reopened(&channel, folder.path()).await;
    assert_eq!(contents(&channel).await, numbered(99..100));
}

/// Flume: TestIntegration (FC17), with files that are used again and again.
#[tokio::test]
async fn files_that_are_delivered_are_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let keys = [("maxFileSize", "1048576")];
    let channel = opened(folder.path(), &keys).await;
    let large = |number: usize| Event::new(vec![b'x'; 10_000]).with_header("n", number.to_string());
    for round in 0..100 {
        let events: Vec<Event> = (round * 10..round * 10 + 10).map(large).collect();
        put(&channel, events.clone()).await.unwrap();
        let take = taken(&channel, 10).await;
        assert_eq!(take.events(), events);
        take.commit().await.unwrap();
    }
    // Ten times as much was written.
    let files = std::fs::read_dir(folder.path()).unwrap();
    let bytes: u64 = files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes <= 5 << 20, "{bytes}");
    assert_eq!(channel.counters().event_take_success.get(), 1_000);
}
