//! Goal: our avro source and sink work with an Avro RPC implementation that is neither Java's nor
//! ours, and that has a different hash for the protocol. Method: npm's avsc as sender and as
//! collector, single calls and batches; its collector refuses, is slow, and is killed and
//! restarted. It stores each event before it answers, so counts are exact even after a kill.

use std::time::Duration;

use flume_tests::UNDER_WAY;
use flume_tests::peers::avsc::{Sending, Sent};
use flume_tests::{
    AgentFile, Avsc, AvscServer, Feed, Host, Landing, Lines, Scratch, landing, ports, require,
};

const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn avsc_sends_single_events_and_batches() {
    let avsc = require!(Avsc::resolve());
    let scratch = Scratch::new();
    let input = ports::free();
    let folder = scratch.folder("landed");
    let file = AgentFile::new("a1")
        .memory("c1", 50_000, 1_000)
        .avro_source("r1", input)
        .file_roll("k1", &folder, 1_000);
    let _host = Host::start(&scratch, "collector", &file.text());

    let single = Sending {
        count: 2_000,
        prefix: "n",
        window: 4,
        ..Sending::default()
    };
    let one_by_one = Sending {
        count: 100,
        first: 2_000,
        window: 1,
        ..single
    };
    let batches = Sending {
        count: 17_800,
        first: 2_100,
        batch: 1_000,
        ..single
    };
    // An unknown protocol text: the agent asks for it, and gets it with the second request.
    let stranger = Sending {
        count: 100,
        first: 19_900,
        doc: "never heard of",
        ..single
    };
    avsc.deliver(input, &[single, one_by_one, batches, stranger]);
    let tally = landing::await_count(&[&Landing::Folder(folder)], "n", 20_000, PATIENCE);
    tally.assert_exact("avsc to our avro source");
}

/// A full channel is answered FAILED, event by event, and the connection goes on.
#[test]
fn avsc_gets_failed_when_the_channel_is_full() {
    let avsc = require!(Avsc::resolve());
    let scratch = Scratch::new();
    let input = ports::free();
    let nobody = ports::free();
    let file = AgentFile::new("a1")
        .memory("c1", 10, 10)
        .avro_source("r1", input)
        .avro_sink("k1", nobody, 10);
    let _host = Host::start(&scratch, "full", &file.text());
    let sent = avsc.send(
        input,
        &Sending {
            count: 12,
            ..Sending::default()
        },
    );
    assert_eq!(
        sent,
        Sent {
            ok: 10,
            refused: 2,
            error: None
        },
        "ten events fit"
    );
    let batch = Sending {
        count: 2,
        batch: 2,
        ..Sending::default()
    };
    let sent = avsc.send(input, &batch);
    assert_eq!(
        sent,
        Sent {
            ok: 0,
            refused: 2,
            error: None
        },
        "batches are stored whole or not at all"
    );
}

/// Our agent, from a netcat source to an avro sink, and then an avsc collector.
struct Pair {
    input: u16,
    server: AvscServer,
    scratch: Scratch,
    _host: Host,
}

impl Pair {
    fn start(avsc: &Avsc, batch: u32) -> Self {
        let scratch = Scratch::new();
        let (input, output) = (ports::free(), ports::free());
        let server = avsc.server(&scratch, "collector", output);
        let file = AgentFile::new("a1")
            .memory("c1", 120_000, 1_000)
            .netcat("r1", input)
            .avro_sink("k1", output, batch);
        let host = Host::start(&scratch, "sender", &file.text());
        Self {
            input,
            server,
            scratch,
            _host: host,
        }
    }

    fn send(&self, first: u64, count: u64) {
        let lines = Lines::new("n", count).from(first);
        Feed::send(self.input, lines, PATIENCE).assert_all_acknowledged();
    }

    fn assert_exact(&self, what: &str, count: u64) {
        let landed = self.server.landing();
        landing::await_count(&[&landed], "n", count, PATIENCE).assert_exact(what);
    }
}

#[test]
fn our_sink_sends_batches_to_avsc() {
    let avsc = require!(Avsc::resolve());
    let pair = Pair::start(&avsc, 1_000);
    pair.send(0, 100_000);
    pair.assert_exact("our avro sink, batches of 1,000, to avsc", 100_000);
}

#[test]
fn our_sink_sends_single_events_to_avsc() {
    let avsc = require!(Avsc::resolve());
    let pair = Pair::start(&avsc, 1);
    pair.send(0, 3_000);
    pair.assert_exact("our avro sink, one by one, to avsc", 3_000);
    let events = pair.server.landing().events();
    let calls = events.last().expect("3,000 events").number;
    assert_eq!(calls, 3_000, "a call for each event");
}

/// Events answered with FAILED or UNKNOWN are sent again, in order, until they are answered with
/// OK.
#[test]
fn our_sink_tries_again_what_avsc_refuses() {
    let avsc = require!(Avsc::resolve());
    let mut pair = Pair::start(&avsc, 100);
    let mut sent = 0;
    for status in ["FAILED", "UNKNOWN"] {
        pair.server.answer(status);
        let before = pair.server.process().said("refused");
        pair.send(sent, 1_000);
        sent += 1_000;
        pair.server
            .process()
            .await_said("refused", before + 2, PATIENCE);
        pair.server.answer("OK");
        pair.assert_exact(&format!("after answers of {status}"), sent);
    }
    let landed = pair.server.landing().bodies();
    let order = (0..2_000).map(|number| flume_tests::tally::body("n", number).into_bytes());
    assert!(
        landed.into_iter().eq(order),
        "the order of the lines is kept over refusals"
    );
}

/// A collector that is killed and restarted, while idle and in the middle of a stream.
#[test]
fn our_sink_finds_a_restarted_avsc_again() {
    let avsc = require!(Avsc::resolve());
    let mut pair = Pair::start(&avsc, 100);
    pair.send(0, 1_000);
    pair.assert_exact("before the collector is killed", 1_000);
    pair.server.kill();
    pair.send(1_000, 1_000);
    pair.server.restart(&pair.scratch);
    pair.assert_exact("sent while the collector was away", 2_000);

    pair.server.delay(Duration::from_millis(20));
    let feed = Feed::start(pair.input, Lines::new("n", 20_000).from(2_000));
    let landed = pair.server.landing();
    let moving = || (landed.bodies().len() > 4_000).then_some(());
    flume_tests::eventually("a stream of batches", PATIENCE, moving);
    pair.server.kill();
    pair.server.restart(&pair.scratch);
    feed.finish(PATIENCE).assert_all_acknowledged();
    let tally = landing::await_count(&[&landed], "n", 22_000, PATIENCE);
    // Stored but not answered when it was killed: the batches in flight.
    tally.assert_at_least_once("the collector killed in mid-stream", UNDER_WAY * 100);
}
