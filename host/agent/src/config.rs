//! From the text of a file to the trees of its agents, in passes that do not stop at a problem.
//!
//! | pass | takes | gives |
//! |---|---|---|
//! | [`properties`], [`toml`] | text | keys and values with their places |
//! | [`interpolate`] | values | values with variables filled in, if that was asked for |
//! | [`tree`] | keys and values | for each agent its components with their contexts |
//! | [`plan`](crate::plan) | a tree | a value that cannot be wrong |
//!
//! What is found on the way is collected, sorted by place and shown by [`render`]. Two syntaxes
//! give the same tree: everything behind the first pass knows keys and places and no file format.

use std::path::Path;

use flume_core::context::{Mode, Value};
use flume_core::{Code, Diagnostic, Severity, Span};

pub mod convert;
pub mod interpolate;
pub mod properties;
pub mod render;
pub mod toml;
pub mod tree;

pub use self::interpolate::Interpolation;
pub use self::tree::AgentTree;

/// One property of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// The whole key, from the agent's name on.
    pub key: String,
    /// The value, with the places of both.
    pub value: Value,
}

/// A file's name and text, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as it was given.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// The syntax of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Flume's own: `java.util.Properties`.
    Properties,
    /// TOML with one table for each component.
    Toml,
}

impl Format {
    /// The syntax by the name of the file: everything that does not end in `.toml` is Flume's.
    pub fn of(path: &str) -> Self {
        let extension = Path::new(path).extension();
        let toml = extension.is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
        if toml { Self::Toml } else { Self::Properties }
    }
}

/// The first pass, for files of either syntax.
pub fn read(path: String, bytes: Vec<u8>) -> (SourceFile, Vec<Property>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let text = String::from_utf8(bytes).unwrap_or_else(|error| {
        let start = error.utf8_error().valid_up_to();
        // The replacement character takes the place of the first bad byte.
        let span = Span {
            start,
            end: start + char::REPLACEMENT_CHARACTER.len_utf8(),
        };
        diagnostics.push(
            Diagnostic::new(Code::Syntax, "the file is not UTF-8")
                .at(&span, "this is not a character")
                .help("save the file as UTF-8, or write the character as `\\uXXXX`"),
        );
        String::from_utf8_lossy(error.as_bytes()).into_owned()
    });
    let (properties, found) = match Format::of(&path) {
        Format::Properties => properties::parse(&text),
        Format::Toml => toml::parse(&text),
    };
    diagnostics.extend(found);
    (SourceFile { path, text }, properties, diagnostics)
}

/// In lenient mode what Flume carries on with is a warning. These it does not carry on with:
/// what cannot be read, what has no value, and an agent of which nothing is left.
pub(crate) fn judge(mode: Mode, mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let fatal = [
        Code::Syntax,
        Code::MissingVariable,
        Code::UnknownAgent,
        Code::NothingRuns,
        Code::Unsupported,
    ];
    for finding in &mut diagnostics {
        let tolerable = mode == Mode::Lenient && !fatal.contains(&finding.code);
        if tolerable && finding.severity == Severity::Error {
            finding.severity = Severity::Warning;
        }
    }
    diagnostics
}
