//! Settings that producers and consumers have in common.

use super::{Name, changed, missing, nothing, part, refused, renamed, same, secret};
use crate::settings::kind::Of::Both;
use crate::settings::value::How;

const SERVERS: &str = "`kafka.bootstrap.servers` of the component says it";
const METRICS: &str = "the metrics are those of the host";
const JVM: &str = "it chooses a part of the Java runtime, and here is none";
const CLASS: &str = "classes cannot be loaded";
const LOGIN: &str = "the client has one pace of its own for logging in again";
const KINIT: &str = "when a ticket is renewed follows from `sasl.kerberos.min.time.before.relogin`";
const HTTP: &str = "tokens come over HTTP, and the client is built without it";
const BROKER: &str = "it is for those who check tokens, the brokers";

const PROTOCOLS: How = How::Words(&[
    ("PLAINTEXT", "plaintext"),
    ("SSL", "ssl"),
    ("SASL_PLAINTEXT", "sasl_plaintext"),
    ("SASL_SSL", "sasl_ssl"),
]);

const MECHANISMS: How = How::Words(&[
    ("GSSAPI", "GSSAPI"),
    ("PLAIN", "PLAIN"),
    ("SCRAM-SHA-256", "SCRAM-SHA-256"),
    ("SCRAM-SHA-512", "SCRAM-SHA-512"),
    ("OAUTHBEARER", "OAUTHBEARER"),
]);

const LOOKUPS: How = How::Words(&[
    ("use_all_dns_ips", "use_all_dns_ips"),
    // What Java had before, one address of each name, it has no more either.
    ("default", "use_all_dns_ips"),
    (
        "resolve_canonical_bootstrap_servers_only",
        "resolve_canonical_bootstrap_servers_only",
    ),
]);

pub(super) const COMMON: &[Name] = &[
    nothing("bootstrap.servers", Both, SERVERS),
    same("client.id", Both),
    same("client.rack", Both),
    changed("client.dns.lookup", Both, "client.dns.lookup", LOOKUPS),
    changed(
        "connections.max.idle.ms",
        Both,
        "connections.max.idle.ms",
        How::NegativeIsNone,
    ),
    renamed(
        "metadata.max.age.ms",
        Both,
        "topic.metadata.refresh.interval.ms",
    ),
    same("metadata.recovery.strategy", Both),
    same("metadata.recovery.rebootstrap.trigger.ms", Both),
    changed(
        "send.buffer.bytes",
        Both,
        "socket.send.buffer.bytes",
        How::NegativeIsNone,
    ),
    changed(
        "receive.buffer.bytes",
        Both,
        "socket.receive.buffer.bytes",
        How::NegativeIsNone,
    ),
    same("reconnect.backoff.ms", Both),
    same("reconnect.backoff.max.ms", Both),
    same("retry.backoff.ms", Both),
    same("retry.backoff.max.ms", Both),
    same("socket.connection.setup.timeout.ms", Both),
    nothing(
        "socket.connection.setup.timeout.max.ms",
        Both,
        "the time to connect does not grow",
    ),
    missing("interceptor.classes", Both, CLASS),
    missing(
        "config.providers",
        Both,
        "`${…}` of a provider is not replaced; the host has its own",
    ),
    nothing("metric.reporters", Both, METRICS),
    nothing("metrics.num.samples", Both, METRICS),
    nothing("metrics.recording.level", Both, METRICS),
    nothing("metrics.sample.window.ms", Both, METRICS),
    nothing("auto.include.jmx.reporter", Both, METRICS),
    same("enable.metrics.push", Both),
    nothing("security.providers", Both, JVM),
    // TLS.
    changed("security.protocol", Both, "security.protocol", PROTOCOLS),
    part(
        "ssl.truststore.location",
        Both,
        "`ssl.ca.pem`; of type PEM `ssl.ca.location`",
    ),
    secret(part(
        "ssl.truststore.password",
        Both,
        "opens the trust store",
    )),
    part("ssl.truststore.type", Both, "JKS, PKCS12 or PEM"),
    part("ssl.truststore.certificates", Both, "`ssl.ca.pem`"),
    part(
        "ssl.keystore.location",
        Both,
        "`ssl.certificate.pem` and `ssl.key.pem`; of type PEM `….location` of both",
    ),
    secret(part("ssl.keystore.password", Both, "opens the key store")),
    part("ssl.keystore.type", Both, "JKS, PKCS12 or PEM"),
    secret(part("ssl.keystore.key", Both, "`ssl.key.pem`")),
    secret(part(
        "ssl.keystore.certificate.chain",
        Both,
        "`ssl.certificate.pem`",
    )),
    secret(part(
        "ssl.key.password",
        Both,
        "opens the key; of type PEM `ssl.key.password`",
    )),
    part(
        "ssl.endpoint.identification.algorithm",
        Both,
        "the same; `none` for what is empty in Java",
    ),
    part(
        "ssl.disableTLSHostnameVerification",
        Both,
        "`ssl.endpoint.identification.algorithm = none`, if true",
    ),
    part("ssl.cipher.suites", Both, "the same, in OpenSSL's names"),
    nothing(
        "ssl.enabled.protocols",
        Both,
        "the best version that both ends know is used",
    ),
    nothing(
        "ssl.protocol",
        Both,
        "the best version that both ends know is used",
    ),
    nothing("ssl.provider", Both, JVM),
    nothing("ssl.keymanager.algorithm", Both, JVM),
    nothing("ssl.trustmanager.algorithm", Both, JVM),
    nothing("ssl.secure.random.implementation", Both, JVM),
    refused("ssl.engine.factory.class", Both, CLASS),
    // SASL.
    changed("sasl.mechanism", Both, "sasl.mechanism", MECHANISMS),
    secret(part(
        "sasl.jaas.config",
        Both,
        "`sasl.username`, `sasl.password`, `sasl.kerberos.…`, `sasl.oauthbearer.config`",
    )),
    part("sasl.kerberos.service.name", Both, "the same"),
    secret(part(
        "sasl.kerberos.kinit.cmd",
        Both,
        "the same: the path of `kinit`, or a command",
    )),
    same("sasl.kerberos.min.time.before.relogin", Both),
    nothing("sasl.kerberos.ticket.renew.jitter", Both, KINIT),
    nothing("sasl.kerberos.ticket.renew.window.factor", Both, KINIT),
    refused("sasl.client.callback.handler.class", Both, CLASS),
    refused("sasl.login.callback.handler.class", Both, CLASS),
    refused("sasl.login.class", Both, CLASS),
    nothing("sasl.login.connect.timeout.ms", Both, LOGIN),
    nothing("sasl.login.read.timeout.ms", Both, LOGIN),
    nothing("sasl.login.refresh.buffer.seconds", Both, LOGIN),
    nothing("sasl.login.refresh.min.period.seconds", Both, LOGIN),
    nothing("sasl.login.refresh.window.factor", Both, LOGIN),
    nothing("sasl.login.refresh.window.jitter", Both, LOGIN),
    nothing("sasl.login.retry.backoff.ms", Both, LOGIN),
    nothing("sasl.login.retry.backoff.max.ms", Both, LOGIN),
    refused("sasl.oauthbearer.token.endpoint.url", Both, HTTP),
    nothing("sasl.oauthbearer.scope.claim.name", Both, BROKER),
    nothing("sasl.oauthbearer.sub.claim.name", Both, BROKER),
    nothing("sasl.oauthbearer.clock.skew.seconds", Both, BROKER),
    nothing("sasl.oauthbearer.expected.audience", Both, BROKER),
    nothing("sasl.oauthbearer.expected.issuer", Both, BROKER),
    nothing("sasl.oauthbearer.jwks.endpoint.url", Both, BROKER),
    nothing("sasl.oauthbearer.jwks.endpoint.refresh.ms", Both, BROKER),
    nothing(
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms",
        Both,
        BROKER,
    ),
    nothing(
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms",
        Both,
        BROKER,
    ),
    refused("sasl.oauthbearer.jwt.retriever.class", Both, CLASS),
    nothing("sasl.oauthbearer.jwt.validator.class", Both, BROKER),
];
