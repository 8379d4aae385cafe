//! Goal: the peers and the harness do what the other scenarios rely on, without our code, so that a
//! failing interop scenario points at the agent. Method: real Flume and avsc against each other in
//! both roles, counted one by one.

use std::time::Duration;

use flume_tests::peers::avsc::Sending;
use flume_tests::{
    AgentFile, Avsc, Feed, Landing, Lines, Release, Scratch, Stage, landing, ports, require,
};

const PATIENCE: Duration = Duration::from_secs(300);

/// Real Flume, from a netcat source to an avro sink, into an avsc collector that refuses for a
/// while.
fn flume_to_avsc(release: Release) {
    let avsc = require!(Avsc::resolve());
    let stage = require!(Stage::enter(release, 1));
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let mut server = avsc.server(&scratch, "collector", output);
    let file = AgentFile::new("a1")
        .memory("c1", 20_000, 1_000)
        .netcat("r1", input)
        .avro_sink("k1", output, 100)
        .set("sources.r1.interceptors", "i1")
        .set("sources.r1.interceptors.i1.type", "static")
        .set("sources.r1.interceptors.i1.key", "place")
        .set("sources.r1.interceptors.i1.value", "\\u010cesko");
    let _sender = stage.start(&scratch, "sender", &file, &[input]);

    Feed::send(input, Lines::new("self", 10_000), PATIENCE).assert_all_acknowledged();
    let landed = server.landing();
    let tally = landing::await_count(&[&landed], "self", 10_000, PATIENCE);
    tally.assert_exact("real Flume to avsc");
    let events = landed.events();
    let first = events.first().expect("10,000 events");
    assert_eq!(
        first.headers,
        [("place".to_owned(), "Česko".to_owned())],
        "headers intact"
    );
    assert_eq!(first.call, "appendBatch", "Flume's avro sink sends batches");

    server.answer("FAILED");
    let more = Lines::new("self", 500).from(10_000);
    Feed::send(input, more, PATIENCE).assert_all_acknowledged();
    server.process().await_said("refused", 1, PATIENCE);
    server.answer("OK");
    let tally = landing::await_count(&[&landed], "self", 10_500, PATIENCE);
    tally.assert_exact("real Flume tries again what was answered FAILED");
}

#[test]
fn flume_1_8_to_avsc() {
    flume_to_avsc(Release::V1_8);
}

#[test]
fn flume_1_11_to_avsc() {
    flume_to_avsc(Release::V1_11);
}

/// avsc, single events and batches, into a real Flume that writes files.
fn avsc_to_flume(release: Release) {
    let avsc = require!(Avsc::resolve());
    let stage = require!(Stage::enter(release, 1));
    let scratch = Scratch::new();
    let input = ports::free();
    let folder = scratch.folder("landed");
    let file = AgentFile::new("a1")
        .memory("c1", 20_000, 1_000)
        .avro_source("r1", input)
        .file_roll("k1", &folder, 1_000);
    let _collector = stage.start(&scratch, "collector", &file, &[input]);

    let single = Sending {
        count: 500,
        prefix: "self",
        window: 4,
        ..Sending::default()
    };
    let batches = Sending {
        count: 4_500,
        first: 500,
        batch: 100,
        ..single
    };
    let stranger = Sending {
        count: 10,
        first: 5_000,
        doc: "never heard of",
        ..single
    };
    avsc.deliver(input, &[single, batches, stranger]);
    let landed = Landing::Folder(folder);
    let tally = landing::await_count(&[&landed], "self", 5_010, PATIENCE);
    tally.assert_exact("avsc to real Flume");
}

#[test]
fn avsc_to_flume_1_8() {
    avsc_to_flume(Release::V1_8);
}

#[test]
fn avsc_to_flume_1_11() {
    avsc_to_flume(Release::V1_11);
}

/// A kill can truncate the line of an event that was not answered yet.
#[test]
fn avsc_starts_again_after_a_line_truncated_by_a_kill() {
    let avsc = require!(Avsc::resolve());
    let scratch = Scratch::new();
    let port = ports::free();
    let mut server = avsc.server(&scratch, "collector", port);
    let first = Sending {
        count: 10,
        batch: 10,
        prefix: "self",
        ..Sending::default()
    };
    assert_eq!(avsc.send(port, &first).ok, 10, "before the kill");
    server.kill();

    let path = scratch.path("collector.events");
    let kept = std::fs::read(&path).expect("the events of a killed server");
    let half_a_line = &kept[..40];
    std::fs::write(&path, [&kept, half_a_line].concat()).expect("a writable file");

    server.restart(&scratch);
    let second = Sending { first: 10, ..first };
    assert_eq!(avsc.send(port, &second).ok, 10, "after the kill");
    let tally = landing::count(&[&server.landing()], "self", 20);
    tally.assert_exact("after half a line");
}

/// Both releases in one chain, and the client of the older one.
#[test]
fn flume_1_8_to_flume_1_11() {
    let old = require!(Stage::enter(Release::V1_8, 2));
    let new = require!(old.with(Release::V1_11));
    let scratch = Scratch::new();
    let (input, middle) = (ports::free(), ports::free());
    let folder = scratch.folder("landed");
    let receiver = AgentFile::new("a2")
        .memory("c1", 20_000, 1_000)
        .avro_source("r1", middle)
        .file_roll("k1", &folder, 1_000);
    let _receiver = new.start(&scratch, "receiver", &receiver, &[middle]);
    let landed = Landing::Folder(folder);
    {
        let sender = AgentFile::new("a1")
            .memory("c1", 20_000, 1_000)
            .netcat("r1", input)
            .avro_sink("k1", middle, 500);
        let _sender = old.start(&scratch, "sender", &sender, &[input]);
        Feed::send(input, Lines::new("self", 10_000), PATIENCE).assert_all_acknowledged();
        let tally = landing::await_count(&[&landed], "self", 10_000, PATIENCE);
        tally.assert_exact("real Flume 1.8 to 1.11");
    }
    let lines: String = (10_000..10_007)
        .map(|number| flume_tests::tally::body("self", number) + "\n")
        .collect();
    let done = old.avro_client(middle, &scratch.file("lines", &lines), &[]);
    assert!(
        done.status.success(),
        "avro-client: {}{}",
        done.stdout,
        done.stderr
    );
    let tally = landing::await_count(&[&landed], "self", 10_007, PATIENCE);
    tally.assert_exact("Flume's avro-client");
}
