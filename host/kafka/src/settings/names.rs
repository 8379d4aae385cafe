//! The one table of Java's settings: what becomes of each here. `host/KAFKA.md` shows it.

use self::client::{CONSUMER, PRODUCER};
use self::common::COMMON;
use super::kind::{Kind, Of};
use super::library;
use super::value::How;

mod client;
mod common;

/// A setting of Java's client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name {
    /// Its name.
    pub(super) java: &'static str,
    /// Whose it is.
    pub(super) of: Of,
    /// What becomes of it.
    pub(super) becomes: Becomes,
    /// Whether its value is never shown.
    pub(super) is_secret: bool,
}

/// What becomes of a setting of Java's client.
#[derive(Debug, Clone, Copy)]
pub(super) enum Becomes {
    /// A setting of the library.
    Setting(&'static str, How),
    /// `compression.level`, if this is the codec.
    Level(&'static str),
    /// It is read together with others (`tls.rs`, `sasl.rs`), and becomes these.
    Part(#[cfg_attr(not(test), allow(dead_code, reason = "only the page says it"))] &'static str),
    /// One of these classes, which do what is done anyway.
    Classes(&'static [&'static str]),
    /// Nothing, and nothing is missing.
    Nothing(&'static str),
    /// Nothing, and what it would do is not done.
    Missing(&'static str),
    /// Without it nothing would work as it should: the file is refused.
    Refused(&'static str),
}

/// Java's setting with this name that a client of this kind has.
pub(super) fn find(java: &str, kind: Kind) -> Option<&'static Name> {
    all().find(|name| name.java == java && name.of.has(kind))
}

/// The whole table, in its order.
pub(super) fn all() -> impl Iterator<Item = &'static Name> {
    COMMON.iter().chain(PRODUCER).chain(CONSUMER)
}

/// Every name that a client of this kind may be given, Java's and the library's.
pub(super) fn known(kind: Kind) -> Vec<&'static str> {
    let java = all().filter(|name| name.of.has(kind)).map(|name| name.java);
    let own = library::SETTINGS.iter().filter(|it| it.of.has(kind));
    java.chain(own.map(|it| it.name)).collect()
}

/// Every name whose value is never shown.
pub(super) fn secrets() -> impl Iterator<Item = &'static str> {
    let java = all().filter(|name| name.is_secret).map(|name| name.java);
    let own = library::SETTINGS.iter().filter(|it| it.is_secret);
    java.chain(own.map(|it| it.name))
}

/// Whether the value of this key may be shown: it is known, and not secret.
pub(super) fn is_harmless(key: &str) -> bool {
    let java = all().any(|name| name.java == key);
    let own = || library::SETTINGS.iter().any(|it| it.name == key);
    (java || own()) && secrets().all(|secret| secret != key)
}

const fn name(java: &'static str, of: Of, becomes: Becomes) -> Name {
    Name {
        java,
        of,
        becomes,
        is_secret: false,
    }
}

const fn secret(name: Name) -> Name {
    Name {
        is_secret: true,
        ..name
    }
}

const fn same(java: &'static str, of: Of) -> Name {
    name(java, of, Becomes::Setting(java, How::Same))
}

const fn renamed(java: &'static str, of: Of, library: &'static str) -> Name {
    name(java, of, Becomes::Setting(library, How::Same))
}

const fn changed(java: &'static str, of: Of, library: &'static str, how: How) -> Name {
    name(java, of, Becomes::Setting(library, how))
}

const fn part(java: &'static str, of: Of, what: &'static str) -> Name {
    name(java, of, Becomes::Part(what))
}

const fn nothing(java: &'static str, of: Of, why: &'static str) -> Name {
    name(java, of, Becomes::Nothing(why))
}

const fn missing(java: &'static str, of: Of, why: &'static str) -> Name {
    name(java, of, Becomes::Missing(why))
}

const fn refused(java: &'static str, of: Of, why: &'static str) -> Name {
    name(java, of, Becomes::Refused(why))
}
