//! Goal: the settings for TLS and SASL that Java's client has let ours in, with Java's key stores, and a
//! wrong one lets nobody in. Method: netcat → Kafka channel → files, whose producer and consumer have
//! to log in to a real broker; numbered lines.

use std::time::Duration;

use flume_tests::{
    AgentFile, Brokers, Cluster, Feed, Host, Kafka, KeyStores, Landing, Lines, Login, Scratch,
    Setup, landing, ports, require,
};

const PATIENCE: Duration = Duration::from_secs(120);
const EVENTS: u64 = 500;

/// Lines, a Kafka channel whose two clients have these settings, and files.
fn file(
    cluster: &Cluster,
    input: u16,
    folder: &std::path::Path,
    settings: &[(&str, String)],
) -> String {
    let mut file = AgentFile::new("a1")
        .kafka_channel("c1", &cluster.bootstrap(), "t1", "g1")
        .netcat("r1", input)
        .file_roll("k1", folder, 100);
    for client in ["producer", "consumer"] {
        for (key, text) in settings {
            file = file.set(&format!("channels.c1.kafka.{client}.{key}"), text);
        }
    }
    file.text()
}

fn login(login: Login, password: &str) -> Vec<(&'static str, String)> {
    let module = match login {
        Login::Plain => "plain.Plain",
        Login::Scram256 | Login::Scram512 => "scram.Scram",
    };
    let config = format!(
        "org.apache.kafka.common.security.{module}LoginModule required username=\"{}\" \
         password=\"{password}\";",
        Login::USER
    );
    vec![
        ("sasl.mechanism", login.mechanism().to_owned()),
        ("sasl.jaas.config", config),
    ]
}

/// Lines go in, and each of them comes out.
fn passes(kafka: &Kafka, setup: Setup, mut settings: Vec<(&'static str, String)>) {
    settings.push(("security.protocol", setup.protocol().to_owned()));
    let scratch = Scratch::new();
    let cluster = kafka.start(&scratch, &setup);
    cluster.create("t1", 2);
    let (input, landed) = (ports::free(), scratch.folder("landed"));
    let text = file(&cluster, input, &landed, &settings);
    let mut host = Host::start(&scratch, "agent", &text);
    Feed::send(input, Lines::new("n", EVENTS), PATIENCE).assert_all_acknowledged();
    let tally = landing::await_count(&[&Landing::Folder(landed)], "n", EVENTS, PATIENCE);
    tally.assert_exact(setup.protocol());
    assert!(host.term(PATIENCE).success());
}

fn trust(stores: &KeyStores, kind: &str) -> Vec<(&'static str, String)> {
    vec![
        (
            "ssl.truststore.location",
            stores.trust.display().to_string(),
        ),
        ("ssl.truststore.password", KeyStores::PASSWORD.to_owned()),
        ("ssl.truststore.type", kind.to_owned()),
    ]
}

#[test]
fn a_password_lets_the_channel_in() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let plain = Setup::plain().login(Login::Plain);
    passes(&kafka, plain, login(Login::Plain, Login::PASSWORD));
    let scram = Setup::plain().login(Login::Scram256);
    passes(&kafka, scram, login(Login::Scram256, Login::PASSWORD));
}

#[test]
fn a_trust_store_and_a_password_let_the_channel_in() {
    let stores = require!(KeyStores::resolve("JKS"));
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let setup = Setup::plain().tls(&stores).login(Login::Scram512);
    let mut settings = trust(&stores, "JKS");
    settings.extend(login(Login::Scram512, Login::PASSWORD));
    passes(&kafka, setup, settings);
}

/// The broker wants a certificate of the client, too.
#[test]
fn a_key_store_lets_the_channel_in() {
    let stores = require!(KeyStores::resolve("PKCS12"));
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let of_broker = |key: &str| format!("listener.name.client.ssl.{key}");
    let setup = Setup::plain()
        .tls(&stores)
        .set(&of_broker("client.auth"), "required")
        .set(&of_broker("truststore.type"), "PKCS12")
        .set(&of_broker("truststore.location"), stores.trust.display())
        .set(&of_broker("truststore.password"), KeyStores::PASSWORD);
    let mut settings = trust(&stores, "PKCS12");
    settings.extend([
        ("ssl.keystore.type", "PKCS12".to_owned()),
        ("ssl.keystore.location", stores.key.display().to_string()),
        ("ssl.keystore.password", KeyStores::PASSWORD.to_owned()),
        ("ssl.key.password", KeyStores::PASSWORD.to_owned()),
    ]);
    passes(&kafka, setup, settings);
}

#[test]
fn a_wrong_password_lets_nobody_in_and_is_not_shown() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let setup = Setup::plain().login(Login::Plain);
    let cluster = kafka.start(&scratch, &setup);
    cluster.create("t1", 1);
    let (input, landed) = (ports::free(), scratch.folder("landed"));
    let mut settings = login(Login::Plain, "another-secret");
    settings.push(("security.protocol", setup.protocol().to_owned()));
    let text = file(&cluster, input, &landed, &settings);
    let mut host = Host::start(&scratch, "agent", &text);
    host.process()
        .await_said("uthentication failed", 1, PATIENCE);
    let log = host.process().log();
    assert!(!log.contains("another-secret"), "{log}");
    assert_eq!(landing::files(&landed), Vec::<std::path::PathBuf>::new());
    host.kill();
}
