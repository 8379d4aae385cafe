//! What a file says about a client, and what a real librdkafka takes of it.

use flume_core::context::MASK;
use flume_core::{Code, Diagnostic, Severity};
use rdkafka::ClientConfig;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use rdkafka::producer::BaseProducer;

use super::Kind::{Consumer, Producer};
use super::*;

mod page;
mod sasl;
mod tls;
mod together;
mod words;

const ALL: Built = Built {
    tls: true,
    kerberos: true,
};
const NONE: Built = Built {
    tls: false,
    kerberos: false,
};

const KEY: &str = include_str!("tests/pem/key.pem");
const ENCRYPTED_KEY: &str = include_str!("tests/pem/encrypted-key.pem");
const CERTIFICATE: &str = include_str!("tests/pem/certificate.pem");

/// Opens any store with the password `right`.
#[derive(Debug)]
struct Stores;

impl KeyStores for Stores {
    fn trusted(
        &self,
        path: &str,
        kind: Option<&str>,
        password: Option<&str>,
    ) -> Result<String, ComponentError> {
        match password {
            Some("right") | None => Ok(CERTIFICATE.to_owned()),
            Some(_) => Err(ComponentError::new(format!("{path} ({kind:?}) is closed"))),
        }
    }

    fn identity(
        &self,
        path: &str,
        kind: Option<&str>,
        password: Option<&str>,
        key_password: Option<&str>,
    ) -> Result<(String, String), ComponentError> {
        match (password, key_password) {
            (Some("right"), None | Some("right")) => Ok((CERTIFICATE.to_owned(), KEY.to_owned())),
            _ => Err(ComponentError::new(format!("{path} ({kind:?}) is closed"))),
        }
    }
}

/// What was read of the keys below the prefix of this kind.
struct Read {
    settings: Option<ClientSettings>,
    found: Vec<Diagnostic>,
    context: Context,
}

fn context(kind: Kind, keys: &[(&str, &str)]) -> Context {
    let below = keys.iter();
    let below = below.map(|(key, text)| (format!("{}.{key}", kind.prefix()), *text));
    let below: Vec<(String, &str)> = below.collect();
    let servers = ("kafka.bootstrap.servers", "127.0.0.1:1");
    let all = below.iter().map(|(key, text)| (key.as_str(), *text));
    Context::of(
        "a1.x.y",
        &std::iter::once(servers).chain(all).collect::<Vec<_>>(),
    )
}

fn read_for(
    built: Built,
    kind: Kind,
    keys: &[(&str, &str)],
    defaults: &[(&str, &str)],
    fixed: &[(&str, &str)],
) -> Read {
    let mut context = context(kind, keys);
    let settings = ClientSettings::read_for(built, &mut context, kind, defaults, fixed);
    let found = context.clone().finish();
    let is_error = |found: &Diagnostic| found.severity == Severity::Error;
    assert_eq!(settings.is_none(), found.iter().any(is_error), "{found:?}");
    for (key, text) in keys {
        // What no one may see is in no finding, wherever it comes from.
        if !names::is_harmless(key) && text.len() > 5 {
            assert!(
                !format!("{found:?} {settings:?}").contains(text),
                "{found:?}"
            );
        }
    }
    Read {
        settings,
        found,
        context,
    }
}

/// Reads the keys in this program; what was read is given to the real library.
fn read(kind: Kind, keys: &[(&str, &str)]) -> Read {
    let read = read_for(Built::HERE, kind, keys, &[], &[]);
    if let Some(settings) = &read.settings {
        let resolved = settings.resolve(&Stores).unwrap();
        real(kind, &resolved).unwrap_or_else(|error| panic!("{keys:?}: {error}"));
    }
    read
}

/// Makes a real client, which begins to look for its brokers in vain.
fn real(kind: Kind, resolved: &Resolved) -> Result<(), KafkaError> {
    let mut config = ClientConfig::new();
    for (key, text) in resolved.iter() {
        config.set(key, text);
    }
    config.create_native_config()?;
    match kind {
        Producer => config.create::<BaseProducer>().map(drop),
        Consumer => config
            .set("group.id", "g")
            .create::<BaseConsumer>()
            .map(drop),
    }
}

impl Read {
    fn get(&self, key: &str) -> Option<&str> {
        let settings = self.settings.as_ref();
        let settings = settings.unwrap_or_else(|| panic!("{:?}", self.found));
        settings.pairs.0.get(key).map(String::as_str)
    }

    /// The only finding.
    fn only(&self) -> &Diagnostic {
        assert_eq!(self.found.len(), 1, "{:?}", self.found);
        &self.found[0]
    }

    fn codes(&self) -> Vec<(Code, Severity)> {
        let found = self.found.iter();
        found.map(|found| (found.code, found.severity)).collect()
    }
}

#[test]
fn java_means_what_it_means_in_java() {
    let producer = read(Producer, &[]);
    for (key, text) in [
        ("bootstrap.servers", Some("127.0.0.1:1")),
        ("acks", Some("all")),
        ("enable.idempotence", Some("true")),
        ("partitioner", Some("murmur2_random")),
        ("delivery.timeout.ms", Some("120000")),
        ("max.in.flight.requests.per.connection", Some("5")),
        ("linger.ms", Some("5")),
        ("message.max.bytes", Some("1048576")),
        ("enable.auto.commit", None),
    ] {
        assert_eq!(producer.get(key), text, "{key}");
    }
    let consumer = read(Consumer, &[]);
    for (key, text) in [
        ("isolation.level", Some("read_uncommitted")),
        ("allow.auto.create.topics", Some("true")),
        ("check.crcs", Some("true")),
        ("enable.auto.commit", Some("false")),
        ("enable.auto.offset.store", Some("false")),
        ("acks", None),
    ] {
        assert_eq!(consumer.get(key), text, "{key}");
    }
    let internal = consumer.get("topic.blacklist").unwrap();
    assert!(internal.contains("__consumer_offsets"), "{internal}");
    assert_eq!((producer.found, consumer.found), (vec![], vec![]));
    let shown = read(Consumer, &[("exclude.internal.topics", "false")]);
    assert_eq!(shown.get("topic.blacklist"), None);
}

#[test]
fn the_component_speaks_first_then_the_file_then_what_is_fixed() {
    let of = |keys: &[(&str, &str)], defaults: &[(&str, &str)], fixed: &[(&str, &str)]| {
        read_for(Built::HERE, Consumer, keys, defaults, fixed)
    };
    let key = "auto.offset.reset";
    let read = of(&[], &[(key, "earliest")], &[]);
    assert_eq!(read.get(key), Some("earliest"));
    let read = of(&[(key, "none")], &[(key, "earliest")], &[]);
    assert_eq!(read.get(key), Some("error"));
    assert_eq!(read.found, []);
    let read = of(&[(key, "none")], &[], &[(key, "latest")]);
    assert_eq!(read.get(key), Some("latest"));
    assert_eq!(read.codes(), [(Code::NoEffect, Severity::Warning)]);
    // The same in other words.
    let read = of(&[(key, "largest")], &[], &[(key, "latest")]);
    assert_eq!((read.get(key), read.found.len()), (Some("latest"), 0));
    // The library's name of the component comes after Java's in the alphabet, and not in rank.
    let read = of(
        &[("fetch.max.wait.ms", "7")],
        &[("fetch.wait.max.ms", "9")],
        &[],
    );
    assert_eq!(
        (read.get("fetch.wait.max.ms"), read.found.len()),
        (Some("7"), 0)
    );
    // A default of the component that is no value, as the old `requiredAcks` may be.
    let read = read_for(Built::HERE, Producer, &[], &[("acks", "2")], &[]);
    assert_eq!(read.only().code, Code::BadValue);
    // And under another name.
    let read = read_for(
        Built::HERE,
        Producer,
        &[("request.required.acks", "-1")],
        &[("acks", "1")],
        &[],
    );
    assert_eq!((read.get("acks"), read.found.len()), (Some("all"), 0));
}

#[test]
fn offsets_are_not_committed_by_a_clock() {
    let read = read(Consumer, &[("enable.auto.commit", "true")]);
    assert_eq!(read.get("enable.auto.commit"), Some("false"));
    assert_eq!(read.only().severity, Severity::Warning);
    assert!(
        read.only().message.contains("is overruled"),
        "{:?}",
        read.found
    );
    let read = super::tests::read(Consumer, &[("enable.auto.offset.store", "TRUE")]);
    assert_eq!(read.get("enable.auto.offset.store"), Some("false"));
    assert_eq!(read.found.len(), 1);
    let same = [("enable.auto.commit", "FALSE")];
    assert_eq!(super::tests::read(Consumer, &same).found, []);
}

#[test]
fn what_nobody_knows_is_a_warning_and_a_misspelt_key_an_error() {
    let read_one = |key| read(Producer, &[(key, "1")]);
    let read = read_one("no.such");
    assert_eq!(read.codes(), [(Code::UnknownKey, Severity::Warning)]);
    assert_eq!(read.get("no.such"), None);
    for (key, meant) in [
        ("lingerMs", "linger.ms"),
        ("ack", "acks"),
        ("batch.sise", "batch.size"),
        ("queue.bufering.max.kbytes", "queue.buffering.max.kbytes"),
    ] {
        let read = read_one(key);
        assert_eq!(read.codes(), [(Code::UnknownKey, Severity::Error)], "{key}");
        let help = read.only().help.clone().unwrap();
        assert_eq!(help, format!("did you mean `{meant}`?"));
    }
    // Of the other client.
    let read = read_one("max.poll.records");
    assert_eq!(read.codes(), [(Code::UnknownKey, Severity::Warning)]);
}

#[test]
fn one_setting_under_two_names_has_one_value() {
    for (kind, first, second, value, other) in [
        (Producer, "linger.ms", "queue.buffering.max.ms", "7", "8"),
        (Consumer, "fetch.max.wait.ms", "fetch.wait.max.ms", "7", "8"),
    ] {
        let same = read(kind, &[(first, value), (second, value)]);
        assert_eq!(same.found, [], "{first}");
        let read = read(kind, &[(first, value), (second, other)]);
        assert_eq!(read.only().code, Code::DuplicateKey, "{:?}", read.found);
    }
}

#[test]
fn no_secret_is_shown() {
    let keys = [
        ("sasl.jaas.config", "P required password=\"hunter2\";"),
        ("ssl.keystore.password", "hunter2"),
        ("ssl.keystore.key", "hunter2"),
        ("sasl.password", "hunter2"),
        ("some.plugin.setting", "hunter2"),
        ("linger.ms", "5"),
        ("security.protocol", "PLAINTEXT"),
    ];
    let read = read(Producer, &keys);
    let disclosure = read.context.disclosure();
    for (key, text) in keys {
        let shown = disclosure.shown(&format!("kafka.producer.{key}"), text);
        let is_shown = shown == text;
        assert_eq!(is_shown, !text.contains("hunter2"), "{key}: {shown}");
    }
    for key in [
        "kafka.producr.sasl.jaas.config",
        "kafka.producer.sasl.jas.config",
    ] {
        assert_eq!(disclosure.shown(key, "hunter2"), MASK, "{key}");
    }
    let debug = format!("{:?} {:?}", read.settings, read.found);
    assert!(!debug.contains("hunter2"), "{debug}");
    let resolved = read.settings.unwrap().resolve(&Stores).unwrap();
    assert!(
        !format!("{resolved:?}").contains("127.0.0.1"),
        "{resolved:?}"
    );
}

/// The list of what the library has is the library's.
#[test]
fn the_library_has_what_is_listed() {
    use super::library::{SETTINGS, Use};
    use super::value::Is;
    let takes = |name: &str, text: &str| {
        let mut config = ClientConfig::new();
        config.set(name, text).create_native_config().is_ok()
    };
    let sorted = SETTINGS.windows(2).all(|two| two[0].name < two[1].name);
    assert!(sorted, "not by name");
    for setting in SETTINGS {
        let name = setting.name;
        let mut config = ClientConfig::new();
        let told = config.set(name, "").create_native_config();
        let told = told
            .err()
            .map_or_else(String::new, |error| error.to_string());
        assert!(!told.contains("No such configuration property"), "{told}");
        if Part::of(name) == Part::Tls && !Built::HERE.tls {
            continue;
        }
        match setting.use_of {
            Use::Passed(Is::OneOf(words)) if name != "security.protocol" => {
                let all = words.iter().all(|word| takes(name, word));
                let is_there = Built::HERE.tls || !name.contains("oauthbearer");
                assert_eq!(all, is_there, "{name}");
                assert!(!takes(name, "frobnicate"), "{name}");
            }
            Use::Passed(Is::Number(least, most) | Is::Decimal(least, most)) => {
                let at = |number: i64| takes(name, &number.to_string());
                assert!(at(least) && at(most), "{name}: {least} to {most}");
                assert!(!at(least - 1) && !at(most + 1), "{name}: {least} to {most}");
            }
            _ => {}
        }
    }
}
