//! The properties of a policy, asked for one by one.
//!
//! A bad value does not stop `configure`: it is noted, the default is used, and the host shows
//! all notes. Keys that were never read are noted too, so a misspelt key never goes unnoticed.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::bindings::types::{BadValue, ConfigError};

/// Keys and values as they were written.
#[derive(Debug, Clone, Default)]
pub struct Properties {
    values: Vec<(String, String)>,
    asked: Vec<String>,
    errors: Vec<ConfigError>,
}

impl Properties {
    /// Properties from pairs, for tests.
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    /// Text that may be absent.
    pub fn optional(&mut self, key: &str) -> Option<String> {
        self.asked.push(key.to_owned());
        let found = self.values.iter().find(|(known, _)| known == key);
        found.map(|(_, value)| value.clone())
    }

    /// Text with a default.
    pub fn text(&mut self, key: &str, default: &str) -> String {
        self.optional(key).unwrap_or_else(|| default.to_owned())
    }

    /// Required text; empty, with a problem noted, if it is missing.
    pub fn required(&mut self, key: &str) -> String {
        self.optional(key).unwrap_or_else(|| {
            self.errors.push(ConfigError::MissingKey(key.to_owned()));
            String::new()
        })
    }

    /// A number within bounds; otherwise notes a problem and returns the default.
    pub fn number<T>(&mut self, key: &str, default: T, bounds: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.optional(key) else {
            return default;
        };
        match text.parse() {
            Ok(number) if bounds.contains(&number) => number,
            _ => {
                let expected = format!("a number from {} to {}", bounds.start(), bounds.end());
                self.bad(key, &expected);
                default
            }
        }
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &str, default: bool) -> bool {
        match self.optional(key).as_deref() {
            None => default,
            Some("true") => true,
            Some("false") => false,
            Some(_) => {
                self.bad(key, "`true` or `false`");
                default
            }
        }
    }

    /// Notes that a value is not valid.
    pub fn bad(&mut self, key: &str, expected: &str) {
        let (key, expected) = (key.to_owned(), expected.to_owned());
        self.errors
            .push(ConfigError::BadValue(BadValue { key, expected }));
    }

    /// Notes any other problem: lower case, no full stop.
    pub fn problem(&mut self, words: impl Into<String>) {
        self.errors.push(ConfigError::Other(words.into()));
    }

    /// Everything that was noted, including the keys that were never read, if those matter.
    pub(crate) fn finish(&mut self, unknown_matter: bool) -> Vec<ConfigError> {
        let asked = &self.asked;
        let strangers = self.values.iter().filter(|(key, _)| !asked.contains(key));
        if unknown_matter {
            self.errors
                .extend(strangers.map(|(key, _)| ConfigError::UnknownKey(key.clone())));
        }
        std::mem::take(&mut self.errors)
    }
}

impl FromIterator<(String, String)> for Properties {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self {
            values: pairs.into_iter().collect(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_noted_once() {
        let mut properties = Properties::of(&[("a", "7"), ("b", "x"), ("c", "9"), ("f", "yes")]);
        assert_eq!(properties.number("a", 1, 1..=9), 7);
        assert_eq!(properties.number("b", 1, 1..=9), 1);
        assert!(!properties.flag("f", false));
        assert_eq!(properties.required("d"), "");
        let bad = |key: &str, expected: &str| {
            let (key, expected) = (key.to_owned(), expected.to_owned());
            ConfigError::BadValue(BadValue { key, expected })
        };
        let expected = [
            bad("b", "a number from 1 to 9"),
            bad("f", "`true` or `false`"),
            ConfigError::MissingKey("d".to_owned()),
            ConfigError::UnknownKey("c".to_owned()),
        ];
        assert_eq!(properties.finish(true), expected);
    }
}
