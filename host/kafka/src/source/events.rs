//! Records as events, with the headers that Flume sets.
//!
//! | header | what | if it is there already |
//! |---|---|---|
//! | `timestamp` | the record's time, in milliseconds since 1970 | stays |
//! | `topic` (`topicHeader`) | the topic | stays |
//! | `partition`, `offset` | the place | stays |
//! | `key` | the record's key, if it has one | is replaced |
//! | those of `header.…` | the record's | are replaced |
//! | `kafka.error` | why the record is no event; its value is the body | is replaced |
//!
//! Until 1.10 Flume's `timestamp` is the agent's time.

use std::fmt::Write as _;

use bytes::BytesMut;
use bytestring::ByteString;
use flume_core::{Event, Headers};

use super::keys::{Keys, OnError};
use super::places::Places;
use crate::client::Received;
use crate::record::{self, Read};

/// Headers that an event has of its record.
const OWN_HEADERS: usize = 5;

/// About the bytes of an offset as text.
const OFFSET: usize = 12;

/// The events of some records.
pub(super) struct Converted {
    pub(super) events: Vec<Event>,
    /// Of each event, where its record was.
    pub(super) places: Places,
    pub(super) strange: Option<Strange>,
    /// What goes to the dead letters, with the reasons.
    pub(super) letters: Vec<(Event, String)>,
}

/// Records that are no events.
pub(super) struct Strange {
    pub(super) records: usize,
    /// Why the first of them is none.
    pub(super) text: String,
}

/// Makes events of records. Those that go elsewhere have none.
pub(super) fn convert(keys: &Keys, records: Vec<Received>) -> Converted {
    let mut events = Vec::with_capacity(records.len());
    let mut places = Places::default();
    let mut strange: Option<Strange> = None;
    let mut letters = Vec::new();
    let mut texts = Texts::of(keys, records.len());
    for record in records {
        let Read { event, why } = record::read(&record, keys.is_flume);
        if let Some(why) = &why {
            let count = strange.get_or_insert_with(|| Strange {
                records: 0,
                text: format!("{}, offset {}: {why}", record.partition, record.offset),
            });
            count.records += 1;
        }
        let place = (record.partition.clone(), record.offset);
        match places.ends.last_mut() {
            Some(last) if last.0 == place.0 => last.1 = place.1,
            _ => places.ends.push(place.clone()),
        }
        match (why, &keys.on_error) {
            (Some(_), OnError::Drop) => {}
            (Some(why), OnError::DeadLetter(_)) => {
                let mut letter = texts.with_headers(event, &record);
                // The headers of a dead letter say it.
                letter.headers.remove(record::ERROR);
                letters.push((letter, why));
            }
            (None, _) | (Some(_), OnError::Pass) => {
                places.events.push(place);
                events.push(texts.with_headers(event, &record));
            }
        }
    }
    Converted {
        events,
        places,
        strange,
        letters,
    }
}

/// Headers of records, with what those of a batch share: names, texts that are alike, and memory. They
/// would else be most of what an event costs.
struct Texts<'a> {
    keys: &'a Keys,
    topic_header: Option<ByteString>,
    timestamp: Last,
    partition: Last,
    memory: BytesMut,
}

/// A number and its text, which the next record often has, too.
#[derive(Default)]
struct Last(Option<(i64, ByteString)>);

impl Last {
    /// The text of a number.
    fn text(&mut self, of: i64, memory: &mut BytesMut) -> ByteString {
        let known = self.0.take().filter(|(known, _)| *known == of);
        let (_, text) = self
            .0
            .insert(known.unwrap_or_else(|| (of, number(memory, of))));
        text.clone()
    }
}

impl<'a> Texts<'a> {
    /// For so many records.
    fn of(keys: &'a Keys, records: usize) -> Self {
        Self {
            keys,
            topic_header: keys.topic_header.as_deref().map(ByteString::from),
            timestamp: Last::default(),
            partition: Last::default(),
            memory: BytesMut::with_capacity(records * OFFSET),
        }
    }

    fn with_headers(&mut self, mut event: Event, record: &Received) -> Event {
        let mut pairs = Vec::with_capacity(event.headers.len() + OWN_HEADERS);
        pairs.extend(event.headers.iter().cloned());
        let mut set = |name: ByteString, value: ByteString| {
            if !pairs.iter().any(|(known, _)| *known == name) {
                pairs.push((name, value));
            }
        };
        if let Some(millis) = record.timestamp {
            let text = self.timestamp.text(millis, &mut self.memory);
            set(ByteString::from_static("timestamp"), text);
        }
        if let Some(name) = &self.topic_header {
            set(name.clone(), record.partition.topic.clone());
        }
        let partition = record.partition.number.into();
        let text = self.partition.text(partition, &mut self.memory);
        set(ByteString::from_static("partition"), text);
        let offset = number(&mut self.memory, record.offset);
        set(ByteString::from_static("offset"), offset);
        let mut headers = Headers::from_pairs(pairs);
        if let Some(key) = &record.key {
            headers.insert(ByteString::from_static(record::KEY), record::text(key));
        }
        self.keys.headers.back(&record.headers, &mut headers);
        event.headers = headers;
        event
    }
}

/// A number as text, in this memory.
fn number(memory: &mut BytesMut, number: i64) -> ByteString {
    let written = write!(memory, "{number}").ok();
    let text = memory.split().freeze();
    let text = written.and_then(|()| ByteString::try_from(text).ok());
    text.unwrap_or_else(|| number.to_string().into())
}

#[cfg(test)]
mod tests {
    use flume_core::Context;

    use super::*;
    use crate::client::Partition;

    #[test]
    fn records_share_no_header_that_differs() {
        let properties = [
            ("kafka.bootstrap.servers", "localhost:9092"),
            ("kafka.topics", "t"),
        ];
        let keys = Keys::read(&mut Context::of("a1.sources.r1", &properties));
        let keys = keys.expect("they are read");
        let places = [(0, 9, 5), (0, 10, 5), (1, 9, 5), (0, 11, -7), (0, 12, 5)];
        let record = |(number, offset, timestamp): (i32, i64, i64)| Received {
            partition: Partition {
                topic: "t".into(),
                number,
            },
            offset,
            timestamp: Some(timestamp),
            key: None,
            value: None,
            headers: Vec::new(),
        };
        let converted = convert(&keys, places.map(record).into());
        let of = |event: &Event| {
            let number = |name: &str| event.headers.get(name).map(|text| text.parse::<i64>());
            ["partition", "offset", "timestamp"].map(|name| number(name).unwrap().unwrap())
        };
        let shown: Vec<_> = converted.events.iter().map(of).collect();
        let expected = places.map(|(number, offset, time)| [i64::from(number), offset, time]);
        assert_eq!(shown, expected);
    }
}
