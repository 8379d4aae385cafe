//! Goal: SIGTERM loses nothing that can still be delivered, and says what could not be; a second
//! signal does not wait.
//! Method: an agent, netcat → memory → avro, with a collector that is there, slow, or missing.

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use flume_tests::{
    AgentFile, Avsc, Feed, Host, Landing, Lines, Scratch, eventually, landing, ports, require,
};

/// Longer than any drain deadline that is sensible by default.
const PATIENCE: Duration = Duration::from_secs(60);

fn sender(input: u16, output: u16) -> AgentFile {
    AgentFile::new("a1")
        .memory("c1", 20_000, 1_000)
        .netcat("r1", input)
        .avro_sink("k1", output, 100)
}

#[test]
fn a_term_drains_the_channel() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let folder = scratch.folder("landed");
    let collector = AgentFile::new("a2")
        .memory("c1", 20_000, 1_000)
        .avro_source("r1", output)
        .file_roll("k1", &folder, 1_000);
    let mut collector = Host::start(&scratch, "collector", &collector.text());
    let mut sender = Host::start(&scratch, "sender", &sender(input, output).text());
    Feed::send(input, Lines::new("n", 10_000), PATIENCE).assert_all_acknowledged();
    // The sender first, then the collector: each empties itself into the next.
    assert!(
        sender.term(PATIENCE).success(),
        "a drained sender ends well"
    );
    assert!(
        collector.term(PATIENCE).success(),
        "a drained collector ends well"
    );
    let tally = landing::count(&[&Landing::Folder(folder)], "n", 10_000);
    tally.assert_exact("acknowledged before the signal");
}

/// A slow collector: the signal comes while most events are still in the channel.
#[test]
fn a_term_waits_for_a_slow_collector() {
    let avsc = require!(Avsc::resolve());
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let mut server = avsc.server(&scratch, "collector", output);
    server.delay(Duration::from_millis(50));
    let mut sender = Host::start(&scratch, "sender", &sender(input, output).text());
    Feed::send(input, Lines::new("n", 3_000), PATIENCE).assert_all_acknowledged();
    assert!(
        server.landing().bodies().len() < 3_000,
        "some are still on their way"
    );
    assert!(
        sender.term(PATIENCE).success(),
        "a drained sender ends well"
    );
    landing::count(&[&server.landing()], "n", 3_000).assert_exact("drained into a slow collector");
}

#[test]
fn a_term_says_what_was_left() {
    let scratch = Scratch::new();
    let (input, nobody) = (ports::free(), ports::free());
    let mut sender = Host::start(&scratch, "sender", &sender(input, nobody).text());
    Feed::send(input, Lines::new("n", 1_237), PATIENCE).assert_all_acknowledged();
    let before = sender.process().log().len();
    sender.term(PATIENCE);
    let log = sender.process().log();
    let after = log.get(before..).unwrap_or_default();
    let plain = after.replace([',', '_'], "");
    assert!(
        plain.contains("1237"),
        "the log does not say that 1,237 events were left:\n{after}"
    );
}

#[test]
fn a_second_signal_ends_at_once() {
    let scratch = Scratch::new();
    let (input, nobody) = (ports::free(), ports::free());
    let mut sender = Host::start(&scratch, "sender", &sender(input, nobody).text());
    Feed::send(input, Lines::new("n", 100), PATIENCE).assert_all_acknowledged();
    sender.process().term();
    // It has taken notice when its source is closed, and drains when it is still there after.
    let closed = || (!ports::listening(input)).then_some(());
    eventually("the source closes at the first signal", PATIENCE, closed);
    assert!(
        sender.process().ended().is_none(),
        "it waits for the channel to drain"
    );
    let start = Instant::now();
    sender.process().term();
    let status = sender.process().wait(PATIENCE);
    let took = start.elapsed();
    assert!(
        took < Duration::from_secs(1),
        "the second signal took {took:?}"
    );
    assert_ne!(status.signal(), Some(9), "it ends by itself");
    assert!(
        !status.success(),
        "100 events were left, and the exit status says that it was cut"
    );
}
