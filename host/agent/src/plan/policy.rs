//! Policies of an agent: which file, with which limits and properties, in which place.
//!
//! A policy is tried out while the plan is made, so that a plan with a policy in it is as sure to
//! run as one without. What the trial finds is a finding about the file like any other, at the key
//! that is to blame.
//!
//! Flume has no policies, so one that cannot be used is an error in lenient mode, too.

use flume_core::context::{Context, Word};
use flume_core::{Code, Diagnostic, Interceptor};
use flume_policy::{InterceptorSetup, Limits, OnError, SelectorSetup};

use super::ComponentPlan;
use super::channels::Channels;
use crate::config::tree::Node;
use crate::policies::{PolicyUse, PolicyUseError};

pub(super) mod carried;
pub(crate) mod choice;
pub(super) mod file;
mod harmless;
mod trial;

use carried::CarriedSink;
pub(crate) use choice::PolicyChoice;
use file::{AgentPolicies, PolicyPath, pairs, texts};
pub(crate) use file::{agent_keys, is_policy};
pub(crate) use harmless::is_harmless;
use trial::Place;

/// What orders the sinks of a group in place of a native selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SelectorPlan {
    /// The file with its limits.
    pub file: PolicyUse,
    /// What it is made from.
    pub setup: SelectorSetup,
}

/// One interceptor of a source.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum InterceptorPlan {
    /// One of the registry.
    Native(ComponentPlan<dyn Interceptor>),
    /// A policy.
    Policy(Box<PolicyInterceptorPlan>),
}

impl InterceptorPlan {
    /// The name in the file.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Native(plan) => &plan.name,
            Self::Policy(plan) => &plan.name,
        }
    }
}

/// A policy as an interceptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PolicyInterceptorPlan {
    /// The name in the file.
    pub name: String,
    /// The file with its limits.
    pub file: PolicyUse,
    /// What it is made from.
    pub setup: InterceptorSetup,
    /// What becomes of events that it cannot handle.
    pub on_error: OnError,
    /// All its keys, as they were written.
    pub context: Context,
}

impl InterceptorPlan {
    /// The `type`: the name of a native one, the path of a policy as it was written.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Native(plan) => plan.kind.to_owned(),
            Self::Policy(plan) => plan.context.clone().string("type", ""),
        }
    }

    /// The channel for events that it cannot handle, if there is one.
    pub(crate) fn dead_letters(&self) -> Option<&str> {
        match self {
            Self::Policy(plan) => match &plan.on_error {
                OnError::DeadLetter(channel) => Some(channel),
                OnError::Fail | OnError::Drop | OnError::Pass => None,
            },
            Self::Native(_) => None,
        }
    }
}

/// Seeds what is random in a place: the same way at every start with the same file, and in another
/// way than any other place of the process.
pub(crate) fn seed(agent: &str, place: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (agent, place).hash(&mut hasher);
    hasher.finish()
}

/// Reads what becomes of events that an interceptor cannot handle (`fail`). `None` leaves an error.
pub(crate) fn on_error(context: &mut Context) -> Option<OnError> {
    const KEY: &str = "on-error";
    let text = context.string(KEY, "fail");
    let on_error = OnError::parse(&text);
    if on_error.is_none() {
        let message = format!("`{}.{KEY}` cannot be `{text}`", context.path());
        let help = "one of `fail`, `drop`, `pass` and `dead-letter:<channel>`";
        context.error(KEY, Code::BadValue, message, help);
    }
    on_error
}

/// A group whose sinks a policy is to order.
pub(super) struct OrderedGroup<'a> {
    pub(super) node: &'a Node,
    /// Its sinks. Empty if one of them cannot be made: that is said already, and a trial without it
    /// would say nothing new.
    pub(super) sinks: Vec<&'a CarriedSink>,
}

impl AgentPolicies<'_> {
    /// Reads the keys of a group's policy from those below `processor.`, and tries it out over the
    /// sinks of the group. `None` if it cannot be used; there is an error then.
    pub(super) fn selector_plan(
        &self,
        group: &OrderedGroup<'_>,
        file: &PolicyPath,
        processor: &mut Context,
    ) -> Option<SelectorPlan> {
        let limits = self.limits_of(processor);
        let keys = ("selector", "processor.selector.");
        self.ordering(group, file, processor, (keys, limits))
    }

    /// The same for a policy in the shadow of the selector. It has the limits of the selector.
    pub(super) fn shadow_plan(
        &self,
        group: &OrderedGroup<'_>,
        file: &PolicyPath,
        processor: &mut Context,
    ) -> Option<SelectorPlan> {
        // What is wrong with the limits is said where the selector is read.
        let limits = self.limits_of(&mut processor.clone());
        let keys = ("shadow", "processor.shadow.");
        self.ordering(group, file, processor, (keys, limits))
    }

    /// The same for a policy whose own keys are below `word`.
    fn ordering(
        &self,
        group: &OrderedGroup<'_>,
        file: &PolicyPath,
        processor: &mut Context,
        ((word, prefix), limits): ((&str, &'static str), Limits),
    ) -> Option<SelectorPlan> {
        let OrderedGroup { node, sinks } = group;
        processor.accept(word);
        let mut keys = processor.below(word);
        keys.free_form("", is_harmless);
        keys.accept_all();
        let own = pairs(&keys);
        processor.adopt(keys);
        if sinks.is_empty() {
            return None;
        }
        let setup = SelectorSetup {
            properties: texts(&own),
            sinks: sinks.iter().map(|sink| sink.info()).collect(),
            seed: seed(&self.tree.name, &node.name),
        };
        let place = Place {
            path: node.context.path(),
            span: node.span,
            prefix,
            limits: "processor.policy",
            file,
            keys: &own,
            sinks,
        };
        let policies = &self.setting.services.policies;
        let tried = self.tried(&place, limits, |file| policies.try_selector(file, &setup));
        let file = note(processor, tried)?;
        Some(SelectorPlan { file, setup })
    }

    /// The same for an interceptor of a source, from all its keys.
    pub(super) fn interceptor_plan(
        &self,
        source: &str,
        word: &Word,
        own: &mut Context,
        (file, channels): (&PolicyPath, &Channels<'_>),
    ) -> Option<PolicyInterceptorPlan> {
        let context = own.without(|_| false);
        let on_error = self.on_error(own, channels);
        let limits = self.limits_of(own);
        let host = |key: &str| matches!(key, "type" | "on-error") || key.starts_with("policy.");
        let keys = pairs(&context.without(host));
        own.accept_all();
        let setup = InterceptorSetup {
            properties: texts(&keys),
            seed: seed(&self.tree.name, &format!("{source}.{}", word.text)),
        };
        let place = Place {
            path: context.path(),
            span: word.span,
            prefix: "",
            limits: "policy",
            file,
            keys: &keys,
            sinks: &[],
        };
        let policies = &self.setting.services.policies;
        let tried = self.tried(&place, limits, |file| {
            policies.try_interceptor(file, &setup)
        });
        let file = note(own, tried)?;
        Some(PolicyInterceptorPlan {
            name: word.text.clone(),
            file,
            setup,
            on_error: on_error?,
            context,
        })
    }

    /// [`on_error`], with a channel that counts.
    fn on_error(&self, own: &mut Context, channels: &Channels<'_>) -> Option<OnError> {
        let on_error = on_error(own)?;
        let OnError::DeadLetter(channel) = &on_error else {
            return Some(on_error);
        };
        if !channels.lists(channel) {
            if let Some(value) = own.value("on-error") {
                channels.unknown(own, "on-error", channel, value.span);
            }
            return None;
        }
        let counts = self.setting.counts(channels.runs(channel));
        counts.then_some(on_error)
    }

    /// Tries a policy out, if this agent may load the file at all.
    fn tried(
        &self,
        place: &Place<'_>,
        limits: Limits,
        policy: impl FnOnce(&PolicyUse) -> Result<(), PolicyUseError>,
    ) -> Result<PolicyUse, Vec<Diagnostic>> {
        if !self.is_usable {
            // Said once, where the folder is named.
            return Err(Vec::new());
        }
        let file = PolicyUse {
            agent: self.tree.name.clone(),
            path: place.file.path.clone(),
            limits,
            directory: self.directory.clone(),
        };
        match policy(&file) {
            Ok(()) => Ok(file),
            Err(error) => Err(place.findings(&error)),
        }
    }
}

/// Leaves what was found in the context.
fn note<T>(context: &mut Context, tried: Result<T, Vec<Diagnostic>>) -> Option<T> {
    match tried {
        Ok(made) => Some(made),
        Err(found) => {
            found.into_iter().for_each(|finding| context.push(finding));
            None
        }
    }
}
