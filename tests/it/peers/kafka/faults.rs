//! Goal: whatever happens to the brokers under load, no event is lost that was acknowledged. The sink
//! doubles none, as its client is idempotent (real Flume 1.11 doubled 10 and 17 of these events when a
//! leader was killed or moved); the source those that it had taken in and could not commit. Method:
//! 100,000 numbered lines, netcat → memory → Kafka sink; or as many records in a topic, Kafka source →
//! memory → files. In the middle a broker is killed, frozen or full, a leader moves, or the topic is
//! deleted.

use std::time::Duration;

use flume_tests::{
    Brokers, Cluster, Feed, Host, Kafka, Landing, Lines, Scratch, Setup, Tally, eventually,
    landing, ports, require, say, small_disk,
};

use super::{EVENTS, PATIENCE, receiver, sender};

/// Lines per second: a fault comes in the middle of them.
const RATE: u64 = 20_000;

/// What was acknowledged before a fault begins.
const BEFORE: u64 = 20_000;

/// How long a frozen broker answers nothing.
const FROZEN: Duration = Duration::from_secs(20);

/// Records that a source may have taken in before it could commit them: batches of 1,000.
const UNCOMMITTED: u64 = 10_000;

const TOPIC: &str = "t1";

/// A sender under load, and where its events are counted.
struct Load {
    cluster: Cluster,
    scratch: Scratch,
}

impl Load {
    fn new(kafka: &Kafka, setup: &Setup) -> Self {
        let scratch = Scratch::new();
        let cluster = kafka.start(&scratch, setup);
        cluster.create(TOPIC, 4);
        Self { cluster, scratch }
    }

    /// Sends all lines with the fault in their middle, and counts what is in the topic.
    fn send_over(&mut self, what: &str, fault: impl FnOnce(&mut Cluster)) -> Tally {
        let input = ports::free();
        let file = sender(&self.cluster, input, TOPIC);
        let _agent = Host::start(&self.scratch, "sender", &file.text());
        let feed = Feed::start(input, Lines::new("n", EVENTS).rate(RATE));
        feed.await_acknowledged(BEFORE, PATIENCE);
        fault(&mut self.cluster);
        feed.finish(PATIENCE).assert_all_acknowledged();
        let tally = self.cluster.await_count(TOPIC, "n", EVENTS, PATIENCE);
        say::line(&format!("sink, {what}: {tally}"));
        tally
    }

    /// Reads all records with the fault in their middle, and counts what has landed.
    fn read_over(&mut self, what: &str, fault: impl FnOnce(&mut Cluster)) -> Tally {
        self.cluster.produce_numbered(TOPIC, "n", 0..EVENTS);
        let folder = self.scratch.folder("landed");
        let file = receiver(&self.cluster, TOPIC, "g1", &folder);
        let _agent = Host::start(&self.scratch, "receiver", &file.text());
        let landed = Landing::Folder(folder);
        eventually("the first have landed", PATIENCE, || {
            (!landed.bodies().is_empty()).then_some(())
        });
        let before = landing::count(&[&landed], "n", EVENTS).arrived();
        assert!(before < EVENTS, "all have landed before the fault");
        fault(&mut self.cluster);
        let tally = landing::await_count(&[&landed], "n", EVENTS, PATIENCE);
        say::line(&format!("source, {what}: {tally}"));
        tally
    }
}

fn sink_over_a_killed_broker(kafka: &Kafka) {
    let mut load = Load::new(kafka, &Setup::plain());
    let what = "the only broker killed and started again";
    let tally = load.send_over(what, |cluster| {
        cluster.kill(1);
        cluster.restart(1);
    });
    tally.assert_exact(what);
}

fn sink_over_a_frozen_broker(kafka: &Kafka) {
    let mut load = Load::new(kafka, &Setup::plain());
    let what = "the only broker frozen for 20 s";
    let tally = load.send_over(what, |cluster| {
        cluster.freeze(1);
        std::thread::sleep(FROZEN);
        cluster.thaw(1);
    });
    tally.assert_exact(what);
}

fn sink_over_a_killed_leader(kafka: &Kafka) {
    let mut load = Load::new(kafka, &Setup::plain());
    let what = "one of three brokers killed";
    let tally = load.send_over(what, |cluster| {
        let leader = cluster.leader(TOPIC, 0).expect("a leader");
        cluster.kill(leader);
    });
    tally.assert_exact(what);
}

fn sink_over_a_moved_leader(kafka: &Kafka) {
    let mut load = Load::new(kafka, &Setup::plain());
    let what = "a leader moved";
    let tally = load.send_over(what, |cluster| {
        let leader = cluster.leader(TOPIC, 0).expect("a leader");
        cluster.move_leader(TOPIC, 0, leader % 3 + 1);
    });
    tally.assert_exact(what);
}

/// A broker whose disk is full ends: Kafka gives up a folder that it cannot write to.
fn sink_over_a_full_disk(kafka: &Kafka, setup: &Setup) {
    let mut load = Load::new(kafka, setup);
    let what = "the disk of one of three brokers full";
    let tally = load.send_over(what, |cluster| {
        drop(small_disk::fill(&cluster.disk(1)));
        cluster.process(1).wait(PATIENCE);
    });
    tally.assert_exact(what);
}

/// What was in the topic is gone with it. What comes later is stored in the next one.
fn sink_over_a_deleted_topic(kafka: &Kafka) {
    let scratch = Scratch::new();
    let cluster = kafka.start(&scratch, &Setup::plain());
    cluster.create(TOPIC, 4);
    let input = ports::free();
    let file = sender(&cluster, input, TOPIC);
    let _agent = Host::start(&scratch, "sender", &file.text());
    Feed::send(input, Lines::new("n", 1_000), PATIENCE).assert_all_acknowledged();
    let tally = cluster.await_count(TOPIC, "n", 1_000, PATIENCE);
    tally.assert_exact("before the topic is deleted");
    cluster.delete(TOPIC);
    let more = Lines::new("n", 1_000).from(1_000);
    Feed::send(input, more, PATIENCE).assert_all_acknowledged();
    let all = || {
        let tally = cluster.count(TOPIC, "n", 2_000);
        (tally.arrived_of(1_000..2_000) == 1_000).then_some(tally)
    };
    let tally = eventually("what came later is in the new topic", PATIENCE, all);
    assert_eq!((tally.arrived(), tally.doubled()), (1_000, 0), "{tally}");
}

fn source_over_a_killed_broker(kafka: &Kafka) {
    let mut load = Load::new(kafka, &Setup::plain());
    let what = "the only broker killed and started again";
    let tally = load.read_over(what, |cluster| {
        cluster.kill(1);
        cluster.restart(1);
    });
    tally.assert_at_least_once(what, UNCOMMITTED);
}

fn source_over_a_frozen_broker(kafka: &Kafka) {
    let mut load = Load::new(kafka, &Setup::plain());
    let what = "the only broker frozen for 20 s";
    let tally = load.read_over(what, |cluster| {
        cluster.freeze(1);
        std::thread::sleep(FROZEN);
        cluster.thaw(1);
    });
    tally.assert_at_least_once(what, UNCOMMITTED);
}

fn source_over_a_killed_leader(kafka: &Kafka) {
    let mut load = Load::new(kafka, &Setup::plain());
    let what = "one of three brokers killed";
    let tally = load.read_over(what, |cluster| {
        let leader = cluster.leader(TOPIC, 0).expect("a leader");
        cluster.kill(leader);
    });
    tally.assert_at_least_once(what, UNCOMMITTED);
}

/// As operators do it: each of three brokers is ended and started again while events come and go.
fn chain_over_a_rolling_restart(kafka: &Kafka) {
    let mut load = Load::new(kafka, &Setup::plain());
    let folder = load.scratch.folder("landed");
    let file = receiver(&load.cluster, TOPIC, "g1", &folder);
    let _receiver = Host::start(&load.scratch, "receiver", &file.text());
    let what = "each of three brokers started again";
    let tally = load.send_over(what, |cluster| {
        for node in 1..=3 {
            cluster.term(node, PATIENCE);
            cluster.restart(node);
        }
    });
    tally.assert_exact(what);
    let landed = Landing::Folder(folder);
    let tally = landing::await_count(&[&landed], "n", EVENTS, PATIENCE);
    say::line(&format!("source, {what}: {tally}"));
    tally.assert_at_least_once(what, UNCOMMITTED);
}

/// Tests of these scenarios with so many brokers.
macro_rules! tried {
    ($nodes:literal: $($name:ident = $scenario:ident;)*) => {$(
        #[test]
        fn $name() {
            let kafka = require!(Kafka::enter(Brokers::V4_4, $nodes));
            $scenario(&kafka);
        }
    )*};
}

tried! {1:
    a_sink_outlives_the_kill_of_the_only_broker = sink_over_a_killed_broker;
    a_sink_outlives_a_frozen_broker = sink_over_a_frozen_broker;
    a_sink_goes_on_in_a_topic_that_was_deleted = sink_over_a_deleted_topic;
    a_source_outlives_the_kill_of_the_only_broker = source_over_a_killed_broker;
    a_source_outlives_a_frozen_broker = source_over_a_frozen_broker;
}

tried! {3:
    a_sink_outlives_the_kill_of_a_leader = sink_over_a_killed_leader;
    a_sink_follows_a_leader_that_moves = sink_over_a_moved_leader;
    a_source_outlives_the_kill_of_a_leader = source_over_a_killed_leader;
    a_chain_outlives_a_rolling_restart = chain_over_a_rolling_restart;
}

#[test]
fn a_sink_outlives_a_broker_with_a_full_disk() {
    let setup = require!(Setup::plain().small_disk(1, 40));
    let kafka = require!(Kafka::enter(Brokers::V4_4, 3));
    sink_over_a_full_disk(&kafka, &setup);
}
