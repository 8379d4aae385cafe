//! Goal: a policy says in which partition a record goes, and Java's clients find it there. Method: the
//! shipped `route-by-field.wasm` takes the header `key` from a field of JSON bodies; the records are read back
//! with kafka-python, which also writes records with the same keys into a topic of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use flume_tests::{
    AgentFile, Brokers, Cluster, Host, Isolation, Kafka, Record, Scratch, Setup, host, ports,
    require,
};

const PATIENCE: Duration = Duration::from_secs(120);

const CUSTOMERS: u64 = 40;
const ORDERS: u64 = 400;

/// The partitions in which the records of each key are.
fn places(records: &[Record]) -> BTreeMap<String, Vec<u32>> {
    let mut places: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for record in records {
        let key = record.key.clone().expect("a record with a key");
        let key = String::from_utf8(key).expect("a key that is text");
        let partitions = places.entry(key).or_default();
        partitions.extend(record.partition);
        partitions.sort_unstable();
        partitions.dedup();
    }
    places
}

fn read(cluster: &Cluster, topic: &str) -> Vec<Record> {
    cluster.records(topic, Isolation::Uncommitted)
}

#[test]
fn a_policy_sets_the_key_and_the_key_the_partition() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = kafka.start(&scratch, &Setup::plain());
    let topics = ["ours", "theirs"];
    for topic in topics {
        cluster.create(topic, 8);
    }
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/dist/route-by-field.wasm");
    let input = ports::free();
    let file = AgentFile::new("a1")
        .memory("c1", 10_000, 1_000)
        .netcat("r1", input)
        .set("sources.r1.interceptors", "i1")
        .set("sources.r1.interceptors.i1.type", policy.display())
        .set("sources.r1.interceptors.i1.field", "/customer/id")
        .set("sources.r1.interceptors.i1.header", "key")
        .kafka_sink("k1", &cluster.bootstrap(), "ours", 100);
    let agent = Host::start(&scratch, "a1", &file.text());
    let body = |number| {
        let customer = number % CUSTOMERS;
        format!("{{\"order\":{number},\"customer\":{{\"id\":\"c{customer}\"}}}}")
    };
    let lines: String = (0..ORDERS).map(|number| body(number) + "\n").collect();
    let sent = host::command(&["send", "--to", &format!("127.0.0.1:{input}")], &lines);
    assert!(sent.status.success(), "{}{}", sent.stdout, sent.stderr);
    agent.await_delivered("c1", ORDERS, PATIENCE);

    let keys = (0..CUSTOMERS).map(|customer| Record {
        key: Some(format!("c{customer}").into_bytes()),
        ..Record::of("x")
    });
    cluster.write("theirs", &keys.collect::<Vec<_>>());
    let [ours, theirs] = topics.map(|topic| read(&cluster, topic));
    assert_eq!(ours.len() as u64, ORDERS);
    for record in &ours {
        let key = String::from_utf8(record.key.clone().expect("a key")).expect("text");
        assert!(
            record.text().contains(&format!("\"id\":\"{key}\"")),
            "{record:?}"
        );
    }
    let [ours, theirs] = [ours, theirs].map(|records| places(&records));
    assert_eq!(ours.len() as u64, CUSTOMERS);
    assert_eq!(
        ours, theirs,
        "the partition of a key is that of other clients"
    );
    let mut used: Vec<u32> = ours.into_values().flatten().collect();
    assert_eq!(used.len() as u64, CUSTOMERS, "one partition for each key");
    used.sort_unstable();
    used.dedup();
    assert!(used.len() > 4, "keys are spread: {used:?}");
}
