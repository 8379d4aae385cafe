//! Goal: our agent can take any place in a chain of real Flume agents: no event is lost, duplicated
//! or changed, and the chain recovers after a neighbour was killed and restarted. Method: the same
//! chain of three agents, netcat → memory → avro, avro → memory → avro and avro → memory →
//! `file_roll`, in the orders real, ours, real and ours, real, ours, for both releases; numbered
//! UTF-8 lines, counted one by one where they land.

use std::time::Duration;

use flume_tests::UNDER_WAY;
use flume_tests::{
    Agent, AgentFile, Avsc, Feed, Kind, Landing, Lines, Release, Scratch, Stage, eventually, host,
    landing, ports, require, tally,
};

const PATIENCE: Duration = Duration::from_secs(300);

/// The batch size of a first agent that does not send singly.
const BATCH: u32 = 500;

/// The capacity of the middle agent's channel, and so how many events it may lose: it is a memory
/// channel.
const MIDDLE: u32 = 1_000;

/// Three agents, the last of which writes what arrives.
struct Chain {
    input: u16,
    single: u16,
    landed: Landing,
    middle: Agent,
    _others: [Agent; 2],
    _scratch: Scratch,
}

impl Chain {
    /// Starts them, the last one first, so that no agent starts with a refused connection.
    fn start(kinds: [Kind<'_>; 3]) -> Self {
        let scratch = Scratch::new();
        let [input, single, between, output] = std::array::from_fn(|_| ports::free());
        let folder = scratch.folder("landed");
        let last = AgentFile::new("a3")
            .memory("c1", 120_000, 1_000)
            .avro_source("r1", output)
            .file_roll("k1", &folder, 1_000);
        let middle = AgentFile::new("a2")
            .memory("c1", MIDDLE, MIDDLE)
            .avro_source("r1", between)
            .avro_sink("k1", output, BATCH);
        let first = AgentFile::new("a1")
            .memory("c1", 120_000, 1_000)
            .memory("c2", 10_000, 100)
            .netcat("r1", input)
            .feeds("r1", "c1")
            .netcat("r2", single)
            .feeds("r2", "c2")
            .avro_sink("k1", between, BATCH)
            .drains("k1", "c1")
            .avro_sink("k2", between, 1)
            .drains("k2", "c2");
        let last = kinds[2].start(&scratch, "last", &last, output);
        let middle = kinds[1].start(&scratch, "middle", &middle, between);
        let first = kinds[0].start(&scratch, "first", &first, input);
        let landed = Landing::Folder(folder);
        Self {
            input,
            single,
            landed,
            middle,
            _others: [last, first],
            _scratch: scratch,
        }
    }

    fn send(&self, lines: Lines) {
        Feed::send(self.input, lines, PATIENCE).assert_all_acknowledged();
    }

    fn assert_exact(&self, what: &str, count: u64) {
        landing::await_count(&[&self.landed], "n", count, PATIENCE).assert_exact(what);
    }
}

/// 100,000 events in batches and 2,000 in batches of one, at the same time.
fn counted(kinds: [Kind<'_>; 3]) {
    let chain = Chain::start(kinds);
    let many = Feed::start(chain.input, Lines::new("n", 100_000));
    let single = Feed::start(chain.single, Lines::new("n", 2_000).from(100_000));
    many.finish(PATIENCE).assert_all_acknowledged();
    single.finish(PATIENCE).assert_all_acknowledged();
    chain.assert_exact("100,000 in batches and 2,000 singly", 102_000);
}

/// The middle agent is killed with an empty channel, and then with a busy one.
fn middle_killed(kinds: [Kind<'_>; 3]) {
    let mut chain = Chain::start(kinds);
    chain.send(Lines::new("n", 2_000));
    chain.assert_exact("before the middle agent is killed", 2_000);

    chain.middle.kill();
    chain.send(Lines::new("n", 2_000).from(2_000));
    chain.middle.restart();
    chain.assert_exact("lines sent while the middle agent was away", 4_000);

    let feed = Feed::start(
        chain.input,
        Lines::new("n", 40_000).from(4_000).rate(10_000),
    );
    let moving = || (chain.landed.bodies().len() > 12_000).then_some(());
    eventually("events pass through the middle agent", PATIENCE, moving);
    chain.middle.kill();
    chain.middle.restart();
    feed.finish(PATIENCE).assert_all_acknowledged();
    let tally = landing::await_last(&[&chain.landed], "n", 44_000, PATIENCE);
    // The events in its memory are lost; batches that it did not answer are sent again.
    let (lost, doubled) = (u64::from(MIDDLE), UNDER_WAY * u64::from(BATCH));
    tally.assert_within("the middle agent killed while busy", lost, doubled);
    assert!(tally.has(43_999), "delivery does not resume: {tally}");
}

/// The last agent of a chain is killed and restarted, twice. If a restarted collector answers a
/// handshake without its protocol's text, a Java sender never recovers.
fn collector_killed(sender: Kind<'_>, collector: Kind<'_>) {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let folder = scratch.folder("landed");
    let last = AgentFile::new("a2")
        .memory("c1", 20_000, 1_000)
        .avro_source("r1", output)
        .file_roll("k1", &folder, 1_000);
    let first = AgentFile::new("a1")
        .memory("c1", 20_000, 1_000)
        .netcat("r1", input)
        .avro_sink("k1", output, 100);
    let mut collector = collector.start(&scratch, "collector", &last, output);
    let _sender = sender.start(&scratch, "sender", &first, input);
    let landed = Landing::Folder(folder);
    for round in 0..3 {
        let lines = Lines::new("n", 1_000).from(round * 1_000);
        Feed::send(input, lines, PATIENCE).assert_all_acknowledged();
        if round > 0 {
            collector.restart();
        }
        let sent = (round + 1) * 1_000;
        let tally = landing::await_count(&[&landed], "n", sent, PATIENCE);
        tally.assert_exact(&format!("after {round} restarts of the collector"));
        collector.kill();
    }
}

/// Headers of three interceptors, set by the first agent and seen after the second.
fn headers(avsc: &Avsc, kinds: [Kind<'_>; 2]) {
    let scratch = Scratch::new();
    let [input, between, output] = std::array::from_fn(|_| ports::free());
    let server = avsc.server(&scratch, "collector", output);
    let middle = AgentFile::new("a2")
        .memory("c1", 1_000, 1_000)
        .avro_source("r1", between)
        .avro_sink("k1", output, 10);
    let first = AgentFile::new("a1")
        .memory("c1", 1_000, 1_000)
        .netcat("r1", input)
        .avro_sink("k1", between, 10)
        .set("sources.r1.interceptors", "i1 i2 i3")
        .set("sources.r1.interceptors.i1.type", "static")
        .set("sources.r1.interceptors.i1.key", "n\\u00e1zev")
        .set(
            "sources.r1.interceptors.i1.value",
            "\\u010cesko \\u65e5\\u672c",
        )
        .set("sources.r1.interceptors.i2.type", "static")
        .set("sources.r1.interceptors.i2.key", "datacenter")
        .set("sources.r1.interceptors.i2.value", "one")
        .set("sources.r1.interceptors.i3.type", "host")
        .set("sources.r1.interceptors.i3.hostHeader", "from");
    let _middle = kinds[1].start(&scratch, "middle", &middle, between);
    let _first = kinds[0].start(&scratch, "first", &first, input);
    Feed::send(input, Lines::new("n", 100), PATIENCE).assert_all_acknowledged();
    let landed = server.landing();
    landing::await_count(&[&landed], "n", 100, PATIENCE).assert_exact("100 events with headers");
    for event in landed.events() {
        let names: Vec<&str> = event
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["datacenter", "from", "název"], "names of {event:?}");
        assert_eq!(event.headers[0].1, "one", "a plain value of {event:?}");
        assert!(
            !event.headers[1].1.is_empty(),
            "the host's name or address in {event:?}"
        );
        assert_eq!(
            event.headers[2].1, "Česko 日本",
            "a UTF-8 value of {event:?}"
        );
    }
}

/// Each avro-client against the other's source, and what ours reports when nothing listens.
fn avro_clients(stage: &Stage) {
    let scratch = Scratch::new();
    for (real_client, source) in [(true, Kind::Ours), (false, Kind::Real(stage))] {
        let port = ports::free();
        let folder = scratch.folder(&format!("landed-{real_client}"));
        let file = AgentFile::new("a1")
            .memory("c1", 1_000, 1_000)
            .avro_source("r1", port)
            .file_roll("k1", &folder, 100);
        let _source = source.start(&scratch, &format!("source-{real_client}"), &file, port);
        let lines: String = (0..103)
            .map(|number| tally::body("n", number) + "\n")
            .collect();
        let lines = scratch.file("lines", &lines);
        let done = match real_client {
            true => stage.avro_client(port, &lines, &[]),
            false => our_avro_client(port, &lines.display().to_string()),
        };
        assert!(
            done.status.success(),
            "avro-client: {}{}",
            done.stdout,
            done.stderr
        );
        let tally = landing::await_count(&[&Landing::Folder(folder)], "n", 103, PATIENCE);
        tally.assert_exact(&format!("avro-client, real: {real_client}"));
    }
    let done = our_avro_client(ports::free(), &scratch.path("lines").display().to_string());
    assert!(
        !done.status.success(),
        "the exit code says that nothing listens there"
    );
}

fn our_avro_client(port: u16, file: &str) -> flume_tests::process::Finished {
    let port = port.to_string();
    host::command(
        &["avro-client", "-H", "127.0.0.1", "-p", &port, "-F", file],
        "",
    )
}

/// The same scenarios for each release.
macro_rules! scenarios {
    ($module:ident, $release:expr) => {
        mod $module {
            use super::*;

            #[test]
            fn real_ours_real_counted() {
                let stage = require!(Stage::enter($release, 2));
                counted([Kind::Real(&stage), Kind::Ours, Kind::Real(&stage)]);
            }

            #[test]
            fn ours_real_ours_counted() {
                let stage = require!(Stage::enter($release, 1));
                counted([Kind::Ours, Kind::Real(&stage), Kind::Ours]);
            }

            #[test]
            fn real_ours_real_middle_killed() {
                let stage = require!(Stage::enter($release, 2));
                middle_killed([Kind::Real(&stage), Kind::Ours, Kind::Real(&stage)]);
            }

            #[test]
            fn ours_real_ours_middle_killed() {
                let stage = require!(Stage::enter($release, 1));
                middle_killed([Kind::Ours, Kind::Real(&stage), Kind::Ours]);
            }

            #[test]
            fn our_collector_killed_under_a_real_sender() {
                let stage = require!(Stage::enter($release, 1));
                collector_killed(Kind::Real(&stage), Kind::Ours);
            }

            #[test]
            fn real_collector_killed_under_our_sender() {
                let stage = require!(Stage::enter($release, 1));
                collector_killed(Kind::Ours, Kind::Real(&stage));
            }

            #[test]
            fn headers_through_both() {
                let avsc = require!(Avsc::resolve());
                let stage = require!(Stage::enter($release, 1));
                headers(&avsc, [Kind::Real(&stage), Kind::Ours]);
                headers(&avsc, [Kind::Ours, Kind::Real(&stage)]);
            }

            #[test]
            fn avro_clients_both_ways() {
                // The client is a second JVM.
                let stage = require!(Stage::enter($release, 2));
                avro_clients(&stage);
            }
        }
    };
}

scenarios!(flume_1_8, Release::V1_8);
scenarios!(flume_1_11, Release::V1_11);
