//! The last stage: what runs of an agent becomes its plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flume_core::context::{Context, Disclosure, Mode, Value};
use flume_core::{Code, Diagnostic, Span};

use super::finding::{Finding, Found};
use super::parts::Parts;
use super::{AgentPlan, ChannelPlan, GroupPlan, SinkPlan, SourcePlan, Written};

/// Puts together what runs. Each set of `mirrors` becomes one channel.
pub(super) fn assemble(parts: Parts<'_>, mirrors: &[Vec<String>]) -> Found<AgentPlan> {
    let sources = parts.sources.all.iter();
    let sources = sources.filter_map(|source| source.plan.clone()).collect();
    let Found {
        value: groups,
        findings,
    } = groups(parts);
    let plan = AgentPlan {
        name: parts.agent.to_owned(),
        channels: channels(parts, mirrors),
        groups,
        sources,
        vacant: BTreeMap::new(),
    };
    Found {
        value: plan,
        findings,
    }
}

/// The groups that run, then the sinks that are in no group.
fn groups(parts: Parts<'_>) -> Found<Vec<GroupPlan>> {
    let declared = parts.groups.iter().filter_map(|group| group.plan.clone());
    let mut groups: Vec<GroupPlan> = declared.collect();
    let mut findings = Vec::new();
    let members = parts.groups.iter().flat_map(|group| &group.members);
    let grouped: BTreeSet<&str> = members.map(|word| word.text.as_str()).collect();
    for listed in &parts.sinks.all {
        let Some(sink) = listed.plan.clone() else {
            continue;
        };
        if grouped.contains(listed.name.as_str()) {
            continue;
        }
        let mut with_sinks = parts
            .groups
            .iter()
            .filter(|group| !group.members.is_empty());
        match with_sinks.find(|group| group.name == listed.name) {
            Some(group) => {
                findings.extend(clash(parts.agent, &listed.name, listed.span, group.span))
            }
            None => groups.push(alone(parts.agent, sink, listed.span)),
        }
    }
    Found {
        value: groups,
        findings,
    }
}

/// A sink that has the name of a group which it is not in: the sink does not run.
fn clash(agent: &str, name: &str, span: Span, group: Span) -> [Finding; 2] {
    let message = format!("`{name}` is a sink and also a group that it is not in");
    let found = Diagnostic::new(Code::NameClash, message)
        .at(&span, "this sink would not run")
        .related(&group, "this group");
    let dropped = Finding::Dropped {
        path: format!("{agent}.sinks.{name}"),
        span,
        why: "a group has its name",
    };
    let found = found.help("give the group another name");
    [Finding::Problem(found), dropped]
}

/// A sink as a group of one.
fn alone(agent: &str, sink: SinkPlan, span: Span) -> GroupPlan {
    let path = format!("{agent}.sinks.{}.processor", sink.component.name);
    // These keys are only shown, and for that the mode does not matter.
    let mut keys = Context::new(path, Some(span), Mode::default());
    keys.insert("type", Value::new("default", span, span));
    GroupPlan::of_one(sink, Written::new(keys, Disclosure::default()))
}

/// The channels to which something is connected. A sink whose group was dropped counts: in Flume
/// its channel stays, too.
fn channels(parts: Parts<'_>, mirrors: &[Vec<String>]) -> Vec<ChannelPlan> {
    let sinks = parts.sinks.all.iter();
    let sinks = sinks.filter_map(|sink| sink.plan.as_ref());
    let mut connected: BTreeSet<&str> = sinks.flat_map(SinkPlan::channels).collect();
    let sources = parts.sources.all.iter();
    let sources = sources.filter_map(|source| source.plan.as_ref());
    connected.extend(sources.flat_map(SourcePlan::targets));
    let mut plans: Vec<ChannelPlan> = Vec::new();
    for channel in &parts.channels.all {
        let Some((kind, recipe)) = &channel.made else {
            continue;
        };
        if !connected.contains(channel.name.as_str()) {
            continue;
        }
        let set = mirrors.iter().find(|set| set.contains(&channel.name));
        let mirror = set.and_then(|set| {
            let mut planned = plans.iter_mut();
            planned.find(|plan| plan.names.iter().any(|name| set.contains(name)))
        });
        let merged = mirror.and_then(|plan| Some((plan.recipe.merged(&**recipe)?, plan)));
        match merged {
            Some((merged, plan)) => {
                plan.names.push(channel.name.clone());
                plan.recipe = merged;
            }
            None => plans.push(ChannelPlan {
                names: vec![channel.name.clone()],
                kind,
                recipe: Arc::clone(recipe),
            }),
        }
    }
    plans
}
