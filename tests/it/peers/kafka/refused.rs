//! Goal: what a broker never takes, what is no event, and records that are gone before they were read
//! stop nothing. Method: such lines and records in the middle of numbered ones, with a real broker that
//! refuses, deletes and forgets; dead letters are counted as well.

use flume_tests::{
    AgentFile, Brokers, Cluster, Feed, Host, Isolation, Kafka, Landing, Lines, Record, Scratch,
    Setup, eventually, host, landing, ports, require,
};

use super::{PATIENCE, receiver};

const TOPIC: &str = "t1";

/// A line of more bytes than the topic takes in a record.
fn large() -> String {
    "l".repeat(5_000)
}

fn bodies(folder: &std::path::Path) -> Vec<String> {
    let landed = Landing::Folder(folder.to_path_buf()).bodies();
    let text = |body| String::from_utf8(body).expect("text");
    landed.into_iter().map(text).collect()
}

/// Real Flume tries such a batch for ever, and sends what is good in it again each time.
#[test]
fn lines_that_the_broker_never_takes_go_to_the_dead_letters() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = kafka.start(&scratch, &Setup::plain());
    cluster.create_with(TOPIC, 4, &["max.message.bytes=2000"]);
    let input = ports::free();
    let letters = scratch.folder("letters");
    let i1 = "sources.r1.interceptors.i1";
    let file = AgentFile::new("a1")
        .memory("c1", 10_000, 1_000)
        .memory("c9", 1_000, 100)
        .netcat("r1", input)
        .feeds("r1", "c1")
        .set("sources.r1.max-line-length", 10_000)
        .set("sources.r1.interceptors", "i1")
        .set(&format!("{i1}.type"), "regex_extractor")
        .set(&format!("{i1}.regex"), "^to ([0-9]+)")
        .set(&format!("{i1}.serializers"), "s1")
        .set(&format!("{i1}.serializers.s1.name"), "p")
        // Records alone in their batches, so that the limit is one of the records.
        .kafka_sink("k1", &cluster.bootstrap(), TOPIC, 100)
        .set("sinks.k1.kafka.producer.batch.size", 1)
        .set("sinks.k1.partitionIdHeader", "p")
        .set("sinks.k1.on-error", "dead-letter:c9")
        .file_roll("k9", &letters, 1)
        .drains("k9", "c9")
        .with_short_names();
    let _host = Host::start(&scratch, "sender", &file.text());
    Feed::send(input, Lines::new("n", 100), PATIENCE).assert_all_acknowledged();
    let to = format!("127.0.0.1:{input}");
    let bad = format!("{}\nto 99\n", large());
    let sent = host::command(&["send", "--to", &to], &bad);
    assert!(sent.status.success(), "{}", sent.stderr);
    let more = Lines::new("n", 100).from(100);
    Feed::send(input, more, PATIENCE).assert_all_acknowledged();
    let tally = cluster.await_count(TOPIC, "n", 200, PATIENCE);
    tally.assert_exact("around the lines that are refused");
    let mut given_up = eventually("both are given up", PATIENCE, || {
        let bodies = bodies(&letters);
        (bodies.len() >= 2).then_some(bodies)
    });
    given_up.sort();
    assert_eq!(given_up, [large(), "to 99".to_owned()]);
    cluster.count(TOPIC, "n", 200).assert_exact("at the end");
}

/// Real Flume leaves such records out, and commits the offset behind them.
#[test]
fn records_that_are_no_events_go_to_the_dead_letters() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = kafka.start(&scratch, &Setup::plain());
    cluster.create(TOPIC, 1);
    let datum = |number: u8| {
        let body = flume_tests::tally::body("n", u64::from(number)).into_bytes();
        let length = u8::try_from(body.len() * 2).expect("a short body");
        Record::of([&[0, length], &body[..]].concat())
    };
    let tombstone = Record {
        key: Some(b"k".to_vec()),
        ..Record::default()
    };
    let records = [
        datum(0),
        Record::of("no event"),
        datum(1),
        tombstone,
        datum(2),
    ];
    cluster.write(TOPIC, &records);
    let (folder, letters) = (scratch.folder("landed"), scratch.folder("letters"));
    let file = receiver(&cluster, TOPIC, "g1", &folder)
        .memory("c9", 1_000, 100)
        .feeds("r1", "c1")
        .set("sources.r1.useFlumeEventFormat", true)
        .set("sources.r1.on-error", "dead-letter:c9")
        .file_roll("k9", &letters, 1)
        .drains("k9", "c9")
        .with_short_names();
    let mut host = Host::start(&scratch, "receiver", &file.text());
    let landed = Landing::Folder(folder);
    let tally = landing::await_count(&[&landed], "n", 3, PATIENCE);
    tally.assert_exact("the events of Flume");
    let letters = eventually("both are given up", PATIENCE, || {
        let bodies = bodies(&letters);
        (bodies.len() >= 2).then_some(bodies)
    });
    assert_eq!(letters, ["no event", ""]);
    assert!(host.term(PATIENCE).success());
    assert_eq!(cluster.group("g1")[0].offset, Some(5), "all are committed");
}

/// Starts a receiver until all of these numbers have landed.
fn read_until(cluster: &Cluster, scratch: &Scratch, name: &str, numbers: std::ops::Range<u64>) {
    let folder = scratch.folder("landed");
    let file = receiver(cluster, TOPIC, "g1", &folder).with_short_names();
    let mut host = Host::start(scratch, name, &file.text());
    let landed = Landing::Folder(folder);
    let count = numbers.end - numbers.start;
    eventually(name, PATIENCE, || {
        let tally = landing::count(&[&landed], "n", numbers.end);
        (tally.arrived_of(numbers.clone()) == count).then_some(())
    });
    assert!(host.term(PATIENCE).success());
    let tally = landing::count(&[&landed], "n", numbers.end);
    assert_eq!(tally.doubled(), 0, "{tally}");
}

/// As `auto.offset.reset = earliest` says: with the first record that is still there.
#[test]
fn a_source_goes_on_behind_records_that_are_gone() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = kafka.start(&scratch, &Setup::plain());
    cluster.create(TOPIC, 1);
    cluster.produce_numbered(TOPIC, "n", 0..1_000);
    read_until(&cluster, &scratch, "before", 0..1_000);
    cluster.produce_numbered(TOPIC, "n", 1_000..2_000);
    cluster.delete_records(TOPIC, 0, 1_500);
    read_until(&cluster, &scratch, "behind a gap", 1_500..2_000);
    let landed = bodies(&scratch.path("landed"));
    assert_eq!(landed.len(), 1_500, "nothing of what is gone");
}

#[test]
fn a_source_goes_on_in_a_topic_that_was_made_again() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = kafka.start(&scratch, &Setup::plain());
    cluster.create(TOPIC, 1);
    cluster.produce_numbered(TOPIC, "n", 0..1_000);
    let folder = scratch.folder("landed");
    let file = receiver(&cluster, TOPIC, "g1", &folder).with_short_names();
    let _host = Host::start(&scratch, "receiver", &file.text());
    let landed = Landing::Folder(folder);
    let tally = landing::await_count(&[&landed], "n", 1_000, PATIENCE);
    tally.assert_exact("the first topic");
    cluster.delete(TOPIC);
    eventually("the topic is gone", PATIENCE, || {
        cluster.lines(TOPIC).is_empty().then_some(())
    });
    // Whoever asks for it first makes it again, as brokers allow by default.
    cluster.produce_numbered(TOPIC, "n", 1_000..1_500);
    let tally = landing::await_count(&[&landed], "n", 1_500, PATIENCE);
    tally.assert_exact("the second topic");
    let records = cluster.records(TOPIC, Isolation::Uncommitted);
    assert_eq!(records[0].offset, 0, "it begins again");
}
