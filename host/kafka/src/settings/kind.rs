//! What everything about settings speaks of: which client, what is built, and pairs of words.

use std::collections::BTreeMap;
use std::fmt;

use flume_core::context::MASK;

/// Which client the settings are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One that writes: `kafka.producer.…`.
    Producer,
    /// One that reads: `kafka.consumer.…`.
    Consumer,
}

/// Whose a setting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Producers and consumers have it.
    Both,
    /// Only producers have it.
    Producer,
    /// Only consumers have it.
    Consumer,
}

/// Names of the library, and values. Some are secret, so none is shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Pairs(pub(super) BTreeMap<String, String>);

/// What the library is built with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Built {
    pub(super) tls: bool,
    pub(super) kerberos: bool,
}

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.keys().map(|key| (key, MASK)))
            .finish()
    }
}

impl Kind {
    /// Where the keys of such a client are.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Producer => "kafka.producer",
            Self::Consumer => "kafka.consumer",
        }
    }
}

impl Of {
    /// Whether a client of this kind has it.
    pub(super) fn has(self, kind: Kind) -> bool {
        match self {
            Self::Both => true,
            Self::Producer => kind == Kind::Producer,
            Self::Consumer => kind == Kind::Consumer,
        }
    }
}

impl Built {
    /// This program. Kerberos brings OpenSSL along.
    pub(super) const HERE: Self = Self {
        tls: cfg!(any(feature = "ssl", feature = "gssapi")),
        kerberos: cfg!(feature = "gssapi"),
    };
}
