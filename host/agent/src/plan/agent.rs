//! One agent: the stages in their order.

use flume_core::context::did_you_mean;
use flume_core::{Code, Diagnostic};

use super::assemble::assemble;
use super::finding::Finding;
use super::parts::Parts;
use super::policy::file::AgentPolicies;
use super::{AgentDraft, AgentPlan, Setting};
use super::{
    buckets, channels, delivery, files, groups, lenient, letters, mirrors, sinks, sources, spares,
    warnings,
};
use crate::config::AgentTree;

/// Plans an agent. There is no plan if the agent may not run, whatever its policies are.
pub(super) fn plan(tree: &AgentTree, setting: Setting<'_>) -> (AgentDraft, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let owned = AgentPolicies::read(tree, setting).note(&mut found);
    let policies = &owned;
    let channels = &channels::read(tree, setting).note(&mut found);
    let sources = &sources::read(tree, setting, policies, channels).note(&mut found);
    let sinks = &sinks::read(tree, setting, policies, channels).note(&mut found);
    let groups = &groups::read(tree, setting, policies, sinks).note(&mut found);
    found.extend(lacking(tree).map(Finding::Problem));
    let parts = Parts {
        agent: &tree.name,
        channels,
        sources,
        sinks,
        groups,
    };
    found.extend(warnings::wiring(parts));
    found.extend(letters::circles(parts).into_iter().map(Finding::Problem));
    found.extend(spares::find(parts).into_iter().map(Finding::Problem));
    found.extend(buckets::find(parts));
    let mirrors = mirrors::find(parts).note(&mut found);
    let mut all = found.iter();
    let plan = if all.any(|finding| matches!(finding, Finding::Fatal { .. })) {
        AgentPlan::empty(&tree.name)
    } else {
        assemble(parts, &mirrors).note(&mut found)
    };
    found.extend(files::find(tree, setting, &plan));
    let undelivered = delivery::undelivered(tree, parts, &plan);
    let (plan, shown) = lenient::fold(tree, setting, plan, found, undelivered);
    let trials = owned.into_trials();
    (AgentDraft { plan, trials }, shown)
}

/// Flume refuses an agent without channels, or with neither sources nor sinks.
fn lacking(tree: &AgentTree) -> Option<Diagnostic> {
    let agent = &tree.name;
    let (key, message, help) = if tree.channels.list.is_none() {
        let described = &tree.channels.described;
        let names: Vec<&str> = described.iter().map(|node| node.name.as_str()).collect();
        let others: Vec<&str> = tree.others.iter().map(String::as_str).collect();
        let help = match did_you_mean(agent, &others) {
            _ if !names.is_empty() => format!("add `{agent}.channels = {}`", names.join(" ")),
            Some(guess) => format!("is the agent's name right? {guess}"),
            None => format!("add `{agent}.channels = c1` and describe `c1`"),
        };
        let message = format!("agent `{agent}` lists no channels");
        ("channels", message, help)
    } else if tree.sources.list.is_none() && tree.sinks.list.is_none() {
        let message = format!("agent `{agent}` lists neither sources nor sinks");
        let help = format!("add `{agent}.sources = …` or `{agent}.sinks = …`");
        ("sources", message, help)
    } else {
        return None;
    };
    let found = Diagnostic::new(Code::MissingKey, message);
    let label = format!("the agent's first key; `{agent}.{key}` is missing");
    Some(found.at(&tree.span, label).help(help))
}
