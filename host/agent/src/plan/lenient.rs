//! What the mode changes about a plan, and what keeps an agent from having one. No other file of the
//! plan asks for the mode. (A value that Flume replaces by its default is replaced where it is read,
//! by [`Context`](flume_core::Context).)
//!
//! | | strict | lenient |
//! |---|---|---|
//! | a reference counts | as the file means it | if what it names runs, as in Flume |
//! | an error | the agent has no plan | a warning, where Flume carries on ([`judge`]) |
//! | a dropped component | follows from an error that is shown, or is one | is shown as a warning |
//! | nothing is left of an agent | the same | is shown as an error |
//! | what Flume runs and this host cannot, a policy | an error | an error |
//! | events that nobody will deliver ([`delivery`](super::delivery)) | an error | an error |

use flume_core::context::Mode;
use flume_core::{Code, Diagnostic, Severity};

use super::finding::Finding;
use super::{AgentPlan, Setting};
use crate::config::{AgentTree, is_ours, judge};

impl Setting<'_> {
    /// Whether references are read as the file means them, also those to broken components. So one
    /// mistake does not look like several; and nothing of such a file runs anyway.
    pub(super) fn reads_as_meant(&self) -> bool {
        self.mode == Mode::Strict
    }

    /// Whether later stages count a component in that runs, or does not.
    pub(super) fn counts(&self, runs: bool) -> bool {
        runs || self.reads_as_meant()
    }
}

/// Turns what all stages found into what is shown. The plan comes back if it may run. `undelivered`
/// is what the plan takes in and never hands on.
pub(super) fn fold(
    tree: &AgentTree,
    setting: Setting<'_>,
    plan: AgentPlan,
    findings: Vec<Finding>,
    undelivered: Vec<Diagnostic>,
) -> (Option<AgentPlan>, Vec<Diagnostic>) {
    let mode = setting.mode;
    let mut shown = Vec::new();
    let mut dropped = Vec::new();
    let mut reasons = Vec::new();
    for finding in findings {
        match finding {
            Finding::Problem(problem) => shown.push(problem),
            Finding::Dropped { path, span, why } => {
                let message = format!("`{path}` does not run, as in Flume");
                let found = Diagnostic::new(Code::Dropped, message);
                dropped.push(found.at(&span, why).help(remedy(mode)));
            }
            Finding::Fatal { reason } => reasons.push(reason),
        }
    }
    let mut shown = judge(mode, shown);
    // Nothing can be said about Flume then, and the agent has no plan anyway. In strict mode the same
    // holds of any error.
    let is_refused = match mode {
        Mode::Strict => has_errors(&shown),
        Mode::Lenient => shown.iter().any(|found| is_ours(found.code)),
    };
    if !is_refused {
        let is_empty = plan.sources.is_empty() && plan.groups.is_empty();
        if is_empty || !reasons.is_empty() {
            shown.push(nothing_runs(tree, &reasons));
        }
        if mode == Mode::Strict {
            let errors = dropped.iter_mut();
            errors.for_each(|found| found.severity = Severity::Error);
        }
        shown.extend(dropped);
        let is_told = |found: &Diagnostic| {
            let mut others = undelivered.iter();
            others.any(|other| other.code == found.code && other.span == found.span)
        };
        shown.retain(|found| !is_told(found));
        shown.extend(undelivered);
    }
    let plan = (!has_errors(&shown)).then_some(plan);
    (plan, shown)
}

fn has_errors(shown: &[Diagnostic]) -> bool {
    let mut all = shown.iter();
    all.any(|found| found.severity == Severity::Error)
}

fn remedy(mode: Mode) -> &'static str {
    match mode {
        Mode::Strict => "fix what is found about it, or take it out of the file",
        Mode::Lenient => "fix what is found about it; without `--lenient` the file is refused",
    }
}

fn nothing_runs(tree: &AgentTree, reasons: &[String]) -> Diagnostic {
    let message = format!("nothing of agent `{}` runs", tree.name);
    let why = match reasons {
        [] => "none of its sources and sinks is left".to_owned(),
        reasons => reasons.join("; "),
    };
    let found = Diagnostic::new(Code::NothingRuns, message);
    found.at(&tree.span, "this agent").help(why)
}
