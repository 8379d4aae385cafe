//! The keys of a kafka channel.

use std::time::Duration;

use flume_core::Context;
use flume_core::channel::bounded::Limits;
use flume_core::channel::room::SLOT_BYTES;

use super::limits::{MOST_BYTES_UNDER_WAY, MOST_UNDER_WAY};
use crate::place::{PlaceKeys, TopicName};
use crate::settings::{ClientSettings, Kind};

/// How long a put waits for room among the puts that are under way, as `keep-alive` of other channels.
const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// How long the library waits for more to put, in milliseconds. A source waits for it, and a put has
/// all its records at once; but without a wait small puts cost three times the CPU time.
const LINGER: &str = "1";

/// What a file says about a kafka channel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Keys {
    pub(super) producer: ClientSettings,
    pub(super) consumer: ClientSettings,
    pub(super) topic: String,
    pub(super) place: PlaceKeys,
    /// Whether the value of a record is a datum of an event, and not its body.
    pub(super) is_flume: bool,
}

impl Keys {
    /// Reads them: `kafka.topic` (or `topic`; `flume-channel`), `kafka.consumer.group.id` (or `groupId`;
    /// `flume`), `parseAsFlumeEvent` (true), `kafka.consumer.auto.offset.reset` (`earliest`; or
    /// `readSmallestOffset`), `defaultPartitionId`, `partitionIdHeader`, and those of the clients.
    pub(super) fn read(context: &mut Context) -> Option<Self> {
        let key = context.spelling(&["kafka.topic", "topic"]);
        let topic = context.string(key, "flume-channel");
        let place = PlaceKeys::read(context, TopicName::literal(&topic), None);
        let is_flume = context.flag("parseAsFlumeEvent", true);
        for key in ["kafka.pollTimeout", "pollTimeout"] {
            context.without_effect(key, "a take waits until there are events");
        }
        let group = context.string("groupId", "flume");
        let from_start = context.flag("readSmallestOffset", true);
        let offset = if from_start { "earliest" } else { "latest" };
        let defaults = [("group.id", group.as_str()), ("auto.offset.reset", offset)];
        let consumer = ClientSettings::read(context, Kind::Consumer, &defaults, &[]);
        let defaults = [("acks", "all"), ("linger.ms", LINGER)];
        let producer = ClientSettings::read(context, Kind::Producer, &defaults, &[]);
        Some(Self {
            producer: producer?,
            consumer: consumer?,
            topic,
            place: place?,
            is_flume,
        })
    }
}

/// The limits of puts that are under way.
pub(super) fn limits() -> Limits {
    Limits {
        capacity: MOST_UNDER_WAY as u64,
        transaction_capacity: MOST_UNDER_WAY,
        keep_alive: KEEP_ALIVE,
        byte_slots: Some(MOST_BYTES_UNDER_WAY / SLOT_BYTES),
    }
}
