//! The third stage: the sinks of an agent, each with its channel.

use flume_components::sink;
use flume_core::context::{Context, Word};
use flume_core::registry::Named;
use flume_core::{Outlet, Recipe, Sink, SinkMode, Span};

use super::batch_size::BatchSize;
use super::channels::Channels;
use super::finding::{Finding, Found, problems};
use super::policy::carried::CarriedSink;
use super::policy::file::AgentPolicies;
use super::policy::is_harmless;
use super::{ComponentPlan, Setting, SinkPlan};
use crate::config::AgentTree;
use crate::config::tree::Node;

pub(crate) mod on_error;

use on_error::OnError;

/// The sinks of an agent.
pub(super) struct Sinks {
    /// Those that are listed and have keys, in the order of the list.
    pub(super) all: Vec<ListedSink>,
    /// Whether one of them may be meant to drain any channel, because it is broken where it would
    /// say so.
    pub(super) may_drain_any: bool,
}

/// A listed sink that has keys.
pub(super) struct ListedSink {
    pub(super) name: String,
    pub(super) span: Span,
    /// Its channel, if that is listed.
    pub(super) channel: Option<Word>,
    /// What becomes of events that it can never deliver.
    pub(super) on_error: OnError,
    /// The channel into which it puts events, and where that is named.
    pub(super) outlet: Option<(Outlet, Span)>,
    /// Whether Flume's validation lets it pass, so that it may be in a group.
    pub(super) valid: bool,
    pub(super) batch: Option<BatchSize>,
    /// The events of a file that it holds uncommitted until the file is complete.
    pub(super) holds: Option<usize>,
    /// What a policy of its group learns about it, if it could be made.
    pub(super) carried: Option<CarriedSink>,
    /// What runs, alone or in a group.
    pub(super) plan: Option<SinkPlan>,
    /// Whether it counts for later stages.
    pub(super) counts: bool,
}

/// Reads all of them.
pub(super) fn read(
    tree: &AgentTree,
    setting: Setting<'_>,
    policies: &AgentPolicies<'_>,
    channels: &Channels<'_>,
) -> Found<Sinks> {
    let mut findings = Vec::new();
    let listed = tree.sinks.listed();
    let nodes = listed.iter().filter_map(|word| tree.sinks.node(&word.text));
    let all: Vec<ListedSink> = nodes
        .map(|node| sink(node, setting, policies, channels).note(&mut findings))
        .collect();
    let is_open = all.len() < listed.len() || all.iter().any(|sink| sink.channel.is_none());
    Found {
        value: Sinks {
            may_drain_any: is_open && setting.reads_as_meant(),
            all,
        },
        findings,
    }
}

/// The keys that every sink understands, and that are no part of the component's own.
fn is_common(key: &str) -> bool {
    matches!(key, "type" | "channel")
}

fn sink(
    node: &Node,
    setting: Setting<'_>,
    policies: &AgentPolicies<'_>,
    channels: &Channels<'_>,
) -> Found<ListedSink> {
    let mut context = node.context.clone();
    let path = context.path().to_owned();
    let kind = sink::TYPES.read(&mut context);
    let channel = listed_channel(&mut context, channels);
    let on_error = on_error::read_with(&mut context, channels);
    let services = &setting.services.components;
    let known = kind.known();
    let made = known.and_then(|kind| (kind.configure)(&mut context, services));
    let outlet = outlet(made.as_ref(), &mut context, channels);
    let (holds, batch) = appetite(made.as_ref(), &mut context, node.span);
    let carried = known.filter(|_| made.is_some());
    let carried = carried.map(|kind| CarriedSink::new(&node.name, kind.name(), &context));
    // What its component does not know is for the policy to judge.
    let has_policy = policies.reads_keys_of(&node.name);
    if has_policy {
        context.free_form("", is_harmless);
    }
    if known.is_none() || has_policy {
        context.accept_all();
    }
    let shown = (is_common as fn(&str) -> bool, context.disclosure());
    let mut findings: Vec<Finding> = problems(context.finish()).collect();

    let name = channel.as_ref().map(|channel| channel.text.clone());
    let passes = name.as_ref().is_some_and(|name| channels.is_valid(name));
    let valid = passes && !matches!(kind, Named::Missing);
    let why = match &kind {
        Named::Missing => Some("it has no type"),
        _ if !valid => Some("its channel does not pass validation"),
        Named::Unknown => Some("its type is unknown"),
        Named::Known(_) if made.is_none() => Some("its keys are refused"),
        Named::Known(_) => refusal(channels, name.as_deref(), &on_error, &outlet),
    };
    if valid && matches!(kind, Named::Unknown) {
        findings.push(Finding::unknown_class(&path, &node.text("type")));
    }
    let span = node.span;
    findings.extend(why.map(|why| Finding::Dropped { path, span, why }));
    let component = known.filter(|_| why.is_none()).zip(made);
    let component =
        component.map(|(kind, recipe)| ComponentPlan::new(node, kind.name(), recipe, shown));
    let plan = component.zip(name);
    let on_error = on_error.unwrap_or_default();
    let plan = plan.map(|(component, channel)| SinkPlan {
        component,
        channel,
        on_error: on_error.clone(),
        outlet: outlet.as_ref().map(|(outlet, _)| outlet.clone()),
    });
    let value = ListedSink {
        name: node.name.clone(),
        span,
        channel,
        on_error,
        outlet,
        valid,
        batch,
        holds,
        carried,
        counts: setting.counts(plan.is_some()),
        plan,
    };
    Found { value, findings }
}

/// Why a sink with good keys of its own does not run.
fn refusal(
    channels: &Channels<'_>,
    name: Option<&str>,
    on_error: &Option<OnError>,
    outlet: &Option<(Outlet, Span)>,
) -> Option<&'static str> {
    let Some(on_error) = on_error else {
        return Some("its keys are refused");
    };
    if !name.is_some_and(|name| channels.runs(name)) {
        return Some("its channel does not run");
    }
    let outlet = outlet.as_ref();
    if outlet.is_some_and(|(outlet, _)| !channels.runs(&outlet.to)) {
        return Some("the channel that it puts events into does not run");
    }
    let mut letters = on_error.dead_letters().into_iter();
    let runs = letters.all(|name| channels.runs(name));
    (!runs).then_some("its channel for dead letters does not run")
}

/// The channel into which a sink puts events, and where that is named. The agent may not have it.
fn outlet(
    made: Option<&Recipe<dyn Sink>>,
    context: &mut Context,
    channels: &Channels<'_>,
) -> Option<(Outlet, Span)> {
    let outlet = made?.make().outlet()?.clone();
    let span = context.value("to")?.span;
    if !channels.lists(&outlet.to) {
        channels.unknown(context, "to", &outlet.to, span);
    }
    Some((outlet, span))
}

/// How many events of a file a sink holds uncommitted, and how many it takes at once.
fn appetite(
    made: Option<&Recipe<dyn Sink>>,
    context: &mut Context,
    span: Span,
) -> (Option<usize>, Option<BatchSize>) {
    let Some(mode) = made.map(|recipe| recipe.make().into_mode()) else {
        return (None, None);
    };
    let holds = match &mode {
        SinkMode::Gathering(sink) => Some(sink.events_per_file()),
        SinkMode::Single(_) | SinkMode::Pipelined(_) => None,
    };
    let batch = BatchSize::new(mode.sink().batch_size(), context, span);
    (holds, Some(batch))
}

/// The channel of a sink, if the agent lists it.
fn listed_channel(context: &mut Context, channels: &Channels<'_>) -> Option<Word> {
    context.required("channel")?;
    let value = context.value("channel")?;
    // A sink has one channel, so blanks are part of its name and not of a list.
    let (text, span) = (value.text, value.span);
    if channels.lists(&text) {
        return Some(Word { text, span });
    }
    channels.unknown(context, "channel", &text, span);
    None
}

impl Sinks {
    /// The sink of this name, if it is listed and has keys.
    pub(super) fn find(&self, name: &str) -> Option<&ListedSink> {
        self.all.iter().find(|sink| sink.name == name)
    }
}

impl ListedSink {
    /// The channel for what it can never deliver, if there is one.
    pub(super) fn dead_letters(&self) -> Option<&str> {
        self.on_error.dead_letters()
    }

    /// The channel into which it puts events, if it is a spare.
    pub(super) fn spill(&self) -> Option<&str> {
        self.outlet.as_ref().map(|(outlet, _)| outlet.to.as_str())
    }

    /// Whether it drains this channel.
    pub(super) fn drains(&self, name: &str) -> bool {
        let channel = self.channel.as_ref();
        channel.is_some_and(|channel| channel.text == name)
    }
}
