//! Paths with escapes: which bucket an event belongs to.
//!
//! | escape | becomes |
//! |---|---|
//! | `%{name}` | the value of the event's header, or nothing without it |
//! | `%Y %m %d %H %M %S …` | a part of the event's time ([`time`]) |
//! | `%t`, `%s` | the event's time in milliseconds, in seconds since 1970 |
//! | `%[localhost]`, `%[IP]`, `%[FQDN]` | this machine |
//! | `%%` | a percent sign |
//!
//! The law: headers come from clients, and a client must not leave the folders that the template
//! names, nor stop the events behind his own. In a finished path the parts `.` and `..` become `_`
//! and `__`, and control characters become `_`. What is too long for a store is cut, and ends with a
//! hash of the whole. Flume uses all as it is.

use std::fmt::Write;

use flume_core::Headers;

pub(crate) use self::cut::{MOST_KEY, MOST_PATH, cut_path};
use self::cut::{cut_part, is_long};
use self::time::TimeField;
pub(crate) use self::time::stamp;
pub use self::time::{RoundUnit, Rounding, TimeError, Times, Untimed, zone};

mod cut;
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

/// The names of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostNames {
    /// `%[localhost]`: the host name.
    pub name: String,
    /// `%[IP]`: the address of that name.
    pub address: String,
    /// `%[FQDN]`: the name of that address.
    pub full_name: String,
}

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EscapeError {
    /// An unknown letter. Flume replaces it with nothing.
    #[error("`%{0}` is not an escape sequence")]
    Unknown(char),
    /// An unknown name in brackets. Flume fails at the first event.
    #[error("`%[{0}]` is unknown: use `%[localhost]`, `%[IP]` or `%[FQDN]`")]
    UnknownHost(String),
    /// A relative part.
    #[error("the path must not contain the part `{0}`")]
    Dots(String),
}

impl Template {
    /// Parses a text. A `%` that begins no escape (`%-`, or at the end) stays as it is.
    ///
    /// # Errors
    /// An unknown escape, or a part `.` or `..`.
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

    /// Whether the text depends on the time of an event.
    pub fn needs_time(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Time(_)))
    }

    /// Whether the text is the same for all events.
    pub fn is_constant(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Whether the text is the same for all events of a second.
    pub(crate) fn is_constant_in_a_second(&self) -> bool {
        let slow = |part: &Part| match part {
            Part::Text(_) => true,
            Part::Time(field) => !field.shows_millis(),
            Part::Header(_) | Part::Host(_) => false,
        };
        self.parts.iter().all(slow)
    }

    /// Whether the text contains names of this machine.
    pub fn needs_host(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Host(_)))
    }

    /// Replaces the escapes for names of this machine.
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

    /// The text before the first part that depends on the event.
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
                // Writing to a string cannot fail.
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

/// The escape after a `%`, and the text after the escape; `None` if it is not an escape.
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

/// Keeps a path in the folders of its template, and its parts at a length that stores take.
fn tame(text: String) -> String {
    let wild = |part: &str| part == "." || part == "..";
    let odd = |part: &str| wild(part) || is_long(part);
    if !text.contains(char::is_control) && !text.split('/').any(odd) {
        return text;
    }
    let parts = text.split('/').map(|part| {
        let dots = wild(part);
        let change = |c: char| if c.is_control() || dots { '_' } else { c };
        cut_part(part.chars().map(change).collect())
    });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests;
