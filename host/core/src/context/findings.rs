//! Findings about a component: what it reports itself, and the keys that it did not ask for.

use super::suggest::{did_you_mean, known_keys, one_of_help};
use super::{Context, Mode};
use crate::diagnostic::{Code, Diagnostic, Severity, Span};
use crate::registry::is_class;

impl Context {
    /// Accepts a key that changes nothing here, and leaves a note if it is set.
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

    /// A finding about the value of a key, or about the component if the key is absent.
    pub fn error(&mut self, key: &str, code: Code, message: impl Into<String>, help: &str) {
        let span = self.values.get(key).map(|value| value.span);
        let help = (!help.is_empty()).then(|| help.to_owned());
        let span = span.or(self.span);
        self.report(code, code.severity(), message.into(), span.as_ref(), help);
    }

    /// The value of `key` is one that Flume replaces without a word: an error, and in lenient mode
    /// a warning.
    pub fn replaced_value(&mut self, key: &str, message: String, help: &str) {
        let span = self.values.get(key).map(|value| value.span).or(self.span);
        let (severity, help) = (self.replaced(), Some(help.to_owned()));
        self.report(Code::BadValue, severity, message, span.as_ref(), help);
    }

    /// The value of `key` is not one of the known types.
    pub fn unknown_type(&mut self, key: &str, text: &str, known: &[&str]) {
        if is_class(text) {
            return self.class(key, text, &one_of_help(text, known));
        }
        let message = format!("`{}.{key}` is not a known type: `{text}`", self.path);
        let help = one_of_help(text, known);
        self.error(key, Code::UnknownType, message, &help);
    }

    /// The value of `key` is a class, which Flume would load.
    pub fn class(&mut self, key: &str, text: &str, help: &str) {
        let message = format!(
            "`{}.{key}` is a class of a plug-in, and classes cannot be loaded: `{text}`",
            self.path
        );
        self.error(key, Code::Unsupported, message, help);
    }

    /// A ready-made finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Whether there is a finding that keeps the component from running.
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|d| d.severity == Severity::Error)
    }

    /// All findings, including those about keys that were never asked for.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        let unknown: Vec<(String, Span)> = self
            .unasked()
            .map(|(key, value)| (key.to_owned(), value.key_span))
            .collect();
        let asked: Vec<&str> = self.questions.iter().map(|q| q.key.as_str()).collect();
        let guesses: Vec<Option<String>> = unknown
            .iter()
            .map(|(key, _)| did_you_mean(key, &asked))
            .collect();
        let keys = known_keys(&asked);
        let misspelt = self.replaced();
        for ((key, span), guess) in unknown.into_iter().zip(guesses) {
            // A key that is near no other changes nothing: Flume reads it no more than this host.
            let was_meant = guess.is_some() || self.is_ours;
            let severity = if was_meant {
                misspelt
            } else {
                Severity::Warning
            };
            let message = format!("`{}` does not know the key `{key}`", self.path);
            let help = guess.or_else(|| keys.clone());
            self.report(Code::UnknownKey, severity, message, Some(&span), help);
        }
        self.diagnostics
    }

    /// The severity for a value that Flume would silently replace.
    pub(super) fn replaced(&self) -> Severity {
        match self.mode {
            Mode::Strict => Severity::Error,
            Mode::Lenient => Severity::Warning,
        }
    }

    pub(super) fn report(
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
