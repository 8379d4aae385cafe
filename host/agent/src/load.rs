//! From a file to the plans of its agents: the passes of [`config`](crate::config), then
//! [`plan`]. No pass stops at a problem, so all findings come together, by place.

use std::io;
use std::path::Path;

use flume_core::context::Mode;
use flume_core::{Code, Diagnostic, Severity};

use crate::config::{Format, Interpolation, SourceFile, interpolate, read, render, tree};
use crate::logging::{self, LogFormat};
use crate::plan::{self, AgentPlan, PolicyChoice, Setting};
use crate::services::Services;

/// How a file is to be read.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The agents to plan; none means all of the file.
    pub names: Vec<String>,
    /// Whether to refuse what Flume skips.
    pub mode: Mode,
    /// Which variables are filled in.
    pub interpolation: Interpolation,
    /// Policies for groups, in place of what the file says.
    pub policies: Vec<PolicyChoice>,
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
    let setting = Setting {
        services,
        mode: options.mode,
        folder: Path::new(&file.path).parent().unwrap_or(Path::new("")),
        choices: &options.policies,
    };
    let (plans, found) = plan::build(&trees, setting);
    diagnostics.extend(found);
    sort(&mut diagnostics);
    // A file that cannot be read as a whole may have been meant to say anything, and what is given
    // to a group that is not there was meant for another.
    let fatal = [Code::Syntax, Code::UnknownGroup];
    let unreadable = diagnostics.iter().any(|found| fatal.contains(&found.code));
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

/// Orders findings by place; those without one come last.
fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by_key(|finding| {
        let place = finding.span.map_or(usize::MAX, |span| span.start);
        (place, finding.severity, finding.code)
    });
    diagnostics.dedup();
}

#[cfg(test)]
mod tests;
