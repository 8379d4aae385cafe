//! The settings that librdkafka has itself: whose they are, and what they may be. A name that
//! Java's client has, too, is in [`names`](super::names), which comes first.
//!
//! Left out are those that are set by calls, that do nothing any more, and that only Windows has.

use super::kind::{Kind, Of};
use super::value::Is;

/// A setting of the library.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    /// Its name.
    pub(super) name: &'static str,
    /// Whose it is.
    pub(super) of: Of,
    /// What becomes of it.
    pub(super) use_of: Use,
    /// Whether its value is never shown.
    pub(super) is_secret: bool,
}

/// What becomes of a setting of the library in a file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Use {
    /// It is passed on, if it is like this.
    Passed(Is),
    /// It says the same as this one.
    Alias(&'static str),
    /// It is not a file's to say, and why.
    Ours(&'static str),
}

const COMMITS: &str =
    "offsets are committed when the events are where they belong, and on the brokers";
const HTTP: &str = "tokens come over HTTP, and the client is built without it";

const PARTITIONERS: &[&str] = &[
    "random",
    "consistent",
    "consistent_random",
    "murmur2",
    "murmur2_random",
    "fnv1a",
    "fnv1a_random",
];

/// The setting with this name that a client of this kind has.
pub(super) fn find(name: &str, kind: Kind) -> Option<&'static Setting> {
    SETTINGS
        .iter()
        .find(|setting| setting.name == name && setting.of.has(kind))
}

const fn setting(name: &'static str, of: Of, use_of: Use) -> Setting {
    Setting {
        name,
        of,
        use_of,
        is_secret: false,
    }
}

const fn secret(setting: Setting) -> Setting {
    Setting {
        is_secret: true,
        ..setting
    }
}

const fn text(name: &'static str, of: Of) -> Setting {
    setting(name, of, Use::Passed(Is::Text))
}

const fn flag(name: &'static str, of: Of) -> Setting {
    setting(name, of, Use::Passed(Is::OneOf(&["true", "false"])))
}

const fn number(name: &'static str, of: Of, least: i64, most: i64) -> Setting {
    setting(name, of, Use::Passed(Is::Number(least, most)))
}

const fn decimal(name: &'static str, of: Of, least: i64, most: i64) -> Setting {
    setting(name, of, Use::Passed(Is::Decimal(least, most)))
}

const fn words(name: &'static str, of: Of, words: &'static [&'static str]) -> Setting {
    setting(name, of, Use::Passed(Is::OneOf(words)))
}

const fn alias(name: &'static str, of: Of, other: &'static str) -> Setting {
    setting(name, of, Use::Alias(other))
}

const fn ours(name: &'static str, of: Of, why: &'static str) -> Setting {
    setting(name, of, Use::Ours(why))
}

use Of::{Both, Consumer, Producer};

/// All of them, by name.
pub(super) const SETTINGS: &[Setting] = &[
    words("acks", Producer, &["all", "1", "0"]),
    flag("allow.auto.create.topics", Both),
    number("api.version.fallback.ms", Both, 0, 604_800_000),
    flag("api.version.request", Both),
    number("api.version.request.timeout.ms", Both, 1, 300_000),
    words(
        "auto.offset.reset",
        Consumer,
        &["earliest", "latest", "error"],
    ),
    number("batch.num.messages", Producer, 1, 1_000_000),
    number("batch.size", Producer, 1, 2_147_483_647),
    text("bootstrap.servers", Both),
    words("broker.address.family", Both, &["any", "v4", "v6"]),
    number("broker.address.ttl", Both, 0, 86_400_000),
    text("broker.version.fallback", Both),
    flag("check.crcs", Consumer),
    words(
        "client.dns.lookup",
        Both,
        &[
            "use_all_dns_ips",
            "resolve_canonical_bootstrap_servers_only",
        ],
    ),
    text("client.id", Both),
    text("client.rack", Both),
    alias("compression.codec", Producer, "compression.type"),
    number("compression.level", Producer, -1, 12),
    words(
        "compression.type",
        Producer,
        &["none", "gzip", "snappy", "lz4", "zstd"],
    ),
    number("connections.max.idle.ms", Both, 0, 2_147_483_647),
    number("coordinator.query.interval.ms", Consumer, 1, 3_600_000),
    text("debug", Both),
    ours(
        "delivery.report.only.error",
        Producer,
        "the answer for each record is needed",
    ),
    number("delivery.timeout.ms", Producer, 0, 2_147_483_647),
    flag("enable.auto.commit", Consumer),
    flag("enable.auto.offset.store", Consumer),
    ours(
        "enable.gapless.guarantee",
        Producer,
        "a batch that fails is sent again",
    ),
    flag("enable.idempotence", Producer),
    flag("enable.metrics.push", Both),
    ours(
        "enable.partition.eof",
        Consumer,
        "the end of a partition is no event",
    ),
    flag("enable.sasl.oauthbearer.unsecure.jwt", Both),
    flag("enable.ssl.certificate.verification", Both),
    number("fetch.error.backoff.ms", Consumer, 0, 300_000),
    number("fetch.max.bytes", Consumer, 0, 2_147_483_135),
    alias(
        "fetch.message.max.bytes",
        Consumer,
        "max.partition.fetch.bytes",
    ),
    number("fetch.min.bytes", Consumer, 1, 100_000_000),
    number("fetch.queue.backoff.ms", Consumer, 0, 300_000),
    number("fetch.wait.max.ms", Consumer, 0, 300_000),
    text("group.id", Consumer),
    text("group.instance.id", Consumer),
    words("group.protocol", Consumer, &["classic", "consumer"]),
    text("group.remote.assignor", Consumer),
    number("heartbeat.interval.ms", Consumer, 1, 3_600_000),
    ours("https.ca.location", Both, HTTP),
    ours("https.ca.pem", Both, HTTP),
    words(
        "isolation.level",
        Consumer,
        &["read_uncommitted", "read_committed"],
    ),
    decimal("linger.ms", Producer, 0, 900_000),
    flag("log.connection.close", Both),
    ours("log.queue", Both, "the client's log is read as it comes"),
    flag("log.thread.name", Both),
    number("log_level", Both, 0, 7),
    alias(
        "max.in.flight",
        Both,
        "max.in.flight.requests.per.connection",
    ),
    number("max.in.flight.requests.per.connection", Both, 1, 1_000_000),
    number("max.partition.fetch.bytes", Consumer, 1, 1_000_000_000),
    number("max.poll.interval.ms", Consumer, 1, 86_400_000),
    number("message.copy.max.bytes", Both, 0, 1_000_000_000),
    number("message.max.bytes", Both, 1_000, 1_000_000_000),
    alias("message.send.max.retries", Producer, "retries"),
    alias("message.timeout.ms", Producer, "delivery.timeout.ms"),
    alias("metadata.broker.list", Both, "bootstrap.servers"),
    number(
        "metadata.recovery.rebootstrap.trigger.ms",
        Both,
        0,
        2_147_483_647,
    ),
    words("metadata.recovery.strategy", Both, &["none", "rebootstrap"]),
    ours("offset.store.method", Consumer, COMMITS),
    ours("offset.store.path", Consumer, COMMITS),
    ours("offset.store.sync.interval.ms", Consumer, COMMITS),
    text("partition.assignment.strategy", Consumer),
    words("partitioner", Producer, PARTITIONERS),
    ours("plugin.library.paths", Both, "no code is loaded"),
    number(
        "queue.buffering.backpressure.threshold",
        Producer,
        1,
        1_000_000,
    ),
    number("queue.buffering.max.kbytes", Producer, 1, 2_147_483_647),
    number("queue.buffering.max.messages", Producer, 0, 2_147_483_647),
    alias("queue.buffering.max.ms", Producer, "linger.ms"),
    number("queued.max.messages.kbytes", Consumer, 1, 2_097_151),
    number("queued.min.messages", Consumer, 1, 10_000_000),
    ours("queuing.strategy", Producer, "records keep their order"),
    number("receive.message.max.bytes", Both, 1_000, 2_147_483_647),
    number("reconnect.backoff.max.ms", Both, 0, 3_600_000),
    number("reconnect.backoff.ms", Both, 0, 3_600_000),
    alias("request.required.acks", Producer, "acks"),
    number("request.timeout.ms", Producer, 1, 900_000),
    number("retries", Producer, 0, 2_147_483_647),
    number("retry.backoff.max.ms", Both, 1, 300_000),
    number("retry.backoff.ms", Both, 1, 300_000),
    text("sasl.kerberos.keytab", Both),
    secret(text("sasl.kerberos.kinit.cmd", Both)),
    number("sasl.kerberos.min.time.before.relogin", Both, 0, 86_400_000),
    text("sasl.kerberos.principal", Both),
    text("sasl.kerberos.service.name", Both),
    text("sasl.mechanism", Both),
    alias("sasl.mechanisms", Both, "sasl.mechanism"),
    ours("sasl.oauthbearer.assertion.algorithm", Both, HTTP),
    ours("sasl.oauthbearer.assertion.claim.aud", Both, HTTP),
    ours("sasl.oauthbearer.assertion.claim.exp.seconds", Both, HTTP),
    ours("sasl.oauthbearer.assertion.claim.iss", Both, HTTP),
    ours("sasl.oauthbearer.assertion.claim.jti.include", Both, HTTP),
    ours("sasl.oauthbearer.assertion.claim.nbf.seconds", Both, HTTP),
    ours("sasl.oauthbearer.assertion.claim.sub", Both, HTTP),
    ours("sasl.oauthbearer.assertion.file", Both, HTTP),
    ours("sasl.oauthbearer.assertion.jwt.template.file", Both, HTTP),
    ours("sasl.oauthbearer.assertion.private.key.file", Both, HTTP),
    secret(ours(
        "sasl.oauthbearer.assertion.private.key.passphrase",
        Both,
        HTTP,
    )),
    secret(ours(
        "sasl.oauthbearer.assertion.private.key.pem",
        Both,
        HTTP,
    )),
    ours("sasl.oauthbearer.client.credentials.client.id", Both, HTTP),
    secret(ours(
        "sasl.oauthbearer.client.credentials.client.secret",
        Both,
        HTTP,
    )),
    ours("sasl.oauthbearer.client.id", Both, HTTP),
    secret(ours("sasl.oauthbearer.client.secret", Both, HTTP)),
    secret(text("sasl.oauthbearer.config", Both)),
    ours("sasl.oauthbearer.extensions", Both, HTTP),
    ours("sasl.oauthbearer.grant.type", Both, HTTP),
    ours("sasl.oauthbearer.metadata.authentication.type", Both, HTTP),
    ours("sasl.oauthbearer.method", Both, HTTP),
    ours("sasl.oauthbearer.scope", Both, HTTP),
    ours("sasl.oauthbearer.token.endpoint.url", Both, HTTP),
    secret(text("sasl.password", Both)),
    text("sasl.username", Both),
    words(
        "security.protocol",
        Both,
        &["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"],
    ),
    number("session.timeout.ms", Consumer, 1, 3_600_000),
    number(
        "socket.connection.setup.timeout.ms",
        Both,
        1_000,
        2_147_483_647,
    ),
    flag("socket.keepalive.enable", Both),
    number("socket.max.fails", Both, 0, 1_000_000),
    flag("socket.nagle.disable", Both),
    number("socket.receive.buffer.bytes", Both, 0, 100_000_000),
    number("socket.send.buffer.bytes", Both, 0, 100_000_000),
    number("socket.timeout.ms", Both, 10, 300_000),
    text("ssl.ca.location", Both),
    text("ssl.ca.pem", Both),
    text("ssl.certificate.location", Both),
    secret(text("ssl.certificate.pem", Both)),
    text("ssl.cipher.suites", Both),
    text("ssl.crl.location", Both),
    text("ssl.curves.list", Both),
    words(
        "ssl.endpoint.identification.algorithm",
        Both,
        &["none", "https"],
    ),
    text("ssl.key.location", Both),
    secret(text("ssl.key.password", Both)),
    secret(text("ssl.key.pem", Both)),
    text("ssl.keystore.location", Both),
    secret(text("ssl.keystore.password", Both)),
    text("ssl.providers", Both),
    text("ssl.sigalgs.list", Both),
    ours(
        "statistics.interval.ms",
        Both,
        "the metrics of the host need it",
    ),
    number("sticky.partitioning.linger.ms", Producer, 0, 900_000),
    text("topic.blacklist", Both),
    number("topic.metadata.propagation.max.ms", Both, 0, 3_600_000),
    number("topic.metadata.refresh.fast.interval.ms", Both, 1, 60_000),
    number("topic.metadata.refresh.interval.ms", Both, -1, 3_600_000),
    flag("topic.metadata.refresh.sparse", Both),
];
