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

use flume_core::Event;

use super::keys::{Keys, OnError};
use super::places::Places;
use crate::client::Received;
use crate::record::{self, Read};

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
                let mut letter = with_headers(keys, event, &record);
                // The headers of a dead letter say it.
                letter.headers.remove(record::ERROR);
                letters.push((letter, why));
            }
            (None, _) | (Some(_), OnError::Pass) => {
                places.events.push(place);
                events.push(with_headers(keys, event, &record));
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

fn with_headers(keys: &Keys, mut event: Event, record: &Received) -> Event {
    let headers = &mut event.headers;
    let mut set = |name: &str, value: bytestring::ByteString| {
        if !headers.contains(name) {
            headers.insert(name, value);
        }
    };
    if let Some(millis) = record.timestamp {
        set("timestamp", millis.to_string().into());
    }
    if let Some(name) = &keys.topic_header {
        set(name, record.partition.topic.clone());
    }
    set("partition", record.partition.number.to_string().into());
    set("offset", record.offset.to_string().into());
    if let Some(key) = &record.key {
        headers.insert(record::KEY, record::text(key));
    }
    keys.headers.back(&record.headers, headers);
    event
}
