//! Goal: real Flume works with these brokers as its users know it, so that our agent can be compared
//! with it. Method: its source, channel and sink, with numbered lines counted one by one; Flume 1.8 with
//! a broker that it can speak to and with one that it cannot.

use flume_tests::{
    AgentFile, Brokers, Cluster, Feed, Isolation, Kafka, Landing, Lines, Release, Scratch, Setup,
    landing, ports, require,
};

use super::{PATIENCE, sender};

/// From a topic, through a Kafka channel in another, to files.
pub(super) fn out_of(cluster: &Cluster, topic: &str, folder: &std::path::Path) -> AgentFile {
    let brokers = cluster.bootstrap();
    AgentFile::new("a1")
        .kafka_channel("c1", &brokers, "channel", "flume-channel")
        .kafka_source("r1", &brokers, topic, "flume-source")
        .file_roll("k1", folder, 100)
}

fn flume_with(brokers: Brokers, release: Release) {
    let kafka = require!(Kafka::enter(brokers, 1));
    let flume = require!(kafka.flume(release));
    let scratch = Scratch::new();
    let cluster = kafka.start(&scratch, &Setup::plain());
    cluster.create("t1", 2);
    cluster.create("channel", 2);
    let input = ports::free();
    let mut writer = flume.start(&scratch, "writer", &sender(&cluster, input, "t1"), &[input]);
    Feed::send(input, Lines::new("n", 1_000), PATIENCE).assert_all_acknowledged();
    cluster
        .await_count("t1", "n", 1_000, PATIENCE)
        .assert_exact("written by Flume's sink");
    writer.term(PATIENCE);
    let folder = scratch.folder("landed");
    let file = out_of(&cluster, "t1", &folder);
    let mut reader = flume.start(&scratch, "reader", &file, &[]);
    let landed = Landing::Folder(folder);
    let tally = landing::await_count(&[&landed], "n", 1_000, PATIENCE);
    tally.assert_exact("read by Flume's source, and through its channel");
    reader.term(PATIENCE);
    let read = cluster.group("flume-source");
    let offsets: Vec<_> = read.iter().filter_map(|part| part.offset).collect();
    assert_eq!(offsets.iter().sum::<u64>(), 1_000, "{read:?}");
    let channel = cluster.records("channel", Isolation::Uncommitted);
    let first = channel[0].value.as_deref().expect("an event of Flume");
    assert!(
        first.windows(5).any(|part| part == b"topic"),
        "Flume's own format, with headers: {first:?}"
    );
}

#[test]
fn flume_1_11_works_with_kafka_4() {
    flume_with(Brokers::V4_4, Release::V1_11Kafka);
}

#[test]
fn flume_1_8_works_with_kafka_3() {
    flume_with(Brokers::V3_9, Release::V1_8Kafka);
}

/// Kafka 4 does not speak what clients of before 2018 do (KIP-896).
#[test]
fn flume_1_8_stores_nothing_in_kafka_4() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let flume = require!(kafka.flume(Release::V1_8Kafka));
    let scratch = Scratch::new();
    let mut cluster = kafka.start(&scratch, &Setup::plain());
    cluster.create("t1", 1);
    let input = ports::free();
    let file = sender(&cluster, input, "t1");
    let mut writer = flume.start(&scratch, "writer", &file, &[input]);
    Feed::send(input, Lines::new("n", 10), PATIENCE).assert_all_acknowledged();
    let flume = writer.process();
    // It tries the batch again and again.
    flume.await_said(
        "EventDeliveryException: Failed to publish events",
        2,
        PATIENCE,
    );
    assert!(flume.said("The server disconnected before a response was received.") >= 2);
    let refused = "Received request for api with key 0 (Produce) and unsupported version 1";
    assert!(cluster.process(1).said(refused) >= 2);
    assert_eq!(cluster.lines("t1"), "");
}
