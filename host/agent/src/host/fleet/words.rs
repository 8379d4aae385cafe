//! What the log says about agents that start, and about those that do not.

use flume_core::{ComponentError, chain};

use super::super::work::{Outcome, Prepared};
use crate::load;
use crate::logging::LogFormat;
use crate::plan::Refusal;

/// Says what is wrong with the policies of an agent, and what that costs it: all findings, and then
/// one line.
pub(super) fn say(prepared: &Prepared, runs: bool, format: LogFormat) {
    let (agent, file) = (&prepared.name, &prepared.file);
    if let Outcome::Failed(error) = &prepared.outcome {
        let error = chain(error);
        match runs {
            true => tracing::error!(agent, error, "{KEPT}"),
            false => tracing::error!(agent, error, "agent left out: it cannot be made"),
        }
        return;
    }
    let refusals = prepared.refusals.iter();
    let mut findings: Vec<_> = refusals
        .flat_map(|refusal| refusal.findings.clone())
        .collect();
    findings.dedup();
    let Some((refusal, finding)) = prepared
        .refusals
        .first()
        .and_then(|refusal| Some((refusal, refusal.findings.first()?)))
    else {
        return;
    };
    load::log(&findings, file, format);
    let ((line, _), key) = (load::place(finding, file), &refusal.key);
    let (file, help) = (&file.path, finding.help.as_deref().unwrap_or_default());
    let (why, more) = (&finding.message, findings.len() - 1);
    match (&prepared.outcome, runs) {
        (Outcome::Refused, false) => tracing::error!(
            agent,
            file,
            line,
            key,
            more,
            help,
            "agent left out, others start: {why}; mend it and send SIGHUP, or set \
             `{agent}.policies.at-start = fallback`"
        ),
        (Outcome::Refused, true) => {
            tracing::error!(agent, file, line, key, more, help, error = why, "{KEPT}")
        }
        (_, runs) => {
            let goes = if runs { "goes on with" } else { "starts on" };
            tracing::error!(
                agent,
                file,
                line,
                key,
                more,
                help,
                "agent {goes} its fallback: {why}; a mended policy is taken at once"
            );
        }
    }
}

/// The first thing that is wrong.
pub(super) fn first(refusals: &[Refusal]) -> String {
    let mut findings = refusals.iter().flat_map(|refusal| &refusal.findings);
    findings
        .next()
        .map_or_else(String::new, |finding| finding.message.clone())
}

/// Says what became of a new file.
pub(super) fn say_changed(agent: &str, news: Result<Vec<String>, ComponentError>) {
    match news {
        Ok(changes) if changes.is_empty() => {
            tracing::info!(agent, "nothing changed: the agent goes on as it is")
        }
        Ok(changes) => {
            let changes = changes.join("; ");
            tracing::info!(agent, changes, "agent runs from the new file")
        }
        Err(error) => {
            let error = chain(&error);
            tracing::error!(agent, error, "{KEPT}");
        }
    }
}

const KEPT: &str = "the new file cannot run; the agent keeps the old one";
