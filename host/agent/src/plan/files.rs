//! Files and folders that the components of a plan will open, looked at where they are: on this
//! machine, by this user. Only `check`, `run` and a reload look.

use flume_components::look;

use super::finding::Finding;
use super::{AgentPlan, Setting};
use crate::config::AgentTree;

/// What cannot be opened.
pub(super) fn find(tree: &AgentTree, setting: Setting<'_>, plan: &AgentPlan) -> Vec<Finding> {
    if !setting.looks {
        return Vec::new();
    }
    let sources = plan.sources.iter();
    let sources = sources.filter_map(|source| tree.sources.node(&source.component.name));
    let sources = sources.filter_map(|node| look::source(&node.context));
    let sinks = plan.groups.iter().flat_map(|group| &group.sinks);
    let sinks = sinks.filter_map(|sink| tree.sinks.node(&sink.component.name));
    let sinks = sinks.filter_map(|node| look::sink(&node.context));
    let channels = plan.channels.iter().flat_map(|channel| &channel.names);
    let channels = channels.filter_map(|name| tree.channels.node(name));
    let channels = channels.filter_map(|node| look::channel(&node.context));
    let all = sources.chain(sinks).chain(channels);
    all.map(Finding::Problem).collect()
}
