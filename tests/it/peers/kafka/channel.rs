//! Goal: a line that a Kafka channel has accepted is delivered, whatever is killed, and by whichever
//! agent drains its topic. Method: numbered lines, netcat → Kafka channel → files.

use std::time::Duration;

use flume_tests::{
    AgentFile, Brokers, Cluster, Feed, Host, Isolation, Kafka, Landing, Lines, Record, Scratch,
    Setup, eventually, landing, ports, require, say,
};

use super::{EVENTS, PATIENCE, through};

const TOPIC: &str = "t1";

/// Lines per second: a kill comes in the middle of them.
const RATE: u64 = 20_000;

/// Answers before a kill.
const BEFORE: u64 = 20_000;

/// How long a frozen broker answers nothing.
const FROZEN: Duration = Duration::from_secs(20);

/// What an agent may have delivered, and not committed, when it is killed: the batches of its sink while
/// a commit is under way, which takes a while on a busy machine.
const UNCOMMITTED: u64 = 4_000;

/// The most events that a channel has read and not handed out.
const READ_AHEAD: u64 = 10_000;

fn begin(kafka: &Kafka, scratch: &Scratch) -> Cluster {
    let cluster = kafka.start(scratch, &Setup::plain());
    cluster.create(TOPIC, 4);
    cluster
}

#[test]
fn every_line_goes_through_the_topic_once() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = begin(&kafka, &scratch);
    let input = ports::free();
    let folder = scratch.folder("landed");
    let file = through(&cluster, input, TOPIC, &folder).with_short_names();
    let mut host = Host::start(&scratch, "a1", &file.text());
    Feed::send(input, Lines::new("n", EVENTS), PATIENCE).assert_all_acknowledged();
    let landed = Landing::Folder(folder);
    let tally = landing::await_count(&[&landed], "n", EVENTS, PATIENCE);
    tally.assert_exact("100,000 lines through our Kafka channel");
    assert!(host.term(PATIENCE).success());
    let records = cluster.records(TOPIC, Isolation::Uncommitted);
    assert_eq!(records.len() as u64, EVENTS, "in the topic");
    let committed = cluster.group("g1");
    let offsets = committed.iter().filter_map(|part| part.offset);
    assert_eq!(offsets.sum::<u64>(), EVENTS, "{committed:?}");
}

#[test]
fn what_a_killed_agent_had_accepted_is_delivered() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = begin(&kafka, &scratch);
    let input = ports::free();
    let folder = scratch.folder("landed");
    let file = through(&cluster, input, TOPIC, &folder).with_short_names();
    let mut host = Host::start(&scratch, "a1", &file.text());
    let feed = Feed::start(input, Lines::new("n", EVENTS).rate(RATE));
    feed.await_acknowledged(BEFORE, PATIENCE);
    host.kill();
    let accepted = feed.finish(PATIENCE).acknowledged;
    assert!((accepted.len() as u64) < EVENTS, "killed in the middle");
    host.restart();
    let landed = Landing::Folder(folder);
    let all = || {
        let tally = landing::count(&[&landed], "n", EVENTS);
        let there = accepted.iter().all(|number| tally.has(*number));
        there.then_some(tally)
    };
    let tally = eventually("what was accepted has landed", PATIENCE, all);
    say::line(&format!("channel, the agent killed: {tally}"));
    assert!(tally.doubled() <= UNCOMMITTED, "{tally}");
}

/// Lines that come while a broker is away are refused or wait; none that was accepted is lost.
fn over(nodes: usize, what: &str, fault: impl FnOnce(&mut Cluster)) {
    let kafka = require!(Kafka::enter(Brokers::V4_4, nodes));
    let scratch = Scratch::new();
    let mut cluster = begin(&kafka, &scratch);
    let input = ports::free();
    let folder = scratch.folder("landed");
    let file = through(&cluster, input, TOPIC, &folder).with_short_names();
    let _host = Host::start(&scratch, "a1", &file.text());
    let feed = Feed::start(input, Lines::new("n", EVENTS).rate(RATE));
    feed.await_acknowledged(BEFORE, PATIENCE);
    fault(&mut cluster);
    let replies = feed.finish(PATIENCE);
    assert_eq!(replies.unanswered, [0; 0]);
    let landed = Landing::Folder(folder);
    let all = || {
        let tally = landing::count(&[&landed], "n", EVENTS);
        let there = replies.acknowledged.iter().all(|number| tally.has(*number));
        there.then_some(tally)
    };
    let tally = eventually("what was accepted has landed", PATIENCE, all);
    let refused = replies.failed.len();
    say::line(&format!("channel, {what}: {refused} refused, {tally}"));
    // Without a broker nothing can be committed, and what was read ahead is delivered all the same. If the
    // group has forgotten the member meanwhile, that comes again.
    assert!(tally.doubled() <= READ_AHEAD + UNCOMMITTED, "{tally}");
}

#[test]
fn what_was_accepted_outlives_the_kill_of_the_broker() {
    over(1, "the only broker killed", |cluster| {
        cluster.kill(1);
        cluster.restart(1);
    });
}

#[test]
fn what_was_accepted_outlives_a_frozen_broker() {
    over(1, "the only broker frozen for 20 s", |cluster| {
        cluster.freeze(1);
        std::thread::sleep(FROZEN);
        cluster.thaw(1);
    });
}

#[test]
fn what_was_accepted_outlives_the_kill_of_a_leader() {
    over(3, "one of three brokers killed", |cluster| {
        let leader = cluster.leader(TOPIC, 0).expect("a leader");
        cluster.kill(leader);
    });
}

/// An agent that only puts, and two that only take. One of them ends under load, and comes again.
#[test]
fn agents_share_a_topic_as_their_channel() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = begin(&kafka, &scratch);
    let input = ports::free();
    let puts = AgentFile::new("a1")
        .kafka_channel("c1", &cluster.bootstrap(), TOPIC, "g1")
        .netcat("r1", input)
        .with_short_names();
    let _puts = Host::start(&scratch, "puts", &puts.text());
    let folders = ["one", "two"].map(|name| scratch.folder(name));
    let mut takers = folders.each_ref().map(|folder| {
        let file = AgentFile::new("a2")
            .kafka_channel("c1", &cluster.bootstrap(), TOPIC, "g1")
            .file_roll("k1", folder, 100)
            .with_short_names();
        let name = folder.file_name().expect("a name").to_string_lossy();
        Host::start(&scratch, &format!("takes-{name}"), &file.text())
    });
    let landed = folders.map(Landing::Folder);
    // Until the group has both.
    let mut sent = 0;
    eventually("both take", PATIENCE, || {
        let more = Lines::new("n", 1_000).from(sent);
        Feed::send(input, more, PATIENCE).assert_all_acknowledged();
        sent += 1_000;
        landed
            .iter()
            .all(|one| !one.bodies().is_empty())
            .then_some(())
    });
    let feed = Feed::start(input, Lines::new("n", EVENTS).from(sent).rate(RATE));
    feed.await_acknowledged(BEFORE, PATIENCE);
    assert!(takers[1].term(PATIENCE).success());
    feed.await_acknowledged(2 * BEFORE, PATIENCE);
    takers[1].restart();
    feed.finish(PATIENCE).assert_all_acknowledged();
    let [one, two] = &landed;
    let tally = landing::await_count(&[one, two], "n", sent + EVENTS, PATIENCE);
    tally.assert_exact("two agents at one topic");
    for taker in &mut takers {
        assert!(taker.term(PATIENCE).success());
    }
}

/// Records of others, without Flume's format: bodies as they are, with their keys as headers.
#[test]
fn a_topic_of_others_can_be_a_channel() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = begin(&kafka, &scratch);
    cluster.produce_numbered(TOPIC, "n", 0..1_000);
    let (input, folder) = (ports::free(), scratch.folder("landed"));
    let file = through(&cluster, input, TOPIC, &folder)
        .set("channels.c1.parseAsFlumeEvent", false)
        .with_short_names();
    let mut host = Host::start(&scratch, "a1", &file.text());
    Feed::send(input, Lines::new("n", 1_000).from(1_000), PATIENCE).assert_all_acknowledged();
    let landed = Landing::Folder(folder);
    let tally = landing::await_count(&[&landed], "n", 2_000, PATIENCE);
    tally.assert_exact("plain bodies, there and back");
    assert!(host.term(PATIENCE).success());
    let plain = |record: &Record| record.text().starts_with("n ");
    let records = cluster.records(TOPIC, Isolation::Uncommitted);
    assert_eq!(records.iter().filter(|record| plain(record)).count(), 2_000);
}
