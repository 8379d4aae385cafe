//! Goal: what was committed is there, once and in order, whatever is opened, closed, rolled back or
//! cut off between. Method: real folders, and Flume's own cases (FC) where they concern behaviour.
//!
//! Random histories are in [`laws`]. Crashes, failing disks and damage are the log's tests.

use std::path::Path;
use std::time::Duration;

use flume_core::{PutTransaction, TakeTransaction};

use super::*;

mod cases;
mod laws;

/// The settings of a channel in this folder, with more keys.
fn config(folder: &Path, keys: &[(&str, &str)]) -> FileConfig {
    let data = folder.display().to_string();
    let mut all = vec![("dataDirs", data.as_str()), ("minimumRequiredSpace", "0")];
    all.extend(keys);
    let mut context = Context::of("a1.channels.c1", &all);
    let config = FileConfig::configure(&mut context);
    let found = context.finish();
    assert!(found.is_empty(), "{found:?}");
    config.unwrap()
}

/// An open channel.
pub(in crate::channel) async fn opened(folder: &Path, keys: &[(&str, &str)]) -> Arc<dyn Channel> {
    let channel = config(folder, keys).make("c1");
    channel.open().await.unwrap();
    channel
}

pub(in crate::channel) fn numbered(numbers: std::ops::Range<usize>) -> Vec<Event> {
    let event = |number: usize| Event::new(number.to_string()).with_header("n", number.to_string());
    numbers.map(event).collect()
}

pub(in crate::channel) async fn put(
    channel: &Arc<dyn Channel>,
    events: Vec<Event>,
) -> Result<(), ChannelError> {
    PutTransaction::of(channel, events)?.commit().await
}

/// Takes so many events in one transaction, waiting for those that have to be read first.
pub(in crate::channel) async fn taken(channel: &Arc<dyn Channel>, count: usize) -> TakeTransaction {
    let mut take = TakeTransaction::begin(channel);
    while take.events().len() < count {
        assert!(channel.depth() > 0, "{} of {count}", take.events().len());
        channel.ready().await;
        take.take_batch(count - take.events().len());
    }
    take
}

/// Takes all that is there and gives it back.
pub(in crate::channel) async fn contents(channel: &Arc<dyn Channel>) -> Vec<Event> {
    let take = taken(channel, channel.depth()).await;
    take.events().to_vec()
}

/// Flume: TestFileChannel.testPut (FC2), testPutConvertsNullValueToEmptyStrInHeader (FC5: an empty
/// value is what comes next to none).
#[tokio::test]
async fn what_was_put_is_there_after_it_was_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &[]).await;
    put(&channel, numbered(0..5)).await.unwrap();
    for number in 5..10 {
        put(&channel, numbered(number..number + 1)).await.unwrap();
    }
    let empty = Event::new("").with_header("k", "");
    put(&channel, vec![empty.clone()]).await.unwrap();
    assert_eq!(channel.counters().event_put_success.get(), 11);
    channel.close().await;
    let channel = opened(folder.path(), &[]).await;
    assert_eq!(channel.depth(), 11);
    assert_eq!(channel.counters().entered(), 11);
    let mut expected = numbered(0..10);
    expected.push(empty);
    assert_eq!(contents(&channel).await, expected);
}

/// Flume: TestFileChannelRestart and testRollbackSimulatedCrash (FC10, FC11): a taken batch counts as
/// delivered when it was committed, and not before.
#[tokio::test]
async fn what_was_taken_and_not_committed_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &[]).await;
    put(&channel, numbered(0..10)).await.unwrap();
    taken(&channel, 3).await.commit().await.unwrap();
    let mut picked = taken(&channel, 4).await;
    // Of the second batch only 4 and 6 are delivered; another batch is under way.
    for one in picked.pick(&[1, 3]) {
        one.commit().await.unwrap();
    }
    let under_way = taken(&channel, 2).await;
    channel.close().await;
    let channel = opened(folder.path(), &[]).await;
    let mut expected = numbered(0..10);
    expected.retain(|event| {
        !["0", "1", "2", "4", "6"].contains(&&*String::from_utf8_lossy(&event.body))
    });
    assert_eq!(contents(&channel).await, expected);
    drop((picked, under_way));
}

/// The last events of the log are delivered, and those before them are not: they are read, and the reader
/// comes to its end.
#[tokio::test]
async fn a_log_that_ends_with_what_is_delivered_is_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &[]).await;
    put(&channel, numbered(0..1)).await.unwrap();
    put(&channel, numbered(1..2)).await.unwrap();
    let first = taken(&channel, 1).await;
    taken(&channel, 1).await.commit().await.unwrap();
    first.rollback();
    channel.close().await;
    let channel = opened(folder.path(), &[]).await;
    assert_eq!(contents(&channel).await, numbered(0..1));
    channel.close().await;
}

/// Flume: testCapacity (FC3), testReconfigure (FC4).
#[tokio::test(start_paused = true)]
async fn a_full_channel_says_so_in_flumes_words_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let keys = [
        ("capacity", "5"),
        ("transactionCapacity", "5"),
        ("keep-alive", "1"),
    ];
    let channel = opened(folder.path(), &keys).await;
    put(&channel, numbered(0..5)).await.unwrap();
    let refused = put(&channel, numbered(5..6)).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("The channel has reached it's capacity.")
    );
    assert!(refused.is_transient() && channel.is_full());
    // A take that is rolled back frees nothing.
    taken(&channel, 1).await.rollback();
    assert!(put(&channel, numbered(5..6)).await.is_err());
    let larger = config(
        folder.path(),
        &[("capacity", "6"), ("transactionCapacity", "6")],
    );
    assert!(channel.can_become(&larger));
    channel.resize(&larger);
    put(&channel, numbered(5..6)).await.unwrap();
    let too_large = PutTransaction::of(&channel, numbered(0..7)).unwrap_err();
    assert!(
        too_large
            .to_string()
            .starts_with("Put queue for FileBackedTransaction of capacity 6")
    );
    channel.close().await;
    // More events than the capacity are no reason not to open, as they are in Flume.
    let channel = opened(folder.path(), &keys).await;
    assert_eq!(channel.depth(), 6);
    assert!(put(&channel, numbered(6..7)).await.is_err());
    taken(&channel, 2).await.commit().await.unwrap();
    put(&channel, numbered(6..7)).await.unwrap();
    assert_eq!(contents(&channel).await, numbered(2..7));
}

/// Flume: testLocking (FC8). There the second channel looks alive and refuses everything.
#[tokio::test]
async fn a_second_channel_on_the_same_folder_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let first = opened(folder.path(), &[]).await;
    let second = config(folder.path(), &[]).make("c2");
    let error = flume_core::chain(&second.open().await.unwrap_err());
    assert!(
        error.contains(&*folder.path().display().to_string()),
        "{error}"
    );
    assert!(error.contains("in use"), "{error}");
    put(&first, numbered(0..1)).await.unwrap();
    first.close().await;
    second.open().await.unwrap();
    assert_eq!(contents(&second).await, numbered(0..1));
}

/// More than the buffer holds goes through the disk, and comes back in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_is_read_from_the_disk_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &[]).await;
    let large = |number: usize| {
        let mut body = number.to_string().into_bytes();
        body.resize(40_000, b'x');
        Event::new(body)
    };
    let total = 1_500;
    for from in (0..total).step_by(50) {
        put(&channel, (from..from + 50).map(large).collect())
            .await
            .unwrap();
    }
    assert_eq!(channel.depth(), total);
    // Puts go on while the backlog is read.
    let writer = Arc::clone(&channel);
    let more = tokio::spawn(async move {
        for number in total..2 * total {
            put(&writer, vec![large(number)]).await.unwrap();
        }
    });
    let mut next = 0;
    while next < 2 * total {
        channel.ready().await;
        let mut take = TakeTransaction::begin(&channel);
        take.take_batch(70);
        for event in take.events() {
            assert_eq!(*event, large(next));
            next += 1;
        }
        take.commit().await.unwrap();
    }
    more.await.unwrap();
    assert_eq!(channel.depth(), 0);
    channel.close().await;
    assert_eq!(opened(folder.path(), &[]).await.depth(), 0);
}

/// Flume: testMinimumRequiredSpace (FC15). There even takes stop.
#[tokio::test]
async fn a_disk_that_is_nearly_full_stops_puts_and_no_takes() {
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &[]).await;
    put(&channel, numbered(0..2)).await.unwrap();
    let most = u64::MAX.to_string();
    channel.resize(&config(folder.path(), &[("minimumRequiredSpace", &most)]));
    let refused = put(&channel, numbered(2..3)).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("Usable space exhausted, only "),
        "{refused}"
    );
    assert!(refused.is_transient() && channel.is_full());
    taken(&channel, 1).await.commit().await.unwrap();
    channel.resize(&config(folder.path(), &[]));
    put(&channel, numbered(2..3)).await.unwrap();
    assert_eq!(contents(&channel).await, numbered(1..3));
}

#[tokio::test]
async fn a_channel_that_is_not_open_refuses_and_keeps_its_room() {
    let folder = tempfile::tempdir().unwrap();
    let channel = config(folder.path(), &[]).make("c1");
    for _ in 0..2 {
        let refused = put(&channel, numbered(0..3)).await.unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("the log is closed [channel=c1]"),
            "{refused}"
        );
    }
    channel.open().await.unwrap();
    put(&channel, numbered(0..3)).await.unwrap();
    assert_eq!(contents(&channel).await, numbered(0..3));
}

/// With `settle = synced` nothing that was delivered comes again, even if the process is killed
/// right after.
#[tokio::test]
async fn a_synced_take_is_noted_when_it_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &[("settle", "synced")]).await;
    put(&channel, numbered(0..4)).await.unwrap();
    let commit = taken(&channel, 3).await.commit();
    assert!(!commit.is_done());
    commit.await.unwrap();
    // What a kill would leave.
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let channel = opened(copy.path(), &[]).await;
    assert_eq!(contents(&channel).await, numbered(3..4));
}

/// The code and the message for these keys.
fn refusal(keys: &[(&str, &str)]) -> (flume_core::Code, String) {
    let mut context = Context::of("a1.channels.c1", keys);
    assert!(FileConfig::configure(&mut context).is_none());
    let found = context.finish().remove(0);
    (found.code, found.message)
}

#[test]
fn keys_are_flumes() {
    let mut context = Context::of(
        "a1.channels.c1",
        &[
            ("checkpointDir", "/c"),
            ("dataDirs", "/a , /b,"),
            ("fsyncPerTransaction", "false"),
            ("fsyncInterval", "7"),
            ("maxFileSize", "1623195647"),
            ("minimumRequiredSpace", "1"),
            ("useDualCheckpoints", "true"),
        ],
    );
    let config = FileConfig::configure(&mut context).unwrap();
    assert_eq!(config.log.place.data, [Path::new("/a"), Path::new("/b")]);
    assert_eq!(config.log.place.checkpoint, Path::new("/c"));
    assert_eq!(
        config.log.place.sync,
        flume_log::Sync::Interval(Duration::from_secs(7))
    );
    assert_eq!(config.log.place.segment_bytes, 64 << 20);
    assert_eq!(config.log.required_space, 1 << 20, "Flume's floor");
    assert_eq!(
        (config.capacity, config.transaction_capacity),
        (1_000_000, 10_000)
    );
    let found = context.finish();
    let codes: Vec<_> = found.iter().map(|found| found.code.id()).collect();
    assert_eq!(codes, ["late-sync", "no-effect"]);

    let (code, message) = refusal(&[("encryption.activeKey", "k")]);
    assert_eq!(code, flume_core::Code::Unsupported);
    assert!(message.contains("encrypted"));
    let (_, message) = refusal(&[("dataDirs", "/a,/a")]);
    assert!(message.ends_with("names a folder twice"));
    let (_, message) = refusal(&[("dataDirs", " , ")]);
    assert!(message.ends_with("names no folder"));
    let (_, message) = refusal(&[("capacity", "100")]);
    assert!(message.contains("(10000) is larger than") && message.contains("(100)"));
}
