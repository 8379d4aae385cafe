//! The second stage: the sources of an agent, each with its channels, its selector and its
//! interceptors.

use std::collections::BTreeSet;

use flume_components::source;
use flume_core::context::{Context, Word};
use flume_core::registry::Named;
use flume_core::{ChannelSelector, Event, Recipe, Source, Span, channel_selector};

use super::batch_size::BatchSize;
use super::channels::{Channels, ListedChannel};
use super::finding::{Finding, Found, problems};
use super::interceptors;
use super::policy::file::AgentPolicies;
use super::{ComponentPlan, Setting, SourcePlan};
use crate::config::AgentTree;
use crate::config::tree::Node;

/// The sources of an agent.
pub(super) struct Sources {
    /// Those that are listed and have keys, in the order of the list.
    pub(super) all: Vec<ListedSource>,
    /// Whether one of them may be meant to fill any channel, because it is broken where it would
    /// say so.
    pub(super) may_fill_any: bool,
}

/// A listed source that has keys.
pub(super) struct ListedSource {
    pub(super) name: String,
    pub(super) span: Span,
    /// Whether some of its channels are missing or unknown.
    open: bool,
    /// Its channels, as far as they are listed.
    pub(super) channels: Vec<String>,
    /// Those that have to take every event, if it replicates.
    pub(super) replicated: Vec<String>,
    /// Those that have to take some events at least.
    pub(super) required: BTreeSet<String>,
    pub(super) batch: Option<BatchSize>,
    /// The channels for what its interceptors cannot handle.
    pub(super) dead_letters: Vec<String>,
    /// What runs.
    pub(super) plan: Option<SourcePlan>,
    /// Whether it counts for later stages.
    pub(super) counts: bool,
}

/// Reads all of them.
pub(super) fn read(
    tree: &AgentTree,
    setting: Setting<'_>,
    policies: &AgentPolicies<'_>,
    channels: &Channels<'_>,
) -> Found<Sources> {
    let reader = Reader {
        setting,
        policies,
        channels,
    };
    let mut findings = Vec::new();
    let listed = tree.sources.listed();
    let nodes = listed
        .iter()
        .filter_map(|word| tree.sources.node(&word.text));
    let all: Vec<ListedSource> = nodes
        .map(|node| reader.source(node).note(&mut findings))
        .collect();
    let is_open = all.len() < listed.len() || all.iter().any(|source| source.open);
    Found {
        value: Sources {
            may_fill_any: is_open && setting.reads_as_meant(),
            all,
        },
        findings,
    }
}

/// The keys that every source understands, and that are no part of the component's own.
fn is_common(key: &str) -> bool {
    let common = ["type", "channels", "interceptors"];
    common.contains(&key) || key.starts_with("selector.") || key.starts_with("interceptors.")
}

/// What a source is read with.
struct Reader<'a> {
    setting: Setting<'a>,
    policies: &'a AgentPolicies<'a>,
    channels: &'a Channels<'a>,
}

impl Reader<'_> {
    fn source(&self, node: &Node) -> Found<ListedSource> {
        let mut context = node.context.clone();
        let path = context.path().to_owned();
        let kind = source::TYPES.read(&mut context);
        let channels = self.listed_channels(&mut context);
        let valid = channels.iter().any(|name| self.channels.is_valid(name));
        let running = self.those(&channels, |channel| channel.made.is_some());
        // A mapping to a channel that does not count is as wrong as one to an unknown channel.
        let targets = self.those(&channels, |channel| channel.counts);
        let keys = context.below("selector");
        let selector = selector(&mut context, &keys, &targets);
        let around = (self.setting, self.policies, self.channels);
        let interceptors = interceptors::read(&node.name, &mut context, around);
        let (interceptors, mut dead_letters) = (interceptors.plans, interceptors.dead_letters);
        let services = &self.setting.services.components;
        let known = kind.known();
        let made = known.and_then(|kind| (kind.configure)(&mut context, services));
        let source = made.as_ref().map(Recipe::make);
        let letters = self.letters(source.as_deref(), &mut context);
        dead_letters.extend(letters.clone().filter(|name| self.channels.lists(name)));
        let size = source.and_then(|source| source.batch_size());
        let batch = size.map(|size| BatchSize::new(size, &mut context, node.span));
        if known.is_none() {
            context.accept_all();
        }
        let shown = (is_common as fn(&str) -> bool, context.disclosure());
        let mut findings: Vec<Finding> = problems(context.finish()).collect();

        let why = match (&kind, &made) {
            (Named::Missing, _) => Some("it has no type"),
            _ if !valid => Some("none of its channels passes validation"),
            (Named::Unknown, _) => Some("its type is unknown"),
            (Named::Known(_), None) => Some("its keys are refused"),
            _ => self.refusal(&running, letters.as_deref(), (&selector, &interceptors)),
        };
        if valid && matches!(kind, Named::Unknown) {
            findings.push(Finding::unknown_class(&path, &node.text("type")));
        }
        let span = node.span;
        findings.extend(why.map(|why| Finding::Dropped { path, span, why }));
        let replicated = replicated(selector.as_ref(), &targets);
        let mut required = required(&keys, &replicated, &channels);
        required.extend(dead_letters.iter().cloned());
        let component = known.filter(|_| why.is_none()).zip(made);
        let component =
            component.map(|(kind, recipe)| ComponentPlan::new(node, kind.name(), recipe, shown));
        let parts = component.zip(selector).zip(interceptors);
        let plan = parts.map(|((component, selector), interceptors)| SourcePlan {
            component,
            channels: running,
            selector,
            interceptors,
            letters,
        });
        let value = ListedSource {
            name: node.name.clone(),
            span,
            open: channels.len() < node.words("channels").max(1),
            channels,
            replicated,
            required,
            batch,
            dead_letters,
            counts: self.setting.counts(plan.is_some()),
            plan,
        };
        Found { value, findings }
    }

    /// The channel for what a source reads and that is no event. The agent may not have it.
    fn letters(&self, source: Option<&dyn Source>, context: &mut Context) -> Option<String> {
        let letters = source?.letters()?.to_owned();
        if !self.channels.lists(&letters)
            && let Some(value) = context.value("on-error")
        {
            self.channels
                .unknown(context, "on-error", &letters, value.span);
        }
        Some(letters)
    }

    /// Why a source with good keys of its own does not run.
    fn refusal<S, I>(
        &self,
        running: &[String],
        letters: Option<&str>,
        (selector, interceptors): (&Option<S>, &Option<I>),
    ) -> Option<&'static str> {
        match letters {
            _ if running.is_empty() => Some("none of its channels runs"),
            Some(name) if !self.channels.runs(name) => {
                Some("its channel for what is no event does not run")
            }
            _ if selector.is_none() => Some("its channel selector is refused"),
            _ if interceptors.is_none() => Some("an interceptor is refused"),
            _ => None,
        }
    }

    /// The listed channels of a source, each once.
    fn listed_channels(&self, context: &mut Context) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        if context.required("channels").is_none() {
            return names;
        }
        for Word { text, span } in context.words("channels") {
            if !self.channels.lists(&text) {
                self.channels.unknown(context, "channels", &text, span);
            } else if !names.contains(&text) {
                names.push(text);
            }
        }
        names
    }

    /// Those channels that have properties and are wanted.
    fn those(&self, names: &[String], is_wanted: fn(&ListedChannel) -> bool) -> Vec<String> {
        let names = names.iter();
        let wanted = names.filter(|name| self.channels.find(name).is_some_and(is_wanted));
        wanted.cloned().collect()
    }
}

/// Has the selector of a source read its keys.
fn selector(
    context: &mut Context,
    keys: &Context,
    channels: &[String],
) -> Option<Recipe<dyn ChannelSelector>> {
    let mut keys = keys.clone();
    let name = keys.string("type", channel_selector::DEFAULT);
    let kind = channel_selector::TYPES.read_as(&mut keys, &name).known();
    // Without channels every mapping is wrong, and the reason was given.
    let kind = kind.filter(|_| !channels.is_empty());
    let selector = kind.and_then(|kind| (kind.configure)(&mut keys, channels));
    if kind.is_none() {
        keys.accept_all();
    }
    context.adopt(keys);
    selector
}

/// The channels that take every event because a replicating selector requires it.
fn replicated(selector: Option<&Recipe<dyn ChannelSelector>>, channels: &[String]) -> Vec<String> {
    let selector = selector.map(Recipe::make);
    let Some(selector) = selector.filter(|selector| selector.is_uniform()) else {
        return Vec::new();
    };
    let event = Event::default();
    let required = selector.select(&event).required.iter();
    required
        .filter_map(|at| channels.get(*at).cloned())
        .collect()
}

/// The channels that have to take an event, or some events, of a source.
fn required(keys: &Context, replicated: &[String], channels: &[String]) -> BTreeSet<String> {
    if !replicated.is_empty() {
        return replicated.iter().cloned().collect();
    }
    let routes = keys
        .iter()
        .filter(|(key, _)| *key == "default" || key.starts_with("mapping."));
    let named = routes
        .flat_map(|(_, value)| &value.words)
        .map(|word| &word.text);
    named
        .filter(|name| channels.contains(name))
        .cloned()
        .collect()
}
