//! Settings that hold only together. Where nobody asked for what does not go together, it is made
//! to; where the file did, that is an error here and not one of the client later.

use flume_core::{Code, Severity};

use super::kind::Kind;
use super::reading::{Rank, Reading, Said};

/// What the library assumes where it is told nothing.
const SESSION_MS: f64 = 45_000.0;
const RECONNECT_MS: f64 = 10_000.0;
const MESSAGE_BYTES: f64 = 1_000_000.0;

/// The least that the library takes for the size of a request.
const LEAST_BYTES: f64 = 1000.0;

/// What the answers to fetches need beside records.
const OVERHEAD_BYTES: f64 = 512.0;

/// The most requests under way with which a producer still knows their order.
const ORDERED_IN_FLIGHT: f64 = 5.0;

/// Looks at what was read as a whole.
pub(super) fn check(reading: &mut Reading) {
    reconnecting(reading);
    match reading.kind {
        Kind::Producer => {
            acks(reading);
            idempotence(reading);
            waiting(reading);
        }
        Kind::Consumer => {
            protocol_of_group(reading);
            assignment(reading);
            session(reading);
            sizes(reading);
        }
    }
}

/// Java takes the larger of both, too.
fn reconnecting(reading: &mut Reading) {
    let (least, most) = ("reconnect.backoff.ms", "reconnect.backoff.max.ms");
    let Some(said) = reading.told(least).cloned() else {
        return;
    };
    if reading.number(least) <= Some(reading.number(most).unwrap_or(RECONNECT_MS)) {
        return;
    }
    if let Some(smaller) = reading.told(most).cloned() {
        reading.without_effect(&smaller, &format!("`{least}` is more"));
        reading.drop_told(most);
    }
    reading.tell(most, &said);
}

fn acks(reading: &mut Reading) {
    let Some(acks) = reading.told("acks").cloned() else {
        return;
    };
    let loss = match acks.text.as_str() {
        "0" => "no broker answers, and events that do not arrive are lost",
        "1" => "events that only the leader of a partition has are lost with it",
        _ => return,
    };
    let message = format!("`{}` is `{}`: {loss}", reading.name(&acks), acks.text);
    let help = "write `all`; how many brokers that are is `min.insync.replicas` of the topic";
    reading.find(Code::LateSync, Severity::Warning, &acks, message, help);
}

/// What a producer sends again is stored once, and in order, if it is idempotent.
fn idempotence(reading: &mut Reading) {
    const KEY: &str = "enable.idempotence";
    const LOSS: &str = "what is sent again may be stored twice, or out of order";
    let Some(wanted) = reading.told(KEY).cloned() else {
        return;
    };
    if wanted.text != "true" {
        let message = format!("`{}` is off: {LOSS}", reading.name(&wanted));
        return reading.find(
            Code::BadValue,
            Severity::Warning,
            &wanted,
            message,
            "remove the line",
        );
    }
    let number = |name, is_bad: fn(f64) -> bool| reading.number(name).is_some_and(is_bad);
    let (name, needed) = if reading.told("acks").is_some_and(|said| said.text != "all") {
        ("acks", "`all`")
    } else if number("max.in.flight.requests.per.connection", |it| {
        it > ORDERED_IN_FLIGHT
    }) {
        ("max.in.flight.requests.per.connection", "5 at most")
    } else if number("retries", |it| it < 1.0) {
        ("retries", "1 at least")
    } else if number("queue.buffering.backpressure.threshold", |it| it > 1.0) {
        ("queue.buffering.backpressure.threshold", "1")
    } else {
        return;
    };
    let Some(reason) = reading.told(name).cloned() else {
        return;
    };
    if wanted.rank >= Rank::File {
        let message = format!(
            "`{}` needs another `{name}`: {needed}",
            reading.name(&wanted)
        );
        return reading.error(&wanted, Code::BadValue, message, "change one of them");
    }
    let off = Said {
        text: "false".to_owned(),
        ..wanted
    };
    reading.tell(KEY, &off);
    let message = format!(
        "`{}` turns idempotence off, which needs {needed}: {LOSS}",
        reading.name(&reason)
    );
    let help = format!("give {needed}");
    reading.find(Code::BadValue, Severity::Warning, &reason, message, &help);
}

fn waiting(reading: &mut Reading) {
    let (wait, linger) = ("delivery.timeout.ms", "linger.ms");
    let Some(said) = reading.told(wait).cloned() else {
        return;
    };
    // For the library 0 is for ever.
    let is_ever = reading.number(wait) == Some(0.0);
    if !is_ever && reading.number(wait) <= reading.number(linger) {
        let message = format!("`{}` is not more than `{linger}`", reading.name(&said));
        reading.error(&said, Code::OutOfRange, message, "give more time");
    }
}

/// The brokers of Kafka 4 assign partitions themselves, if asked to.
fn protocol_of_group(reading: &mut Reading) {
    if reading
        .told("group.protocol")
        .is_none_or(|said| said.text != "consumer")
    {
        return;
    }
    for name in [
        "session.timeout.ms",
        "heartbeat.interval.ms",
        "partition.assignment.strategy",
    ] {
        match reading.told(name).cloned() {
            Some(said) if said.rank == Rank::File => {
                let why = "with `group.protocol = consumer` the brokers say it";
                reading.refuse(&said, why);
            }
            _ => reading.drop_told(name),
        }
    }
}

/// The library does not change from one way of handing partitions over to the other, as Java's
/// client does in two rounds of restarts. There, too, the old way is used while a member names one.
fn assignment(reading: &mut Reading) {
    const KEY: &str = "partition.assignment.strategy";
    const NEW: &str = "cooperative-sticky";
    let Some(said) = reading.told(KEY).cloned() else {
        return;
    };
    let all: Vec<&str> = said.text.split(',').collect();
    let old: Vec<&str> = all.iter().copied().filter(|name| *name != NEW).collect();
    if old.is_empty() || old.len() == all.len() {
        return;
    }
    let text = old.join(",");
    let message = format!(
        "`{}` mixes two ways that exclude each other",
        reading.name(&said)
    );
    let help = format!("`{text}` is taken, without `{NEW}`");
    reading.find(Code::BadValue, Severity::Warning, &said, message, &help);
    reading.drop_told(KEY);
    reading.tell(KEY, &Said { text, ..said });
}

/// Java's client has no such law: its heart beats beside its work.
fn session(reading: &mut Reading) {
    let (poll, session) = ("max.poll.interval.ms", "session.timeout.ms");
    let is_new = reading
        .told("group.protocol")
        .is_some_and(|said| said.text == "consumer");
    let Some(said) = reading.told(poll).cloned().filter(|_| !is_new) else {
        return;
    };
    if reading.number(poll) >= Some(reading.number(session).unwrap_or(SESSION_MS)) {
        return;
    }
    if let Some(longer) = reading.told(session).cloned() {
        if longer.rank == Rank::File {
            let message = format!("`{}` is more than `{poll}`", reading.name(&longer));
            return reading.error(&longer, Code::OutOfRange, message, "give less time");
        }
        reading.drop_told(session);
    }
    reading.tell(session, &said);
}

fn sizes(reading: &mut Reading) {
    let (fetch, message_most) = ("fetch.max.bytes", "message.max.bytes");
    let receive = "receive.message.max.bytes";
    let Some(said) = reading.told(fetch).cloned() else {
        return;
    };
    let bytes = reading.number(fetch).unwrap_or_default();
    if bytes < LEAST_BYTES {
        let message = format!("`{}` is out of range: `{}`", reading.name(&said), said.text);
        return reading.error(&said, Code::OutOfRange, message, "give 1000 at least");
    }
    if bytes < reading.number(message_most).unwrap_or(MESSAGE_BYTES) {
        if let Some(larger) = reading.told(message_most).cloned() {
            let message = format!("`{}` is more than `{fetch}`", reading.name(&larger));
            return reading.error(&larger, Code::OutOfRange, message, "give less");
        }
        reading.tell(message_most, &said);
    }
    if let Some(most) = reading.told(receive).cloned()
        && reading.number(receive) < Some(bytes + OVERHEAD_BYTES)
    {
        let message = format!("`{}` is less than `{fetch}` and 512", reading.name(&most));
        reading.error(&most, Code::OutOfRange, message, "give more");
    }
}
