//! One agent: its components are read, then put together as Flume would.

use std::collections::BTreeSet;

use flume_core::context::{Context, Mode, Value, did_you_mean};
use flume_core::{Code, Diagnostic, Span};

use super::channels::ChannelDraft;
use super::groups::GroupDraft;
use super::policy::AgentPolicies;
use super::sinks::SinkDraft;
use super::sources::SourceDraft;
use super::{AgentPlan, ChannelPlan, GroupPlan, Setting, SinkPlan, SourcePlan};
use super::{channels, groups, mirrors, sinks, sources, warnings};
use crate::config::AgentTree;
use crate::services::Services;

/// An agent on its way from a tree to a plan.
pub(super) struct Draft<'t> {
    pub(super) tree: &'t AgentTree,
    pub(super) setting: Setting<'t>,
    pub(super) services: &'t Services,
    pub(super) mode: Mode,
    pub(super) policies: AgentPolicies,
    pub(super) channels: Vec<ChannelDraft>,
    pub(super) sources: Vec<SourceDraft>,
    pub(super) sinks: Vec<SinkDraft>,
    pub(super) groups: Vec<GroupDraft>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Why Flume would run nothing at all.
    pub(super) fatal: Vec<String>,
}

/// The most events that a component moves in one transaction, with the key that says so.
pub(super) struct Batch {
    pub(super) size: usize,
    pub(super) key: Option<String>,
    pub(super) span: Span,
}

impl Batch {
    /// The size that a configured component has; its key is found among those it asked for.
    pub(super) fn new(size: usize, context: &mut Context, span: Span) -> Self {
        let is_batch = |key: &str| {
            let last = key.rsplit('.').next().unwrap_or(key);
            last.replace('-', "").eq_ignore_ascii_case("batchsize")
        };
        let asked = context.questions().iter().map(|question| &question.key);
        let keys: Vec<String> = asked.filter(|key| is_batch(key)).cloned().collect();
        let written = keys.iter().find_map(|key| Some((key, context.value(key)?)));
        match written {
            Some((key, value)) => Self {
                size,
                key: Some(key.clone()),
                span: value.span,
            },
            None => Self {
                size,
                key: keys.into_iter().next(),
                span,
            },
        }
    }
}

/// Plans an agent. The plan has what Flume would run of it.
pub(super) fn plan(tree: &AgentTree, setting: Setting<'_>) -> (AgentPlan, Vec<Diagnostic>) {
    let (policies, diagnostics) = AgentPolicies::read(&tree.policies, setting.folder);
    let mut draft = Draft {
        tree,
        setting,
        services: setting.services,
        mode: setting.mode,
        policies,
        channels: Vec::new(),
        sources: Vec::new(),
        sinks: Vec::new(),
        groups: Vec::new(),
        diagnostics,
        fatal: Vec::new(),
    };
    channels::read(&mut draft);
    sources::read(&mut draft);
    sinks::read(&mut draft);
    groups::read(&mut draft);
    draft.check_kinds();
    warnings::wiring(&mut draft);
    let mirrors = mirrors::find(&mut draft);
    let plan = draft.assemble(&mirrors);
    (plan, draft.diagnostics)
}

impl Draft<'_> {
    /// Whether a listed component that may not run still counts: strict mode speaks about the file
    /// as it was meant, so that one mistake does not look like several.
    pub(super) fn counts(&self, runs: bool) -> bool {
        runs || self.mode == Mode::Strict
    }

    /// Whether a source may be meant to fill any channel, because it is broken where it says so.
    pub(super) fn source_is_open(&self) -> bool {
        let sources = &self.tree.sources;
        let undescribed = sources.listed().len() > self.sources.len();
        self.mode == Mode::Strict && (undescribed || self.sources.iter().any(|source| source.open))
    }

    /// Whether a sink may be meant to drain any channel.
    pub(super) fn sink_is_open(&self) -> bool {
        let sinks = &self.tree.sinks;
        let undescribed = sinks.listed().len() > self.sinks.len();
        let open = |sink: &SinkDraft| sink.channel.is_none();
        self.mode == Mode::Strict && (undescribed || self.sinks.iter().any(open))
    }

    /// Says in lenient mode that a component does not run.
    pub(super) fn dropped(&mut self, path: &str, span: Span, why: &str) {
        if self.mode == Mode::Lenient {
            let message = format!("`{path}` does not run, as in Flume");
            let found = Diagnostic::new(Code::Dropped, message);
            let help = "mend what is found about it; without `--lenient` the file is refused";
            self.diagnostics.push(found.at(&span, why).help(help));
        }
    }

    /// Flume refuses an agent without channels, or with neither sources nor sinks.
    fn check_kinds(&mut self) {
        let agent = &self.tree.name;
        let (key, message, help) = if self.tree.channels.list.is_none() {
            let described = &self.tree.channels.described;
            let names: Vec<&str> = described.iter().map(|node| node.name.as_str()).collect();
            let others: Vec<&str> = self.tree.others.iter().map(String::as_str).collect();
            let help = match did_you_mean(agent, &others) {
                _ if !names.is_empty() => format!("add `{agent}.channels = {}`", names.join(" ")),
                Some(guess) => format!("is the agent's name right? {guess}"),
                None => format!("add `{agent}.channels = c1` and describe `c1`"),
            };
            (
                "channels",
                format!("agent `{agent}` lists no channels"),
                help,
            )
        } else if self.tree.sources.list.is_none() && self.tree.sinks.list.is_none() {
            let message = format!("agent `{agent}` lists neither sources nor sinks");
            let help = format!("add `{agent}.sources = …` or `{agent}.sinks = …`");
            ("sources", message, help)
        } else {
            return;
        };
        let found = Diagnostic::new(Code::MissingKey, message);
        let label = format!("the agent's first key; `{agent}.{key}` is missing");
        self.diagnostics
            .push(found.at(&self.tree.span, label).help(help));
    }

    /// The plan of what runs.
    fn assemble(&mut self, mirrors: &[Vec<String>]) -> AgentPlan {
        let mut plan = AgentPlan {
            name: self.tree.name.clone(),
            channels: Vec::new(),
            groups: Vec::new(),
            sources: Vec::new(),
        };
        if self.fatal.is_empty() {
            let sources = self.sources.iter().filter_map(|source| source.plan.clone());
            plan.sources = sources.collect();
            plan.groups = self.assemble_groups();
            plan.channels = self.assemble_channels(mirrors);
        }
        if self.mode == Mode::Lenient && plan.sources.is_empty() && plan.groups.is_empty() {
            let message = format!("nothing of agent `{}` runs", self.tree.name);
            let why = match self.fatal.as_slice() {
                [] => "none of its sources and sinks is left".to_owned(),
                reasons => reasons.join("; "),
            };
            let found = Diagnostic::new(Code::NothingRuns, message);
            let found = found.at(&self.tree.span, "this agent").help(why);
            self.diagnostics.push(found);
        }
        plan
    }

    /// The groups that run, then the sinks that are in none.
    fn assemble_groups(&mut self) -> Vec<GroupPlan> {
        let sink = |name: &String| {
            let draft = self.sinks.iter().find(|sink| sink.name == *name)?;
            draft.plan.clone()
        };
        let mut groups: Vec<GroupPlan> = Vec::new();
        let mut grouped: BTreeSet<&str> = BTreeSet::new();
        for draft in &self.groups {
            grouped.extend(draft.members.iter().map(String::as_str));
            if let Some(plan) = &draft.plan {
                let sinks = draft.members.iter().filter_map(sink).collect();
                groups.push(GroupPlan {
                    sinks,
                    ..plan.clone()
                });
            }
        }
        let mut clashes = Vec::new();
        for draft in &self.sinks {
            let Some(sink) = draft.plan.clone() else {
                continue;
            };
            if grouped.contains(draft.name.as_str()) {
                continue;
            }
            let mut groups_with_sinks =
                self.groups.iter().filter(|group| !group.members.is_empty());
            match groups_with_sinks.find(|group| group.name == draft.name) {
                Some(group) => clashes.push((draft.name.clone(), draft.span, group.span)),
                None => groups.push(self.alone(sink, draft.span)),
            }
        }
        for (name, sink, group) in clashes {
            let message = format!("`{name}` is a sink and also a group that it is not in");
            let found = Diagnostic::new(Code::NameClash, message)
                .at(&sink, "this sink would not run")
                .related(&group, "this group");
            self.diagnostics
                .push(found.help("give the group another name"));
            let path = format!("{}.sinks.{name}", self.tree.name);
            self.dropped(&path, sink, "a group has its name");
        }
        groups
    }

    /// A sink as a group of one.
    fn alone(&self, sink: SinkPlan, span: Span) -> GroupPlan {
        let name = sink.component.name.clone();
        let path = format!("{}.sinks.{name}.processor", self.tree.name);
        let mut processor = Context::new(path, Some(span), self.mode);
        processor.insert("type", Value::new("default", span, span));
        GroupPlan {
            name,
            declared: false,
            sinks: vec![sink],
            processor,
            policy: None,
            shadow: None,
            record: None,
            parallelism: 1,
        }
    }

    /// The channels to which something is connected. A sink whose group was removed counts: in
    /// Flume its channel stays, too.
    fn assemble_channels(&self, mirrors: &[Vec<String>]) -> Vec<ChannelPlan> {
        let sinks = self.sinks.iter().filter_map(|sink| sink.plan.as_ref());
        let mut connected: BTreeSet<&str> = sinks.map(|sink| sink.channel.as_str()).collect();
        let sources = self
            .sources
            .iter()
            .filter_map(|source| source.plan.as_ref());
        connected.extend(sources.flat_map(SourcePlan::targets));
        let mut plans: Vec<ChannelPlan> = Vec::new();
        for draft in &self.channels {
            let Some(config) = draft.config else { continue };
            if !connected.contains(draft.name.as_str()) {
                continue;
            }
            let set = mirrors.iter().find(|set| set.contains(&draft.name));
            let mirror = set.and_then(|set| {
                let mut planned = plans.iter_mut();
                planned.find(|plan| plan.names.iter().any(|name| set.contains(name)))
            });
            match mirror {
                Some(plan) => {
                    plan.names.push(draft.name.clone());
                    plan.config = mirrors::narrowest(plan.config, config);
                }
                None => plans.push(ChannelPlan {
                    names: vec![draft.name.clone()],
                    config,
                }),
            }
        }
        plans
    }
}
