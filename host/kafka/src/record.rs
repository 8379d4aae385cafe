//! Between events and records.
//!
//! | | the value | headers |
//! |---|---|---|
//! | Flume's format | a datum of the event ([`flume_avro::datum`]) | in the datum |
//! | plain | the body | those that the file maps to headers of Kafka; the others stay behind |
//!
//! In both the header `key` is the record's key.

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use flume_avro::datum;
use flume_core::{Context, Event, Headers};

use crate::client::{Received, Record};
use crate::place::Place;

/// The header that is the key of a record, both ways.
pub(crate) const KEY: &str = "key";

/// The header of a record that is no event.
pub(crate) const ERROR: &str = "kafka.error";

/// The most headers in a datum.
const MOST_HEADERS: usize = 1 << 20;

/// Room for the lengths in a datum, and for each header.
const LENGTHS: usize = 8;

/// Headers of events, and the headers of Kafka that they are (`header.NAME = KAFKA`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HeaderMap(Vec<(String, ByteString)>);

impl HeaderMap {
    /// Reads the keys `header.…`.
    pub(crate) fn read(context: &mut Context) -> Self {
        let mut below = context.below("header");
        let names: Vec<String> = below.iter().map(|(key, _)| key.to_owned()).collect();
        let mut pairs = Vec::new();
        for name in names {
            if let Some(theirs) = below.optional(&name) {
                pairs.push((name, theirs.into()));
            }
        }
        context.adopt(below);
        Self(pairs)
    }

    /// The headers of Kafka for an event.
    pub(crate) fn out(&self, event: &Event) -> Vec<(ByteString, Bytes)> {
        let mapped = self.0.iter().filter_map(|(ours, theirs)| {
            let value = event.headers.get(ours)?;
            Some((theirs.clone(), value.clone().into_bytes()))
        });
        mapped.collect()
    }

    /// The headers of an event for those of Kafka. Of several with one name the last one counts, and
    /// one without a value is none.
    pub(crate) fn back(&self, from: &[(ByteString, Option<Bytes>)], headers: &mut Headers) {
        for (ours, theirs) in &self.0 {
            let mut all = from.iter().rev();
            let last = all.find(|(name, _)| name == theirs);
            if let Some((_, Some(value))) = last {
                headers.insert(ours.as_str(), text(value));
            }
        }
    }
}

/// The values of records, in memory that is shared by those of a batch.
#[derive(Debug)]
pub(crate) struct Values {
    is_flume: bool,
    memory: BytesMut,
}

impl Values {
    /// For a batch.
    pub(crate) fn of(batch: &[Event], is_flume: bool) -> Self {
        let size = if is_flume {
            batch.iter().map(room).sum()
        } else {
            0
        };
        Self {
            is_flume,
            memory: BytesMut::with_capacity(size),
        }
    }

    /// The value of an event's record.
    ///
    /// # Errors
    /// The event cannot be written.
    pub(crate) fn next(&mut self, event: &Event) -> Result<Bytes, String> {
        if !self.is_flume {
            return Ok(event.body.clone());
        }
        let headers = event.headers.iter();
        let pairs = headers.map(|(name, value)| (&**name, &**value));
        let written = datum::write(&mut self.memory, pairs, &event.body);
        let value = self.memory.split().freeze();
        match written {
            Ok(()) => Ok(value),
            Err(error) => Err(format!("Error while serializing event: {error}")),
        }
    }
}

/// About what the datum of an event takes.
fn room(event: &Event) -> usize {
    let headers = event.headers.iter();
    let headers: usize = headers
        .map(|(name, value)| name.len() + value.len() + LENGTHS)
        .sum();
    event.body.len() + headers + LENGTHS
}

/// The record of an event at its place, without headers of Kafka and with the client's time.
///
/// # Errors
/// The event cannot be written.
pub(crate) fn at(place: Place, event: &Event, values: &mut Values) -> Result<Record, String> {
    let key = event.headers.get(KEY);
    Ok(Record {
        topic: place.topic,
        partition: place.partition,
        key: key.map(|key| key.clone().into_bytes()),
        value: values.next(event)?,
        ..Record::default()
    })
}

/// A record as an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) event: Event,
    /// Why the record is no event. Then the body is its value, and the header [`ERROR`] says why.
    pub(crate) why: Option<String>,
}

/// Reads the value of a record. None is an event without a body, unless it is to be in Flume's format.
pub(crate) fn read(record: &Received, is_flume: bool) -> Read {
    let value = record.value.clone();
    let (event, why) = match is_flume {
        false => (Event::new(value.unwrap_or_default()), None),
        true => match flume_event(value.as_ref()) {
            Ok(event) => (event, None),
            Err(why) => {
                let event = Event::new(value.unwrap_or_default());
                (event.with_header(ERROR, why.as_str()), Some(why))
            }
        },
    };
    Read { event, why }
}

fn flume_event(value: Option<&Bytes>) -> Result<Event, String> {
    let value = value.ok_or("the record has no value (a tombstone)")?;
    let mut pairs = Vec::new();
    let push = |name, value| pairs.push((name, value));
    let body = datum::read(value.clone(), MOST_HEADERS, push);
    let body = body.map_err(|error| format!("the record is no event of Flume: {error}"))?;
    let headers = Headers::from_pairs(pairs);
    Ok(Event { headers, body })
}

/// Bytes as text, for a header: what is no UTF-8 is replaced.
pub(crate) fn text(bytes: &Bytes) -> ByteString {
    match ByteString::try_from(bytes.clone()) {
        Ok(text) => text,
        Err(_) => String::from_utf8_lossy(bytes).into_owned().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(value: Option<&'static [u8]>) -> Received {
        let (topic, number) = ("t".into(), 0);
        Received {
            partition: crate::Partition { topic, number },
            offset: 0,
            timestamp: None,
            key: None,
            value: value.map(Bytes::from_static),
            headers: Vec::new(),
        }
    }

    fn there_and_back(event: &Event, is_flume: bool) -> Event {
        let mut values = Values::of(std::slice::from_ref(event), is_flume);
        let value = values.next(event).unwrap();
        let record = Received {
            value: Some(value),
            ..received(None)
        };
        let Read { event, why } = read(&record, is_flume);
        assert_eq!(why, None);
        event
    }

    /// Flume: TestKafkaSink.testAvroEvent (KK4), TestKafkaSource.testAvroEvent (KS8).
    #[test]
    fn an_event_in_flumes_format_comes_back_whole() {
        let whole = Event::new("hello")
            .with_header("k", "v")
            .with_header("empty", "");
        assert_eq!(there_and_back(&whole, true), whole);
        assert_eq!(there_and_back(&Event::default(), true), Event::default());
        assert_eq!(there_and_back(&whole, false), Event::new("hello"));
    }

    /// Flume loses both.
    #[test]
    fn what_is_no_event_goes_on_and_says_why() {
        let none = read(&received(None), true);
        let why = "the record has no value (a tombstone)";
        assert_eq!(none.why.as_deref(), Some(why));
        assert_eq!(none.event, Event::default().with_header(ERROR, why));
        let garbage = read(&received(Some(b"garbage")), true);
        let why = garbage.why.unwrap();
        assert!(why.starts_with("the record is no event of Flume: "));
        assert_eq!(garbage.event, Event::new("garbage").with_header(ERROR, why));
        let plain = read(&received(None), false);
        assert_eq!((plain.event, plain.why), (Event::default(), None));
    }

    /// Flume 1.11: TestKafkaSink.testTimestampAndHeaders (KK3), TestKafkaSource.testTopicKafkaHeaderSet
    /// (KS9).
    #[test]
    fn headers_are_mapped_both_ways() {
        let properties = [("header.ours", "theirs"), ("header.other", "none")];
        let map = HeaderMap::read(&mut Context::of("a1.sinks.k1", &properties));
        let event = Event::new("x").with_header("ours", "1");
        let out = map.out(&event);
        assert_eq!(out, [("theirs".into(), Bytes::from_static(b"1"))]);
        let of = |value: &'static [u8]| ("theirs".into(), Some(Bytes::from_static(value)));
        let mut headers = Headers::new();
        map.back(&[of(b"1"), of(b"2"), ("none".into(), None)], &mut headers);
        assert_eq!(headers, [("ours", "2")].into_iter().collect());
    }
}
