//! Paths with escapes: which bucket an event belongs to.
//!
//! | escape | becomes |
//! |---|---|
//! | `%{name}` | the event's header, nothing if it has none |
//! | `%Y %m %d %H %M %S …` | a part of the event's time ([`time`]) |
//! | `%t`, `%s` | that time in milliseconds, in seconds since 1970 |
//! | `%[localhost]`, `%[IP]`, `%[FQDN]` | this machine |
//! | `%%` | a percent sign |
//!
//! The law: a header comes from a client, and a client does not choose folders above the ones that
//! the template names. Where the parts of a finished path would be `.` or `..` they become `_` and
//! `__`, and control characters become `_`. Flume follows them.

use std::fmt::Write;

use flume_core::Headers;

use self::time::TimeField;
pub(crate) use self::time::stamp;
pub use self::time::{RoundUnit, Rounding, TimeError, Times, zone};

mod time;

/// A path or a name with escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Header(String),
    Host(HostField),
    Time(TimeField),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HostField {
    Name,
    Address,
    FullName,
}

/// What this machine is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostNames {
    /// `%[localhost]`: its own name for itself.
    pub name: String,
    /// `%[IP]`: the address of that name.
    pub address: String,
    /// `%[FQDN]`: the name of that address.
    pub full_name: String,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EscapeError {
    /// Flume puts nothing in its place.
    #[error("`%{0}` is no escape")]
    Unknown(char),
    /// Flume throws at the first event.
    #[error("`%[{0}]` is none of `%[localhost]`, `%[IP]` and `%[FQDN]`")]
    UnknownHost(String),
    /// A part of the path leads back.
    #[error("the part `{0}` leads to another folder than it says")]
    Dots(String),
}

impl Template {
    /// Reads a text. What only looks like an escape (`%-`, a `%` at the end) stays as it is.
    ///
    /// # Errors
    /// An escape that means nothing.
    pub fn parse(text: &str) -> Result<Self, EscapeError> {
        if let Some(dots) = text.split('/').find(|part| matches!(*part, "." | "..")) {
            return Err(EscapeError::Dots(dots.to_owned()));
        }
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            plain.push_str(before);
            let Some((part, behind)) = escape(after)? else {
                plain.push('%');
                rest = after;
                continue;
            };
            match part {
                Part::Text(text) => plain.push_str(&text),
                part => {
                    push_text(&mut parts, &mut plain);
                    parts.push(part);
                }
            }
            rest = behind;
        }
        plain.push_str(rest);
        push_text(&mut parts, &mut plain);
        Ok(Self { parts })
    }

    /// Whether an event needs a time to be put into this path.
    pub fn needs_time(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Time(_)))
    }

    /// Whether all events go to one path.
    pub fn is_constant(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Whether all events of a second go to one path.
    pub(crate) fn is_constant_in_a_second(&self) -> bool {
        let slow = |part: &Part| match part {
            Part::Text(_) => true,
            Part::Time(field) => !field.shows_millis(),
            Part::Header(_) | Part::Host(_) => false,
        };
        self.parts.iter().all(slow)
    }

    /// Whether this machine's names have to be found out.
    pub fn needs_host(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Host(_)))
    }

    /// Puts the machine's names in.
    pub fn settle_host(&mut self, host: &HostNames) {
        for part in &mut self.parts {
            if let Part::Host(field) = part {
                let text = match field {
                    HostField::Name => &host.name,
                    HostField::Address => &host.address,
                    HostField::FullName => &host.full_name,
                };
                *part = Part::Text(text.clone());
            }
        }
    }

    /// What stands before the first part that depends on the event.
    pub fn fixed(&self) -> String {
        let texts = self.parts.iter().map_while(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// The text for an event with these headers at this time.
    pub fn expand(&self, headers: &Headers, times: &Times, millis: i64) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Header(name) => {
                    text.push_str(headers.get(name).map_or("", |value| &**value));
                }
                Part::Host(_) => {}
                // Writing to a string does not fail.
                Part::Time(field) => {
                    write!(text, "{}", times.show(*field, millis)).unwrap_or_default();
                }
            }
        }
        tame(text)
    }
}

fn push_text(parts: &mut Vec<Part>, plain: &mut String) {
    if !plain.is_empty() {
        parts.push(Part::Text(std::mem::take(plain)));
    }
}

/// The escape behind a `%`, with the text behind it; `None` if there is none.
fn escape(after: &str) -> Result<Option<(Part, &str)>, EscapeError> {
    let mut chars = after.chars();
    let Some(first) = chars.next() else {
        return Ok(None);
    };
    let behind = chars.as_str();
    let is_header = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    Ok(match first {
        '%' => Some((Part::Text("%".to_owned()), behind)),
        '{' => named(behind, '}', is_header).map(|(name, rest)| (Part::Header(name), rest)),
        '[' => match named(behind, ']', is_word) {
            None => None,
            Some((name, rest)) => {
                let field = match name.to_ascii_lowercase().as_str() {
                    "localhost" => HostField::Name,
                    "ip" => HostField::Address,
                    "fqdn" => HostField::FullName,
                    _ => return Err(EscapeError::UnknownHost(name)),
                };
                Some((Part::Host(field), rest))
            }
        },
        letter if is_word(letter) => {
            let field = TimeField::of(letter).ok_or(EscapeError::Unknown(letter))?;
            Some((Part::Time(field), behind))
        }
        _ => None,
    })
}

fn named(text: &str, end: char, allowed: impl Fn(char) -> bool) -> Option<(String, &str)> {
    let (name, rest) = text.split_once(end)?;
    (!name.is_empty() && name.chars().all(allowed)).then(|| (name.to_owned(), rest))
}

/// Keeps a path where its template put it.
fn tame(text: String) -> String {
    let wild = |part: &str| part == "." || part == "..";
    if !text.contains(char::is_control) && !text.split('/').any(wild) {
        return text;
    }
    let parts = text.split('/').map(|part| {
        let dots = wild(part);
        let change = |c: char| if c.is_control() || dots { '_' } else { c };
        part.chars().map(change).collect::<String>()
    });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests;
