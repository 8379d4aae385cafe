//! Goal: each event that the Kafka sink takes from its channel is in the topic, with the key, the
//! partition and the topic that its headers say. Method: numbered lines, netcat → memory → Kafka sink,
//! read back by kcat and by kafka-python.

use flume_tests::peers::avsc::Sending;
use flume_tests::tally::body;
use flume_tests::{
    AgentFile, Avsc, Brokers, Cluster, Feed, Host, Isolation, Kafka, Lines, Record, Scratch, Setup,
    Tally, eventually, ports, require,
};

use super::{EVENTS, PATIENCE, sender};

/// The numbered events in these records.
fn tally(records: &[Record], count: u64) -> Tally {
    let mut tally = Tally::new("n", count);
    records
        .iter()
        .for_each(|record| tally.add(record.value.as_deref().unwrap_or_default()));
    tally
}

#[test]
fn every_line_is_in_the_topic_once() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = kafka.start(&scratch, &Setup::plain());
    cluster.create("t1", 4);
    let input = ports::free();
    let file = sender(&cluster, input, "t1").with_short_names();
    let mut host = Host::start(&scratch, "sender", &file.text());
    Feed::send(input, Lines::new("n", EVENTS), PATIENCE).assert_all_acknowledged();
    let counted = cluster.await_count("t1", "n", EVENTS, PATIENCE);
    counted.assert_exact("100,000 lines through our Kafka sink");
    assert!(host.term(PATIENCE).success());
    // Nothing but the body: no key, and no headers.
    let records = cluster.records("t1", Isolation::Uncommitted);
    let bare = |record: &Record| record.key.is_none() && record.headers.is_empty();
    assert!(records.iter().all(bare), "{:?}", records[0]);
    let partitions = (0..4).map(|number| {
        let of = records
            .iter()
            .filter(|record| record.partition == Some(number));
        of.count()
    });
    let partitions: Vec<usize> = partitions.collect();
    assert!(
        partitions.iter().all(|count| *count > 1_000),
        "{partitions:?}"
    );
}

/// An agent whose events have headers: from avsc.
fn with_headers(cluster: &Cluster, input: u16, keys: &[(&str, &str)]) -> AgentFile {
    let file = AgentFile::new("a1")
        .memory("c1", 10_000, 1_000)
        .avro_source("r1", input)
        .kafka_sink("k1", &cluster.bootstrap(), "t1", 100);
    file.sink_keys("k1", keys).with_short_names()
}

/// What ten events with these headers become, in a topic of four partitions.
fn sent(
    avsc: &Avsc,
    kafka: &Kafka,
    keys: &[(&str, &str)],
    headers: &str,
    topic: &str,
) -> Vec<Record> {
    let scratch = Scratch::new();
    let cluster = kafka.start(&scratch, &Setup::plain());
    cluster.create("t1", 4);
    cluster.create("t2", 4);
    let input = ports::free();
    let file = with_headers(&cluster, input, keys);
    let _host = Host::start(&scratch, "sender", &file.text());
    let ten = Sending {
        count: 10,
        batch: 10,
        prefix: "n",
        headers,
        ..Sending::default()
    };
    avsc.deliver(input, &[ten]);
    eventually("ten records", PATIENCE, || {
        let records = cluster.records(topic, Isolation::Uncommitted);
        (records.len() >= 10).then_some(records)
    })
}

/// The partition of a key is the one that Java's client gives it.
#[test]
fn headers_are_key_topic_and_partition() {
    let avsc = require!(Avsc::resolve());
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    // Of four partitions, `hello` (hash 7f1ddbbd) has number 1.
    let headers = r#"{"key": "hello", "topic": "t2", "a": "1"}"#;
    let records = sent(&avsc, &kafka, &[], headers, "t2");
    tally(&records, 10).assert_exact("to the topic of the header");
    for record in &records {
        assert_eq!(record.key.as_deref(), Some(&b"hello"[..]));
        assert_eq!((record.partition, &record.headers[..]), (Some(1), &[][..]));
    }
    let keys = [("partitionIdHeader", "p"), ("allowTopicOverride", "false")];
    let headers = r#"{"key": "hello", "topic": "t2", "p": "3"}"#;
    let records = sent(&avsc, &kafka, &keys, headers, "t1");
    tally(&records, 10).assert_exact("to the topic of the file");
    assert!(records.iter().all(|record| record.partition == Some(3)));
    let records = sent(&avsc, &kafka, &[("defaultPartitionId", "2")], "{}", "t1");
    assert!(records.iter().all(|record| record.partition == Some(2)));
}

#[test]
fn headers_of_flume_become_headers_and_times_of_kafka() {
    let avsc = require!(Avsc::resolve());
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let keys = [("header.place", "where"), ("timestampHeader", "when")];
    let headers = r#"{"place": "Česko", "when": "1700000000123", "other": "x"}"#;
    let records = sent(&avsc, &kafka, &keys, headers, "t1");
    tally(&records, 10).assert_exact("with headers");
    for record in &records {
        assert_eq!(record.timestamp, Some(1_700_000_000_123));
        let place = ("where".to_owned(), Some("Česko".as_bytes().to_vec()));
        assert_eq!(record.headers, [place]);
    }
}

/// One datum of Avro: a map of one header, and the body.
#[test]
fn the_format_of_flume_keeps_the_headers_in_the_value() {
    let avsc = require!(Avsc::resolve());
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let records = sent(
        &avsc,
        &kafka,
        &[("useFlumeEventFormat", "true")],
        r#"{"k": "v"}"#,
        "t1",
    );
    let mut found: Vec<Vec<u8>> = records
        .into_iter()
        .filter_map(|record| record.value)
        .collect();
    found.sort();
    let datum = |number| {
        let body = body("n", number).into_bytes();
        let length = u8::try_from(body.len() * 2).expect("a short body");
        [&b"\x02\x02k\x02v\x00"[..], &[length], &body].concat()
    };
    let mut expected: Vec<Vec<u8>> = (0..10).map(datum).collect();
    expected.sort();
    assert_eq!(found, expected);
}
