//! Reading values: a component asks for a key and gets the value in the type that it needs.
//!
//! A bad or missing value leaves a finding, and the component goes on asking.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::suggest::one_of_help;
use super::{Context, Value, Word};
use crate::diagnostic::{Code, Severity};
use crate::registry::is_class;

impl Context {
    /// A value with its place, counted as asked for.
    pub fn value(&mut self, key: &str) -> Option<Value> {
        self.ask(key, None, false);
        self.values.get(key).cloned()
    }

    /// Text that may be absent.
    pub fn optional(&mut self, key: &str) -> Option<String> {
        self.value(key).map(|value| value.text)
    }

    /// Text with a default.
    pub fn string(&mut self, key: &str, default: &str) -> String {
        self.ask(key, Some(default.to_owned()), false);
        self.values
            .get(key)
            .map_or_else(|| default.to_owned(), |value| value.text.clone())
    }

    /// Text that is required.
    pub fn required(&mut self, key: &str) -> Option<String> {
        self.required_value(key).map(|value| value.text)
    }

    /// A number that is required, within bounds. On `None`, the context has a diagnostic.
    pub fn required_number<T>(&mut self, key: &str, bounds: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        let value = self.required_value(key)?;
        self.parse(key, &value, &bounds, Severity::Error)
    }

    /// A number with a default, within bounds. On `None`, the context has a diagnostic: with a bad
    /// value the component does not run, in Flume too.
    pub fn number<T>(&mut self, key: &str, default: T, bounds: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        self.ask(key, Some(default.to_string()), false);
        match self.values.get(key).cloned() {
            None => Some(default),
            Some(value) => self.parse(key, &value, &bounds, Severity::Error),
        }
    }

    /// The same where the upper bound is ours and not Flume's, which runs with more.
    pub fn number_up_to<T>(&mut self, key: &str, default: T, bounds: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        let value = self.values.get(key).cloned();
        let parsed = value
            .as_ref()
            .and_then(|value| value.text.parse::<T>().ok());
        if let (Some(value), Some(number)) = (value, parsed)
            && number > *bounds.end()
        {
            let message = format!(
                "`{}.{key}` is more than fits here: `{}`",
                self.path, value.text
            );
            let help = format!("give a number from {} to {}", bounds.start(), bounds.end());
            self.ask(key, Some(default.to_string()), false);
            self.error(key, Code::Unsupported, message, &help);
            return None;
        }
        self.number(key, default, bounds)
    }

    /// A number with a default that Flume also uses in place of a bad value. Here a bad value is an
    /// error, and in lenient mode a warning.
    pub fn number_or_default<T>(&mut self, key: &str, default: T, bounds: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display + Clone,
    {
        self.ask(key, Some(default.to_string()), false);
        let Some(value) = self.values.get(key).cloned() else {
            return default;
        };
        let severity = self.replaced();
        self.parse(key, &value, &bounds, severity)
            .unwrap_or(default)
    }

    /// `true` or `false`, in upper or lower case. Flume reads any other text as `false`; so does
    /// lenient mode, with a warning.
    pub fn flag(&mut self, key: &str, default: bool) -> bool {
        self.ask(key, Some(default.to_string()), false);
        let Some(value) = self.values.get(key).cloned() else {
            return default;
        };
        match value.text.to_ascii_lowercase().as_str() {
            "true" => true,
            "false" => false,
            _ => {
                let severity = self.replaced();
                let message = format!("`{}.{key}` is neither `true` nor `false`", self.path);
                let help = "Flume reads any other text as `false`".to_owned();
                self.report(
                    Code::BadValue,
                    severity,
                    message,
                    Some(&value.span),
                    Some(help),
                );
                false
            }
        }
    }

    /// One of several words, in upper or lower case; each comes with its meaning.
    pub fn one_of<T: Clone>(&mut self, key: &str, default: &str, words: &[(&str, T)]) -> Option<T> {
        self.ask(key, Some(default.to_owned()), false);
        let value = self.values.get(key).cloned();
        let text = value.as_ref().map_or(default, |value| value.text.as_str());
        let found = words
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text));
        if let Some((_, meaning)) = found {
            return Some(meaning.clone());
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let message = format!("`{}.{key}` cannot be `{text}`", self.path);
        let help = one_of_help(text, &names);
        let span = value.map(|value| value.span);
        self.report(
            Code::BadValue,
            Severity::Error,
            message,
            span.as_ref(),
            Some(help),
        );
        None
    }

    /// The same where Flume takes any other text for a class, and loads that.
    pub fn one_of_or_class<T: Clone>(
        &mut self,
        key: &str,
        default: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let text = self.values.get(key).map(|value| value.text.clone());
        let unknown = text.filter(|text| {
            let mut words = words.iter();
            is_class(text) && !words.any(|(word, _)| word.eq_ignore_ascii_case(text))
        });
        let Some(class) = unknown else {
            return self.one_of(key, default, words);
        };
        self.ask(key, Some(default.to_owned()), false);
        let aliases = words.iter().map(|(word, _)| *word);
        let aliases: Vec<&str> = aliases.filter(|word| !is_class(word)).collect();
        self.class(key, &class, &one_of_help(&class, &aliases));
        None
    }

    /// A list split on blanks; absent is empty.
    pub fn list(&mut self, key: &str) -> Vec<String> {
        let words = self.words(key).into_iter();
        words.map(|word| word.text).collect()
    }

    /// A list split on blanks, with the place of each name; absent is empty.
    pub fn words(&mut self, key: &str) -> Vec<Word> {
        self.value(key).map(|value| value.words).unwrap_or_default()
    }

    /// The first spelling of a key that is present; all of them count as asked for.
    pub fn spelling<'k>(&mut self, keys: &[&'k str]) -> &'k str {
        for key in keys {
            self.ask(key, None, false);
        }
        let present = keys.iter().find(|key| self.values.contains_key(**key));
        present.or(keys.first()).copied().unwrap_or_default()
    }

    fn required_value(&mut self, key: &str) -> Option<Value> {
        self.ask(key, None, true);
        let value = self.values.get(key).cloned();
        if value.is_none() {
            let message = format!("`{}` needs the key `{key}`", self.path);
            let help = format!("add `{}.{key} = …`", self.path);
            let span = self.span;
            self.report(
                Code::MissingKey,
                Severity::Error,
                message,
                span.as_ref(),
                Some(help),
            );
        }
        value
    }

    fn parse<T>(
        &mut self,
        key: &str,
        value: &Value,
        bounds: &RangeInclusive<T>,
        severity: Severity,
    ) -> Option<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        let (code, problem) = match value.text.parse::<T>() {
            Ok(number) if bounds.contains(&number) => return Some(number),
            Ok(_) => (Code::OutOfRange, "out of range"),
            Err(_) => (Code::BadValue, "not a number that fits"),
        };
        let message = format!("`{}.{key}` is {problem}: `{}`", self.path, value.text);
        let help = format!("give a number from {} to {}", bounds.start(), bounds.end());
        self.report(code, severity, message, Some(&value.span), Some(help));
        None
    }
}
