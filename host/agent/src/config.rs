//! From the text of a file to the trees of its agents, in passes that do not stop at a problem.
//!
//! | pass | takes | gives |
//! |---|---|---|
//! | [`properties`], [`toml`] | text | keys and values with their places |
//! | [`interpolate`] | values | values with variables filled in, if that was asked for |
//! | [`tree`] | keys and values | for each agent its components with their contexts |
//! | [`plan`] | a tree | a value that cannot be wrong |
//!
//! What is found on the way is collected, sorted by place and shown by [`render`]. Two syntaxes
//! give the same tree: everything behind the first pass knows keys and places and no file format.

use std::io;
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
use crate::logging::{self, LogFormat};
use crate::plan::{self, AgentPlan};
use crate::services::Services;

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

/// How a file is to be read.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The agents to plan; none means all of the file.
    pub names: Vec<String>,
    /// Whether to refuse what Flume skips.
    pub mode: Mode,
    /// Which variables are filled in.
    pub interpolation: Interpolation,
}

/// What became of a file.
#[derive(Debug)]
pub struct Loaded {
    /// The file, for showing the findings.
    pub file: SourceFile,
    /// The agents that may run: in strict mode all or none. In lenient mode each has what Flume
    /// would run of it, which may be nothing.
    pub plans: Vec<AgentPlan>,
    /// Everything that was found, by place.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// Whether something was found that keeps the file from running.
    pub fn has_errors(&self) -> bool {
        let mut all = self.diagnostics.iter();
        all.any(|finding| finding.severity == Severity::Error)
    }
}

impl Loaded {
    /// Shows the findings where the log goes: drawn for people, or as log lines.
    pub fn log(&self, format: LogFormat) {
        match format {
            LogFormat::Text => logging::draw(&render::render(&self.diagnostics, &self.file, false)),
            LogFormat::Json => self
                .diagnostics
                .iter()
                .for_each(|finding| self.log_line(finding)),
        }
    }

    fn log_line(&self, finding: &Diagnostic) {
        let start = finding.span.map_or(0, |span| span.start);
        let (line, column) = render::position(&self.file.text, start);
        let (code, message) = (finding.code.id(), finding.message.as_str());
        let (file, help) = (
            self.file.path.as_str(),
            finding.help.as_deref().unwrap_or_default(),
        );
        match finding.severity {
            Severity::Error => tracing::error!(file, line, column, code, help, "{message}"),
            Severity::Warning => tracing::warn!(file, line, column, code, help, "{message}"),
            Severity::Note => tracing::info!(file, line, column, code, help, "{message}"),
        }
    }
}

/// Reads a file and plans its agents, with the variables of this process.
///
/// # Errors
/// The file cannot be read. What is wrong with its contents is in the diagnostics.
pub fn load(path: &Path, options: &Options, services: &Services) -> io::Result<Loaded> {
    let bytes = std::fs::read(path)?;
    let path = path.display().to_string();
    let environment = |name: &str| std::env::var(name).ok();
    Ok(compile(path, bytes, options, services, &environment))
}

/// The passes, over text from anywhere.
pub fn compile(
    path: String,
    bytes: Vec<u8>,
    options: &Options,
    services: &Services,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Loaded {
    let (file, mut properties, mut diagnostics) = read(path, bytes);
    if Format::of(&file.path) == Format::Toml && !diagnostics.is_empty() {
        // What is left of broken TOML is guesswork, and findings about it would be noise.
        return Loaded {
            file,
            plans: Vec::new(),
            diagnostics,
        };
    }
    diagnostics.extend(interpolate::interpolate(
        &mut properties,
        &file.text,
        options.interpolation,
        environment,
    ));
    let (trees, found) = tree::build(properties, &options.names, options.mode);
    diagnostics.extend(found);
    let (plans, found) = plan::build(&trees, services, options.mode);
    diagnostics.extend(found);
    sort(&mut diagnostics);
    // A file that cannot be read as a whole may have been meant to say anything.
    let unreadable = diagnostics.iter().any(|found| found.code == Code::Syntax);
    let mut loaded = Loaded {
        file,
        plans: Vec::new(),
        diagnostics,
    };
    if !unreadable && (options.mode == Mode::Lenient || !loaded.has_errors()) {
        loaded.plans = plans;
    }
    loaded
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

/// Orders findings by place; those without one come last.
fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by_key(|finding| {
        let place = finding.span.map_or(usize::MAX, |span| span.start);
        (place, finding.severity, finding.code)
    });
    diagnostics.dedup();
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

#[cfg(test)]
mod tests;
