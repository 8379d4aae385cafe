//! The fourth stage: the sink groups of an agent, each with its sinks and its processor.

use flume_core::context::{Context, Word, did_you_mean};
use flume_core::sink_processor::{self, Group, ProcessorRecipe, ProcessorType};
use flume_core::{Code, Diagnostic, Span};

use super::finding::{Finding, Found, problems};
use super::policy::file::{AgentPolicies, PolicyPath};
use super::policy::{OrderedGroup, seed};
use super::sinks::Sinks;
use super::traces::{self, Refused};
use super::{GroupPlan, RecordPlan, SelectorPlan, Setting, Written};
use crate::config::AgentTree;
use crate::config::tree::Node;

/// A listed group that has keys.
pub(super) struct ListedGroup {
    pub(super) name: String,
    pub(super) span: Span,
    /// Its sinks that count, with the place where each is listed.
    pub(super) members: Vec<Word>,
    /// The type of its processor.
    pub(super) kind: Option<&'static ProcessorType>,
    /// Whether mirrored channels may be treated as one.
    pub(super) mirrored: bool,
    /// What runs.
    pub(super) plan: Option<GroupPlan>,
    /// Whether it counts for later stages.
    pub(super) counts: bool,
}

/// Reads all of them.
pub(super) fn read(
    tree: &AgentTree,
    setting: Setting<'_>,
    policies: &AgentPolicies<'_>,
    sinks: &Sinks,
) -> Found<Vec<ListedGroup>> {
    let reader = Reader {
        tree,
        setting,
        policies,
        sinks,
    };
    let mut findings = Vec::new();
    let mut groups = Vec::new();
    for word in tree.sinkgroups.listed() {
        if let Some(node) = tree.sinkgroups.node(&word.text) {
            let group = reader.group(node, &groups).note(&mut findings);
            groups.push(group);
        }
    }
    Found {
        value: groups,
        findings,
    }
}

/// What the keys below `processor.` say.
struct Processor {
    kind: &'static ProcessorType,
    mirrored: bool,
    made: Option<Made>,
}

/// A processor that can be made.
struct Made {
    recipe: ProcessorRecipe,
    policy: Option<SelectorPlan>,
    shadow: Option<SelectorPlan>,
    record: Option<RecordPlan>,
}

/// What a group is read with.
struct Reader<'a> {
    tree: &'a AgentTree,
    setting: Setting<'a>,
    policies: &'a AgentPolicies<'a>,
    sinks: &'a Sinks,
}

impl Reader<'_> {
    fn group(&self, node: &Node, earlier: &[ListedGroup]) -> Found<ListedGroup> {
        let mut context = node.context.clone();
        let path = context.path().to_owned();
        let lacks_sinks = context.required("sinks").is_none();
        let members = self.members(&mut context, earlier);
        let mut keys = context.below("processor");
        let file = self.policies.of_group(node);
        if let Some(file) = file.as_ref().filter(|file| file.is_chosen) {
            keys.insert("selector", file.value.clone());
        }
        let ordered = self.ordered(node, &members);
        let processor = self.processor(&mut context, &keys, (&ordered, file), (&members, earlier));
        let disclosure = context.disclosure().below("processor");
        let mut findings: Vec<Finding> = problems(context.finish()).collect();
        if lacks_sinks {
            let reason = format!("Flume gives up on a file with a group without `sinks`: `{path}`");
            findings.push(Finding::Fatal { reason });
        }

        let sinks = members.iter().map(|name| {
            let sink = self.sinks.find(&name.text);
            sink.and_then(|sink| sink.plan.clone()).ok_or(name)
        });
        // Flume notices only now that a sink which passed validation could not be made.
        let sinks: Result<Vec<_>, _> = sinks.collect();
        let (kind, mirrored) = processor
            .as_ref()
            .map_or((None, false), |read| (Some(read.kind), read.mirrored));
        let made = processor.and_then(|processor| processor.made);
        let why = match (&sinks, &made) {
            _ if members.is_empty() => Some("none of its sinks is left"),
            (Err(_), _) => Some("one of its sinks could not be made"),
            (Ok(_), None) => Some("its processor is refused, and so its sinks do not run either"),
            (Ok(_), Some(_)) => None,
        };
        if let Err(broken) = &sinks {
            let reason = "Flume starts nothing if a sink of a group could not be made";
            let reason = format!("{reason}: `{}` of `{path}`", broken.text);
            findings.push(Finding::Fatal { reason });
        }
        let span = node.span;
        findings.extend(why.map(|why| Finding::Dropped { path, span, why }));
        let plan = sinks.ok().zip(made).filter(|_| why.is_none());
        let plan = plan.map(|(sinks, made)| GroupPlan {
            name: node.name.clone(),
            declared: true,
            sinks,
            processor: made.recipe,
            keys: Written::new(
                keys.without(|key| matches!(key, "parallelism" | "mirrored" | "sinks")),
                disclosure,
            ),
            policy: made.policy,
            shadow: made.shadow,
            record: made.record,
        });
        let value = ListedGroup {
            name: node.name.clone(),
            span,
            members,
            kind,
            mirrored,
            counts: self.setting.counts(plan.is_some()),
            plan,
        };
        Found { value, findings }
    }

    /// The sinks of a group that count, each once. Those that Flume's validation takes out may not,
    /// and a sink that an earlier group has is not among them.
    fn members(&self, context: &mut Context, earlier: &[ListedGroup]) -> Vec<Word> {
        let listed = self.tree.sinks.listed();
        let names: Vec<&str> = listed.iter().map(|word| word.text.as_str()).collect();
        let path = context.path().to_owned();
        let mut members: Vec<Word> = Vec::new();
        for word in context.words("sinks") {
            let text = &word.text;
            let mut used = earlier.iter().flat_map(|group| &group.members);
            let found = if members.iter().any(|member| member.text == *text) {
                let message = format!("`{path}.sinks` lists `{text}` twice");
                let found = Diagnostic::new(Code::DuplicateName, message);
                found.at(&word.span, "again").help("remove one of the two")
            } else if !names.contains(&text.as_str()) {
                let message = format!("sink group `{path}` lists `{text}`, which is not a sink");
                let label = format!("`{}.sinks` does not list `{text}`", self.tree.name);
                let all = match names.as_slice() {
                    [] => "the agent lists no sinks".to_owned(),
                    names => format!("the agent's sinks are `{}`", names.join("`, `")),
                };
                let help = did_you_mean(text, &names).unwrap_or(all);
                let found = Diagnostic::new(Code::UnknownSink, message);
                found.at(&word.span, label).help(help)
            } else if let Some(first) = used.find(|member| member.text == *text) {
                let message = format!("`{path}` lists the sink `{text}`, which another group has");
                Diagnostic::new(Code::GroupedTwice, message)
                    .at(&word.span, "the second group would lose it")
                    .related(&first.span, "in this group already")
                    .help("a sink can be in one group: describe another sink for this one")
            } else {
                // One without properties was found already, and Flume goes on without it.
                let sink = self.sinks.find(text);
                if sink.is_some_and(|sink| self.setting.counts(sink.valid)) {
                    members.push(word);
                }
                continue;
            };
            context.push(found);
        }
        members
    }

    /// The group for a policy that is to order its sinks.
    fn ordered<'a>(&'a self, node: &'a Node, members: &[Word]) -> OrderedGroup<'a> {
        let carried = members
            .iter()
            .map(|name| self.sinks.find(&name.text)?.carried.as_ref());
        let sinks: Option<Vec<_>> = carried.collect();
        OrderedGroup {
            node,
            sinks: sinks.unwrap_or_default(),
        }
    }

    /// The sink that takes events only while all others are in penalty.
    fn spare(&self, members: &[Word]) -> Option<String> {
        let is_spare = |name: &&Word| {
            let sink = self.sinks.find(&name.text);
            sink.is_some_and(|sink| sink.spill().is_some())
        };
        members.iter().find(is_spare).map(|name| name.text.clone())
    }

    /// Has the processor read its keys; `None` if there is no such type.
    fn processor(
        &self,
        context: &mut Context,
        keys: &Context,
        (group, file): (&OrderedGroup<'_>, Option<PolicyPath>),
        (members, earlier): (&[Word], &[ListedGroup]),
    ) -> Option<Processor> {
        let mut own = keys.clone();
        own.without_effect("sinks", "a group's sinks are in its own key `sinks`");
        let Some(kind) = sink_processor::TYPES.read(&mut own).known() else {
            own.accept_all();
            context.adopt(own);
            return None;
        };
        let listed = context.list("sinks");
        // As meant, the group has the sinks that it lists, unknown ones too.
        let sinks = if self.setting.reads_as_meant() && !listed.is_empty() {
            let is_described =
                |name: &&String| !self.tree.sinks.lists(name) || self.sinks.find(name).is_some();
            listed.iter().filter(is_described).cloned().collect()
        } else {
            members.iter().map(|word| word.text.clone()).collect()
        };
        let for_group = Group {
            sinks,
            listed,
            seed: seed(&self.tree.name, &group.node.name),
            has_policy: file.is_some(),
            spare: self.spare(members),
        };
        sink_processor::foreign_keys(&mut own, kind);
        let read = (kind.configure)(&mut own, &for_group);
        let mirrored = read.recipe.as_ref().is_some_and(|recipe| recipe.mirrored);
        let shadow = read.shadow.map_or(Ok(None), |value| {
            traces::shadow(self.policies, group, &mut own, value).map(Some)
        });
        let plans = earlier.iter().filter_map(|group| group.plan.as_ref());
        let records = plans.filter_map(|plan| Some((plan.name.as_str(), plan.record.as_ref()?)));
        let record = read.record.map_or(Ok(None), |plan| {
            traces::record(&mut own, plan, records).map(Some)
        });
        let policy = file.map_or(Ok(None), |file| {
            let plan = self.policies.selector_plan(group, &file, &mut own);
            plan.map(Some).ok_or(Refused)
        });
        context.adopt(own);
        let made = match (read.recipe, policy, shadow, record) {
            (Some(recipe), Ok(policy), Ok(shadow), Ok(record)) => Some(Made {
                recipe,
                policy,
                shadow,
                record,
            }),
            _ => None,
        };
        Some(Processor {
            kind,
            mirrored,
            made,
        })
    }
}
