//! The context of a component: Flume's word for its sub-properties.
//!
//! A component *asks* for every key that it knows, and does not stop at the first problem: each bad
//! or missing value leaves a [`Diagnostic`] at its place. A key that was never asked for is unknown
//! ([`Context::finish`]). The questions are remembered, so its diagnostic can say "did you mean".

use std::collections::BTreeMap;

pub use self::disclosure::Disclosure;
use self::disclosure::Rule;
pub use self::mask::{MASK, has_user, looks_secret, without_user};
pub use self::secret::Secret;
pub use self::suggest::{did_you_mean, nearest, one_of_help};
pub use self::value::{Value, Word};
use crate::diagnostic::{Diagnostic, Span};

mod asked;
mod disclosure;
mod findings;
mod mask;
mod secret;
mod suggest;
mod take;
mod value;

/// What to do about a value that Flume would silently skip or replace with its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Nothing is replaced: the file has to be corrected.
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
    /// Whether the component requires it.
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
    is_ours: bool,
    diagnostics: Vec<Diagnostic>,
    /// What the component says about how its values are shown.
    disclosed: Vec<(String, Rule)>,
    /// The same, of finished sub-contexts.
    nested: Disclosure,
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

    /// Adds a property. If the key is already there, the new value wins.
    pub fn insert(&mut self, key: impl Into<String>, value: Value) {
        self.values.insert(key.into(), value);
    }

    /// Says that Flume has no keys here, so that every key was meant for this host.
    pub fn set_ours(&mut self) {
        self.is_ours = true;
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

    /// All properties below `prefix.`, as their own context. They count as asked for here, and
    /// [`Context::adopt`] brings the sub-context's diagnostics back.
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

    /// Finishes a sub-context and takes over its findings.
    pub fn adopt(&mut self, sub: Context) {
        self.nest(&sub);
        self.diagnostics.extend(sub.finish());
    }

    /// The same context without the keys for which `drop` is true. Nothing counts as asked for yet.
    #[must_use]
    pub fn without(&self, drop: impl Fn(&str) -> bool) -> Context {
        let mut rest = Self::new(self.path.clone(), self.span, self.mode);
        let kept = self.values.iter().filter(|(key, _)| !drop(key));
        rest.values
            .extend(kept.map(|(key, value)| (key.clone(), value.clone())));
        rest
    }

    /// Sets where the component is named.
    pub fn set_span(&mut self, span: Span) {
        self.span = Some(span);
    }

    /// Where the component is named.
    pub fn span(&self) -> Option<Span> {
        self.span
    }

    /// All keys and values, asked for or not.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }
}

/// Two contexts are equal if a component would read the same from both. Places and questions are
/// not compared, so adding a comment to a file changes no component.
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
mod tests;
