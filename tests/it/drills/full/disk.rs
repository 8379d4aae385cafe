//! Goal: a disk that is full for a while costs nothing but time: no event is lost, doubled or torn,
//! and the health page says which path is full. What else an agent keeps on that disk (its log, the
//! record of a group, compiled policies) does not disturb the events at all. Method: an agent with a
//! small disk of its own, which a file of the scenario fills in the middle of the load.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use flume_tests::{
    AgentFile, Feed, Host, Landing, Lines, Scratch, SmallDisk, eventually, landing, ports, require,
    small_disk,
};
use serde_json::Value;

use crate::policies::{module, move_into};

const PATIENCE: Duration = Duration::from_secs(120);

/// How long the disk stays full.
const FULL: Duration = Duration::from_secs(10);

const RATE: u64 = 1_000;

/// Lines that arrive before the disk is full, and again after.
const SOME: u64 = 1_500;

const CAUSE: &str = "No space left on device";

/// Whether the last line of each file is whole.
fn assert_whole(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder of files") {
        let path = entry.expect("a file").path();
        let bytes = std::fs::read(&path).expect("a readable file");
        let end = bytes.last().copied();
        assert!(
            matches!(end, None | Some(b'\n')),
            "torn line in {}",
            path.display()
        );
    }
}

/// Three ways to write lines: `file_roll`, `file_roll` with a key of the bucket writer, `hdfs`.
fn writers(input: u16, folders: &[PathBuf; 3]) -> AgentFile {
    let [plain, buckets, hdfs] = folders;
    AgentFile::new("a1")
        .memory("c1", 100_000, 1_000)
        .memory("c2", 100_000, 1_000)
        .memory("c3", 100_000, 1_000)
        .netcat("r1", input)
        .file_roll("k1", plain, 100)
        .file_roll("k2", buckets, 100)
        .sink_keys("k2", &[("hdfs.rollCount", "5000")])
        .drains("k2", "c2")
        .lines_in("k3", &format!("file://{}", hdfs.display()), 100)
        .rolls("k3", 2, 0, 0)
        .drains("k3", "c3")
}

#[test]
fn events_wait_for_room() {
    let scratch = Scratch::new();
    let folder = scratch.folder("disk");
    let disk = require!(SmallDisk::over(folder.clone(), 8));
    let input = ports::free();
    let names = ["plain", "buckets", "hdfs"];
    let file = writers(input, &names.map(|name| folder.join(name)));
    let file = scratch.file("a1.properties", &file.text());
    let mut command = disk.program("mkdir \"$0\"/plain \"$0\"/buckets \"$0\"/hdfs");
    let mut host = Host::run_by(&mut command, &scratch, "a1", &file, &[]);
    let seen = disk.of(host.process());
    let landed = names.map(|name| Landing::Folder(seen.join(name)));

    let feed = Feed::start(input, Lines::new("n", 1_000_000).rate(RATE));
    let arrived = |count: u64| landed.iter().all(|one| one.bodies().len() as u64 >= count);
    eventually("lines arrive", PATIENCE, || arrived(SOME).then_some(()));
    let filler = small_disk::fill(&seen);
    eventually("every sink fails", PATIENCE, || {
        let failing = |sink| host.counter(sink, "FailuresInSequence") > 0;
        ["SINK.k1", "SINK.k2", "SINK.k3"]
            .into_iter()
            .all(failing)
            .then_some(())
    });
    sleep(FULL);
    let (status, text) = host.page("/healthz").expect("an answer");
    assert_eq!(status, 503, "{text}");
    let (_, verbose) = host.page("/readyz?verbose").expect("an answer");
    for (sink, name) in ["k1", "k2", "k3"].into_iter().zip(names) {
        let path = folder.join(name).display().to_string();
        for page in [&text, &verbose] {
            let of_sink = |line: &&str| line.contains(&format!("sink {sink} of a1"));
            let line = page
                .lines()
                .find(of_sink)
                .unwrap_or_else(|| panic!("no {sink}: {page}"));
            assert!(
                line.contains(CAUSE) && line.contains(&path),
                "{sink}: {line}"
            );
        }
    }
    std::fs::remove_file(filler).expect("the filler");
    feed.await_acknowledged(feed.acknowledged() + SOME, PATIENCE);
    let replies = feed.stop(PATIENCE);
    replies.assert_all_acknowledged();

    let sent = replies.acknowledged.len() as u64;
    for (name, landing) in names.into_iter().zip(&landed) {
        landing::await_count(&[landing], "n", sent, PATIENCE).assert_exact(name);
        assert_whole(&seen.join(name));
    }
    let healthy = || (host.page("/healthz").expect("an answer").0 == 200).then_some(());
    eventually("the agent is healthy again", PATIENCE, healthy);
}

/// Every line is whole or cut short, none is joined to another, and all that are missing are told of.
fn assert_log(log: &Path, missing: u64) {
    let read = || std::fs::read_to_string(log).expect("the log");
    let told = || -> u64 {
        let text = read();
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let told = lines.filter(|line| line["message"] == "log lines were dropped");
        told.map(|line| line["count"].as_u64().expect("a count"))
            .sum()
    };
    eventually("the log says what is missing", PATIENCE, || {
        (told() == missing).then_some(())
    });
    for line in read().lines() {
        let lines = line.matches(r#"{"timestamp":"#).count();
        assert!(lines <= 1, "two lines in one: {line}");
    }
}

/// Two sinks beside the disk, in a group with a policy and a record.
fn beside(input: u16, [one, two]: &[PathBuf; 2], trace: &str) -> AgentFile {
    let balances = [
        ("type", "load_balance"),
        ("selector", "order.wat"),
        ("record", trace),
    ];
    AgentFile::new("a1")
        .memory("c1", 100_000, 1_000)
        .netcat("r1", input)
        .file_roll("k1", one, 100)
        .file_roll("k2", two, 100)
        .group("k1 k2", &balances)
        // The machine may be busy with other tests.
        .set("policies.deadline-ms", 2_000)
        .set("policies.start-deadline-ms", 20_000)
}

/// The log, the record of the group and compiled policies: events go elsewhere, and do not notice.
#[test]
fn what_else_is_on_the_disk_disturbs_no_event() {
    let scratch = Scratch::new();
    let folder = scratch.folder("disk");
    let disk = require!(SmallDisk::over(folder.clone(), 8));
    let input = ports::free();
    let both = ["one", "two"].map(|name| scratch.folder(name));
    let policy = scratch.file("order.wat", &module(1));
    let file = beside(input, &both, &folder.join("trace").display().to_string());
    let file = scratch.file("a1.properties", &file.text());
    let cache = folder.join("cache").display().to_string();
    let words = ["--policy-cache", &*cache, "--log-format", "json"];
    let mut command = disk.program("exec 2>\"$0\"/log");
    let mut host = Host::run_by(&mut command, &scratch, "a1", &file, &words);
    let seen = disk.of(host.process());

    let feed = Feed::start(input, Lines::new("n", 1_000_000).rate(RATE));
    let delivered = |sink: &str| host.counter(sink, "EventDrainSuccessCount");
    let await_more = |sink: &str| {
        let before = delivered(sink);
        let more = || (delivered(sink) >= before + SOME).then_some(());
        eventually(&format!("{sink} comes first"), PATIENCE, more);
    };
    let record = |key: &str| {
        let groups: Value =
            serde_json::from_str(&host.page("/groups").expect("an answer").1).expect("JSON");
        groups["a1"]["g1"]["record"][key].as_u64().expect("a count")
    };
    await_more("SINK.k1");
    let recorded = |name: &str| std::fs::metadata(seen.join(name)).map_or(0, |file| file.len());
    eventually("a record is written", PATIENCE, || {
        (recorded("trace") > 4_000).then_some(())
    });
    let filler = small_disk::fill(&seen);
    let before = recorded("trace");
    eventually("the record cannot be written", PATIENCE, || {
        (record("failed-writes") > 0).then_some(())
    });
    // Compiled on the full disk.
    move_into(&policy, &module(2));
    await_more("SINK.k2");
    let dropped = || host.counter("PROCESS.flume-host", "LogLineDroppedCount");
    eventually("log lines have no room", PATIENCE, || {
        host.log_state();
        (dropped() > 0).then_some(())
    });
    sleep(FULL);
    assert_eq!(host.page("/healthz").expect("an answer").0, 200);
    std::fs::remove_file(filler).expect("the filler");
    // What was recorded before is still there, behind the new file, however often that was tried.
    eventually("the record goes on", PATIENCE, || {
        (recorded("trace.1") >= before && recorded("trace") > 0).then_some(())
    });
    move_into(&policy, &module(1));
    await_more("SINK.k1");
    assert_log(&seen.join("log"), dropped());

    let replies = feed.stop(PATIENCE);
    replies.assert_all_acknowledged();
    let sent = replies.acknowledged.len() as u64;
    let both = both.map(Landing::Folder);
    landing::await_count(&both.each_ref(), "n", sent, PATIENCE).assert_exact("events elsewhere");
    for sink in ["SINK.k1", "SINK.k2"] {
        assert_eq!(host.counter(sink, "EventWriteFail"), 0, "{sink}");
    }
}
