//! Goal: while 100,000 numbered events flow into a bucket writer, its store or its agent fails.
//! Each event is stored at least once, and there are no more duplicates than redelivered events.
//! Method: a real HDFS and S3 server, killed, stopped or filled up in the middle of the flow; the
//! result is read by Hadoop's shell or an S3 client and counted one by one.

use std::time::Duration;

use flume_tests::{
    AgentFile, Feed, Hadoop, Hdfs, Host, Landing, Lines, S3, S3Server, Scratch, Tally, eventually,
    landing, ports, require,
};

use flume_tests::peers::hdfs::BLOCK;
use flume_tests::say;

use super::formats::on_s3;

const PATIENCE: Duration = Duration::from_secs(300);

const EVENTS: u64 = 100_000;
const BATCH: u32 = 1_000;

/// Events per file: more than one block.
const FILE: u64 = 45_000;

/// The number of events before the fault: in the middle of the flow, in an open file.
const FAULT_AT: u64 = 30_000;

/// Events per second: the flow goes on for 14 s after the fault is requested. Hadoop's own tools,
/// which cause some of the faults, need several seconds to start on a busy machine.
const RATE: u64 = 5_000;

/// How long a fault lasts.
const OUTAGE: Duration = Duration::from_secs(4);

/// An agent whose files end after this many events, or never (0). All events fit into the channel,
/// so that no line is refused while a store is down.
fn agent(input: u16, path: &str, file: u64) -> AgentFile {
    AgentFile::new("a1")
        .netcat("r1", input)
        .memory("c1", 120_000, BATCH)
        .lines_in("k1", path, BATCH)
        .rolls("k1", 0, 0, file)
        .sink_keys("k1", &[("hdfs.callTimeout", "5000")])
}

/// A flow into a folder of an HDFS that has a fault in the middle.
pub(crate) struct Flow {
    pub(crate) scratch: Scratch,
    pub(crate) hdfs: Hdfs,
    host: Host,
    feed: Feed,
}

impl Flow {
    fn start(hadoop: &Hadoop, prepare: impl FnOnce(&Hdfs)) -> Self {
        Self::start_with(hadoop, FILE, prepare)
    }

    /// Starts a flow whose files end after this many events, or never (0).
    pub(crate) fn start_with(hadoop: &Hadoop, file: u64, prepare: impl FnOnce(&Hdfs)) -> Self {
        let scratch = Scratch::new();
        let hdfs = hadoop.start(&scratch);
        hdfs.make_folder("/flow");
        prepare(&hdfs);
        let input = ports::free();
        let file = agent(input, &format!("{}/flow", hdfs.address()), file);
        let host = Host::start(&scratch, "agent", &file.text());
        let feed = Feed::start(input, Lines::new("n", EVENTS).rate(RATE));
        host.await_delivered("c1", FAULT_AT, PATIENCE);
        Self {
            scratch,
            hdfs,
            host,
            feed,
        }
    }

    /// Waits until a batch has failed, so that the fault has taken effect.
    pub(crate) fn await_met(&self) {
        await_failed(&self.host, 1);
    }

    /// Waits for the end of the flow, ends the agent and counts.
    pub(crate) fn assert_complete(mut self, what: &str) {
        self.feed.finish(PATIENCE).assert_all_acknowledged();
        self.host.await_delivered("c1", EVENTS, PATIENCE);
        let again = self.host.redelivered("k1");
        assert!(self.host.term(PATIENCE).success(), "the agent ends well");
        let copy = self.scratch.path("copy");
        self.hdfs.get("/flow", &copy);
        let tally = landing::count(&[&Landing::Folder(copy)], "n", EVENTS);
        say::line(&format!("{what}: {tally}; redelivered: {again}"));
        tally.assert_at_least_once(what, again);
    }
}

#[test]
fn datanode_killed_and_restarted() {
    let hadoop = require!(Hadoop::enter());
    let mut flow = Flow::start(&hadoop, |_| {});
    flow.hdfs.kill_datanode();
    flow.await_met();
    std::thread::sleep(OUTAGE);
    flow.hdfs.restart_datanode();
    flow.assert_complete("datanode killed and restarted");
}

#[test]
fn namenode_in_safe_mode() {
    let hadoop = require!(Hadoop::enter());
    let flow = Flow::start(&hadoop, |_| {});
    flow.hdfs.enter_safe_mode();
    flow.await_met();
    std::thread::sleep(OUTAGE);
    flow.hdfs.leave_safe_mode();
    flow.assert_complete("namenode in safe mode");
}

#[test]
fn quota_reached_and_raised() {
    let hadoop = require!(Hadoop::enter());
    // Less than the events need: the second file gets its first block but not its second, because a
    // block counts with its full size while it is written.
    let quota = BLOCK * 5 / 2;
    let flow = Flow::start(&hadoop, |hdfs| hdfs.set_space_quota("/flow", quota));
    flow.await_met();
    std::thread::sleep(OUTAGE);
    flow.hdfs.clear_space_quota("/flow");
    flow.assert_complete("disk quota reached and lifted");
}

/// Padding before each line, so that an object has several parts.
const PAD: usize = 300;

/// The server is killed after an upload has begun. A batch is answered only once its events are in
/// a finished object, so the duplicates are at most one object, whose completion was not answered.
#[test]
fn s3_server_killed_in_mid_upload() {
    let s3 = require!(S3::resolve());
    let scratch = Scratch::new();
    let mut server = s3.start(&scratch);
    let input = ports::free();
    let path = format!("s3://{}/flow", S3Server::BUCKET);
    let pad = "x".repeat(PAD);
    let file = agent(input, &path, FILE)
        .set("sources.r1.interceptors", "i1")
        .set("sources.r1.interceptors.i1.type", "static")
        .set("sources.r1.interceptors.i1.key", "pad")
        .set("sources.r1.interceptors.i1.value", pad)
        .sink_keys("k1", &[("serializer", "HEADER_AND_TEXT")])
        .sink_keys("k1", &[("hdfs.partSize", "5242880")])
        .sink_keys("k1", &[("hdfs.leftovers", "finish")]);
    let file = on_s3(file, "k1", &server);
    let mut host = Host::start(&scratch, "agent", &file.text());
    let feed = Feed::start(input, Lines::new("n", EVENTS).rate(4 * RATE));
    // The agent has stored the upload's ID. Nobody knows the ID of an upload that the server began
    // without answering.
    eventually("an upload in the middle of the flow", PATIENCE, || {
        (markers(&server) > 0).then_some(())
    });
    server.kill();
    await_failed(&host, 1);
    std::thread::sleep(OUTAGE);
    server.restart();

    feed.finish(PATIENCE).assert_all_acknowledged();
    // The last object is not full; it is completed at shutdown.
    assert!(host.term(PATIENCE).success(), "the agent ends well");
    let tally = objects(&server, "flow/");
    say::line(&format!("S3 server killed in mid-upload: {tally}"));
    tally.assert_at_least_once("S3 server killed in mid-upload", FILE);

    // The upload that the kill left unfinished is found at the next start.
    host.restart();
    eventually("no unfinished upload, and no marker", PATIENCE, || {
        (server.uploads() == 0 && markers(&server) == 0).then_some(())
    });
    assert!(host.term(PATIENCE).success(), "the agent ends well");
}

/// The suffix of a marker object, which names an unfinished upload.
const IN_USE: &str = ".tmp";

/// The number of markers of unfinished uploads.
fn markers(server: &S3Server) -> usize {
    let objects = server.objects("flow/");
    objects
        .iter()
        .filter(|(name, _)| name.ends_with(IN_USE))
        .count()
}

/// Counts the events in objects of headers and lines.
fn objects(server: &S3Server, prefix: &str) -> Tally {
    let mut tally = Tally::new("n", EVENTS);
    let objects = server.objects(prefix).into_iter();
    for (name, _) in objects.filter(|(name, _)| !name.ends_with(IN_USE)) {
        let text = String::from_utf8(server.object(&name)).expect("lines");
        for line in text.lines() {
            let body = line.split_once("} ").map_or(line, |(_, body)| body);
            tally.add(body.as_bytes());
        }
    }
    tally
}

fn await_failed(host: &Host, batches: u64) {
    eventually("failed batches", PATIENCE, || {
        (host.counter("SINK.k1", "EventWriteFail") >= batches).then_some(())
    });
}
