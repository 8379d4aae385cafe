//! Goal: an event that was answered is delivered, whatever ends the agent that took it: `kill -9` at
//! any moment, a stop with a backlog, a reload. Method: netcat → file → avro, with lines that are
//! counted, beside a collector that is up, or missing for a while.
//!
//! What a disk does wrong is in `host/log`, and in [`disk`] for a disk that is full.

use std::path::{Path, PathBuf};
use std::time::Duration;

use flume_tests::{AgentFile, Feed, Host, Lines, Scratch, collector, eventually, landing, ports};

mod adopt;
mod disk;
mod full;
mod import;
mod letters;
mod meets;
mod spare;
mod spillable;
mod tools;

/// Far more than any step takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The sender: lines into a channel in this folder, and out to a collector.
fn sender(input: u16, output: u16, folder: &Path) -> AgentFile {
    AgentFile::new("a1")
        .file_channel("c1", folder)
        .netcat("r1", input)
        .avro_sink("k1", output, 100)
}

/// The most events that a kill may double: all batches that may be under way, and all that was
/// delivered in the moment before, which was not noted yet.
const DOUBLED: u64 = 20_000;

/// Kills the sender in the middle of lines again and again, each time with a new client.
fn killed(rounds: u64, lines: u64) {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let (_collector, landed) = collector(&scratch, "collector", output);
    let channel = scratch.folder("channel");
    let file = sender(input, output, &channel);
    let mut sender = Host::start(&scratch, "sender", &file.text());
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        let first = round * lines;
        let feed = Feed::start(input, Lines::new("n", lines).from(first));
        // Somewhere else in each round.
        feed.await_acknowledged(1 + (round * 7_919) % (lines / 2), PATIENCE);
        sender.kill();
        let replies = feed.finish(PATIENCE);
        acknowledged.extend(replies.acknowledged);
        sender.restart();
    }
    let sent = rounds * lines;
    let last = Feed::send(input, Lines::new("n", 100).from(sent), PATIENCE);
    last.assert_all_acknowledged();
    acknowledged.extend(sent..sent + 100);
    let delivered = || {
        let tally = landing::count(&[&landed], "n", sent + 100);
        acknowledged
            .iter()
            .all(|number| tally.has(*number))
            .then_some(tally)
    };
    let tally = eventually("all that was answered has landed", PATIENCE, delivered);
    tally.assert_has("killed in the middle", &acknowledged);
    assert!(
        tally.doubled() <= rounds * DOUBLED,
        "{} doubled",
        tally.doubled()
    );
}

#[test]
fn a_kill_loses_nothing_that_was_answered() {
    killed(3, 20_000);
}

/// While the collector is away, all is in the channel. It is delivered once and in order, since
/// nothing of it was on its way.
#[test]
fn a_backlog_outlives_a_kill_and_a_stop() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let channel = scratch.folder("channel");
    let mut sender = Host::start(&scratch, "sender", &sender(input, output, &channel).text());
    Feed::send(input, Lines::new("n", 5_000), PATIENCE).assert_all_acknowledged();
    sender.kill();
    sender.restart();
    assert_eq!(sender.counter("CHANNEL.c1", "ChannelSize"), 5_000);
    assert_eq!(sender.counter("CHANNEL.c1", "EventFoundCount"), 5_000);
    Feed::send(input, Lines::new("n", 5_000).from(5_000), PATIENCE).assert_all_acknowledged();
    // It does not wait for a collector, and calls nothing lost.
    assert!(
        sender.term(PATIENCE).success(),
        "what stays on the disk is not lost"
    );
    assert!(sender.process().said("events stay in the channel") > 0);
    let (_collector, landed) = collector(&scratch, "collector", output);
    sender.restart();
    sender.await_delivered("c1", 10_000, PATIENCE);
    assert!(sender.term(PATIENCE).success());
    let tally = landing::await_count(&[&landed], "n", 10_000, PATIENCE);
    tally.assert_exact("through a kill and a stop");
}

/// A reload opens a new channel, moves the old one's events into the new one, and lets the folder go.
#[test]
fn a_reload_takes_a_channel_elsewhere_without_loss() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let [one, other] = ["one", "other"].map(|name| scratch.folder(name));
    let mut agent = Host::start(&scratch, "sender", &sender(input, output, &one).text());
    Feed::send(input, Lines::new("n", 1_000), PATIENCE).assert_all_acknowledged();
    agent.reload(&sender(input, output, &other).text(), 1, PATIENCE);
    Feed::send(input, Lines::new("n", 1_000).from(1_000), PATIENCE).assert_all_acknowledged();
    agent.kill();
    agent.restart();
    let (_collector, landed) = collector(&scratch, "collector", output);
    // What had not moved yet is still in the first folder.
    agent.await_delivered("c1", agent.counter("CHANNEL.c1", "ChannelSize"), PATIENCE);
    agent.reload(&sender(input, output, &one).text(), 1, PATIENCE);
    let all = || (landing::count(&[&landed], "n", 2_000).lost().is_empty()).then_some(());
    eventually("both folders are empty", PATIENCE, all);
}

#[test]
fn a_folder_in_use_is_said_and_its_agent_runs_on() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let channel = scratch.folder("channel");
    let _first = Host::start(&scratch, "first", &sender(input, output, &channel).text());
    let second = sender(ports::free(), output, &channel).text();
    let file = scratch.file("second.properties", &second);
    let mut second = Host::begin(&scratch, "second", &file, &[]);
    let status = second.process().wait(PATIENCE);
    assert!(!status.success());
    let log = second.process().log();
    assert!(log.contains("channel `c1` cannot be opened"), "{log}");
    assert!(log.contains("in use by process"), "{log}");
    Feed::send(input, Lines::new("n", 10), PATIENCE).assert_all_acknowledged();
}
