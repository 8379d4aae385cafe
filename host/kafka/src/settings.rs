//! The settings of a client: Flume's keys, which are Java's, in the words of librdkafka.
//!
//! | question | file |
//! |---|---|
//! | which of Java's settings are there, and what becomes of each? | `names.rs` |
//! | which has the library, and what may they be? | `library.rs`, `value.rs` |
//! | who wins, and what is said about a setting? | `reading.rs`, `finding.rs` |
//! | what does not go together? | `together.rs` |
//! | where are the brokers? | `servers.rs` |
//! | whom to trust, and as whom to log in? | `tls.rs`, `sasl.rs`, `jaas.rs` |
//!
//! Nothing here opens a file or a socket until [`ClientSettings::resolve`].

use std::collections::BTreeSet;
use std::fmt;

use flume_core::context::Secret;
use flume_core::{ComponentError, Context};

pub use self::kind::Kind;
use self::kind::{Built, Pairs};
use self::reading::{Part, Rank, Reading};
use self::tls::{Store, Stores};

mod finding;
mod jaas;
mod kerberos;
mod kind;
mod library;
mod names;
mod oauth;
mod pem;
mod reading;
mod sasl;
mod servers;
mod tls;
mod together;
mod value;

/// What a file says about a client, files of keys and certificates by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSettings {
    pairs: Pairs,
    stores: Stores,
    files: Vec<(String, String)>,
}

/// Settings in the library's words, ready for use. Secrets are among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved(Pairs);

/// What Java's client does by itself, where the library does something else that matters. Where
/// they differ only in speed, as in `batch.size`, the library's value is left.
const PRODUCER: &[(&str, &str)] = &[
    // An event is acknowledged when all brokers in charge of it have it.
    ("acks", "all"),
    // What is sent again is stored once. Both have it or not; Java has had it on since 3.0.
    ("enable.idempotence", "true"),
    // A key lands in the partition in which Java's clients look for it.
    ("partitioner", "murmur2_random"),
    // Two minutes until a record is given up, not five.
    ("delivery.timeout.ms", "120000"),
    // More would lose the order of what is sent again.
    ("max.in.flight.requests.per.connection", "5"),
    // As Java since 4.0. Without a wait batches of 100 cost twice the CPU time.
    ("linger.ms", "5"),
    // Java sends 48,576 bytes more than the library would, and brokers take them.
    ("max.request.size", "1048576"),
];
const CONSUMER: &[(&str, &str)] = &[
    // Records of transactions that failed, or have not ended yet, are handed out.
    ("isolation.level", "read_uncommitted"),
    // A topic that is not there is made, if the brokers do that.
    ("allow.auto.create.topics", "true"),
    // A record that was damaged on the way or on a disk is not handed out.
    ("check.crcs", "true"),
    // A pattern of topics does not match the brokers' own.
    ("exclude.internal.topics", "true"),
    // What is read ahead. Where that is full, the library would look again after a second, in which
    // a reader that is nearly as fast stands still.
    ("queued.max.messages.kbytes", "16384"),
    ("fetch.queue.backoff.ms", "10"),
];

/// What holds for a consumer whatever a file says: offsets are committed when the events are where
/// they belong, and neither by a clock nor because they were handed out.
const COMMITS: &[(&str, &str)] = &[
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
];

/// Settings that name a file.
const FILES: &[&str] = &[
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.crl.location",
    "sasl.kerberos.keytab",
];

/// Opens the key stores of Java, which are files. The crate that knows their formats hands this in.
pub trait KeyStores: fmt::Debug + Send + Sync {
    /// Certificates of authorities in a trust store, as PEM.
    ///
    /// # Errors
    /// It cannot be read, or the password is wrong.
    fn trusted(
        &self,
        path: &str,
        kind: Option<&str>,
        password: Option<&str>,
    ) -> Result<String, ComponentError>;

    /// The certificate chain and the key of a key store, both as PEM.
    ///
    /// # Errors
    /// It cannot be read, or a password is wrong.
    fn identity(
        &self,
        path: &str,
        kind: Option<&str>,
        password: Option<&str>,
        key_password: Option<&str>,
    ) -> Result<(String, String), ComponentError>;
}

impl ClientSettings {
    /// Reads `kafka.bootstrap.servers` (or the old `brokerList`) and what is below `kafka.producer.`
    /// or `kafka.consumer.`. The defaults, in Java's words, hold where the file says nothing;
    /// `fixed` holds whatever it says. `None` leaves a finding.
    pub fn read(
        context: &mut Context,
        kind: Kind,
        defaults: &[(&str, &str)],
        fixed: &[(&str, &str)],
    ) -> Option<Self> {
        Self::read_for(Built::HERE, context, kind, defaults, fixed)
    }

    fn read_for(
        built: Built,
        context: &mut Context,
        kind: Kind,
        defaults: &[(&str, &str)],
        fixed: &[(&str, &str)],
    ) -> Option<Self> {
        let servers = servers::read(context);
        let mut reading = Reading::new(context, kind, built);
        let (house, always) = match kind {
            Kind::Producer => (PRODUCER, &[][..]),
            Kind::Consumer => (CONSUMER, COMMITS),
        };
        for (rank, pairs) in [
            (Rank::House, house),
            (Rank::Component, defaults),
            (Rank::Fixed, fixed),
            (Rank::Fixed, always),
        ] {
            for (key, text) in pairs {
                reading.say(rank, key, text);
            }
        }
        let plain = reading.names_of(Part::Plain);
        reading.translate(&plain);
        let stores = tls::read(&mut reading);
        sasl::read(&mut reading);
        together::check(&mut reading);
        let files = files(&reading, &stores);
        let mut pairs = reading.pairs();
        let is_good = !reading.keys.has_errors();
        context.adopt(reading.keys);
        pairs.0.insert("bootstrap.servers".to_owned(), servers?);
        is_good.then_some(Self {
            pairs,
            stores,
            files,
        })
    }

    /// The files that the settings name: the full key, and the path. They are opened when a client
    /// is made.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        let files = self.files.iter();
        files.map(|(key, path)| (key.as_str(), path.as_str()))
    }

    /// The addresses of the first brokers.
    pub(crate) fn servers(&self) -> BTreeSet<String> {
        let all = self.pairs.0.get("bootstrap.servers");
        let each = all.into_iter().flat_map(|all| all.split(','));
        each.map(str::to_owned).collect()
    }

    /// The first key store that cannot be read, by the full key that names it, and why.
    pub fn look(&self, stores: &dyn KeyStores) -> Option<(&str, ComponentError)> {
        let [trust, identity] = [&self.stores.trust, &self.stores.identity].map(Option::as_ref);
        let trust = trust.and_then(|store| Some((store, trusted(store, stores).err()?)));
        let identity = || identity.and_then(|store| Some((store, own(store, stores).err()?)));
        let (store, error) = trust.or_else(identity)?;
        Some((store.key.as_str(), error))
    }

    /// Reads the key stores.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn resolve(&self, stores: &dyn KeyStores) -> Result<Resolved, ComponentError> {
        let mut pairs = self.pairs.clone();
        let mut insert = |key: &str, text: String| pairs.0.insert(key.to_owned(), text);
        if let Some(store) = &self.stores.trust {
            insert("ssl.ca.pem", trusted(store, stores)?);
        }
        if let Some(store) = &self.stores.identity {
            let (chain, key) = own(store, stores)?;
            insert("ssl.certificate.pem", chain);
            insert("ssl.key.pem", key);
        }
        Ok(Resolved(pairs))
    }
}

fn trusted(store: &Store, stores: &dyn KeyStores) -> Result<String, ComponentError> {
    let password = store.password.as_ref().map(Secret::expose);
    stores.trusted(&store.path, store.kind.as_deref(), password)
}

fn own(store: &Store, stores: &dyn KeyStores) -> Result<(String, String), ComponentError> {
    stores.identity(
        &store.path,
        store.kind.as_deref(),
        store.password.as_ref().map(Secret::expose),
        store.key_password.as_ref().map(Secret::expose),
    )
}

fn files(reading: &Reading, stores: &Stores) -> Vec<(String, String)> {
    let told = FILES.iter().filter_map(|name| reading.told(name));
    let told = told.map(|said| (reading.name(said), said.text.clone()));
    let stores = [&stores.trust, &stores.identity].into_iter().flatten();
    let stores = stores.map(|store| (store.key.clone(), store.path.clone()));
    // The library looks for the authorities of the system where it is told to `probe`.
    let mut files: Vec<_> = told
        .chain(stores)
        .filter(|(_, path)| path != "probe")
        .collect();
    files.dedup();
    files
}

impl Resolved {
    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The value of a setting.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.0.get(key).map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
