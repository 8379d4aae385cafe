//! Java's words, one by one.

use super::*;

/// Whose, what the file says, what the library is told; without a value it is the same one.
const TABLE: &str = "
    producer  acks = -1  acks = all
    producer  acks = ALL  acks = all
    producer  request.required.acks = -1  acks = all
    producer  buffer.memory = 33554433  queue.buffering.max.kbytes = 32769
    producer  compression.type = ZSTD  compression.type = zstd
    producer  compression.codec = gzip  compression.type
    producer  client.id = me  client.id
    producer  client.dns.lookup = default  client.dns.lookup = use_all_dns_ips
    producer  connections.max.idle.ms = -1  connections.max.idle.ms = 0
    producer  delivery.timeout.ms = 60000  delivery.timeout.ms
    producer  message.timeout.ms = 60000  delivery.timeout.ms
    producer  linger.ms = 0  linger.ms
    producer  max.request.size = 5242880  message.max.bytes
    producer  metadata.max.age.ms = 60000  topic.metadata.refresh.interval.ms
    producer  partitioner = consistent  partitioner
    producer  partitioner.class = UniformSticky  partitioner = random
    producer  partitioner.ignore.keys = true  partitioner = random
    producer  partitioner.ignore.keys = false  partitioner = murmur2_random
    producer  request.timeout.ms = 20000  request.timeout.ms
    producer  send.buffer.bytes = 131072  socket.send.buffer.bytes
    producer  receive.buffer.bytes = -1  socket.receive.buffer.bytes = 0
    producer  security.protocol = plaintext  security.protocol
    producer  debug = broker,topic  debug
    consumer  auto.offset.reset = none  auto.offset.reset = error
    consumer  auto.offset.reset = EARLIEST  auto.offset.reset = earliest
    consumer  auto.offset.reset = smallest  auto.offset.reset = earliest
    consumer  fetch.max.wait.ms = 100  fetch.wait.max.ms
    consumer  group.id = g  group.id
    consumer  isolation.level = read_committed  isolation.level
    consumer  fetch.message.max.bytes = 2097152  max.partition.fetch.bytes
    consumer  partition.assignment.strategy = range  partition.assignment.strategy
    consumer  request.timeout.ms = 40000  socket.timeout.ms
    consumer  session.timeout.ms = 10000  session.timeout.ms
    consumer  queued.min.messages = 1000  queued.min.messages
";

#[test]
fn each_of_javas_settings_becomes_one_of_the_library() {
    for row in TABLE.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let parts: Vec<&str> = row.split("  ").collect();
        let pair = |part: &'static str| part.split_once(" = ").unwrap_or((part, ""));
        let ((java, text), (library, becomes)) = (pair(parts[1]), pair(parts[2]));
        let text = match text {
            "UniformSticky" => "org.apache.kafka.clients.producer.UniformStickyPartitioner",
            text => text,
        };
        let becomes = if becomes.is_empty() { text } else { becomes };
        let kind = if parts[0] == "producer" {
            Producer
        } else {
            Consumer
        };
        let read = read(kind, &[(java, text)]);
        assert_eq!(read.get(library), Some(becomes), "{row}");
        assert_eq!(read.found, [], "{row}");
        assert!(java == library || read.get(java).is_none(), "{row}");
    }
}

#[test]
fn assignors_are_classes_or_names() {
    let key = "partition.assignment.strategy";
    let java = "org.apache.kafka.clients.consumer";
    for (text, becomes) in [
        (
            format!("{java}.RoundRobinAssignor, {java}.RangeAssignor"),
            "roundrobin,range",
        ),
        (
            format!("{java}.CooperativeStickyAssignor"),
            "cooperative-sticky",
        ),
        ("cooperative-sticky".to_owned(), "cooperative-sticky"),
    ] {
        let read = read(Consumer, &[(key, &text)]);
        assert_eq!(
            (read.get(key), read.found.len()),
            (Some(becomes), 0),
            "{text}"
        );
    }
}

#[test]
fn what_changes_nothing_is_a_note() {
    for (kind, key, text) in [
        (Producer, "bootstrap.servers", "elsewhere:9092"),
        (Producer, "max.block.ms", "1"),
        (Producer, "metric.reporters", "a.B"),
        (Producer, "compression.gzip.level", "9"),
        (Producer, "ssl.protocol", "TLSv1.2"),
        (Producer, "ssl.truststore.location", "/no/such"),
        (Producer, "sasl.mechanism", "PLAIN"),
        (Consumer, "max.poll.records", "500"),
        (Consumer, "auto.commit.interval.ms", "1000"),
    ] {
        let read = read(kind, &[(key, text)]);
        let note = (Code::NoEffect, Severity::Note);
        assert_eq!(read.codes(), [note], "{key}");
        assert_eq!(
            read.get(key),
            if key == "bootstrap.servers" {
                Some("127.0.0.1:1")
            } else {
                None
            }
        );
    }
    let bytes = "org.apache.kafka.common.serialization.ByteArraySerializer";
    assert_eq!(read(Producer, &[("value.serializer", bytes)]).found, []);
    let level = [
        ("compression.type", "gzip"),
        ("compression.gzip.level", "9"),
    ];
    let read = read(Producer, &level);
    assert_eq!(read.get("compression.level"), Some("9"));
}

/// Whose, what the file says, what is found.
const REFUSED: &str = "
    producer  interceptor.classes = a.B  no-effect
    producer  config.providers = file  no-effect
    producer  value.serializer = a.B  unsupported
    producer  partitioner.class = a.B  unsupported
    producer  transactional.id = t  unsupported
    producer  acks = 2  bad-value
    producer  request.required.acks = 2  bad-value
    producer  compression.type = brotli  bad-value
    producer  security.protocol = TLS  bad-value
    producer  linger.ms = soon  bad-value
    producer  linger.ms = -1  out-of-range
    producer  delivery.report.only.error = true  unsupported
    producer  plugin.library.paths = x.so  unsupported
    consumer  key.deserializer = a.B  unsupported
    consumer  partition.assignment.strategy = a.StickyAssignor  unsupported
    consumer  auto.offset.reset = by_duration:PT1H  bad-value
    consumer  isolation.level = serializable  bad-value
    consumer  offset.store.method = file  unsupported
";

#[test]
fn what_is_missing_is_told_and_what_cannot_be_is_refused() {
    for row in REFUSED.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let parts: Vec<&str> = row.split("  ").collect();
        let kind = if parts[0] == "producer" {
            Producer
        } else {
            Consumer
        };
        let read = read(kind, &[parts[1].split_once(" = ").unwrap()]);
        let severity = match parts[2] {
            "no-effect" => Severity::Warning,
            _ => Severity::Error,
        };
        let found = (read.only().code.id(), read.only().severity);
        assert_eq!(found, (parts[2], severity), "{row}");
    }
}

#[test]
fn more_than_the_library_takes_is_what_it_takes() {
    let read = read(Consumer, &[("max.poll.interval.ms", "2147483647")]);
    assert_eq!(read.get("max.poll.interval.ms"), Some("86400000"));
    assert_eq!(read.codes(), [(Code::OutOfRange, Severity::Warning)]);
    let read = super::read(
        Producer,
        &[("connections.max.idle.ms", "9223372036854775807")],
    );
    assert_eq!(read.get("connections.max.idle.ms"), Some("2147483647"));
}

/// A value for each name of the table, all together, as far as they go together.
#[test]
fn every_name_is_read() {
    for kind in [Producer, Consumer] {
        for name in names::all().filter(|name| name.of.has(kind)) {
            let read = read_for(ALL, kind, &[(name.java, "1")], &[], &[]);
            let is_known = read
                .found
                .iter()
                .all(|found| found.code != Code::UnknownKey);
            assert!(is_known, "{}: {:?}", name.java, read.found);
        }
    }
    let java: Vec<&str> = names::all().map(|name| name.java).collect();
    let both = |name: &&str| java.iter().filter(|other| *other == name).count() > 1;
    let twice: Vec<&str> = java.iter().copied().filter(both).collect();
    let mine = [
        "timeout.ms",
        "request.timeout.ms",
        "request.timeout.ms",
        "timeout.ms",
    ];
    let is_of_both = |name: &&str| mine.contains(name);
    assert!(
        twice.iter().all(is_of_both) && twice.len() == mine.len(),
        "{twice:?}"
    );
}

/// Whatever a setting becomes is one that the library has.
#[test]
fn what_it_becomes_is_there() {
    use crate::settings::names::Becomes;
    for kind in [Producer, Consumer] {
        for name in names::all().filter(|name| name.of.has(kind)) {
            if let Becomes::Setting(setting, _) = name.becomes {
                let passed = library::find(setting, kind).map(|setting| setting.use_of);
                assert!(matches!(passed, Some(library::Use::Passed(_))), "{setting}");
            }
        }
        for name in FILES {
            assert!(library::find(name, kind).is_some(), "{name}");
        }
    }
}
