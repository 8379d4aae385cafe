//! Goal: the brokers and the clients of the harness do what the scenarios rely on, without our code, so
//! that a scenario that fails points at the agent. Method: kcat, kafka-python, Kafka's tools and real
//! Flume against each other, with numbered records counted one by one.

use std::time::Duration;

use flume_tests::tally::body;
use flume_tests::{Brokers, Isolation, Kafka, KeyStores, Login, Record, Scratch, Setup, require};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(120);

fn lines(numbers: std::ops::Range<u64>) -> String {
    numbers.map(|number| body("n", number) + "\n").collect()
}

#[test]
fn what_a_broker_has_acknowledged_outlives_its_kill() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let mut cluster = kafka.start(&scratch, &Setup::plain());
    cluster.create("t1", 3);
    cluster.produce("t1", &lines(0..100), &[]);
    let texts = |records: Vec<Record>| {
        let mut tally = flume_tests::Tally::new("n", 100);
        records
            .iter()
            .for_each(|record| tally.add(record.text().as_bytes()));
        tally
    };
    let read = |cluster: &flume_tests::Cluster| cluster.records("t1", Isolation::Uncommitted);
    texts(read(&cluster)).assert_exact("written by kcat, read by kafka-python");
    cluster.kill(1);
    cluster.restart(1);
    let again = read(&cluster);
    texts(again).assert_exact("after a kill");
    cluster.count("t1", "n", 100).assert_exact("read by kcat");
}

#[test]
fn records_come_back_with_all_that_they_have() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = kafka.start(&scratch, &Setup::plain());
    cluster.create("t1", 2);
    let full = Record {
        partition: Some(1),
        offset: 0,
        timestamp: Some(1_700_000_000_123),
        key: Some(b"k\xff".to_vec()),
        value: Some(vec![0, 10, 255]),
        headers: vec![
            ("a".to_owned(), Some(b"1".to_vec())),
            ("a".to_owned(), Some(b"\xfe".to_vec())),
        ],
    };
    let tombstone = Record {
        partition: Some(1),
        offset: 1,
        timestamp: Some(1_700_000_000_124),
        key: Some(Vec::new()),
        ..Record::default()
    };
    let both = [full, tombstone];
    cluster.write("t1", &both);
    assert_eq!(cluster.records("t1", Isolation::Uncommitted), both);
}

#[test]
fn an_aborted_transaction_is_seen_by_those_who_ask_for_it() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = kafka.start(&scratch, &Setup::plain());
    cluster.create("t1", 1);
    let aborted = [Record::of("one"), Record::of("two")];
    cluster.transact("t1", &aborted, false);
    cluster.transact("t1", &[Record::of("three")], true);
    let read = |isolation| {
        let records = cluster.records("t1", isolation);
        let texts = records.iter().map(|record| record.text().to_owned());
        texts.collect::<Vec<_>>()
    };
    assert_eq!(read(Isolation::Committed), ["three"]);
    assert_eq!(read(Isolation::Uncommitted), ["one", "two", "three"]);
    // Behind the two, and behind the mark of their end.
    let console = cluster.console("t1", 1, Isolation::Committed);
    assert_eq!(console, ["Partition:0\tOffset:3\tNO_HEADERS\tnull\tthree"]);
}

#[test]
fn three_nodes_lose_nothing_with_their_leader_and_move_it() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 3));
    let scratch = Scratch::new();
    let mut cluster = kafka.start(&scratch, &Setup::plain());
    cluster.create("t1", 1);
    cluster.produce("t1", &lines(0..100), &[]);
    let led = cluster.leader("t1", 0).expect("a leader");
    cluster.kill(led);
    cluster.produce("t1", &lines(100..200), &[]);
    let other = cluster.leader("t1", 0).expect("another leader");
    assert_ne!(led, other);
    cluster.restart(led);
    cluster.move_leader("t1", 0, led);
    // A frozen leader is replaced, too.
    cluster.freeze(led);
    cluster.produce("t1", &lines(200..300), &[]);
    cluster.thaw(led);
    let tally = cluster.await_count("t1", "n", 300, PATIENCE);
    tally.assert_at_least_once("with another leader", 100);
}

#[test]
fn clients_have_to_log_in_and_to_speak_tls() {
    let stores = require!(KeyStores::resolve("PKCS12"));
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let certificate = stores.trust.with_file_name("certificate.pem");
    for (login, tls) in [
        (Some(Login::Plain), false),
        // Not with kcat: its library, of 2023, repeats a nonce that Kafka 4 compares.
        (Some(Login::Scram512), true),
        (Some(Login::Scram256), false),
        (None, true),
    ] {
        let scratch = Scratch::new();
        let mut setup = Setup::plain();
        let mut right = json!({});
        if tls {
            setup = setup.tls(&stores);
            right["ssl_cafile"] = json!(certificate);
        }
        if let Some(login) = login {
            setup = setup.login(login);
            right["sasl_mechanism"] = json!(login.mechanism());
            right["sasl_plain_username"] = json!(Login::USER);
            right["sasl_plain_password"] = json!(Login::PASSWORD);
        }
        let protocol = setup.protocol();
        right["security_protocol"] = json!(protocol);
        let mut wrong = right.clone();
        match login {
            Some(_) => wrong["sasl_plain_password"] = json!("wrong"),
            None => wrong = json!({"security_protocol": "PLAINTEXT"}),
        }
        let cluster = kafka.start(&scratch, &setup);
        cluster.create("t1", 1);
        assert_eq!(
            cluster.topics(&right),
            Ok(vec!["t1".to_owned()]),
            "{protocol}"
        );
        let refused = cluster.topics(&wrong).expect_err(protocol);
        assert!(refused.contains("kafka.errors"), "{refused}");
    }
}
