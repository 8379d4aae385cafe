//! What is said about a setting: the words of the findings. None of them shows a secret.

use flume_core::context::{Value, one_of_help};
use flume_core::{Code, Diagnostic, Severity};

use super::reading::{Rank, Reading, Said};
use super::value::Flaw;

impl Reading {
    /// The full key.
    pub(super) fn name(&self, said: &Said) -> String {
        if let Some((key, _)) = self.older(said) {
            return key.clone();
        }
        format!("{}.{}", self.keys.path(), said.key)
    }

    /// Leaves a finding at the place of a value, or at the component.
    pub(super) fn find(
        &mut self,
        code: Code,
        severity: Severity,
        said: &Said,
        message: String,
        help: &str,
    ) {
        let value = self.value(said);
        let span = value.map(|value| match code {
            Code::UnknownKey | Code::NoEffect => value.key_span,
            _ => value.span,
        });
        let mut found = Diagnostic::new(code, message).help(help);
        found.severity = severity;
        found.span = span.or(self.keys.span());
        self.keys.push(found);
    }

    /// A value that keeps the component from running.
    pub(super) fn error(&mut self, said: &Said, code: Code, message: String, help: &str) {
        self.find(code, Severity::Error, said, message, help);
    }

    /// Something that the file asks for and that does not exist here.
    pub(super) fn refuse(&mut self, said: &Said, why: &str) {
        let message = format!("`{}` cannot be set: {why}", self.name(said));
        self.error(said, Code::Unsupported, message, "remove the line");
    }

    /// A line of the file that changes nothing.
    pub(super) fn without_effect(&mut self, said: &Said, why: &str) {
        if said.rank == Rank::File {
            let message = format!("`{}` has no effect: {why}", self.name(said));
            self.find(
                Code::NoEffect,
                Severity::Note,
                said,
                message,
                "remove the line",
            );
        }
    }

    /// A value that the client does not take.
    pub(super) fn flawed(&mut self, said: &Said, flaw: Flaw) {
        let (name, text) = (self.name(said), &said.text);
        let number = |least: i64, most: i64| format!("give a number from {least} to {most}");
        let (code, message, help) = match flaw {
            Flaw::NotOneOf(words) => (
                Code::BadValue,
                format!("`{name}` cannot be `{text}`"),
                one_of_help(text, &words),
            ),
            Flaw::NotANumber(least, most) => (
                Code::BadValue,
                format!("`{name}` is not a number: `{text}`"),
                number(least, most),
            ),
            Flaw::TooSmall(least, most) => (
                Code::OutOfRange,
                format!("`{name}` is out of range: `{text}`"),
                number(least, most),
            ),
            Flaw::NoSuchClass(classes) => (
                Code::Unsupported,
                format!("`{name}` is a class, and classes cannot be loaded: `{text}`"),
                one_of_help(text, &classes),
            ),
        };
        self.error(said, code, message, &help);
    }

    fn value(&self, said: &Said) -> Option<&Value> {
        if let Some((_, value)) = self.older(said) {
            return Some(value);
        }
        let mut all = self.keys.iter();
        let found = all.find(|(known, _)| *known == said.key);
        found.map(|(_, value)| value)
    }

    /// The older key of the component with which the file says it.
    fn older(&self, said: &Said) -> Option<&(String, Value)> {
        let is_older = said.rank == Rank::Component;
        self.old.get(said.key.as_str()).filter(|_| is_older)
    }
}
