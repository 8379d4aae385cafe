//! Goal: in the place of a real Flume our agent reads and writes the same records, and goes on in its
//! topics and groups, and it in ours. Method: the same file and the same lines or records for Flume
//! 1.11 and for ours, compared record by record; one after the other at one group and at one channel;
//! files of Flume 1.8 with a broker that it cannot speak to any more.

use flume_tests::{
    Agent, AgentFile, Avsc, Brokers, Cluster, Feed, Host, Isolation, Kafka, Kind, Landing, Lines,
    Record, Release, Scratch, Setup, eventually, landing, ports, require,
};

use super::{PATIENCE, receiver, sender, through};

/// Keys of a component.
type Keys<'a> = &'a [(&'a str, &'a str)];

/// Lines to a sink in which each has its last digit as the header `key`; its number, where that is a
/// time: of 0 our library makes the present.
fn keyed(cluster: &Cluster, input: u16, topic: &str, keys: Keys<'_>) -> AgentFile {
    let i1 = "sources.r1.interceptors.i1";
    let is_time = keys.iter().any(|(key, _)| *key == "timestampHeader");
    let regex = match is_time {
        true => "^n ([0-9]*)",
        false => "^n [0-9]*([0-9])[^0-9]",
    };
    sender(cluster, input, topic)
        .set("sources.r1.interceptors", "i1")
        .set(&format!("{i1}.type"), "regex_extractor")
        .set(&format!("{i1}.regex"), regex)
        .set(&format!("{i1}.serializers"), "s1")
        .set(&format!("{i1}.serializers.s1.name"), "key")
        .sink_keys("k1", keys)
}

/// What a thousand such lines become in a topic of ten partitions.
fn written(kind: Kind<'_>, cluster: &Cluster, topic: &str, keys: Keys<'_>) -> Vec<Record> {
    let scratch = Scratch::new();
    cluster.create(topic, 10);
    let input = ports::free();
    let file = keyed(cluster, input, topic, keys);
    let mut agent = kind.start(&scratch, "sender", &file, input);
    Feed::send(input, Lines::new("n", 1_000).from(1), PATIENCE).assert_all_acknowledged();
    let records = eventually("a thousand records", PATIENCE, || {
        let records = cluster.records(topic, Isolation::Uncommitted);
        (records.len() >= 1_000).then_some(records)
    });
    agent.term(PATIENCE);
    records
}

/// Partitions, offsets, keys, values and headers.
#[test]
fn sinks_write_the_same_records() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let flume = require!(kafka.flume(Release::V1_11Kafka));
    let scratch = Scratch::new();
    let cluster = kafka.start(&scratch, &Setup::plain());
    let cases: [Keys<'_>; 4] = [
        &[],
        &[("useFlumeEventFormat", "true")],
        &[("partitionIdHeader", "key"), ("header.key", "digit")],
        &[("timestampHeader", "key"), ("defaultPartitionId", "7")],
    ];
    for (number, keys) in (0..).zip(cases) {
        let records = |kind, name: &str| {
            let mut records = written(kind, &cluster, &format!("{name}-{number}"), keys);
            if !keys.iter().any(|(key, _)| *key == "timestampHeader") {
                records
                    .iter_mut()
                    .for_each(|record| record.timestamp = None);
            }
            records
        };
        let theirs = records(Kind::Real(&flume), "flume");
        let ours = records(Kind::Ours, "ours");
        let different = theirs.iter().zip(&ours).find(|(one, other)| one != other);
        assert_eq!(different, None, "with {keys:?}");
        assert_eq!(theirs.len(), ours.len(), "with {keys:?}");
    }
}

/// Records as others write them: without key, with an empty one, with one that is no text.
fn foreign() -> Vec<Record> {
    let header = |name: &str, value: &[u8]| (name.to_owned(), Some(value.to_vec()));
    let keys: [Option<&[u8]>; 4] = [None, Some(b""), Some(b"k"), Some("klíč".as_bytes())];
    let record = |(number, key): (i64, Option<&[u8]>)| Record {
        partition: Some(1),
        timestamp: Some(1_700_000_000_000 + number),
        key: key.map(<[u8]>::to_vec),
        value: Some(vec![0, 10, 255, b'v']),
        headers: vec![header("place", b"one"), header("place", "dvě".as_bytes())],
        ..Record::default()
    };
    let mut records: Vec<Record> = (0..).zip(keys).map(record).collect();
    records.push(Record {
        value: None,
        ..records[2].clone()
    });
    records
}

/// Records with an event of Flume as their value, whose own headers count more.
fn of_flume() -> Vec<Record> {
    let datum = b"\x04\x0atopic\x08mine\x02k\x02v\x00\x0ahello";
    let plain = b"\x00\x0ahello";
    let of = |value: &[u8]| Record {
        partition: Some(2),
        timestamp: Some(1_700_000_000_000),
        key: Some(b"k".to_vec()),
        ..Record::of(value)
    };
    vec![of(datum), of(plain)]
}

type Headers = Vec<(String, String)>;

/// The events that an agent makes of the records of a topic.
fn read(
    kind: Kind<'_>,
    cluster: &Cluster,
    avsc: &Avsc,
    group: &str,
    keys: Keys<'_>,
    count: usize,
) -> Vec<(Headers, Vec<u8>)> {
    let scratch = Scratch::new();
    let output = ports::free();
    let server = avsc.server(&scratch, "collector", output);
    let mut file = AgentFile::new("a1")
        .memory("c1", 1_000, 1_000)
        .kafka_source("r1", &cluster.bootstrap(), "t1", group)
        .avro_sink("k1", output, 100);
    for (key, value) in keys {
        file = file.set(&format!("sources.r1.{key}"), value);
    }
    let mut agent = kind.start_on(&scratch, "receiver", &file, &[]);
    let events = eventually("the events", PATIENCE, || {
        let events = server.landing().events();
        (events.len() >= count).then_some(events)
    });
    agent.term(PATIENCE);
    let parts = events.into_iter().map(|event| (event.headers, event.body));
    parts.collect()
}

#[test]
fn sources_make_the_same_events() {
    let avsc = require!(Avsc::resolve());
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let flume = require!(kafka.flume(Release::V1_11Kafka));
    let mapped = [("header.where", "place"), ("topicHeader", "from")];
    let bare = [("setTopicHeader", "false")];
    let cases: [(Vec<Record>, Keys<'_>); 4] = [
        (foreign(), &[]),
        (foreign(), &mapped),
        (foreign(), &bare),
        (of_flume(), &[("useFlumeEventFormat", "true")]),
    ];
    for (records, keys) in cases {
        let scratch = Scratch::new();
        let cluster = kafka.start(&scratch, &Setup::plain());
        cluster.create("t1", 3);
        cluster.write("t1", &records);
        let count = records.len();
        let theirs = read(Kind::Real(&flume), &cluster, &avsc, "flume", keys, count);
        let ours = read(Kind::Ours, &cluster, &avsc, "ours", keys, count);
        assert_eq!(theirs, ours, "with {keys:?}");
    }
}

/// Ours goes on where Flume was in its group, and Flume where ours was.
#[test]
fn a_group_is_continued_by_ours_and_by_flume_again() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let flume = require!(kafka.flume(Release::V1_11Kafka));
    let scratch = Scratch::new();
    let cluster = kafka.start(&scratch, &Setup::plain());
    cluster.create("t1", 4);
    let folder = scratch.folder("landed");
    let file = receiver(&cluster, "t1", "g1", &folder);
    let landed = Landing::Folder(folder);
    let mut expected = 0;
    for kind in [Kind::Real(&flume), Kind::Ours, Kind::Real(&flume)] {
        cluster.produce_numbered("t1", "n", expected..expected + 1_000);
        expected += 1_000;
        let name = format!("receiver-{expected}");
        let mut agent = kind.start_on(&scratch, &name, &file, &[]);
        let tally = landing::await_count(&[&landed], "n", expected, PATIENCE);
        tally.assert_exact(&name);
        // With more on the way, so that it ends in the middle.
        cluster.produce_numbered("t1", "n", expected..expected + 1_000);
        expected += 1_000;
        let tally = landing::await_count(&[&landed], "n", expected, PATIENCE);
        tally.assert_exact(&name);
        agent.term(PATIENCE);
    }
}

/// An agent that only puts into its Kafka channel: what it has is a backlog.
fn fill(kind: Kind<'_>, cluster: &Cluster, scratch: &Scratch, lines: Lines) {
    let input = ports::free();
    let file = AgentFile::new("a1")
        .kafka_channel("c1", &cluster.bootstrap(), "channel", "g1")
        .netcat("r1", input);
    let name = format!("fills-{}", lines.first);
    let mut agent = kind.start(scratch, &name, &file, input);
    Feed::send(input, lines, PATIENCE).assert_all_acknowledged();
    agent.term(PATIENCE);
}

#[test]
fn the_backlog_of_a_channel_is_taken_over_both_ways() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let flume = require!(kafka.flume(Release::V1_11Kafka));
    let scratch = Scratch::new();
    let cluster = kafka.start(&scratch, &Setup::plain());
    cluster.create("channel", 2);
    let folder = scratch.folder("landed");
    let input = ports::free();
    let file = through(&cluster, input, "channel", &folder);
    let landed = Landing::Folder(folder);
    let mut expected = 0;
    for (fills, drains) in [
        (Kind::Real(&flume), Kind::Ours),
        (Kind::Ours, Kind::Real(&flume)),
    ] {
        fill(
            fills,
            &cluster,
            &scratch,
            Lines::new("n", 300).from(expected),
        );
        expected += 300;
        let name = format!("drains-{expected}");
        let mut agent: Agent = drains.start(&scratch, &name, &file, input);
        let tally = landing::await_count(&[&landed], "n", expected, PATIENCE);
        tally.assert_exact(&name);
        agent.term(PATIENCE);
    }
}

/// The keys that Flume 1.8 takes from the files of 1.6.
fn old_sink(brokers: &str, input: u16) -> AgentFile {
    AgentFile::new("a1")
        .memory("c1", 10_000, 1_000)
        .netcat("r1", input)
        .kafka_sink("k1", brokers, "t1", 100)
        .set("sinks.k1.brokerList", brokers)
        .set("sinks.k1.topic", "t1")
        .set("sinks.k1.batchSize", 100)
        .set("sinks.k1.requiredAcks", -1)
        .without("sinks.k1.kafka.")
        .without("sinks.k1.flumeBatchSize")
}

/// With Flume 1.8 and Kafka 4 nothing is stored: see `real.rs`.
#[test]
fn files_of_flume_1_8_work_with_kafka_4() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = kafka.start(&scratch, &Setup::plain());
    cluster.create("t1", 4);
    cluster.create("channel", 4);
    let folder = scratch.folder("landed");
    let file = super::real::out_of(&cluster, "t1", &folder);
    let _reader = Host::start(&scratch, "reader", &file.text());
    let (input, old) = (ports::free(), ports::free());
    let file = sender(&cluster, input, "t1");
    let _writer = Host::start(&scratch, "writer", &file.text());
    let file = old_sink(&cluster.bootstrap(), old);
    let _old = Host::start(&scratch, "old", &file.text());
    Feed::send(input, Lines::new("n", 1_000), PATIENCE).assert_all_acknowledged();
    let more = Lines::new("n", 1_000).from(1_000);
    Feed::send(old, more, PATIENCE).assert_all_acknowledged();
    let landed = Landing::Folder(folder);
    let tally = landing::await_count(&[&landed], "n", 2_000, PATIENCE);
    tally.assert_exact("two sinks, a source and a channel of Flume 1.8");
}

/// The same file with the old keys is one that Flume 1.8 takes.
#[test]
fn files_with_old_keys_work_with_flume_1_8_and_kafka_3() {
    let kafka = require!(Kafka::enter(Brokers::V3_9, 1));
    let flume = require!(kafka.flume(Release::V1_8Kafka));
    for kind in [Kind::Real(&flume), Kind::Ours] {
        let scratch = Scratch::new();
        let cluster = kafka.start(&scratch, &Setup::plain());
        cluster.create("t1", 4);
        let input = ports::free();
        let file = old_sink(&cluster.bootstrap(), input);
        let _agent = kind.start(&scratch, "sender", &file, input);
        Feed::send(input, Lines::new("n", 1_000), PATIENCE).assert_all_acknowledged();
        let tally = cluster.await_count("t1", "n", 1_000, PATIENCE);
        tally.assert_exact("old keys");
    }
}
