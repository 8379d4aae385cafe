//! Policies of an agent: which file, with which limits and properties, in which place.
//!
//! A policy is tried out while the plan is made, so that a plan with a policy in it is as sure to
//! run as one without. What the trial finds is a finding about the file like any other, at the key
//! that is to blame.
//!
//! In lenient mode a policy that cannot be used is what an unknown selector or interceptor class is
//! to Flume: the group or the source is left out.

use std::path::{Path, PathBuf};

use flume_core::context::{Context, Value, Word};
use flume_core::{Code, Diagnostic, SinkSelector, sink_selector};
use flume_policy::{InterceptorSetup, Limits, OnError, Properties, SelectorSetup, SinkInfo};

use super::ComponentPlan;
use super::agent::Draft;
use super::sinks::SinkDraft;
use crate::config::tree::Node;
use crate::policies::{PolicyUse, PolicyUseError};

pub(crate) mod choice;
mod trial;

pub use choice::PolicyChoice;
use choice::{chosen, is_balanced};
use trial::Place;

/// What orders the sinks of a group in place of a native selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectorPlan {
    /// The file with its limits.
    pub file: PolicyUse,
    /// What it is made from.
    pub setup: SelectorSetup,
}

/// One interceptor of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterceptorPlan {
    /// One of the table.
    Native(ComponentPlan),
    /// A policy.
    Policy(Box<PolicyInterceptorPlan>),
}

/// A policy as an interceptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyInterceptorPlan {
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
    pub fn kind(&self) -> String {
        match self {
            Self::Native(plan) => plan.kind.to_owned(),
            Self::Policy(plan) => plan.context.clone().string("type", ""),
        }
    }

    /// The channel for events that it cannot handle, if there is one.
    pub fn dead_letters(&self) -> Option<&str> {
        match self {
            Self::Policy(plan) => match &plan.on_error {
                OnError::DeadLetter(channel) => Some(channel),
                OnError::Fail | OnError::Drop | OnError::Pass => None,
            },
            Self::Native(_) => None,
        }
    }
}

/// Whether a `type` or `selector` names the file of a policy.
pub(crate) fn is_policy(text: &str) -> bool {
    let extension = Path::new(text).extension();
    extension.is_some_and(|end| {
        ["wasm", "wat"]
            .iter()
            .any(|known| end.eq_ignore_ascii_case(known))
    })
}

/// The same place gets the same choices at every start of the same file, and no two places of a
/// process the same ones.
pub(crate) fn seed(agent: &str, place: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (agent, place).hash(&mut hasher);
    hasher.finish()
}

/// The native selector behind a policy, which stands in when the policy has no good answer. Reads
/// `fallback` (`round_robin`; or `random`), `backoff` and `selector.maxTimeOut`. `None` leaves an
/// error in the context.
pub(crate) fn fallback(
    context: &mut Context,
    sinks: usize,
    seed: u64,
) -> Option<Box<dyn SinkSelector>> {
    let name = context.string("fallback", "round_robin");
    let backoff = sink_selector::Backoff::configure(context, sinks);
    let Some(native) = sink_selector::find(&name) else {
        let all: Vec<&str> = sink_selector::SELECTORS
            .iter()
            .map(|kind| kind.name)
            .collect();
        context.unknown_type("fallback", &name, &all);
        return None;
    };
    Some((native.build)(backoff?, seed))
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

/// Reads what an agent says about all of its policies: the folder that they have to be in, and
/// their limits. Of the limits only what is wrong with them is kept.
pub(crate) fn agent_keys(context: &mut Context) -> Option<Value> {
    let directory = context.value("directory");
    Limits::configure(context);
    directory
}

/// What holds for all policies of an agent.
pub(super) struct AgentPolicies {
    /// Nothing outside of it may be loaded.
    directory: Option<PathBuf>,
    /// Whether that is there.
    is_usable: bool,
    /// Default limits, by key.
    limits: Context,
}

impl AgentPolicies {
    /// Reads the keys `agent.policies.…`. Relative paths begin at `folder`.
    pub(super) fn read(keys: &Context, folder: &Path) -> (Self, Vec<Diagnostic>) {
        let mut context = keys.clone();
        let mut is_usable = true;
        let directory = agent_keys(&mut context).map(|value| {
            let path = folder.join(&value.text);
            is_usable = path.is_dir();
            if !is_usable {
                let message = format!("`{}.directory` is no folder", keys.path());
                let found = Diagnostic::new(Code::PolicyFile, message).at(&value.span, "not there");
                let help = format!("make `{}`, or name another folder", path.display());
                context.push(found.help(help));
            }
            path
        });
        let limits = keys.without(|key| key == "directory");
        let policies = Self {
            directory,
            is_usable,
            limits,
        };
        (policies, context.finish())
    }
}

/// Where a policy is said to be.
pub(super) struct PolicyFile {
    /// As it was written, with its place.
    pub(super) value: Value,
    /// Where it is looked for.
    pub(super) path: PathBuf,
    /// Whether the command line says so.
    pub(super) is_chosen: bool,
}

impl Draft<'_> {
    /// The file of the policy that orders a group's sinks, as the command line or the file says.
    pub(super) fn policy_of(&self, group: &Node) -> Option<PolicyFile> {
        if !is_balanced(group) {
            return None;
        }
        let choices = self.setting.choices;
        if let Some(path) = chosen(choices, &self.tree.name, &group.name) {
            let text = path.display().to_string();
            return Some(PolicyFile {
                value: Value::new(text, group.span, group.span),
                path: path.to_owned(),
                is_chosen: true,
            });
        }
        let value = group.value("processor.selector");
        let value = value.filter(|value| is_policy(&value.text))?;
        Some(self.policy_file(value.clone()))
    }

    /// Where the file of a key's value is. Relative paths begin at the agent's own folder of
    /// policies, or else at that of the configuration file.
    pub(super) fn policy_file(&self, value: Value) -> PolicyFile {
        let folder = self.policies.directory.as_deref();
        let path = folder.unwrap_or(self.setting.folder).join(&value.text);
        PolicyFile {
            value,
            path,
            is_chosen: false,
        }
    }

    /// Whether a group with a policy has this sink, so that the sink may carry keys for it.
    pub(super) fn carries_properties(&self, sink: &str) -> bool {
        let listed = self.tree.sinkgroups.listed().into_iter();
        let mut groups = listed.filter_map(|word| self.tree.sinkgroups.node(&word.text));
        let lists = |node: &&Node| {
            let sinks = node.value("sinks");
            sinks.is_some_and(|sinks| sinks.words.iter().any(|word| word.text == sink))
        };
        // Of several groups that list it, the first one has it.
        let group = groups.find(lists);
        let has_shadow = |group: &Node| group.value("processor.shadow").is_some();
        group.is_some_and(|group| self.policy_of(group).is_some() || has_shadow(group))
    }

    /// Reads the keys of a group's policy from those below `processor.`, and tries it out over the
    /// members of the group. `None` if it cannot be used; there is an error then.
    pub(super) fn selector_plan(
        &self,
        group: &Node,
        file: &PolicyFile,
        processor: &mut Context,
        members: &[String],
    ) -> Option<SelectorPlan> {
        let limits = self.limits(processor);
        let keys = ("selector", "processor.selector.");
        self.orders(group, file, processor, members, (keys, limits))
    }

    /// The same for a policy whose own keys are below another word.
    pub(super) fn orders(
        &self,
        group: &Node,
        file: &PolicyFile,
        processor: &mut Context,
        members: &[String],
        ((word, prefix), limits): ((&str, &'static str), Limits),
    ) -> Option<SelectorPlan> {
        let path = group.context.path();
        processor.accept(word);
        let mut keys = processor.below(word);
        keys.accept_all();
        let own = pairs(&keys);
        processor.adopt(keys);
        let sink = |name: &String| self.sinks.iter().find(|sink| sink.name == *name);
        // What is wrong with a sink is said already, and a trial without it would say nothing new.
        let sinks: Option<Vec<&SinkDraft>> = members.iter().map(sink).collect();
        let sinks = sinks.filter(|sinks| !sinks.is_empty())?;
        let infos: Option<Vec<SinkInfo>> = sinks.iter().map(|sink| sink.info()).collect();
        let setup = SelectorSetup {
            properties: texts(&own),
            sinks: infos?,
            seed: seed(&self.tree.name, &group.name),
        };
        let place = Place {
            path,
            span: group.span,
            prefix,
            limits: "processor.policy",
            file,
            keys: &own,
            sinks: &sinks,
        };
        let policies = &self.services.policies;
        let tried = self.tried(&place, limits, |file| policies.try_selector(file, &setup));
        let file = note(processor, tried)?;
        Some(SelectorPlan { file, setup })
    }

    /// The same for an interceptor of a source, from all its keys.
    pub(super) fn interceptor_plan(
        &self,
        source: &str,
        word: &Word,
        file: &PolicyFile,
        own: &mut Context,
    ) -> Option<PolicyInterceptorPlan> {
        let context = own.without(|_| false);
        let on_error = self.on_error(own);
        let limits = self.limits(own);
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
        let policies = &self.services.policies;
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

    /// [`on_error`], with a channel that runs.
    fn on_error(&self, own: &mut Context) -> Option<OnError> {
        let on_error = on_error(own)?;
        let OnError::DeadLetter(channel) = &on_error else {
            return Some(on_error);
        };
        if !self.tree.channels.lists(channel) {
            if let Some(value) = own.value("on-error") {
                self.unknown_channel(own, "on-error", channel, value.span);
            }
            return None;
        }
        self.counts(self.channel_runs(channel)).then_some(on_error)
    }

    /// The limits of one place: its own keys `policy.…`, then the agent's, then the defaults.
    pub(super) fn limits(&self, keys: &mut Context) -> Limits {
        let mut own = keys.below("policy");
        let mut all = self.policies.limits.clone();
        for (key, value) in own.iter() {
            all.insert(key, value.clone());
        }
        Limits::configure(&mut own);
        keys.adopt(own);
        // What is wrong with the agent's limits was said once, where they were read.
        Limits::configure(&mut all)
    }

    /// Tries a policy out, if this agent may load the file at all.
    fn tried(
        &self,
        place: &Place<'_>,
        limits: Limits,
        policy: impl FnOnce(&PolicyUse) -> Result<(), PolicyUseError>,
    ) -> Result<PolicyUse, Vec<Diagnostic>> {
        if !self.policies.is_usable {
            // Said once, where the folder is named.
            return Err(Vec::new());
        }
        let file = PolicyUse {
            agent: self.tree.name.clone(),
            path: place.file.path.clone(),
            limits,
            directory: self.policies.directory.clone(),
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

fn pairs(context: &Context) -> Vec<(String, Value)> {
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
