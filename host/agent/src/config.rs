//! From the text of a file to the trees of its agents, in passes that do not stop at a problem.
//!
//! | pass | takes | gives |
//! |---|---|---|
//! | [`properties`], [`toml`] | text | keys and values with their places |
//! | [`interpolate`] | values | values with variables replaced, if requested |
//! | [`tree`] | keys and values | for each agent its components with their contexts |
//! | [`plan`](crate::plan) | a tree | a value that cannot be wrong |
//!
//! Findings are collected on the way, sorted by place, and shown by [`render`]. Two syntaxes give
//! the same tree: everything after the first pass works on keys and places, not on a file format.

use std::path::Path;

use flume_core::context::{Mode, Value};
use flume_core::{Code, Diagnostic, Severity, Span};

pub(crate) mod convert;
pub(crate) mod hidden;
pub(crate) mod interpolate;
pub(crate) mod properties;
pub(crate) mod render;
pub(crate) mod toml;
pub(crate) mod tree;

use self::hidden::Hidden;
pub(crate) use self::interpolate::Interpolation;
pub(crate) use self::tree::AgentTree;

/// One property of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Property {
    /// The whole key, from the agent's name on.
    pub key: String,
    /// The value, with the places of both.
    pub value: Value,
}

/// A file's name and text, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceFile {
    /// The path as given.
    pub path: String,
    /// The whole text.
    pub text: String,
    /// The parts of it that are not to be shown.
    pub hidden: Vec<Hidden>,
}

impl SourceFile {
    /// A file of which nothing is hidden yet.
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
            hidden: Vec::new(),
        }
    }
}

/// The syntax of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Flume's own: `java.util.Properties`.
    Properties,
    /// TOML with one table for each component.
    Toml,
}

impl Format {
    /// The syntax by the file's name: TOML if it ends in `.toml`, otherwise Flume's.
    pub(crate) fn of(path: &str) -> Self {
        let extension = Path::new(path).extension();
        let toml = extension.is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
        if toml { Self::Toml } else { Self::Properties }
    }
}

/// The first pass, for files of either syntax.
pub(crate) fn read(path: String, bytes: Vec<u8>) -> (SourceFile, Vec<Property>, Vec<Diagnostic>) {
    let (text, replaced) = decoded(&bytes);
    let format = Format::of(&path);
    let (properties, mut diagnostics) = match format {
        Format::Properties => properties::parse(&text),
        Format::Toml => toml::parse(&text),
    };
    let is_read = |at: &&Span| {
        let mut all = properties.iter().map(|property| &property.value);
        all.any(|value| value.key_span.start < at.end && at.start < value.span.end)
    };
    let bad = match format {
        Format::Properties => replaced.iter().find(is_read),
        Format::Toml => replaced.first(),
    };
    diagnostics.extend(match (bad, replaced.first()) {
        (Some(bad), _) => Some(
            Diagnostic::new(Code::Syntax, "the file is not UTF-8")
                .at(bad, "this is not a character")
                .help("save the file as UTF-8, or write the character as `\\uXXXX`"),
        ),
        // Nobody reads a comment but people.
        (None, Some(first)) => {
            let mut found = Diagnostic::new(Code::Syntax, "a comment is not UTF-8")
                .at(first, "this is not a character")
                .help("save the file as UTF-8");
            found.severity = Severity::Warning;
            Some(found)
        }
        (None, None) => None,
    });
    (SourceFile::new(path, text), properties, diagnostics)
}

/// The text of a file, and where characters take the place of bytes that are not UTF-8.
fn decoded(bytes: &[u8]) -> (String, Vec<Span>) {
    let mut text = String::with_capacity(bytes.len());
    let mut replaced = Vec::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            let start = text.len();
            text.push(char::REPLACEMENT_CHARACTER);
            let end = text.len();
            replaced.push(Span { start, end });
        }
    }
    (text, replaced)
}

/// Whether a finding says nothing about Flume: it is about what Flume runs and this host cannot, or
/// about what only this host has.
pub(crate) fn is_ours(code: Code) -> bool {
    matches!(
        code,
        Code::Unsupported
            | Code::Spare
            | Code::PolicyFile
            | Code::PolicyRefused
            | Code::PolicyConfig
            | Code::PolicyViolation
    )
}

/// In lenient mode, a mistake that Flume tolerates becomes a warning. The kinds below stay errors.
pub(crate) fn judge(mode: Mode, mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let fatal = [
        Code::Syntax,
        Code::MissingVariable,
        Code::UnknownAgent,
        Code::NothingRuns,
        Code::UndrainedChannel,
        Code::MissingTimestamp,
    ];
    for finding in &mut diagnostics {
        let is_fatal = fatal.contains(&finding.code) || is_ours(finding.code);
        let tolerable = mode == Mode::Lenient && !is_fatal;
        if tolerable && finding.severity == Severity::Error {
            finding.severity = Severity::Warning;
        }
    }
    diagnostics
}
