//! Settings of producers, and settings of consumers.

use super::{Becomes, Name, changed, name, nothing, refused, renamed, same};
use crate::settings::kind::Of::{Consumer, Producer};
use crate::settings::value::How;

const WAITS: &str = "how long is waited is the component's to say";
const COMMITS: &str = "offsets are committed when the events are where they belong";
const OLD: &str = "Java's client has it no more";
const TRANSACTIONS: &str = "events are not sent in transactions";
const CHOICE: &str = "a record without a key goes to the partition of those before it, for a while";

/// Records are bytes; a text is one in UTF-8.
const SERIALIZERS: &[&str] = &[
    "org.apache.kafka.common.serialization.ByteArraySerializer",
    "org.apache.kafka.common.serialization.StringSerializer",
];
const DESERIALIZERS: &[&str] = &[
    "org.apache.kafka.common.serialization.ByteArrayDeserializer",
    "org.apache.kafka.common.serialization.StringDeserializer",
];

const ACKS: How = How::Words(&[("all", "all"), ("-1", "all"), ("1", "1"), ("0", "0")]);

/// The classes that do not look at the key have only chance to go by.
const PARTITIONERS: How = How::Class(&[
    (
        "org.apache.kafka.clients.producer.internals.DefaultPartitioner",
        "murmur2_random",
    ),
    (
        "org.apache.kafka.clients.producer.UniformStickyPartitioner",
        "random",
    ),
    (
        "org.apache.kafka.clients.producer.RoundRobinPartitioner",
        "random",
    ),
]);

const IGNORES_KEYS: How = How::Words(&[("true", "random"), ("false", "")]);

const ASSIGNORS: How = How::Classes(&[
    ("org.apache.kafka.clients.consumer.RangeAssignor", "range"),
    (
        "org.apache.kafka.clients.consumer.RoundRobinAssignor",
        "roundrobin",
    ),
    (
        "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        "cooperative-sticky",
    ),
]);

const RESETS: How = How::Words(&[
    ("latest", "latest"),
    ("earliest", "earliest"),
    ("none", "error"),
    ("error", "error"),
    ("largest", "latest"),
    ("smallest", "earliest"),
    ("end", "latest"),
    ("beginning", "earliest"),
]);

/// The topics in which the brokers keep accounts: a pattern of topics would match them, too.
const INTERNAL_TOPICS: How = How::Words(&[
    (
        "true",
        "^__consumer_offsets$,^__transaction_state$,^__share_group_state$",
    ),
    ("false", ""),
]);

pub(super) const PRODUCER: &[Name] = &[
    changed("acks", Producer, "acks", ACKS),
    same("batch.size", Producer),
    changed(
        "buffer.memory",
        Producer,
        "queue.buffering.max.kbytes",
        How::Kibibytes,
    ),
    same("compression.type", Producer),
    name("compression.gzip.level", Producer, Becomes::Level("gzip")),
    name("compression.lz4.level", Producer, Becomes::Level("lz4")),
    name("compression.zstd.level", Producer, Becomes::Level("zstd")),
    same("delivery.timeout.ms", Producer),
    same("enable.idempotence", Producer),
    name("key.serializer", Producer, Becomes::Classes(SERIALIZERS)),
    name("value.serializer", Producer, Becomes::Classes(SERIALIZERS)),
    same("linger.ms", Producer),
    nothing("max.block.ms", Producer, WAITS),
    same("max.in.flight.requests.per.connection", Producer),
    renamed("max.request.size", Producer, "message.max.bytes"),
    nothing(
        "metadata.max.idle.ms",
        Producer,
        "what is known of a topic is kept",
    ),
    changed("partitioner.class", Producer, "partitioner", PARTITIONERS),
    changed(
        "partitioner.ignore.keys",
        Producer,
        "partitioner",
        IGNORES_KEYS,
    ),
    nothing("partitioner.adaptive.partitioning.enable", Producer, CHOICE),
    nothing("partitioner.availability.timeout.ms", Producer, CHOICE),
    same("request.timeout.ms", Producer),
    same("retries", Producer),
    refused("transactional.id", Producer, TRANSACTIONS),
    nothing("transaction.timeout.ms", Producer, TRANSACTIONS),
    nothing(
        "transaction.two.phase.commit.enable",
        Producer,
        TRANSACTIONS,
    ),
    nothing("block.on.buffer.full", Producer, OLD),
    nothing("metadata.fetch.timeout.ms", Producer, OLD),
    nothing("timeout.ms", Producer, OLD),
    nothing("producer.type", Producer, OLD),
    nothing("serializer.class", Producer, OLD),
    nothing("key.serializer.class", Producer, OLD),
];

pub(super) const CONSUMER: &[Name] = &[
    same("allow.auto.create.topics", Consumer),
    nothing("auto.commit.interval.ms", Consumer, COMMITS),
    changed("auto.offset.reset", Consumer, "auto.offset.reset", RESETS),
    same("check.crcs", Consumer),
    nothing("default.api.timeout.ms", Consumer, WAITS),
    same("enable.auto.commit", Consumer),
    changed(
        "exclude.internal.topics",
        Consumer,
        "topic.blacklist",
        INTERNAL_TOPICS,
    ),
    same("fetch.max.bytes", Consumer),
    renamed("fetch.max.wait.ms", Consumer, "fetch.wait.max.ms"),
    same("fetch.min.bytes", Consumer),
    same("group.id", Consumer),
    same("group.instance.id", Consumer),
    same("group.protocol", Consumer),
    same("group.remote.assignor", Consumer),
    same("heartbeat.interval.ms", Consumer),
    nothing(
        "internal.leave.group.on.close",
        Consumer,
        "a consumer that is closed leaves its group",
    ),
    same("isolation.level", Consumer),
    name(
        "key.deserializer",
        Consumer,
        Becomes::Classes(DESERIALIZERS),
    ),
    name(
        "value.deserializer",
        Consumer,
        Becomes::Classes(DESERIALIZERS),
    ),
    same("max.partition.fetch.bytes", Consumer),
    same("max.poll.interval.ms", Consumer),
    nothing(
        "max.poll.records",
        Consumer,
        "the component takes as many as its batch has room for",
    ),
    changed(
        "partition.assignment.strategy",
        Consumer,
        "partition.assignment.strategy",
        ASSIGNORS,
    ),
    renamed("request.timeout.ms", Consumer, "socket.timeout.ms"),
    same("session.timeout.ms", Consumer),
    nothing("auto.commit.enable", Consumer, COMMITS),
    nothing("consumer.timeout.ms", Consumer, OLD),
    nothing("timeout.ms", Consumer, OLD),
    nothing("zookeeper.connect", Consumer, OLD),
    nothing("zookeeper.connection.timeout.ms", Consumer, OLD),
    nothing("zookeeper.session.timeout.ms", Consumer, OLD),
    nothing("zookeeper.sync.time.ms", Consumer, OLD),
];
