//! From a file to the plans of its agents: the passes of [`config`](crate::config), then
//! [`plan`]. No pass stops at a problem, so all findings are reported together, sorted by place.

use std::io;
use std::path::Path;

use flume_core::context::Mode;
use flume_core::{Code, Diagnostic, Severity};

use crate::config::{Format, Interpolation, SourceFile, interpolate, read, render, tree};
use crate::logging::{self, LogFormat};
use crate::plan::{self, AgentPlan, PolicyChoice, Setting};
use crate::secrets;
use crate::services::Services;

/// How a file is to be read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// The agents to plan; if empty, all agents of the file.
    pub names: Vec<String>,
    /// Whether to refuse what Flume skips.
    pub mode: Mode,
    /// Whether to look at the files that components will open.
    pub looks: bool,
    /// Which variables are replaced.
    pub interpolation: Interpolation,
    /// Policies for groups, which override the file.
    pub policies: Vec<PolicyChoice>,
}

/// The result of loading a file.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The file, for showing the findings.
    pub file: SourceFile,
    /// The agents that may run: all or none. In lenient mode, each has the part that Flume would
    /// run.
    pub plans: Vec<AgentPlan>,
    /// All findings, by place.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// Whether there is a finding that keeps the file from running.
    pub(crate) fn has_errors(&self) -> bool {
        let mut all = self.diagnostics.iter();
        all.any(|finding| finding.severity == Severity::Error)
    }

    /// Writes the findings to where the log goes: rendered for people, or as log lines.
    pub(crate) fn log(&self, format: LogFormat) {
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
/// The file cannot be read. Mistakes in its contents are in the diagnostics.
pub(crate) fn load(path: &Path, options: &Options, services: &Services) -> io::Result<Loaded> {
    let bytes = std::fs::read(path)?;
    let path = path.display().to_string();
    let environment = |name: &str| std::env::var(name).ok();
    Ok(compile(path, bytes, options, services, &environment))
}

/// The passes, over any text.
pub(crate) fn compile(
    path: String,
    bytes: Vec<u8>,
    options: &Options,
    services: &Services,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Loaded {
    let (mut file, mut properties, mut diagnostics) = read(path, bytes);
    let has_policies = !options.policies.is_empty();
    secrets::hide(&mut file, &properties, &services.components, has_policies);
    if Format::of(&file.path) == Format::Toml && !diagnostics.is_empty() {
        // The rest of a broken TOML file is guesswork, and findings about it would be noise.
        return Loaded {
            file,
            plans: Vec::new(),
            diagnostics,
        };
    }
    diagnostics.extend(interpolate::interpolate(
        &mut properties,
        &file.text,
        (options.interpolation, options.mode),
        environment,
    ));
    let (trees, found) = tree::build(properties, &options.names, options.mode);
    diagnostics.extend(found);
    let setting = Setting {
        services,
        mode: options.mode,
        looks: options.looks,
        folder: Path::new(&file.path).parent().unwrap_or(Path::new("")),
        choices: &options.policies,
    };
    let (plans, found) = plan::build(&trees, setting);
    diagnostics.extend(found);
    if trees.is_empty() && options.names.is_empty() {
        // A template that was filled with nothing would pass, and nothing would run.
        let found = Diagnostic::new(Code::UnknownAgent, "the file has no agent");
        diagnostics.push(found.help("an agent begins with `a1.sources = …` and `a1.channels = …`"));
    }
    sort(&mut diagnostics);
    // What an error is left of by the mode keeps the whole file from running: part of it cannot be
    // read, a policy was meant for another group, or Flume runs what this host cannot.
    let mut loaded = Loaded {
        file,
        plans: Vec::new(),
        diagnostics,
    };
    if !loaded.has_errors() {
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
