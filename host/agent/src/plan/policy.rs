//! Policies of an agent: which file, with which limits and properties, in which place.
//!
//! A policy is tried out [after](trials) the plan is made, and before anything is made from it. What the
//! trial finds is a finding about the file like any other, at the key that is to blame.
//!
//! Flume has no policies, so one that cannot be used is an error in lenient mode, too.

use flume_core::context::{Context, Word};
use flume_core::{Code, Interceptor};
use flume_policy::{InterceptorSetup, Limits, OnError, SelectorSetup};

use super::ComponentPlan;
use super::channels::Channels;
use super::traces::shadow_place;
use crate::config::tree::Node;
use crate::policies::PolicyUse;

mod at_start;
pub(super) mod carried;
pub(crate) mod choice;
pub(super) mod file;
mod harmless;
mod trial;
pub(crate) mod trials;

use carried::{CarriedSink, pairs, texts};
pub(crate) use choice::PolicyChoice;
use file::{AgentPolicies, PolicyPath};
pub(crate) use file::{agent_keys, is_policy};
pub(crate) use harmless::is_harmless;
use trial::Place;
use trials::{PlaceSetup, PlaceTrial};

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
    /// Reads the keys of a group's policy from those below `processor.`; it is to be tried out over the
    /// sinks of the group. `None` if there are none that can be made; there is an error then.
    pub(super) fn selector_plan(
        &self,
        group: &OrderedGroup<'_>,
        file: &PolicyPath,
        processor: &mut Context,
    ) -> Option<SelectorPlan> {
        let limits = self.limits_of(processor);
        let keys = Words {
            key: "selector",
            names_file: "processor.selector",
            prefix: "processor.selector.",
            place: group.node.name.clone(),
        };
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
        let keys = Words {
            key: "shadow",
            names_file: "processor.shadow",
            prefix: "processor.shadow.",
            place: shadow_place(&group.node.name),
        };
        self.ordering(group, file, processor, (keys, limits))
    }

    /// The same for a policy with these words.
    fn ordering(
        &self,
        group: &OrderedGroup<'_>,
        file: &PolicyPath,
        processor: &mut Context,
        (words, limits): (Words, Limits),
    ) -> Option<SelectorPlan> {
        let OrderedGroup { node, sinks } = group;
        processor.accept(words.key);
        let mut keys = processor.below(words.key);
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
            name: words.place,
            path: node.context.path().to_owned(),
            names_file: words.names_file,
            span: node.span,
            prefix: words.prefix,
            limits: "processor.policy",
            file: file.clone(),
            keys: own,
            sinks: sinks.iter().map(|sink| (*sink).clone()).collect(),
        };
        let file = self.used(file, limits);
        self.try_later(place, &file, PlaceSetup::Selector(setup.clone()));
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
            name: format!("{source}.{}", word.text),
            path: context.path().to_owned(),
            names_file: "type",
            span: word.span,
            prefix: "",
            limits: "policy",
            file: file.clone(),
            keys,
            sinks: Vec::new(),
        };
        let file = self.used(file, limits);
        self.try_later(place, &file, PlaceSetup::Interceptor(setup.clone()));
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

    /// The file with the limits of a place.
    fn used(&self, file: &PolicyPath, limits: Limits) -> PolicyUse {
        PolicyUse {
            agent: self.tree.name.clone(),
            path: file.path.clone(),
            limits,
            directory: self.directory.clone(),
        }
    }

    fn try_later(&self, place: Place, file: &PolicyUse, setup: PlaceSetup) {
        let file = file.clone();
        self.trials
            .borrow_mut()
            .add(PlaceTrial { place, file, setup });
    }
}

/// How the keys of a group say which policy orders its sinks.
struct Words {
    /// The key below `processor.`.
    key: &'static str,
    /// The same, whole.
    names_file: &'static str,
    /// What the policy's own keys begin with.
    prefix: &'static str,
    /// What the place is called in reports.
    place: String,
}
