//! No agent starts that takes events nobody will deliver: a channel that a source has to fill, and
//! that no sink drains because a sink of the file is left out.
//!
//! This looks at what would run, and not at what the file means. A file without any sink for a
//! channel is another matter ([`warnings`](super::warnings)): it says itself that the channel fills.

use flume_core::{Code, Diagnostic, Severity};

use super::AgentPlan;
use super::parts::Parts;
use crate::config::AgentTree;
use crate::config::tree::Node;

/// The channels that would fill for good.
pub(super) fn undelivered(tree: &AgentTree, parts: Parts<'_>, plan: &AgentPlan) -> Vec<Diagnostic> {
    let running = |name: &str| {
        let mut sources = plan.sources.iter();
        sources.any(|source| source.component.name == name)
    };
    let sources = parts.sources.all.iter();
    let sources = sources.filter(|source| running(&source.name));
    let mut found = Vec::new();
    for channel in &parts.channels.all {
        let name = &channel.name;
        let mut filling = sources.clone();
        let Some(source) = filling.find(|source| source.required.contains(name)) else {
            continue;
        };
        let mut sinks = plan.groups.iter().flat_map(|group| &group.sinks);
        if channel.made.is_none() || sinks.any(|sink| sink.channel == *name) {
            continue;
        }
        let Some(left_out) = left_out(tree, plan, name) else {
            continue;
        };
        let message = format!("no sink would drain channel `{name}`");
        let mut finding = Diagnostic::new(Code::UndrainedChannel, message);
        finding.severity = Severity::Error;
        let finding = finding.at(&channel.span, "fills up, and nobody delivers its events");
        let finding = finding.related(&source.span, "filled by this source");
        found.push(finding.help(format!("sink `{left_out}` does not run: see to it first")));
    }
    found
}

/// A sink of the file that does not run and may be meant for this channel.
fn left_out<'t>(tree: &'t AgentTree, plan: &AgentPlan, channel: &str) -> Option<&'t str> {
    let runs = |name: &str| {
        let mut sinks = plan.groups.iter().flat_map(|group| &group.sinks);
        sinks.any(|sink| sink.component.name == name)
    };
    // It may have written another channel than it meant, but not one that it can drain.
    let is_for = |node: &Node| {
        let named = node.text("channel");
        named == channel || !tree.channels.lists(&named)
    };
    let listed = tree.sinks.listed().into_iter();
    let undescribed = listed.filter(|word| tree.sinks.node(&word.text).is_none());
    let undescribed = undescribed.map(|word| word.text.as_str());
    let described = tree.sinks.described.iter();
    let described = described.filter(|node| is_for(node) && !runs(&node.name));
    let mut all = described.map(|node| node.name.as_str()).chain(undescribed);
    all.next()
}
