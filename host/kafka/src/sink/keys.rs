//! The keys of a kafka sink.

use flume_core::{Context, Event};

use crate::place::{PlaceKeys, TopicName};
use crate::record::HeaderMap;
use crate::settings::{ClientSettings, Kind};

/// Events without an answer, unless the file says it. The library waits `linger.ms` for more before it
/// sends, and the brokers take about as long: so small batches under way are as few as they may be for
/// both to have something to do.
const UNDER_WAY: usize = 4000;

/// What a file says about a kafka sink.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Keys {
    pub(super) name: String,
    pub(super) client: ClientSettings,
    pub(super) place: PlaceKeys,
    pub(super) batch_size: usize,
    /// Batches without an answer (`max-in-flight`, at most 64; default 4000 events, and 4 batches at
    /// least; Flume has 1).
    pub(super) max_in_flight: usize,
    /// Whether the value of a record is a datum of the event, and not its body.
    pub(super) is_flume: bool,
    pub(super) headers: HeaderMap,
    timestamp_header: Option<String>,
}

impl Keys {
    /// Reads them: `kafka.topic` (or `topic`), `flumeBatchSize` (or `batchSize`; 100),
    /// `useFlumeEventFormat`, `allowTopicOverride`, `topicHeader`, `defaultPartitionId`,
    /// `partitionIdHeader`, `timestampHeader`, `header.…`, `max-in-flight` (40), and those of the client.
    pub(super) fn read(context: &mut Context) -> Option<Self> {
        let is_flume = context.flag("useFlumeEventFormat", false);
        let headers = HeaderMap::read(context);
        let timestamp_header = context.optional("timestampHeader");
        let place = place(context);
        let size = context.spelling(&["flumeBatchSize", "batchSize"]);
        let batch_size = context.number_up_to(size, 100, 1..=1 << 20);
        let why = "Flume does not read this key either: it reads `flumeBatchSize`";
        context.without_effect("kafka.flumeBatchSize", why);
        let usual = UNDER_WAY / batch_size.unwrap_or(UNDER_WAY);
        let max_in_flight = context.number("max-in-flight", usual.clamp(4, 64), 1..=64);
        let acks = context.string("requiredAcks", "all");
        let defaults = [("acks", acks.as_str())];
        let client = ClientSettings::read(context, Kind::Producer, &defaults, &[]);
        Some(Self {
            name: context.name().to_owned(),
            client: client?,
            place: place?,
            batch_size: batch_size?,
            max_in_flight: max_in_flight?,
            is_flume,
            headers,
            timestamp_header,
        })
    }

    /// The time of an event's record; `None` is now.
    ///
    /// # Errors
    /// The header has a time that no record can have.
    pub(super) fn timestamp(&self, event: &Event) -> Result<Option<i64>, String> {
        let header = self.timestamp_header.as_deref();
        let Some(text) = header.and_then(|name| event.headers.get(name)) else {
            return Ok(None);
        };
        match text.trim().parse::<i64>() {
            Ok(millis) if millis < 0 => Err(format!("Invalid timestamp: {millis}")),
            // Flume warns, and the time is that of the client.
            other => Ok(other.ok()),
        }
    }
}

fn place(context: &mut Context) -> Option<PlaceKeys> {
    let key = context.spelling(&["kafka.topic", "topic"]);
    let topic = context.string(key, "default-flume-topic");
    let may_override = context.flag("allowTopicOverride", true);
    let header = context.string("topicHeader", "topic");
    // Without leave to go elsewhere Flume takes the name as it is.
    let name = match may_override {
        true => TopicName::read(context, key, &topic),
        false => Some(TopicName::literal(&topic)),
    };
    PlaceKeys::read(context, name?, may_override.then_some(header))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_batches_are_under_way_in_larger_numbers() {
        let in_flight = |batch: &str, more: &[(&str, &str)]| {
            let mut all = vec![
                ("kafka.bootstrap.servers", "localhost:9092"),
                ("flumeBatchSize", batch),
            ];
            all.extend_from_slice(more);
            let keys = Keys::read(&mut Context::of("a1.sinks.k1", &all));
            keys.expect("they are read").max_in_flight
        };
        let by_itself = ["1", "100", "1000", "100000"].map(|batch| in_flight(batch, &[]));
        assert_eq!(by_itself, [64, 40, 4, 4]);
        assert_eq!(in_flight("100", &[("max-in-flight", "1")]), 1);
    }
}
