//! Goal: each record of a topic is in the channel, with the headers that Flume gives it, and its offset
//! is committed after that. Method: records of kcat and of kafka-python, Kafka source → memory → files
//! or avsc; members of a group come, go and are killed.

use std::path::Path;

use flume_tests::{
    AgentFile, Avsc, Brokers, Cluster, Host, Isolation, Kafka, Landing, Record, Scratch, Setup,
    eventually, landing, ports, require, say,
};

use super::{EVENTS, PATIENCE, receiver};

const TOPIC: &str = "t1";

fn begin(kafka: &Kafka, scratch: &Scratch) -> Cluster {
    let cluster = kafka.start(scratch, &Setup::plain());
    cluster.create(TOPIC, 4);
    cluster
}

/// The offsets that a group has committed, over all partitions.
fn committed(cluster: &Cluster, group: &str) -> u64 {
    let parts = cluster.group(group);
    parts.iter().filter_map(|part| part.offset).sum()
}

#[test]
fn every_record_lands_once_and_is_committed() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = begin(&kafka, &scratch);
    cluster.produce_numbered(TOPIC, "n", 0..EVENTS);
    let folder = scratch.folder("landed");
    let file = receiver(&cluster, TOPIC, "g1", &folder).with_short_names();
    let mut host = Host::start(&scratch, "receiver", &file.text());
    let landed = Landing::Folder(folder);
    let tally = landing::await_count(&[&landed], "n", EVENTS, PATIENCE);
    tally.assert_exact("100,000 records through our Kafka source");
    assert!(host.term(PATIENCE).success());
    assert_eq!(committed(&cluster, "g1"), EVENTS);
    // So nothing comes again.
    host.restart();
    cluster.produce_numbered(TOPIC, "n", EVENTS..EVENTS + 100);
    let tally = landing::await_count(&[&landed], "n", EVENTS + 100, PATIENCE);
    tally.assert_exact("after a restart");
}

/// What is in the channel, on the disk, is committed, and nothing else.
#[test]
fn a_killed_agent_goes_on_where_it_had_committed() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = begin(&kafka, &scratch);
    cluster.produce_numbered(TOPIC, "n", 0..EVENTS);
    let folder = scratch.folder("landed");
    let file = AgentFile::new("a1")
        .file_channel("c1", &scratch.folder("channel"))
        .kafka_source("r1", &cluster.bootstrap(), TOPIC, "g1")
        // The group waits so long for a member that was killed.
        .set("sources.r1.kafka.consumer.session.timeout.ms", 10_000)
        .file_roll("k1", &folder, 100)
        .with_short_names();
    let mut host = Host::start(&scratch, "receiver", &file.text());
    let landed = Landing::Folder(folder);
    eventually("the first have landed", PATIENCE, || {
        (!landed.bodies().is_empty()).then_some(())
    });
    host.kill();
    let before = landing::count(&[&landed], "n", EVENTS).arrived();
    assert!(before < EVENTS, "all have landed before the kill");
    host.restart();
    let tally = landing::await_count(&[&landed], "n", EVENTS, PATIENCE);
    say::line(&format!("source, the agent killed: {tally}"));
    // Batches that the source put while its last commit was under way, which takes a while on a busy
    // machine, and those of the sink that were not committed.
    tally.assert_at_least_once("the agent killed", 10 * 1_000 + 400);
}

/// Partitions move to a member that comes, and back from one that goes; what was handed out is
/// committed before.
fn come_and_go(keys: &[(&str, &str)]) {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = begin(&kafka, &scratch);
    let folders = ["one", "two"].map(|name| scratch.folder(name));
    let files = folders
        .each_ref()
        .map(|folder| member(&cluster, folder, keys));
    let landed = folders.map(Landing::Folder);
    let [one, two] = &landed;
    let mut steady = Host::start(&scratch, "steady", &files[0].text());
    let tenth = EVENTS / 10;
    let mut next = 0;
    let mut write = |tenths: u64| {
        for _ in 0..tenths {
            cluster.produce_numbered(TOPIC, "n", next..next + tenth);
            next += tenth;
        }
    };
    write(2);
    let mut guest = Host::start(&scratch, "guest", &files[1].text());
    write(3);
    eventually("the guest has partitions", PATIENCE, || {
        cluster.produce_numbered(TOPIC, "other", 0..100);
        (!two.bodies().is_empty()).then_some(())
    });
    write(2);
    assert!(guest.term(PATIENCE).success());
    write(3);
    let own = || {
        let mut tally = flume_tests::Tally::new("n", EVENTS);
        let bodies = [one, two].into_iter().flat_map(Landing::bodies);
        let own = bodies.filter(|body| body.starts_with(b"n "));
        own.for_each(|body| tally.add(&body));
        tally
    };
    eventually("all have landed", PATIENCE, || {
        (own().arrived() == EVENTS).then_some(())
    });
    assert!(steady.term(PATIENCE).success());
    own().assert_exact("a member that came and went");
}

/// Divides partitions by Java's default, all at once.
#[test]
fn members_that_come_and_go_double_nothing() {
    come_and_go(&[]);
}

/// Moves only those partitions that have to move.
#[test]
fn members_that_cooperate_double_nothing() {
    let strategy = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
    come_and_go(&[("partition.assignment.strategy", strategy)]);
}

/// The broker divides them (KIP-848).
#[test]
fn members_that_the_broker_directs_double_nothing() {
    come_and_go(&[("group.protocol", "consumer")]);
}

/// What a member that was killed had is read by the other, from what was committed.
#[test]
fn a_killed_member_is_replaced_by_the_other() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = begin(&kafka, &scratch);
    let folders = ["one", "two"].map(|name| scratch.folder(name));
    let keys = [("session.timeout.ms", "6000")];
    let mut hosts = folders.each_ref().map(|folder| {
        let name = folder.file_name().expect("a name").to_string_lossy();
        let file = member(&cluster, folder, &keys);
        Host::start(&scratch, &name, &file.text())
    });
    let landed = folders.map(Landing::Folder);
    let [one, two] = &landed;
    let mut sent = 0;
    eventually("both have partitions", PATIENCE, || {
        cluster.produce_numbered(TOPIC, "n", sent..sent + 100);
        sent += 100;
        let both = [one, two].iter().all(|one| !one.bodies().is_empty());
        both.then_some(())
    });
    // All is delivered, and committed a moment later.
    let tally = landing::await_count(&[one, two], "n", sent, PATIENCE);
    tally.assert_exact("by both");
    eventually("all is committed", PATIENCE, || {
        (committed(&cluster, "g1") == sent).then_some(())
    });
    hosts[1].kill();
    cluster.produce_numbered(TOPIC, "n", sent..sent + 1_000);
    let tally = landing::await_count(&[one, two], "n", sent + 1_000, PATIENCE);
    tally.assert_exact("by the other");
}

fn member(cluster: &Cluster, folder: &Path, keys: &[(&str, &str)]) -> AgentFile {
    let file = receiver(cluster, TOPIC, "g1", folder);
    let set = |file: AgentFile, (key, value): &(&str, &str)| {
        file.set(&format!("sources.r1.kafka.consumer.{key}"), value)
    };
    keys.iter().fold(file, set).with_short_names()
}

/// The headers of a record are those that real Flume 1.11 gives it: `flume.rs` compares them.
#[test]
fn records_have_the_headers_of_flume() {
    let avsc = require!(Avsc::resolve());
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = begin(&kafka, &scratch);
    let record = Record {
        partition: Some(2),
        timestamp: Some(1_700_000_000_123),
        key: Some("klíč".as_bytes().to_vec()),
        value: Some(vec![0, 10, 255]),
        headers: vec![("place".to_owned(), Some(b"here".to_vec()))],
        ..Record::default()
    };
    cluster.write(TOPIC, std::slice::from_ref(&record));
    let output = ports::free();
    let server = avsc.server(&scratch, "collector", output);
    let file = AgentFile::new("a1")
        .memory("c1", 1_000, 100)
        .kafka_source("r1", &cluster.bootstrap(), TOPIC, "g1")
        .set("sources.r1.header.where", "place")
        .avro_sink("k1", output, 100)
        .with_short_names();
    let _host = Host::start(&scratch, "receiver", &file.text());
    let event = eventually("the record", PATIENCE, || {
        server.landing().events().into_iter().next()
    });
    assert_eq!(Some(event.body), record.value);
    let headers: Vec<(&str, &str)> = event
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let expected = [
        ("key", "klíč"),
        ("offset", "0"),
        ("partition", "2"),
        ("timestamp", "1700000000123"),
        ("topic", TOPIC),
        ("where", "here"),
    ];
    assert_eq!(headers, expected);
}

/// A tombstone is an event without a body; records of an aborted transaction are none, if the file
/// says so.
#[test]
fn tombstones_and_transactions_are_read_as_java_reads_them() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = begin(&kafka, &scratch);
    let one = |value: &str| Record {
        partition: Some(0),
        ..Record::of(value)
    };
    cluster.transact(TOPIC, &[one("aborted")], false);
    cluster.transact(TOPIC, &[one("committed")], true);
    let tombstone = Record {
        value: None,
        key: Some(b"k".to_vec()),
        ..one("")
    };
    cluster.write(TOPIC, &[tombstone, one("plain")]);
    assert_eq!(cluster.records(TOPIC, Isolation::Committed).len(), 3);
    for (isolation, expected) in [
        // Java's default.
        (None, "aborted\ncommitted\n\nplain\n"),
        (Some("read_committed"), "committed\n\nplain\n"),
    ] {
        let name = isolation.unwrap_or("default");
        let folder = scratch.folder(name);
        let mut file = receiver(&cluster, TOPIC, name, &folder).with_short_names();
        if let Some(isolation) = isolation {
            file = file.set("sources.r1.kafka.consumer.isolation.level", isolation);
        }
        let _host = Host::start(&scratch, name, &file.text());
        let landed = Landing::Folder(folder);
        let text = eventually("the last record", PATIENCE, || {
            let lines = landed.bodies();
            let text = String::from_utf8(lines.join(&b'\n')).expect("text") + "\n";
            text.ends_with("plain\n").then_some(text)
        });
        assert_eq!(text, expected, "{name}");
    }
}
