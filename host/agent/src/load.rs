//! From a file to the plans of its agents: the passes of [`config`](crate::config), then
//! [`plan`]. No pass stops at a problem, so all findings are reported together, sorted by place.
//!
//! A [`Draft`] is all of that but the policies, which may take minutes. Who has the time tries them
//! [all](Draft::tried); agents that start or reload try each their own.

use std::io;
use std::path::Path;

use flume_core::context::Mode;
use flume_core::{Code, Diagnostic, Severity};

use crate::config::{Format, Interpolation, SourceFile, interpolate, read, render, tree};
use crate::logging::{self, LogFormat};
use crate::plan::{self, AgentDraft, AgentPlan, PolicyChoice, Setting, Trials};
use crate::policies::Policies;
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

/// A file whose policies have not been tried out.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The file, for showing the findings.
    pub file: SourceFile,
    /// Its agents, in their order. None of them may run if there is an error.
    agents: Vec<AgentDraft>,
    /// All findings so far, by place.
    pub diagnostics: Vec<Diagnostic>,
}

/// The result of loading a file, its policies included.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The file, for showing the findings.
    pub file: SourceFile,
    /// The agents that may run with all of their policies. A mistake that is about no policy keeps
    /// all from running. In lenient mode, each has the part that Flume would run.
    pub plans: Vec<AgentPlan>,
    /// All findings, by place.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// Whether there is a finding that keeps the file from running as it is meant.
    pub(crate) fn has_errors(&self) -> bool {
        has_errors(&self.diagnostics)
    }
}

impl Draft {
    /// Whether there is a finding that keeps the file from running.
    pub(crate) fn has_errors(&self) -> bool {
        has_errors(&self.diagnostics)
    }

    /// The agents that may run if their policies can be used; none if there is an error.
    pub(crate) fn into_agents(self) -> (SourceFile, Vec<(AgentPlan, Trials)>) {
        let agents = match self.has_errors() {
            true => Vec::new(),
            false => self.agents,
        };
        let agents = agents.into_iter();
        let agents = agents.filter_map(|draft| Some((draft.plan?, draft.trials)));
        (self.file, agents.collect())
    }

    /// Tries all policies out, one after the other.
    pub(crate) fn tried(mut self, policies: &Policies) -> Loaded {
        let is_refused = self.has_errors();
        let mut plans = Vec::new();
        for draft in self.agents {
            let refusals = draft.trials.run(policies);
            if refusals.is_empty() && !is_refused {
                plans.extend(draft.plan);
            }
            let findings = refusals.into_iter().flat_map(|refusal| refusal.findings);
            self.diagnostics.extend(findings);
        }
        sort(&mut self.diagnostics);
        Loaded {
            file: self.file,
            plans,
            diagnostics: self.diagnostics,
        }
    }
}

#[cfg(test)]
impl Draft {
    /// A file with these agents, whose policies need no trial.
    pub(crate) fn of(plans: Vec<AgentPlan>) -> Self {
        Self {
            file: SourceFile::new("test.properties", ""),
            agents: plans.into_iter().map(AgentDraft::sure).collect(),
            diagnostics: Vec::new(),
        }
    }
}

fn has_errors(findings: &[Diagnostic]) -> bool {
    let mut all = findings.iter();
    all.any(|finding| finding.severity == Severity::Error)
}

/// Writes findings to where the log goes: rendered for people, or as log lines.
pub(crate) fn log(findings: &[Diagnostic], file: &SourceFile, format: LogFormat) {
    match format {
        LogFormat::Text => logging::draw(&render::render(findings, file, false)),
        LogFormat::Json => findings.iter().for_each(|finding| log_line(finding, file)),
    }
}

fn log_line(finding: &Diagnostic, file: &SourceFile) {
    let (line, column) = place(finding, file);
    let (code, message) = (finding.code.id(), finding.message.as_str());
    let (file, help) = (
        file.path.as_str(),
        finding.help.as_deref().unwrap_or_default(),
    );
    match finding.severity {
        Severity::Error => tracing::error!(file, line, column, code, help, "{message}"),
        Severity::Warning => tracing::warn!(file, line, column, code, help, "{message}"),
        Severity::Note => tracing::info!(file, line, column, code, help, "{message}"),
    }
}

/// The line and the column of a finding.
pub(crate) fn place(finding: &Diagnostic, file: &SourceFile) -> (usize, usize) {
    let start = finding.span.map_or(0, |span| span.start);
    render::position(&file.text, start)
}

/// Reads a file and plans its agents, with the variables of this process.
///
/// # Errors
/// The file cannot be read. Mistakes in its contents are in the diagnostics.
pub(crate) fn draft(path: &Path, options: &Options, services: &Services) -> io::Result<Draft> {
    let bytes = std::fs::read(path)?;
    let path = path.display().to_string();
    let environment = |name: &str| std::env::var(name).ok();
    Ok(pass(path, bytes, options, services, &environment))
}

/// The passes over any text, and all policies of it.
#[cfg(test)]
pub(crate) fn compile(
    path: String,
    bytes: Vec<u8>,
    options: &Options,
    services: &Services,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Loaded {
    let draft = pass(path, bytes, options, services, environment);
    draft.tried(&services.policies)
}

/// The passes, over any text.
pub(crate) fn pass(
    path: String,
    bytes: Vec<u8>,
    options: &Options,
    services: &Services,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Draft {
    let (mut file, mut properties, mut diagnostics) = read(path, bytes);
    let has_policies = !options.policies.is_empty();
    secrets::hide(&mut file, &properties, &services.components, has_policies);
    if Format::of(&file.path) == Format::Toml && !diagnostics.is_empty() {
        // The rest of a broken TOML file is guesswork, and findings about it would be noise.
        return Draft {
            file,
            agents: Vec::new(),
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
    let (agents, found) = plan::build(&trees, setting);
    diagnostics.extend(found);
    if trees.is_empty() && options.names.is_empty() {
        // A template that was filled with nothing would pass, and nothing would run.
        let found = Diagnostic::new(Code::UnknownAgent, "the file has no agent");
        diagnostics.push(found.help("an agent begins with `a1.sources = …` and `a1.channels = …`"));
    }
    sort(&mut diagnostics);
    // What an error is left of by the mode keeps the whole file from running: part of it cannot be
    // read, a policy was meant for another group, or Flume runs what this host cannot.
    Draft {
        file,
        agents,
        diagnostics,
    }
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
