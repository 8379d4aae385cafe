//! The sources of an agent, each with its channels, its selector and its interceptors.

use std::collections::BTreeSet;

use flume_core::context::{Context, Mode, Word};
use flume_core::{ChannelSelector, Code, Diagnostic, Event, Span, channel_selector};

use super::agent::{Batch, Draft};
use super::policy::is_policy;
use super::types::{self, OTHER_INTERCEPTORS, OTHER_SOURCES, Type};
use super::{ComponentPlan, InterceptorPlan, SourcePlan};
use crate::config::tree::Node;
use crate::{interceptor, source};

/// A listed source that has keys.
pub(super) struct SourceDraft {
    pub(super) name: String,
    pub(super) span: Span,
    /// Whether some of its channels are missing or unknown.
    pub(super) open: bool,
    /// Its channels, as far as they are listed.
    pub(super) channels: Vec<String>,
    /// Those that have to take every event, if it replicates.
    pub(super) replicated: Vec<String>,
    /// Those that have to take some events at least.
    pub(super) required: BTreeSet<String>,
    pub(super) batch: Option<Batch>,
    /// The channels for what its interceptors cannot handle.
    pub(super) dead_letters: Vec<String>,
    /// What runs.
    pub(super) plan: Option<SourcePlan>,
}

/// Reads all of them.
pub(super) fn read(draft: &mut Draft<'_>) {
    let tree = draft.tree;
    for word in tree.sources.listed() {
        if let Some(node) = tree.sources.node(&word.text) {
            let source = draft.source(node);
            draft.sources.push(source);
        }
    }
}

/// The keys that every source understands, and that are no part of the component's own.
fn is_common(key: &str) -> bool {
    let common = ["type", "channels", "interceptors"];
    common.contains(&key) || key.starts_with("selector.") || key.starts_with("interceptors.")
}

impl Draft<'_> {
    fn source(&mut self, node: &Node) -> SourceDraft {
        let mut context = node.context.clone();
        let path = context.path().to_owned();
        let kind = Type::read(&mut context, source::COMPONENTS, "source", &OTHER_SOURCES);
        let (channels, valid) = self.source_channels(&mut context);
        let running = channels.iter().filter(|name| self.channel_runs(name));
        let running: Vec<String> = running.cloned().collect();
        // Strict mode looks at the file as meant: a mapping to a broken channel is not broken too.
        let strict = self.mode == Mode::Strict;
        let targets = if strict { &channels } else { &running };
        let keys = context.below("selector");
        let selector = selector(&mut context, &keys, targets);
        let (interceptors, dead_letters) = self.interceptors(&node.name, &mut context);
        let made = kind
            .known()
            .and_then(|kind| (kind.configure)(&mut context, self.services));
        let batch = made.as_ref().and_then(|source| source.batch_size());
        let batch = batch.map(|size| Batch::new(size, &mut context, node.span));
        if kind.known().is_none() {
            context.accept_all();
        }
        self.diagnostics.extend(context.finish());

        let why = match (&kind, &made) {
            (Type::Missing, _) => Some("it has no type"),
            _ if !valid => Some("none of its channels passes validation"),
            (Type::Unknown, _) => Some("its type is unknown"),
            (Type::Known(_), None) => Some("its keys are refused"),
            _ if running.is_empty() => Some("none of its channels runs"),
            _ if selector.is_none() => Some("its channel selector is refused"),
            _ if interceptors.is_none() => Some("an interceptor is refused"),
            _ => None,
        };
        if valid && matches!(kind, Type::Unknown) {
            self.unknown_class(&path, &node.text("type"));
        }
        if let Some(why) = why {
            self.dropped(&path, node.span, why);
        }
        let replicated = replicated(selector.as_deref(), targets);
        let mut required = required(&keys, &replicated, &channels);
        required.extend(dead_letters.iter().cloned());
        let component = kind.known().filter(|_| why.is_none());
        let component = component.and_then(|kind| component_plan(node, kind.names));
        let parts = component.zip(interceptors);
        let plan = parts.map(|(component, interceptors)| SourcePlan {
            component,
            channels: running,
            selector: keys,
            interceptors,
        });
        SourceDraft {
            name: node.name.clone(),
            span: node.span,
            open: channels.len() < node.words("channels").max(1),
            channels,
            replicated,
            required,
            batch,
            dead_letters,
            plan,
        }
    }

    /// The listed channels of a source, each once, and whether one of them passes validation.
    fn source_channels(&self, context: &mut Context) -> (Vec<String>, bool) {
        let mut names: Vec<String> = Vec::new();
        if context.required("channels").is_none() {
            return (names, false);
        }
        for Word { text, span } in context.words("channels") {
            if !self.tree.channels.lists(&text) {
                self.unknown_channel(context, "channels", &text, span);
            } else if !names.contains(&text) {
                names.push(text);
            }
        }
        let valid = names.iter().any(|name| self.channel_is_valid(name));
        (names, valid)
    }

    /// The interceptors of a source (`None` if one of them is refused), and the channels that they
    /// name for what they cannot handle.
    fn interceptors(
        &self,
        source: &str,
        context: &mut Context,
    ) -> (Option<Vec<InterceptorPlan>>, Vec<String>) {
        let words = context.words("interceptors");
        let mut all = context.below("interceptors");
        let mut plans = Some(Vec::new());
        let mut dead_letters = Vec::new();
        for word in &words {
            let mut own = all.below(&word.text);
            own.set_span(word.span);
            let file = own.value("type").filter(|kind| is_policy(&kind.text));
            let plan = match file {
                Some(file) => {
                    let on_error = own.clone().optional("on-error");
                    let channel = on_error.as_deref().and_then(|text| text.split_once(':'));
                    let channel = channel.map(|(_, channel)| channel.to_owned());
                    dead_letters.extend(channel.filter(|name| self.tree.channels.lists(name)));
                    let file = self.policy_file(file);
                    let plan = self.interceptor_plan(source, word, &file, &mut own);
                    plan.map(|plan| InterceptorPlan::Policy(Box::new(plan)))
                }
                None => self.native(word, &mut own).map(InterceptorPlan::Native),
            };
            match (&mut plans, plan) {
                (Some(plans), Some(plan)) => plans.push(plan),
                _ => plans = None,
            }
            all.adopt(own);
        }
        unlisted(&mut all, &words);
        context.adopt(all);
        (plans, dead_letters)
    }

    /// An interceptor of the table; `None` leaves an error.
    fn native(&self, word: &Word, own: &mut Context) -> Option<ComponentPlan> {
        let node = Node {
            name: word.text.clone(),
            span: word.span,
            context: own.clone(),
        };
        let table = interceptor::COMPONENTS;
        let Some(kind) = Type::read(own, table, "interceptor", &OTHER_INTERCEPTORS).known() else {
            own.accept_all();
            return None;
        };
        (kind.configure)(own, self.services)?;
        component_plan(&node, kind.names)
    }
}

/// The component with its own keys: what it is made from, again and again.
fn component_plan(node: &Node, names: &'static [&'static str]) -> Option<ComponentPlan> {
    Some(ComponentPlan {
        name: node.name.clone(),
        kind: names.first()?,
        context: node.context.without(is_common),
    })
}

/// Leaves an error for each interceptor that is described and not listed.
fn unlisted(all: &mut Context, words: &[Word]) {
    let names = all.iter().filter_map(|(key, value)| {
        let (name, _) = key.split_once('.')?;
        Some((name.to_owned(), value.key_span))
    });
    let mut seen: Vec<(String, Span)> = names.collect();
    seen.dedup_by(|(a, _), (b, _)| a == b);
    seen.retain(|(name, _)| words.iter().all(|word| word.text != *name));
    for (name, span) in seen {
        all.below(&name);
        let path = all.path();
        let list: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let list = [list.as_slice(), &[name.as_str()]].concat().join(" ");
        let message = format!("`{path}.{name}` is described and not listed, so it would not run");
        let found = Diagnostic::new(Code::NotListed, message).at(&span, "not in the list");
        let help = format!("write `{path} = {list}`");
        all.push(found.help(help));
    }
}

/// Makes the selector of a source, to learn what it thinks of its keys.
fn selector(
    context: &mut Context,
    keys: &Context,
    channels: &[String],
) -> Option<Box<dyn ChannelSelector>> {
    let mut keys = keys.clone();
    let name = keys.string("type", "replicating");
    let kind = channel_selector::find(&name);
    if kind.is_none() {
        let all = channel_selector::SELECTORS.iter();
        let all: Vec<&str> = all.filter_map(|kind| kind.names.first()).copied().collect();
        let elsewhere = ["load_balancing"];
        types::unknown(&mut keys, "channel selector", &name, &all, &elsewhere);
    }
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
fn replicated(selector: Option<&dyn ChannelSelector>, channels: &[String]) -> Vec<String> {
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
