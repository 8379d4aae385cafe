//! Goal: an agent that is killed with `kill -9` has lost no event that its bucket writer committed.
//! Method: a sender keeps each line until as many later lines as fit into the channel have been
//! acknowledged. A full channel accepts one more only when the bucket writer has committed one, so
//! every line that the sender has dropped must be durable. This is checked right after the kill;
//! the sender sends the rest again.

use std::time::Duration;

use flume_tests::{
    AgentFile, Feed, Hadoop, Host, Landing, Lines, S3, S3Server, Scratch, Tally, landing, ports,
    require, say,
};

use super::formats::on_s3;

const PATIENCE: Duration = Duration::from_secs(300);

const EVENTS: u64 = 100_000;
const BATCH: u32 = 500;
const FILE: u64 = 4_000;

/// The channel's capacity, and so the number of events that a kill may lose: it is a memory
/// channel.
const CHANNEL: u64 = 10_000;

/// Lines between the sender and the channel: those in the sender's window.
const WINDOW: u64 = 2_000;

/// The number of acknowledged lines at which the agent is killed.
const KILL_AT: u64 = 40_000;

fn agent(input: u16, path: &str) -> AgentFile {
    let channel = u32::try_from(CHANNEL).expect("a small channel");
    AgentFile::new("a1")
        .netcat("r1", input)
        .set("sources.r1.on-full", "block")
        .memory("c1", channel, BATCH)
        .lines_in("k1", path, BATCH)
        .rolls("k1", 0, 0, FILE)
        .sink_keys("k1", &[("hdfs.leftovers", "finish")])
}

/// Kills such an agent and starts it again. `count` counts the events in the store.
fn killed(what: &str, scratch: &Scratch, file: &AgentFile, input: u16, count: impl Fn() -> Tally) {
    let mut host = Host::start(scratch, "agent", &file.text());
    let feed = Feed::start(input, Lines::new("n", EVENTS).rate(20_000));
    feed.await_acknowledged(KILL_AT, PATIENCE);
    host.kill();
    let replies = feed.finish(PATIENCE);
    let acknowledged = replies.acknowledged.len() as u64;
    assert!(replies.failed.is_empty(), "{:?}", replies.failed.first());
    let first = acknowledged - CHANNEL;
    let durable: Vec<u64> = (0..first).collect();
    count().assert_has(&format!("{what}, right after the kill"), &durable);

    host.restart();
    let rest = EVENTS - first;
    Feed::send(input, Lines::new("n", rest).from(first), PATIENCE).assert_all_acknowledged();
    assert!(host.term(PATIENCE).success(), "the agent ends well");
    let tally = count();
    say::line(&format!("{what}: {tally}; sent again from {first}"));
    tally.assert_at_least_once(what, CHANNEL + WINDOW);
}

#[test]
fn killed_over_files() {
    let scratch = Scratch::new();
    let input = ports::free();
    let landed = scratch.folder("landed");
    let file = agent(input, &format!("file://{}", landed.display()));
    let count = || landing::count(&[&Landing::Folder(landed.clone())], "n", EVENTS);
    killed("killed over files", &scratch, &file, input, count);
    assert_eq!(in_use(&landed), 0, "the leftover of the kill is finished");
}

#[test]
fn killed_over_hdfs() {
    let hadoop = require!(Hadoop::enter_shared());
    let scratch = Scratch::new();
    let hdfs = hadoop.shared();
    let input = ports::free();
    let file = agent(input, &format!("{}/flow", hdfs.address()));
    let copy = scratch.path("copy");
    let count = || {
        // Each check makes a new copy, because Hadoop's shell does not overwrite files.
        if copy.exists() {
            std::fs::remove_dir_all(&copy).expect("a folder in the scratch folder");
        }
        hdfs.get("/flow", &copy);
        landing::count(&[&Landing::Folder(copy.clone())], "n", EVENTS)
    };
    killed("killed over HDFS", &scratch, &file, input, count);
    assert_eq!(in_use(&copy), 0, "the leftover of the kill is finished");
}

#[test]
fn killed_over_s3() {
    let s3 = require!(S3::resolve());
    let scratch = Scratch::new();
    let server = s3.start(&scratch);
    let input = ports::free();
    let path = format!("s3://{}/flow", S3Server::BUCKET);
    let file = on_s3(agent(input, &path), "k1", &server);
    let count = || {
        let mut tally = Tally::new("n", EVENTS);
        for (name, _) in server.objects("flow/") {
            for line in String::from_utf8(server.object(&name)).unwrap().lines() {
                tally.add(line.as_bytes());
            }
        }
        tally
    };
    killed("killed over S3", &scratch, &file, input, count);
    assert_eq!(server.uploads(), 0, "unfinished uploads");
}

/// The number of files that still have the suffix of unfinished ones.
fn in_use(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let names = entries.map(|entry| entry.expect("a readable folder").file_name());
    names
        .filter(|name| name.to_string_lossy().ends_with(".tmp"))
        .count()
}
