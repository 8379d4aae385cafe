//! The native selector that a group's keys describe.

use super::{Backoff, ConfigureSinkSelector, SinkSelector, TYPES};
use crate::context::Context;
use crate::registry::{Type, is_class, policy_instead};

/// What a native selector is made from.
#[derive(Debug, Clone)]
pub struct NativeSelector {
    kind: &'static Type<ConfigureSinkSelector>,
    backoff: Backoff,
    seed: u64,
    properties: Vec<(String, String)>,
}

impl NativeSelector {
    /// Reads a key that names a selector (`round_robin`; or `random`), `backoff` and
    /// `selector.maxTimeOut`, for this many sinks. The seed makes `random` repeatable. On `None`,
    /// the context has an error.
    pub fn configure(context: &mut Context, key: &str, sinks: usize, seed: u64) -> Option<Self> {
        let name = context.string(key, "round_robin");
        let backoff = Backoff::configure(context, sinks);
        let Some(kind) = TYPES.find(&name) else {
            match policy_instead(TYPES.kind).filter(|_| is_class(&name)) {
                Some(policy) => {
                    let all = TYPES.names().join("`, `");
                    let help = format!("selectors are `{all}`; {policy}");
                    context.class(key, &name, &help);
                }
                None => context.unknown_type(key, &name, &TYPES.names()),
            }
            return None;
        };
        let mut property = |key: &str, name: &str| Some((name.to_owned(), context.optional(key)?));
        let properties = [
            property("backoff", "backoff"),
            property("selector.maxTimeOut", "maxTimeOut"),
        ];
        Some(Self {
            kind,
            backoff: backoff?,
            seed,
            properties: properties.into_iter().flatten().collect(),
        })
    }

    /// The name of its type.
    pub fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// The seed that makes its random choices repeatable.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Its keys as written, under the names that the equivalent policies use.
    pub fn properties(&self) -> &[(String, String)] {
        &self.properties
    }

    /// A new selector.
    pub fn make(&self) -> Box<dyn SinkSelector> {
        (self.kind.configure)(self.backoff.clone(), self.seed)
    }
}

impl PartialEq for NativeSelector {
    fn eq(&self, other: &Self) -> bool {
        let settings = |it: &Self| (it.name(), it.seed);
        settings(self) == settings(other) && self.backoff == other.backoff
    }
}

impl Eq for NativeSelector {}
