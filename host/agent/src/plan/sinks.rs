//! The sinks of an agent.

use flume_core::Span;
use flume_core::context::{Context, Value, Word};
use flume_policy::SinkInfo;

use super::agent::{Batch, Draft};
use super::policy::texts;
use super::types::{OTHER_SINKS, Type};
use super::{ComponentPlan, SinkPlan};
use crate::config::tree::Node;
use crate::sink;

/// A listed sink that has keys.
pub(super) struct SinkDraft {
    pub(super) name: String,
    pub(super) span: Span,
    /// Its channel, if that is listed.
    pub(super) channel: Option<Word>,
    /// Whether Flume's validation lets it pass, so that it may be in a group.
    pub(super) valid: bool,
    pub(super) batch: Option<Batch>,
    /// The events of a file that it holds uncommitted until the file is complete.
    pub(super) holds: Option<usize>,
    /// What a policy of its group is told about it, if it could be made.
    pub(super) carried: Option<Carried>,
    /// What runs, alone or in a group.
    pub(super) plan: Option<SinkPlan>,
}

/// A sink, as the policy of its group sees it.
pub(super) struct Carried {
    kind: &'static str,
    /// The keys that its component does not know.
    pub(super) properties: Vec<(String, Value)>,
    /// The keys that its component asked for.
    pub(super) asked: Vec<String>,
}

impl SinkDraft {
    /// The sink for the setup of a policy.
    pub(super) fn info(&self) -> Option<SinkInfo> {
        let carried = self.carried.as_ref()?;
        Some(SinkInfo {
            name: self.name.clone(),
            kind: carried.kind.to_owned(),
            properties: texts(&carried.properties),
        })
    }
}

/// Reads all of them.
pub(super) fn read(draft: &mut Draft<'_>) {
    let tree = draft.tree;
    for word in tree.sinks.listed() {
        if let Some(node) = tree.sinks.node(&word.text) {
            let sink = draft.sink(node);
            draft.sinks.push(sink);
        }
    }
}

/// The keys that every sink understands, and that are no part of the component's own.
fn is_common(key: &str) -> bool {
    matches!(key, "type" | "channel")
}

impl Draft<'_> {
    fn sink(&mut self, node: &Node) -> SinkDraft {
        let mut context = node.context.clone();
        let path = context.path().to_owned();
        let kind = Type::read(&mut context, sink::COMPONENTS, "sink", &OTHER_SINKS);
        let named = context.required("channel");
        let mut channel = None;
        if let Some(value) = named.and_then(|_| context.value("channel")) {
            // A sink has one channel, so blanks are part of its name and not of a list.
            let (text, span) = (value.text, value.span);
            if self.tree.channels.lists(&text) {
                channel = Some(Word { text, span });
            } else {
                self.unknown_channel(&mut context, "channel", &text, span);
            }
        }
        let mut made = kind
            .known()
            .and_then(|kind| (kind.configure)(&mut context, self.services));
        let holds = made.as_mut().and_then(|sink| sink.pipeline()?.gathers());
        let batch = made.as_ref().map(|sink| sink.batch_size());
        let batch = batch.map(|size| Batch::new(size, &mut context, node.span));
        let carried = made.as_ref().zip(kind.known());
        let carried = carried.and_then(|(_, kind)| carried_by(&context, kind.names));
        // What its component does not know is for the policy to judge.
        if kind.known().is_none() || self.carries_properties(&node.name) {
            context.accept_all();
        }
        self.diagnostics.extend(context.finish());

        let name = channel.as_ref().map(|channel| channel.text.clone());
        let passes = name
            .as_ref()
            .is_some_and(|name| self.channel_is_valid(name));
        let valid = passes && !matches!(kind, Type::Missing);
        let why = match (&kind, &made) {
            (Type::Missing, _) => Some("it has no type"),
            _ if !valid => Some("its channel does not pass validation"),
            (Type::Unknown, _) => Some("its type is unknown"),
            (Type::Known(_), None) => Some("its keys are refused"),
            _ if !name.as_ref().is_some_and(|name| self.channel_runs(name)) => {
                Some("its channel does not run")
            }
            _ => None,
        };
        if valid && matches!(kind, Type::Unknown) {
            self.unknown_class(&path, &node.text("type"));
        }
        if let Some(why) = why {
            self.dropped(&path, node.span, why);
        }
        let component = kind.known().filter(|_| why.is_none()).and_then(|kind| {
            Some(ComponentPlan {
                name: node.name.clone(),
                kind: kind.names.first()?,
                context: node.context.without(is_common),
            })
        });
        let plan = component.zip(name);
        SinkDraft {
            name: node.name.clone(),
            span: node.span,
            channel,
            valid,
            batch,
            holds,
            carried,
            plan: plan.map(|(component, channel)| SinkPlan { component, channel }),
        }
    }
}

/// What a sink carries for a policy, once its component has asked for all that it knows.
fn carried_by(context: &Context, names: &'static [&'static str]) -> Option<Carried> {
    let unasked = context.unasked();
    let properties = unasked.map(|(key, value)| (key.to_owned(), value.clone()));
    let asked = context.questions().iter();
    Some(Carried {
        kind: names.first()?,
        properties: properties.collect(),
        asked: asked.map(|question| question.key.clone()).collect(),
    })
}
