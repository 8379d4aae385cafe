//! Which values of a file are secret: every component of it is asked.
//!
//! The components are asked as the plan asks them, by being configured, and the answers are only
//! used for showing the file. So it does not matter whether a component is listed, complete or of an
//! agent that is to run; and a key that is given twice is hidden in both places. Keys that no
//! component knows are judged by the component's other keys, and by their words
//! ([`Disclosure`]).

use std::collections::{BTreeMap, BTreeSet};

use flume_components::{Services, channel, interceptor, sink, source};
use flume_core::channel_selector;
use flume_core::context::{Context, Disclosure, Mode};
use flume_core::sink_processor::{self, Group};
use flume_policy::Limits;

use crate::config::hidden::{self, Hidden};
use crate::config::tree::KINDS;
use crate::config::{Format, Property, SourceFile};
use crate::plan::on_error;
use crate::plan::policy::{self, is_harmless, is_policy};

/// Marks what is not to be shown of a file. `has_policies` says whether the command line gives
/// policies to its groups.
pub(crate) fn hide(
    file: &mut SourceFile,
    properties: &[Property],
    services: &Services,
    has_policies: bool,
) {
    let format = Format::of(&file.path);
    let marks: &[char] = match format {
        Format::Properties => &['#', '!'],
        Format::Toml => &['#'],
    };
    let comments = hidden::in_comments(&file.text, marks);
    file.hidden = of_values(properties, services, has_policies);
    file.hidden.extend(comments);
    if properties.is_empty() {
        file.hidden.extend(hidden::in_unreadable(&file.text));
    }
}

fn of_values(properties: &[Property], services: &Services, has_policies: bool) -> Vec<Hidden> {
    let asking = Asking {
        services,
        with_policies: agents_with_policies(properties),
        has_policies,
    };
    let mut components: BTreeMap<&str, Context> = BTreeMap::new();
    for property in properties {
        if let Some((path, key)) = split(&property.key) {
            let context = components.entry(path);
            let context = context.or_insert_with(|| Context::new(path, None, Mode::default()));
            context.insert(key, property.value.clone());
        }
    }
    let asked = components.into_iter();
    let asked: BTreeMap<&str, Disclosure> = asked
        .map(|(path, context)| (path, asking.component(path, context)))
        .collect();
    let nobody = Disclosure::default();
    let hidden = properties.iter().filter_map(|property| {
        let key = property.key.as_str();
        let (path, key) = split(key).unwrap_or(("", key));
        let text = property.value.text.as_str();
        let shown = asked.get(path).unwrap_or(&nobody).shown(key, text);
        let span = property.value.span;
        (shown != text).then_some(Hidden { span, shown })
    });
    hidden.collect()
}

/// A key as its component and the key below it.
fn split(key: &str) -> Option<(&str, &str)> {
    let parts: Vec<&str> = key.splitn(4, '.').collect();
    match parts.as_slice() {
        [_, kind, _, rest] if KINDS.contains(kind) && !rest.is_empty() => {
            let path = key.get(..key.len() - rest.len() - 1)?;
            Some((path, rest))
        }
        _ => None,
    }
}

/// The agents that have a group with a policy: their sinks may have keys for it.
fn agents_with_policies(properties: &[Property]) -> BTreeSet<&str> {
    let of_group = |key: &str| {
        let (_, rest) = split(key)?;
        matches!(rest, "processor.selector" | "processor.shadow").then_some(())?;
        key.split('.').next().map(str::len)
    };
    let policies = properties.iter().filter(|it| is_policy(&it.value.text));
    policies
        .filter_map(|it| it.key.get(..of_group(&it.key)?))
        .collect()
}

/// What components are asked with.
struct Asking<'a> {
    services: &'a Services,
    with_policies: BTreeSet<&'a str>,
    has_policies: bool,
}

impl Asking<'_> {
    fn component(&self, path: &str, mut context: Context) -> Disclosure {
        let mut parts = path.split('.');
        let agent = parts.next().unwrap_or_default();
        match parts.next() {
            Some("sources") => self.source(&mut context),
            Some("channels") => {
                if let Some(kind) = channel::TYPES.read(&mut context).known() {
                    // Only its questions count.
                    drop((kind.configure)(&mut context, self.services));
                }
            }
            Some("sinks") => {
                context.accept("channel");
                on_error::read(&mut context);
                if let Some(kind) = sink::TYPES.read(&mut context).known() {
                    drop((kind.configure)(&mut context, self.services));
                }
                if self.has_policies || self.with_policies.contains(agent) {
                    context.free_form("", is_harmless);
                }
            }
            _ => self.group(&mut context),
        }
        context.disclosure()
    }

    fn source(&self, context: &mut Context) {
        if let Some(kind) = source::TYPES.read(context).known() {
            drop((kind.configure)(context, self.services));
        }
        let channels = context.list("channels");
        let mut keys = context.below("selector");
        let name = keys.string("type", channel_selector::DEFAULT);
        if let Some(kind) = channel_selector::TYPES.find(&name) {
            drop((kind.configure)(&mut keys, &channels));
        }
        context.adopt(keys);
        context.accept("interceptors");
        let mut all = context.below("interceptors");
        let names = all.iter().filter_map(|(key, _)| key.split('.').next());
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        for name in names {
            let mut own = all.below(&name);
            self.interceptor(&mut own);
            all.adopt(own);
        }
        context.adopt(all);
    }

    fn interceptor(&self, own: &mut Context) {
        if own.optional("type").is_some_and(|kind| is_policy(&kind)) {
            policy::on_error(own);
            limits(own);
            own.free_form("", is_harmless);
        } else if let Some(kind) = interceptor::TYPES.read(own).known() {
            drop((kind.configure)(own, self.services));
        }
    }

    fn group(&self, context: &mut Context) {
        let sinks = context.list("sinks");
        let mut keys = context.below("processor");
        let selector = keys.optional("selector").unwrap_or_default();
        let group = Group {
            listed: sinks.clone(),
            has_policy: self.has_policies || is_policy(&selector),
            sinks,
            ..Group::default()
        };
        for key in ["selector", "shadow"] {
            keys.free_form(key, is_harmless);
        }
        if let Some(kind) = sink_processor::TYPES.read(&mut keys).known() {
            drop((kind.configure)(&mut keys, &group));
        }
        limits(&mut keys);
        context.adopt(keys);
    }
}

/// The limits of a policy, below `policy.`.
fn limits(keys: &mut Context) {
    let mut own = keys.below("policy");
    Limits::configure(&mut own);
    keys.adopt(own);
}

#[cfg(test)]
mod tests;
