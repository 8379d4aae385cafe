//! Goal: what the spare of a group took comes home once, through whatever happens meanwhile: a kill,
//! a stop, a reload. Method: netcat → memory → a group of an avro sink, whose collector is missing at
//! first, and a spare over a file channel; the lines are counted. An interceptor puts a letter before
//! each line, so that a line which ran through it twice would be missing.

use flume_tests::Landing;
use serde_json::Value;

use super::*;

const EVENTS: u64 = 5_000;

/// The sender, with its spare.
fn spared(input: u16, output: u16, spill: &Path) -> AgentFile {
    AgentFile::new("a1")
        .memory("c1", 10_000, 1_000)
        .file_channel("spill", spill)
        .netcat("r1", input)
        .feeds("r1", "c1")
        .set("sources.r1.interceptors", "i1")
        .set("sources.r1.interceptors.i1.type", "search_replace")
        .set("sources.r1.interceptors.i1.searchPattern", "^")
        .set("sources.r1.interceptors.i1.replaceString", "x")
        .avro_sink("k1", output, 100)
        .drains("k1", "c1")
        .spare("k9", "spill")
        .set("sinks.k9.batchSize", 500)
        .drains("k9", "c1")
        .group("k1 k9", &[("type", "failover")])
}

fn groups(host: &Host) -> Value {
    let (_, text) = host.page("/groups").expect("an answer");
    let groups: Value = serde_json::from_str(&text).expect("JSON");
    groups["a1"]["g1"]["spare"].clone()
}

/// Sends lines, and waits until all of them are in the spill.
fn spill(host: &Host, input: u16, from: u64, events: u64) {
    let before = host.counter("SINK_PROCESSOR.g1", "EventSparedCount");
    Feed::send(input, Lines::new("n", events).from(from), PATIENCE).assert_all_acknowledged();
    eventually("all is spilled", PATIENCE, || {
        let spilled = host.counter("SINK_PROCESSOR.g1", "EventSparedCount");
        (spilled == before + events).then_some(())
    });
}

fn count(landed: &Landing, events: u64) -> flume_tests::Tally {
    landing::await_count(&[landed], "xn", events, PATIENCE)
}

#[test]
fn what_was_spilled_comes_home_after_a_kill() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let file = spared(input, output, &scratch.folder("spill"));
    let mut sender = Host::start(&scratch, "sender", &file.text());
    spill(&sender, input, 0, EVENTS);
    assert!(sender.process().said("the spare puts events into channel") > 0);
    let shown = groups(&sender);
    assert_eq!(shown["waiting"], EVENTS, "{shown}");
    assert_eq!(
        (&shown["sink"], &shown["channel"]),
        (&"k9".into(), &"spill".into())
    );
    let (_, health) = sender.page("/healthz").expect("an answer");
    assert!(
        health.contains("that the spare k9 took wait in it"),
        "{health}"
    );
    assert!(
        health.contains("new events go to channel spill"),
        "{health}"
    );
    sender.kill();
    sender.restart();
    spill(&sender, input, EVENTS, 1_000);
    let (_collector, landed) = collector(&scratch, "collector", output);
    let all = EVENTS + 1_000;
    sender.await_delivered("spill", all, PATIENCE);
    count(&landed, all).assert_exact("through a kill, by way of the spare");
    assert_eq!(
        sender.counter("SINK_PROCESSOR.g1", "EventCameHomeCount"),
        all
    );
    assert_eq!(sender.counter("SINK_PROCESSOR.g1", "SpareInUse"), 0);
    assert!(sender.process().said("6000 events came home") > 0);
    assert_eq!(groups(&sender)["waiting"], 0);
}

/// A kill on the way home doubles what was under way, at most, and loses nothing.
#[test]
fn a_kill_on_the_way_home_loses_nothing() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let file = spared(input, output, &scratch.folder("spill"));
    let mut sender = Host::start(&scratch, "sender", &file.text());
    spill(&sender, input, 0, 4 * EVENTS);
    let (_collector, landed) = collector(&scratch, "collector", output);
    eventually("some came home", PATIENCE, || {
        let came = sender.counter("SINK_PROCESSOR.g1", "EventCameHomeCount");
        (came > 0).then_some(())
    });
    sender.kill();
    sender.restart();
    let found = sender.counter("CHANNEL.spill", "EventFoundCount");
    sender.await_delivered("spill", found, PATIENCE);
    count(&landed, 4 * EVENTS).assert_at_least_once("killed on the way home", DOUBLED);
}

/// What is in memory at a stop has a place, since the collector is missing: the spill. Nothing waits
/// for that to be empty.
#[test]
fn a_stop_leaves_what_was_spilled_where_it_is() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let file = spared(input, output, &scratch.folder("spill"));
    let mut sender = Host::start(&scratch, "sender", &file.text());
    spill(&sender, input, 0, EVENTS);
    let began = std::time::Instant::now();
    assert!(sender.term(PATIENCE).success(), "nothing is lost");
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(sender.process().said("events stay in the channel") > 0);
    let (_collector, landed) = collector(&scratch, "collector", output);
    sender.restart();
    sender.await_delivered("spill", EVENTS, PATIENCE);
    count(&landed, EVENTS).assert_exact("through a stop, by way of the spare");
}

/// A reload that changes a sink makes the group anew, which takes home what the old one spilled.
#[test]
fn a_reload_takes_home_what_was_spilled() {
    let scratch = Scratch::new();
    let [input, output, missing] = std::array::from_fn(|_| ports::free());
    let folder = scratch.folder("spill");
    let file = spared(input, missing, &folder);
    let mut sender = Host::start(&scratch, "sender", &file.text());
    spill(&sender, input, 0, EVENTS);
    let (_collector, landed) = collector(&scratch, "collector", output);
    sender.reload(&spared(input, output, &folder).text(), 1, PATIENCE);
    sender.await_delivered("spill", EVENTS, PATIENCE);
    count(&landed, EVENTS).assert_exact("through a reload, by way of the spare");
    assert_eq!(
        sender.counter("SINK_PROCESSOR.g1", "EventCameHomeCount"),
        EVENTS
    );
    assert_eq!(
        sender.counter("SINK_PROCESSOR.g1", "EventSparedCount"),
        EVENTS
    );
}
