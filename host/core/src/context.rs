//! The context of a component: Flume's word for its sub-properties.
//!
//! A component *asks* for every key that it knows, and nothing stops at the first problem: each
//! question that has no good answer leaves a [`Diagnostic`] at the value's place. What nobody
//! asked for is an unknown key ([`Context::finish`]), and since the questions are remembered, it
//! comes with a "did you mean".

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

pub use self::suggest::{did_you_mean, nearest};
use self::suggest::{known_keys, one_of_help};
pub use self::value::{Value, Word};
use crate::diagnostic::{Code, Diagnostic, Severity, Span};

mod suggest;
mod value;

/// What to do about a value that Flume would replace by its default or quietly skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Nothing is replaced: the file has to be mended.
    #[default]
    Strict,
    /// As Flume does, with a warning.
    Lenient,
}

/// A question that a component asked, for its list of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The key, below the component.
    pub key: String,
    /// The default, as text; `None` if there is none.
    pub default: Option<String>,
    /// Whether the component cannot do without it.
    pub required: bool,
}

/// The properties of one component, by key below its name.
///
/// ```
/// use flume_core::Context;
///
/// let mut context = Context::of("a1.sources.r1", &[("bind", "localhost"), ("prot", "44444")]);
/// assert_eq!(context.required("bind").as_deref(), Some("localhost"));
/// assert_eq!(context.required_number::<u16>("port", 0..=65535), None);
/// let messages: Vec<String> = context.finish().into_iter().map(|d| d.message).collect();
/// assert_eq!(messages, [
///     "`a1.sources.r1` needs the key `port`",
///     "`a1.sources.r1` does not know the key `prot`",
/// ]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Context {
    path: String,
    span: Option<Span>,
    mode: Mode,
    values: BTreeMap<String, Value>,
    questions: Vec<Question>,
    prefixes: Vec<String>,
    diagnostics: Vec<Diagnostic>,
}

impl Context {
    /// A context at a path (`a1.sources.r1`), whose component is named at `span`.
    pub fn new(path: impl Into<String>, span: Option<Span>, mode: Mode) -> Self {
        Self {
            path: path.into(),
            span,
            mode,
            ..Self::default()
        }
    }

    /// A context without a file, for tests and examples.
    pub fn of(path: &str, properties: &[(&str, &str)]) -> Self {
        let mut context = Self::new(path, None, Mode::Strict);
        for (key, text) in properties {
            let nowhere = Span { start: 0, end: 0 };
            context.insert(*key, Value::new(*text, nowhere, nowhere));
        }
        context
    }

    /// Adds a property; the last of a doubled key stays.
    pub fn insert(&mut self, key: impl Into<String>, value: Value) {
        self.values.insert(key.into(), value);
    }

    /// The full path, for messages.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The component's own name: the last part of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }

    /// Whether values are replaced as Flume does.
    pub fn mode(&self) -> Mode {
        self.mode
    }

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

    /// Text that must be there.
    pub fn required(&mut self, key: &str) -> Option<String> {
        self.required_value(key).map(|value| value.text)
    }

    /// A number that must be there and within bounds. `None` leaves a diagnostic.
    pub fn required_number<T>(&mut self, key: &str, bounds: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        let value = self.required_value(key)?;
        self.parse(key, &value, &bounds, Severity::Error)
    }

    /// A number with a default, within bounds. `None` leaves a diagnostic: a bad value costs the
    /// component, in Flume too.
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

    /// A number with a default that Flume also uses for a bad value: here that is an error all the
    /// same, and a warning in lenient mode.
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

    /// `true` or `false` in any case. Flume takes every other text for false, and so does the
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
                let help = "Flume takes any other text for `false`".to_owned();
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

    /// One of several words, in any case, given with what each means.
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

    /// A list split on blanks; absent is empty.
    pub fn list(&mut self, key: &str) -> Vec<String> {
        let words = self.words(key).into_iter();
        words.map(|word| word.text).collect()
    }

    /// A list split on blanks, with the place of each name; absent is empty.
    pub fn words(&mut self, key: &str) -> Vec<Word> {
        self.value(key).map(|value| value.words).unwrap_or_default()
    }

    /// The first of several spellings of one key that is there; all are counted as asked for.
    pub fn spelling<'k>(&mut self, keys: &[&'k str]) -> &'k str {
        for key in keys {
            self.ask(key, None, false);
        }
        let present = keys.iter().find(|key| self.values.contains_key(**key));
        present.or(keys.first()).copied().unwrap_or_default()
    }

    /// Counts a key as asked for, without asking what it says.
    pub fn accept(&mut self, key: &str) {
        self.ask(key, None, false);
    }

    /// Counts all keys as asked for: of a component whose type is not known, nobody can say which
    /// keys are unknown.
    pub fn accept_all(&mut self) {
        self.prefixes.push(String::new());
    }

    /// Accepts a key that changes nothing here, and says so in a note if it is there.
    pub fn without_effect(&mut self, key: &str, why: &str) {
        if let Some(value) = self.value(key) {
            let message = format!("`{}.{key}` has no effect: {why}", self.path);
            self.report(
                Code::NoEffect,
                Severity::Note,
                message,
                Some(&value.key_span),
                Some("remove the line".to_owned()),
            );
        }
    }

    /// All properties below `prefix.`, as a context of their own; they count as asked for here,
    /// and the sub-context's diagnostics come back with [`Context::adopt`].
    pub fn below(&mut self, prefix: &str) -> Context {
        let dotted = format!("{prefix}.");
        let mut sub = Self::new(format!("{}.{prefix}", self.path), self.span, self.mode);
        for (key, value) in &self.values {
            if let Some(rest) = key.strip_prefix(&dotted) {
                sub.insert(rest, value.clone());
            }
        }
        self.prefixes.push(dotted);
        sub
    }

    /// Finishes a sub-context and takes over what it found.
    pub fn adopt(&mut self, sub: Context) {
        self.diagnostics.extend(sub.finish());
    }

    /// The same context without the keys for which `drop` is true, and without what was asked.
    #[must_use]
    pub fn without(&self, drop: impl Fn(&str) -> bool) -> Context {
        let mut rest = Self::new(self.path.clone(), self.span, self.mode);
        let kept = self.values.iter().filter(|(key, _)| !drop(key));
        rest.values
            .extend(kept.map(|(key, value)| (key.clone(), value.clone())));
        rest
    }

    /// Says where the component is named.
    pub fn set_span(&mut self, span: Span) {
        self.span = Some(span);
    }

    /// Where the component is named.
    pub fn span(&self) -> Option<Span> {
        self.span
    }

    /// Keys and values that are there, asked for or not.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The questions asked so far, each key once, in the order of asking.
    pub fn questions(&self) -> &[Question] {
        &self.questions
    }

    /// The keys and values that nobody has asked for so far.
    pub fn unasked(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.iter().filter(|(key, _)| !self.is_known(key))
    }

    /// A finding about the value of a key, or about the component if the key is not there.
    pub fn error(&mut self, key: &str, code: Code, message: impl Into<String>, help: &str) {
        let span = self.values.get(key).map(|value| value.span);
        let help = (!help.is_empty()).then(|| help.to_owned());
        let span = span.or(self.span);
        self.report(code, code.severity(), message.into(), span.as_ref(), help);
    }

    /// The value of `key` names none of the known types.
    pub fn unknown_type(&mut self, key: &str, text: &str, known: &[&str]) {
        let message = format!("`{}.{key}` is no known type: `{text}`", self.path);
        let help = one_of_help(text, known);
        self.error(key, Code::UnknownType, message, &help);
    }

    /// A ready-made finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Whether something was found that keeps the component from running.
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|d| d.severity == Severity::Error)
    }

    /// Everything that was found, with the keys that nobody asked for.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        let unknown: Vec<(String, Span)> = self
            .unasked()
            .map(|(key, value)| (key.to_owned(), value.key_span))
            .collect();
        let asked: Vec<&str> = self.questions.iter().map(|q| q.key.as_str()).collect();
        let helps: Vec<Option<String>> = unknown
            .iter()
            .map(|(key, _)| did_you_mean(key, &asked).or_else(|| known_keys(&asked)))
            .collect();
        let severity = self.replaced();
        for ((key, span), help) in unknown.into_iter().zip(helps) {
            let message = format!("`{}` does not know the key `{key}`", self.path);
            self.report(Code::UnknownKey, severity, message, Some(&span), help);
        }
        self.diagnostics
    }

    fn is_known(&self, key: &str) -> bool {
        self.questions.iter().any(|question| question.key == key)
            || self.prefixes.iter().any(|prefix| key.starts_with(prefix))
    }

    fn ask(&mut self, key: &str, default: Option<String>, required: bool) {
        match self
            .questions
            .iter_mut()
            .find(|question| question.key == key)
        {
            None => {
                let key = key.to_owned();
                self.questions.push(Question {
                    key,
                    default,
                    required,
                });
            }
            Some(question) => {
                question.required |= required;
                question.default = question.default.take().or(default);
            }
        }
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

    /// The severity of what Flume would quietly replace.
    fn replaced(&self) -> Severity {
        match self.mode {
            Mode::Strict => Severity::Error,
            Mode::Lenient => Severity::Warning,
        }
    }

    fn report(
        &mut self,
        code: Code,
        severity: Severity,
        message: String,
        span: Option<&Span>,
        help: Option<String>,
    ) {
        let mut diagnostic = Diagnostic::new(code, message);
        diagnostic.severity = severity;
        diagnostic.span = span.copied();
        diagnostic.help = help;
        self.diagnostics.push(diagnostic);
    }
}

/// Two contexts are equal if a component would read the same from both: places do not count, nor
/// does what was asked, so that a comment added to a file changes no component.
impl PartialEq for Context {
    fn eq(&self, other: &Self) -> bool {
        let texts = |(ours, theirs): ((&String, &Value), (&String, &Value))| {
            ours.0 == theirs.0 && ours.1.text == theirs.1.text
        };
        self.path == other.path
            && self.mode == other.mode
            && self.values.len() == other.values.len()
            && self.values.iter().zip(&other.values).all(texts)
    }
}

impl Eq for Context {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_equal_if_they_say_the_same() {
        let keys = [("bind", "localhost"), ("port", "1")];
        let (one, mut other) = (Context::of("a.b.c", &keys), Context::of("a.b.c", &keys));
        other.set_span(Span { start: 3, end: 4 });
        assert_eq!(other.required_number::<u16>("port", 2..=3), None);
        assert_eq!(one, other);
        assert_ne!(one, Context::of("a.b.d", &keys));
        assert_ne!(one, Context::of("a.b.c", &keys[..1]));
        assert_ne!(
            one,
            Context::of("a.b.c", &[("bind", "localhost"), ("port", "2")])
        );
        assert_eq!(
            one.without(|key| key == "port"),
            Context::of("a.b.c", &keys[..1])
        );
    }

    #[test]
    fn what_is_accepted_is_not_unknown() {
        let keys = [("x", "1"), ("y.z", "2")];
        let mut context = Context::of("a.b.c", &keys);
        context.accept("x");
        assert_eq!(
            context.unasked().map(|(key, _)| key).collect::<Vec<_>>(),
            ["y.z"]
        );
        assert_eq!(context.clone().finish().len(), 1);
        context.accept_all();
        assert_eq!(context.finish(), []);
    }

    #[test]
    fn an_unknown_key_far_from_all_others_lists_them() {
        let mut context = Context::of("a.b.c", &[("frobnicate", "1")]);
        context.string("bind", "x");
        context.string("port", "y");
        let help = context.finish().remove(0).help;
        assert_eq!(
            help.as_deref(),
            Some("remove it; the keys are `bind`, `port`")
        );
    }
}
