//! The plan: an agent with every name resolved. It is a value that cannot be wrong.
//!
//! A plan holds no sockets and no tasks. It keeps a recipe of each component, so that one that fails
//! can be made again, and so that two plans can be compared.
//!
//! [`build`] makes it in Flume's two steps, because in lenient mode the result has to be Flume's:
//!
//! | step | a component is dropped | everything fails |
//! |---|---|---|
//! | validation | no keys, no type, no channel that passed | a group without `sinks` |
//! | loading | its keys are refused, its channel did not load | a type or a grouped sink is broken |
//!
//! A plan is made in stages, each a function of what the earlier ones gave. A stage does not stop at
//! a problem: it gives its value together with what it found. Both modes run the same stages, and
//! [`lenient`] decides what to make of the findings. In strict mode whatever would be dropped is an
//! error, and in both modes an agent with an error has no plan.
//!
//! ```text
//! tree ─▶ channels ─▶ sources, sinks ─▶ groups ─▶ warnings, mirrors ─▶ assemble ─▶ delivery ─▶ plan
//! ```
//!
//! Policies are named in a plan, and not looked at: [`Trials`] is what is left to do before the plan may
//! run. Nothing else of a plan takes long.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use flume_core::context::Mode;
use flume_core::sink_processor::ProcessorRecipe;
use flume_core::{
    ChannelRecipe, ChannelSelector, Diagnostic, Outlet, Recipe, Sink, SinkIndex, Source,
    sink_processor,
};

use crate::config::AgentTree;
use crate::policies::Vacancy;
use crate::services::Services;

mod agent;
mod assemble;
mod batch_size;
mod buckets;
pub(crate) mod changes;
mod channels;
mod component;
mod connections;
mod delivery;
mod files;
mod finding;
mod groups;
mod interceptors;
mod lenient;
mod letters;
mod mirrors;
mod parts;
pub(crate) mod policy;
mod sinks;
mod sources;
mod spares;
pub(crate) mod traces;
mod warnings;

pub(crate) use component::{ComponentPlan, Written};
pub(crate) use flume_core::sink_processor::RecordPlan;
pub(crate) use policy::trials::{Refusal, Trials, Tried};
pub(crate) use policy::{InterceptorPlan, PolicyChoice, SelectorPlan};
pub(crate) use sinks::on_error::{self, OnError};

/// One agent of a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AgentPlan {
    /// The name that `-n` gives.
    pub name: String,
    /// Channels that have at least one source or sink.
    pub channels: Vec<ChannelPlan>,
    /// What drains the channels: groups, and single sinks as groups of one.
    pub groups: Vec<GroupPlan>,
    /// What fills them.
    pub sources: Vec<SourcePlan>,
    /// The places that are to run without any version of their policy, and why.
    pub vacant: BTreeMap<String, Vacancy>,
}

/// A plan whose policies have not been tried out.
#[derive(Debug)]
pub(crate) struct AgentDraft {
    /// The plan, if the agent may run.
    pub plan: Option<AgentPlan>,
    /// What is to be tried out first.
    pub trials: Trials,
}

#[cfg(test)]
impl AgentDraft {
    /// A plan that needs no trial.
    pub(crate) fn sure(plan: AgentPlan) -> Self {
        let trials = Trials::none(&plan.name);
        let plan = Some(plan);
        Self { plan, trials }
    }
}

impl AgentPlan {
    /// A plan by which nothing runs.
    pub(crate) fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            channels: Vec::new(),
            groups: Vec::new(),
            sources: Vec::new(),
            vacant: BTreeMap::new(),
        }
    }
}

/// One channel. Mirrored channels are one plan with several names.
#[derive(Debug, Clone)]
pub(crate) struct ChannelPlan {
    /// The names that sources and sinks use: one, or all of a set of mirrors.
    pub names: Vec<String>,
    /// The first name of its type.
    pub kind: &'static str,
    /// What it is made from; of mirrors the narrowest of each limit.
    pub recipe: Arc<dyn ChannelRecipe>,
}

impl PartialEq for ChannelPlan {
    fn eq(&self, other: &Self) -> bool {
        let names = |plan: &Self| (plan.names.clone(), plan.kind);
        names(self) == names(other) && *self.recipe == *other.recipe
    }
}

/// One source with its way into the channels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SourcePlan {
    /// The component.
    pub component: ComponentPlan<dyn Source>,
    /// The names of its channels, in the order of the file; a selector's indices mean these.
    pub channels: Vec<String>,
    /// What chooses among them.
    pub selector: Recipe<dyn ChannelSelector>,
    /// Its interceptors, in their order.
    pub interceptors: Vec<InterceptorPlan>,
    /// The channel for what it reads and that is no event.
    pub letters: Option<String>,
}

impl SourcePlan {
    /// All channels that it may put events into: its own, and those for what it or its interceptors
    /// cannot handle.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &str> {
        let dead_letters = self.interceptors.iter();
        let dead_letters = dead_letters.filter_map(InterceptorPlan::dead_letters);
        let dead_letters = dead_letters.chain(self.letters.as_deref());
        self.channels.iter().map(String::as_str).chain(dead_letters)
    }

    /// Whether there are events that it cannot put without one of these channels.
    pub(crate) fn requires_any(&self, channels: &[String]) -> bool {
        let selector = self.selector.make();
        let mut own = self.channels.iter().enumerate();
        own.any(|(at, name)| channels.contains(name) && selector.requires(at))
    }
}

/// Sinks that one runner serves.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GroupPlan {
    /// The group's name, or the sink's where there is no group.
    pub name: String,
    /// Whether the file has such a group.
    pub declared: bool,
    /// Its sinks, in the order of the file.
    pub sinks: Vec<SinkPlan>,
    /// What chooses among them.
    pub processor: ProcessorRecipe,
    /// The keys below `processor.`, `type` included.
    pub keys: Written,
    /// What orders its sinks in place of a native selector.
    pub policy: Option<SelectorPlan>,
    /// A policy that is asked beside it, and never obeyed.
    pub shadow: Option<SelectorPlan>,
    /// Where what its selector hears and answers is written.
    pub record: Option<RecordPlan>,
}

impl GroupPlan {
    /// Its spare, with its place in the group and the channel into which it puts events.
    pub(crate) fn spare(&self) -> Option<(SinkIndex, &SinkPlan, &Outlet)> {
        let mut sinks = self.sinks.iter().enumerate();
        sinks.find_map(|(at, sink)| Some((at, sink, sink.outlet.as_ref()?)))
    }

    /// A sink alone.
    pub(crate) fn of_one(sink: SinkPlan, keys: Written) -> Self {
        Self {
            name: sink.component.name.clone(),
            declared: false,
            sinks: vec![sink],
            processor: sink_processor::default::single(),
            keys,
            policy: None,
            shadow: None,
            record: None,
        }
    }
}

/// One sink.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SinkPlan {
    /// The component.
    pub component: ComponentPlan<dyn Sink>,
    /// The name of the channel that it drains.
    pub channel: String,
    /// What becomes of events that it can never deliver.
    pub on_error: OnError,
    /// The channel into which it puts events, if it is the spare of its group.
    pub outlet: Option<Outlet>,
}

impl SinkPlan {
    /// All channels that it needs: its own, the one for what it can never deliver, and that of a
    /// spare.
    pub(crate) fn channels(&self) -> impl Iterator<Item = &str> {
        let letters = self.on_error.dead_letters();
        let own = std::iter::once(self.channel.as_str()).chain(letters);
        own.chain(self.spill())
    }

    /// The channel into which it puts events, if it is a spare.
    pub(crate) fn spill(&self) -> Option<&str> {
        self.outlet.as_ref().map(|outlet| outlet.to.as_str())
    }
}

/// What a plan depends on besides the keys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// What components may use.
    pub services: &'a Services,
    /// Whether to refuse what Flume skips.
    pub mode: Mode,
    /// Where relative paths of policies begin: the folder of the file.
    pub folder: &'a Path,
    /// Whether to look at the files that components will open, and at how many there may be.
    pub looks: bool,
    /// Policies that the command line gives to groups.
    pub choices: &'a [PolicyChoice],
}

/// Plans agents. One with an error has no plan; in lenient mode a plan has what Flume would run.
pub(crate) fn build(
    trees: &[AgentTree],
    setting: Setting<'_>,
) -> (Vec<AgentDraft>, Vec<Diagnostic>) {
    let mut diagnostics = policy::choice::unmatched(setting.choices, trees);
    let mut drafts = Vec::new();
    for tree in trees {
        let (draft, found) = agent::plan(tree, setting);
        drafts.push(draft);
        diagnostics.extend(found);
    }
    let plans: Vec<&AgentPlan> = drafts
        .iter()
        .filter_map(|draft| draft.plan.as_ref())
        .collect();
    diagnostics.extend(warnings::shared_ports(&plans));
    diagnostics.extend(connections::find(&plans, setting));
    (drafts, diagnostics)
}

#[cfg(test)]
mod tests;
