//! Goal: a collector that hangs and goes on is used again, whoever wrote it: it understands the
//! greeting with which a sink finds out whether it is back. Method: netcat → memory → two avro sinks,
//! one to an agent of ours, the other to a peer that is stopped (SIGSTOP) until the sink has failed
//! several times, and then goes on (SIGCONT), while events flow.

use std::time::Duration;

use flume_tests::{
    AgentFile, Avsc, Feed, Host, Landing, Lines, Process, Release, Scratch, Stage, UNDER_WAY,
    eventually, landing, ports, require,
};
use rustix::process::Signal;

const PATIENCE: Duration = Duration::from_secs(300);
const BATCH: u32 = 50;
const RATE: u64 = 200;
const EVENTS: u64 = 6_000;

/// Sends to both, with the peer at this port stopped for a while.
fn stopped(peer: &Process, port: u16, landed: &Landing) {
    let scratch = Scratch::new();
    let (input, other) = (ports::free(), ports::free());
    let folder = scratch.folder("landed");
    let collector = AgentFile::new("a2")
        .memory("c1", 20_000, 1_000)
        .avro_source("r1", other)
        .file_roll("k1", &folder, 1_000);
    let _collector = Host::start(&scratch, "collector", &collector.text());
    let timeouts = [("connect-timeout", "2000"), ("request-timeout", "2000")];
    let sender = AgentFile::new("a1")
        .memory("c1", 20_000, 1_000)
        .netcat("r1", input)
        .avro_sink("k1", port, BATCH)
        .avro_sink("k2", other, BATCH)
        .sink_keys("k1", &timeouts)
        .set("sinkgroups", "g1")
        .set("sinkgroups.g1.sinks", "k1 k2")
        .set("sinkgroups.g1.processor.type", "load_balance")
        .set("sinkgroups.g1.processor.backoff", true);
    let sender = Host::start(&scratch, "sender", &sender.text());
    let feed = Feed::start(input, Lines::new("n", EVENTS).rate(RATE));
    let arrived = || landed.bodies().len();
    eventually("the peer gets events", PATIENCE, || {
        (arrived() > 0).then_some(())
    });

    peer.signal(Signal::STOP);
    let failed = || sender.counter("SINK.k1", "EventWriteFail") >= 3;
    eventually("the sink has failed three times", PATIENCE, || {
        failed().then_some(())
    });
    let before = arrived();
    peer.signal(Signal::CONT);
    eventually("the peer gets events again", PATIENCE, || {
        (arrived() > before + 2 * BATCH as usize).then_some(())
    });
    feed.finish(PATIENCE).assert_all_acknowledged();

    let both = [landed, &Landing::Folder(folder)];
    let tally = landing::await_count(&both, "n", EVENTS, PATIENCE);
    // What it had taken without an answer when it was stopped.
    tally.assert_at_least_once("a peer that was stopped", UNDER_WAY * u64::from(BATCH));
}

fn stopped_flume(release: Release) {
    let stage = require!(Stage::enter(release, 1));
    let scratch = Scratch::new();
    let (port, folder) = (ports::free(), scratch.folder("landed"));
    let file = AgentFile::new("a3")
        .memory("c1", 20_000, 1_000)
        .avro_source("r1", port)
        .file_roll("k1", &folder, 1_000);
    let mut flume = stage.start(&scratch, "flume", &file, &[port]);
    stopped(flume.process(), port, &Landing::Folder(folder));
}

#[test]
fn flume_1_8_that_was_stopped_is_used_again() {
    stopped_flume(Release::V1_8);
}

#[test]
fn flume_1_11_that_was_stopped_is_used_again() {
    stopped_flume(Release::V1_11);
}

#[test]
fn avsc_that_was_stopped_is_used_again() {
    let avsc = require!(Avsc::resolve());
    let scratch = Scratch::new();
    let port = ports::free();
    let mut server = avsc.server(&scratch, "avsc", port);
    let landed = server.landing();
    stopped(server.process(), port, &landed);
}
