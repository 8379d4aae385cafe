//! Settings that hold only together.

use super::*;

const LATE: (Code, Severity) = (Code::LateSync, Severity::Warning);
const OFF: (Code, Severity) = (Code::BadValue, Severity::Warning);

#[test]
fn a_producer_that_may_lose_or_double_events_says_so() {
    for (keys, idempotent, found) in [
        (&[("acks", "1")][..], "false", &[LATE, OFF][..]),
        (&[("acks", "0")], "false", &[LATE, OFF]),
        (&[("enable.idempotence", "false")], "false", &[OFF]),
        (
            &[("max.in.flight.requests.per.connection", "6")],
            "false",
            &[OFF],
        ),
        (&[("retries", "0")], "false", &[OFF]),
        (
            &[("acks", "1"), ("enable.idempotence", "false")],
            "false",
            &[LATE, OFF],
        ),
        (
            &[("acks", "all"), ("enable.idempotence", "true")],
            "true",
            &[],
        ),
        (
            &[("max.in.flight.requests.per.connection", "1")],
            "true",
            &[],
        ),
    ] {
        let read = read(Producer, keys);
        assert_eq!(read.get("enable.idempotence"), Some(idempotent), "{keys:?}");
        assert_eq!(read.codes(), found, "{keys:?}: {:?}", read.found);
    }
    let read = read_for(Built::HERE, Producer, &[], &[("acks", "1")], &[]);
    assert_eq!(read.codes(), [LATE, OFF]);
    assert!(real(Producer, &read.settings.unwrap().resolve(&Stores).unwrap()).is_ok());
}

#[test]
fn what_an_older_key_says_is_told_of_that_key() {
    let nowhere = flume_core::Span { start: 7, end: 8 };
    let mut context = context(Producer, &[]);
    let value = flume_core::context::Value::new("1", nowhere, nowhere);
    context.insert("requiredAcks", value);
    let settings = ClientSettings::read(&mut context, Producer, &[("acks", "1")], &[]);
    assert!(settings.is_some());
    context.accept("requiredAcks");
    for found in context.finish() {
        assert!(
            found.message.starts_with("`a1.x.y.requiredAcks`"),
            "{}",
            found.message
        );
        assert_eq!(found.span, Some(nowhere));
    }
}

#[test]
fn a_producer_that_asks_for_both_is_refused() {
    for other in [
        ("acks", "1"),
        ("retries", "0"),
        ("max.in.flight", "6"),
        ("queue.buffering.backpressure.threshold", "2"),
    ] {
        let read = read(Producer, &[other, ("enable.idempotence", "true")]);
        let found = read.codes();
        assert!(
            found.contains(&(Code::BadValue, Severity::Error)),
            "{other:?}: {found:?}"
        );
    }
    let read = read(
        Producer,
        &[("delivery.timeout.ms", "5"), ("linger.ms", "5")],
    );
    assert_eq!(read.only().code, Code::OutOfRange);
    // For ever.
    assert_eq!(
        super::read(Producer, &[("delivery.timeout.ms", "0")]).found,
        []
    );
}

#[test]
fn reconnecting_has_one_order() {
    let read = read(Producer, &[("reconnect.backoff.ms", "20000")]);
    assert_eq!(read.get("reconnect.backoff.max.ms"), Some("20000"));
    let both = [
        ("reconnect.backoff.ms", "2000"),
        ("reconnect.backoff.max.ms", "1000"),
    ];
    let read = super::read(Producer, &both);
    assert_eq!(read.get("reconnect.backoff.max.ms"), Some("2000"));
    assert_eq!(read.codes(), [(Code::NoEffect, Severity::Note)]);
}

#[test]
fn what_java_allows_a_consumer_works() {
    for (given, key, becomes) in [
        // The library wants a session that is no longer than the time between polls.
        (
            &[("max.poll.interval.ms", "30000")][..],
            "session.timeout.ms",
            Some("30000"),
        ),
        (
            &[("max.poll.interval.ms", "60000")],
            "session.timeout.ms",
            None,
        ),
        // And no fetch that is smaller than a message.
        (
            &[("fetch.max.bytes", "500000")],
            "message.max.bytes",
            Some("500000"),
        ),
        (
            &[("fetch.max.bytes", "52428800")],
            "message.max.bytes",
            None,
        ),
        (
            &[
                ("group.protocol", "consumer"),
                ("max.poll.interval.ms", "30000"),
            ],
            "session.timeout.ms",
            None,
        ),
    ] {
        let read = read(Consumer, given);
        assert_eq!(read.get(key), becomes, "{given:?}");
        assert_eq!(read.found, [], "{given:?}");
    }
    let mixed = "org.apache.kafka.clients.consumer.RangeAssignor,\
                 org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
    let read = read(Consumer, &[("partition.assignment.strategy", mixed)]);
    assert_eq!(read.get("partition.assignment.strategy"), Some("range"));
    assert_eq!(read.codes(), [OFF]);
    // A default of the component gives way to the new protocol.
    let defaults = [("session.timeout.ms", "10000")];
    let keys = [("group.protocol", "consumer")];
    let read = read_for(Built::HERE, Consumer, &keys, &defaults, &[]);
    assert_eq!(
        (read.get("session.timeout.ms"), read.found.len()),
        (None, 0)
    );
}

#[test]
fn what_excludes_each_other_is_refused() {
    for keys in [
        [
            ("group.protocol", "consumer"),
            ("session.timeout.ms", "10000"),
        ],
        [
            ("group.protocol", "consumer"),
            ("heartbeat.interval.ms", "1000"),
        ],
        [
            ("group.protocol", "consumer"),
            ("partition.assignment.strategy", "range"),
        ],
        [
            ("max.poll.interval.ms", "10000"),
            ("session.timeout.ms", "20000"),
        ],
        [("fetch.max.bytes", "500"), ("fetch.min.bytes", "1")],
        [
            ("fetch.max.bytes", "2000000"),
            ("message.max.bytes", "3000000"),
        ],
        [
            ("fetch.max.bytes", "2000000"),
            ("receive.message.max.bytes", "2000000"),
        ],
    ] {
        let read = read(Consumer, &keys);
        assert_eq!(read.only().severity, Severity::Error, "{keys:?}");
    }
}
