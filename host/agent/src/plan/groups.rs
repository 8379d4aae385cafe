//! The sink groups of an agent.

use std::collections::BTreeMap;

use flume_core::context::{Context, Mode, Word, did_you_mean};
use flume_core::sink_processor::{self, LoadBalancingProcessor};
use flume_core::{Code, Diagnostic, Severity, Span};

use super::agent::Draft;
use super::policy::{self, PolicyFile};
use super::{GroupPlan, RecordPlan, SelectorPlan, types};
use crate::config::tree::Node;

/// The most batches that a group may have under way: few enough that they fit into memory.
const MOST_PARALLEL: usize = 64;

/// A listed group that has keys.
pub(super) struct GroupDraft {
    pub(super) name: String,
    pub(super) span: Span,
    /// Its sinks. In lenient mode without those that Flume's validation takes out.
    pub(super) members: Vec<String>,
    /// The first name of its processor's type.
    pub(super) kind: Option<&'static str>,
    /// Whether mirrored channels may be treated as one.
    pub(super) mirrored: bool,
    /// What runs; its sinks are put in at the end.
    pub(super) plan: Option<GroupPlan>,
}

/// Reads all of them.
pub(super) fn read(draft: &mut Draft<'_>) {
    let tree = draft.tree;
    // The sinks that have a group already, with the place that says so.
    let mut used: BTreeMap<String, Span> = BTreeMap::new();
    for word in tree.sinkgroups.listed() {
        if let Some(node) = tree.sinkgroups.node(&word.text) {
            let group = draft.group(node, &mut used);
            draft.groups.push(group);
        }
    }
}

/// What was learned about a processor.
struct Processor {
    kind: Option<&'static str>,
    mirrored: bool,
    /// `None` if it cannot be made.
    parallelism: Option<usize>,
    policy: Option<SelectorPlan>,
    shadow: Option<SelectorPlan>,
    record: Option<RecordPlan>,
}

impl Draft<'_> {
    fn group(&mut self, node: &Node, used: &mut BTreeMap<String, Span>) -> GroupDraft {
        let mut context = node.context.clone();
        let path = context.path().to_owned();
        if context.required("sinks").is_none() {
            let reason = format!("Flume gives up on a file with a group without `sinks`: `{path}`");
            self.fatal.push(reason);
        }
        let members = self.members(&mut context, used);
        let mut keys = context.below("processor");
        let file = self.policy_of(node);
        if let Some(file) = file.as_ref().filter(|file| file.is_chosen) {
            keys.insert("selector", file.value.clone());
        }
        let processor = self.processor(&mut context, &keys, &members, (node, file));
        self.diagnostics.extend(context.finish());

        let runs = |name: &str| {
            let mut sinks = self.sinks.iter();
            sinks.any(|sink| sink.name == name && sink.plan.is_some())
        };
        // Flume notices only now that a sink which passed validation could not be made.
        let broken = members.iter().find(|name| !runs(name)).cloned();
        let why = match (&broken, processor.parallelism) {
            _ if members.is_empty() => Some("none of its sinks is left"),
            (Some(_), _) => Some("one of its sinks could not be made"),
            (None, None) => Some("its processor is refused, and so its sinks do not run either"),
            (None, Some(_)) => None,
        };
        if let Some(sink) = broken {
            let reason = "Flume starts nothing if a sink of a group could not be made";
            self.fatal.push(format!("{reason}: `{sink}` of `{path}`"));
        }
        if let Some(why) = why {
            self.dropped(&path, node.span, why);
        }
        let parallelism = processor.parallelism.filter(|_| why.is_none());
        let plan = parallelism.map(|parallelism| GroupPlan {
            name: node.name.clone(),
            declared: true,
            sinks: Vec::new(),
            processor: keys.without(|key| matches!(key, "parallelism" | "mirrored" | "sinks")),
            policy: processor.policy,
            shadow: processor.shadow,
            record: processor.record,
            parallelism,
        });
        GroupDraft {
            name: node.name.clone(),
            span: node.span,
            members,
            kind: processor.kind,
            mirrored: processor.mirrored,
            plan,
        }
    }

    /// The sinks of a group, each once. A sink that an earlier group has is not among them, nor in
    /// lenient mode one that Flume's validation takes out.
    fn members(&self, context: &mut Context, used: &mut BTreeMap<String, Span>) -> Vec<String> {
        let listed = self.tree.sinks.listed();
        let names: Vec<&str> = listed.iter().map(|word| word.text.as_str()).collect();
        let path = context.path().to_owned();
        let mut members: Vec<String> = Vec::new();
        for Word { text, span } in context.words("sinks") {
            let passes = || {
                let mut sinks = self.sinks.iter();
                sinks.any(|sink| sink.name == text && sink.valid)
            };
            let found = if members.contains(&text) {
                let message = format!("`{path}.sinks` lists `{text}` twice");
                let found = Diagnostic::new(Code::DuplicateName, message);
                found.at(&span, "again").help("remove one of the two")
            } else if !names.contains(&text.as_str()) {
                let message = format!("sink group `{path}` lists `{text}`, which is not a sink");
                let label = format!("`{}.sinks` does not list `{text}`", self.tree.name);
                let help = did_you_mean(&text, &names)
                    .unwrap_or_else(|| format!("the agent's sinks are `{}`", names.join("`, `")));
                let found = Diagnostic::new(Code::UnknownSink, message);
                found.at(&span, label).help(help)
            } else if let Some(first) = used.get(&text) {
                let message = format!("`{path}` lists the sink `{text}`, which another group has");
                Diagnostic::new(Code::GroupedTwice, message)
                    .at(&span, "the second group would lose it")
                    .related(first, "in this group already")
                    .help("a sink can be in one group: describe another sink for this one")
            } else {
                if self.counts(passes()) {
                    used.insert(text.clone(), span);
                    members.push(text);
                }
                continue;
            };
            context.push(found);
        }
        members
    }

    /// Has the processor read its keys.
    fn processor(
        &self,
        context: &mut Context,
        keys: &Context,
        members: &[String],
        (group, file): (&Node, Option<PolicyFile>),
    ) -> Processor {
        let mut processor = Processor {
            kind: None,
            mirrored: false,
            parallelism: None,
            policy: None,
            shadow: None,
            record: None,
        };
        let mut own = keys.clone();
        own.without_effect("sinks", "a group's sinks are in its own key `sinks`");
        let name = own.required("type");
        let kind = name.as_ref().and_then(|name| sink_processor::find(name));
        if let Some(kind) = kind {
            processor.kind = kind.names.first().copied();
            let words = context.list("sinks");
            processor.mirrored = mirrored(&mut own, processor.kind, &words);
            // Strict mode counts the sinks as meant, broken ones too.
            let meant = self.mode == Mode::Strict && !words.is_empty();
            let sinks = if meant { words.as_slice() } else { members };
            let parallelism = parallelism(&mut own, processor.kind, sinks.len());
            let shadow = self.shadow(group, &mut own, processor.kind, members);
            let record = self.record(&mut own, processor.kind);
            let made = match &file {
                Some(file) => {
                    let native = policy::fallback(&mut own, sinks.len(), 0);
                    processor.policy = self.selector_plan(group, file, &mut own, members);
                    let made = native.and_then(|native| {
                        LoadBalancingProcessor::with_selector(&mut own, sinks, native)
                    });
                    made.is_some() && processor.policy.is_some()
                }
                None => {
                    without_policy(&mut own, processor.kind);
                    (kind.configure)(&mut own, sinks, 0).is_some()
                }
            };
            let made = made && shadow.is_ok() && record.is_ok();
            processor.shadow = shadow.unwrap_or_default();
            processor.record = record.unwrap_or_default();
            processor.parallelism = made.then_some(parallelism);
        } else {
            if let Some(name) = name {
                let all = sink_processor::PROCESSORS.iter();
                let all: Vec<&str> = all.filter_map(|kind| kind.names.first()).copied().collect();
                types::unknown(&mut own, "sink processor", &name, &all, &[]);
            }
            own.accept_all();
        }
        context.adopt(own);
        processor
    }
}

/// What a balanced group says about a policy that it does not have changes nothing.
fn without_policy(context: &mut Context, kind: Option<&str>) {
    if kind != Some("load_balance") {
        return;
    }
    let is_limit = |key: &&str| key.starts_with("policy.");
    let limits = context.iter().map(|(key, _)| key).filter(is_limit);
    let limits: Vec<String> = limits.map(str::to_owned).collect();
    for key in limits {
        context.without_effect(&key, "only a policy as `selector` has limits");
    }
    context.without_effect("fallback", "only a policy as `selector` needs one");
}

/// Whether mirrored channels are wanted. `words` are all sinks of the group: one that was taken
/// out may keep its priority.
fn mirrored(context: &mut Context, kind: Option<&str>, words: &[String]) -> bool {
    const KEY: &str = "mirrored";
    if kind != Some("failover") {
        context.without_effect(KEY, "only `failover` looks for mirrored channels");
        return false;
    }
    for name in words {
        context.accept(&format!("priority.{name}"));
    }
    own_keys(context, kind).0
}

/// Reads what this host adds to Flume's keys of a processor: for `failover` whether mirrored
/// channels are wanted, for `load_balance` how many batches may be under way.
pub(crate) fn own_keys(context: &mut Context, kind: Option<&str>) -> (bool, usize) {
    let meanings = [("auto", true), ("false", false)];
    match kind {
        Some("failover") => {
            let mirrored = context.one_of("mirrored", "auto", &meanings);
            (mirrored.unwrap_or(false), 1)
        }
        Some("load_balance") => {
            let most = 1..=MOST_PARALLEL;
            (false, context.number_or_default("parallelism", 1, most))
        }
        _ => (false, 1),
    }
}

fn parallelism(context: &mut Context, kind: Option<&str>, sinks: usize) -> usize {
    const KEY: &str = "parallelism";
    if kind != Some("load_balance") {
        context.without_effect(KEY, "only `load_balance` uses several sinks at once");
        return 1;
    }
    let (_, parallelism) = own_keys(context, kind);
    if parallelism > sinks.max(1)
        && let Some(value) = context.value(KEY)
    {
        let path = context.path();
        let message = format!("`{path}.{KEY}` is {parallelism}, and the group has {sinks} sinks");
        let found = Diagnostic::new(Code::OutOfRange, message);
        let mut found = found
            .at(&value.span, "more than sinks")
            .help(format!("a sink has one batch at a time: write {sinks}"));
        found.severity = Severity::Warning;
        context.push(found);
    }
    parallelism
}
