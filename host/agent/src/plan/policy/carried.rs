//! What is carried to a policy: keys with their values, and a sink as the policy of its group sees it.

use flume_core::Context;
use flume_core::context::Value;
use flume_policy::{Properties, SinkInfo};

/// What a sink carries for the policy of its group.
#[derive(Debug, Clone)]
pub(in crate::plan) struct CarriedSink {
    pub(super) name: String,
    kind: &'static str,
    /// The keys that its component does not know.
    pub(super) properties: Vec<(String, Value)>,
    /// The keys that its component asked for.
    pub(super) asked: Vec<String>,
}

impl CarriedSink {
    /// What is left for a policy once the component has asked for all that it knows.
    pub(in crate::plan) fn new(name: &str, kind: &'static str, context: &Context) -> Self {
        let unasked = context.unasked();
        let properties = unasked.map(|(key, value)| (key.to_owned(), value.clone()));
        let asked = context.questions().iter();
        Self {
            name: name.to_owned(),
            kind,
            properties: properties.collect(),
            asked: asked.map(|question| question.key.clone()).collect(),
        }
    }

    /// The sink for the setup of a policy.
    pub(super) fn info(&self) -> SinkInfo {
        SinkInfo {
            name: self.name.clone(),
            kind: self.kind.to_owned(),
            properties: texts(&self.properties),
        }
    }
}

/// The keys of a context with their values.
pub(super) fn pairs(context: &Context) -> Vec<(String, Value)> {
    let pairs = context
        .iter()
        .map(|(key, value)| (key.to_owned(), value.clone()));
    pairs.collect()
}

/// Keys and values without their places.
pub(super) fn texts(pairs: &[(String, Value)]) -> Properties {
    let text = |(key, value): &(String, Value)| (key.clone(), value.text.clone());
    pairs.iter().map(text).collect()
}
