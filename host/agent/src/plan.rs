//! The plan: an agent with every name resolved, a value that cannot be wrong.
//!
//! A plan holds no sockets and no tasks. It keeps each component's context, so that a component
//! that fails can be made anew, and so that two plans can be compared.
//!
//! [`build`] makes it in Flume's two steps, because in lenient mode the result has to be Flume's:
//!
//! | step | a component is dropped | everything fails |
//! |---|---|---|
//! | validation | no keys, no type, no channel that passed | a group without `sinks` |
//! | loading | its keys are refused, its channel did not load | a type or a grouped sink is broken |
//!
//! Both modes take the same way. In strict mode whatever would be dropped is an error, and an agent
//! with an error has no plan.

use std::path::Path;

use flume_core::channel::memory::MemoryConfig;
use flume_core::context::Mode;
use flume_core::{Context, Diagnostic, Severity};

use crate::config::{AgentTree, judge};
use crate::services::Services;

mod agent;
mod channels;
pub(crate) mod groups;
mod mirrors;
pub(crate) mod policy;
mod sinks;
mod sources;
pub(crate) mod traces;
mod types;
mod warnings;

pub use crate::record::RecordPlan;
pub use policy::{InterceptorPlan, PolicyChoice, PolicyInterceptorPlan, SelectorPlan};

/// One agent of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPlan {
    /// The name that `-n` gives.
    pub name: String,
    /// Channels that have at least one source or sink.
    pub channels: Vec<ChannelPlan>,
    /// What drains the channels: groups, and single sinks as groups of one.
    pub groups: Vec<GroupPlan>,
    /// What fills them.
    pub sources: Vec<SourcePlan>,
}

/// One channel. Mirrored channels are one plan with several names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelPlan {
    /// The names that sources and sinks use: one, or all of a set of mirrors.
    pub names: Vec<String>,
    /// The limits; of mirrors the narrowest of each.
    pub config: MemoryConfig,
}

/// One source with its way into the channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePlan {
    /// The component.
    pub component: ComponentPlan,
    /// The names of its channels, in the order of the file; a selector's indices mean these.
    pub channels: Vec<String>,
    /// The keys below `selector.`, `type` included.
    pub selector: Context,
    /// Its interceptors, in their order.
    pub interceptors: Vec<InterceptorPlan>,
}

impl SourcePlan {
    /// All channels that it may put events into: its own, and those for what its interceptors
    /// cannot handle.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        let dead_letters = self.interceptors.iter();
        let dead_letters = dead_letters.filter_map(InterceptorPlan::dead_letters);
        self.channels.iter().map(String::as_str).chain(dead_letters)
    }
}

/// Sinks that one runner serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlan {
    /// The group's name, or the sink's where there is no group.
    pub name: String,
    /// Whether the file has such a group.
    pub declared: bool,
    /// Its sinks, in the order of the file.
    pub sinks: Vec<SinkPlan>,
    /// The keys below `processor.`, `type` included.
    pub processor: Context,
    /// What orders its sinks in place of a native selector.
    pub policy: Option<SelectorPlan>,
    /// A policy that is asked beside it, and never obeyed.
    pub shadow: Option<SelectorPlan>,
    /// Where what its selector is told and answers is written.
    pub record: Option<RecordPlan>,
    /// Batches that a load-balancing group may have under way at once, on different sinks.
    pub parallelism: usize,
}

/// One sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkPlan {
    /// The component.
    pub component: ComponentPlan,
    /// The name of the channel that it drains.
    pub channel: String,
}

/// A component by its type, with all that is needed to make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentPlan {
    /// The name in the file.
    pub name: String,
    /// The entry of the table (its first name).
    pub kind: &'static str,
    /// Its keys.
    pub context: Context,
}

/// What a plan depends on besides the keys.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// What components may use.
    pub services: &'a Services,
    /// Whether to refuse what Flume skips.
    pub mode: Mode,
    /// Where relative paths of policies begin: the folder of the file.
    pub folder: &'a Path,
    /// Policies that the command line gives to groups.
    pub choices: &'a [PolicyChoice],
}

/// Plans agents. In strict mode an agent with an error is left out; in lenient mode its plan has
/// what Flume would run, which may be nothing.
pub fn build(trees: &[AgentTree], setting: Setting<'_>) -> (Vec<AgentPlan>, Vec<Diagnostic>) {
    let mode = setting.mode;
    let mut plans = Vec::new();
    let mut diagnostics = policy::choice::unmet(setting.choices, trees);
    for tree in trees {
        let (plan, found) = agent::plan(tree, setting);
        let found = judge(mode, found);
        let failed = found
            .iter()
            .any(|finding| finding.severity == Severity::Error);
        if mode == Mode::Lenient || !failed {
            plans.push(plan);
        }
        diagnostics.extend(found);
    }
    diagnostics.extend(warnings::shared_ports(&plans));
    (plans, diagnostics)
}

#[cfg(test)]
mod tests;
