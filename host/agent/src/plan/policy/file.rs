//! Files of policies: which keys name one, where it is looked for, and what an agent says about all.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use flume_core::context::{Context, Value};
use flume_policy::Limits;

use super::at_start::{self, AtStart};
use super::choice::{chosen, is_balanced};
use super::trials::{Folder, Trials};
use crate::config::AgentTree;
use crate::config::tree::Node;
use crate::plan::Setting;
use crate::plan::finding::{Found, problems};

/// Whether a `type` or `selector` names the file of a policy.
pub(crate) fn is_policy(text: &str) -> bool {
    let extension = Path::new(text).extension();
    extension.is_some_and(|end| {
        ["wasm", "wat"]
            .iter()
            .any(|known| end.eq_ignore_ascii_case(known))
    })
}

/// What an agent says about all of its policies, besides their limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentKeys {
    /// The folder that they have to be in.
    pub(crate) directory: Option<Value>,
    /// What becomes of the agent if one of them cannot be used.
    pub(crate) at_start: AtStart,
}

/// Reads what an agent says about all of its policies. Of the limits only what is wrong with them is
/// kept.
pub(crate) fn agent_keys(context: &mut Context) -> AgentKeys {
    let keys = AgentKeys {
        directory: context.value("directory"),
        at_start: AtStart::read(context),
    };
    Limits::configure(context);
    keys
}

/// Where a policy is said to be.
#[derive(Debug, Clone)]
pub(in crate::plan) struct PolicyPath {
    /// As it was written, with its place.
    pub(in crate::plan) value: Value,
    /// Where the file is looked for.
    pub(in crate::plan) path: PathBuf,
    /// Whether the command line says so.
    pub(in crate::plan) is_chosen: bool,
}

/// What holds for all policies of an agent.
pub(in crate::plan) struct AgentPolicies<'t> {
    pub(super) tree: &'t AgentTree,
    pub(super) setting: Setting<'t>,
    /// Nothing outside of it may be loaded.
    pub(super) directory: Option<PathBuf>,
    /// Default limits, by key.
    pub(super) limits: Context,
    /// What the stages leave to be tried out.
    pub(super) trials: RefCell<Trials>,
}

impl<'t> AgentPolicies<'t> {
    /// Reads the keys `agent.policies.…`. Relative paths begin at the folder of the file.
    pub(in crate::plan) fn read(tree: &'t AgentTree, setting: Setting<'t>) -> Found<Self> {
        let keys = &tree.policies;
        let mut context = keys.clone();
        context.set_ours();
        let AgentKeys {
            directory,
            at_start,
        } = agent_keys(&mut context);
        let folder = directory.map(|value| Folder {
            path: setting.folder.join(&value.text),
            key: format!("{}.directory", keys.path()),
            span: value.span,
        });
        Found {
            value: Self {
                tree,
                setting,
                directory: folder.as_ref().map(|folder| folder.path.clone()),
                limits: keys.without(|key| matches!(key, "directory" | at_start::KEY)),
                trials: RefCell::new(Trials::new(&tree.name, at_start, folder)),
            },
            findings: problems(context.finish()).collect(),
        }
    }

    /// All that is to be tried out before the agent may start.
    pub(in crate::plan) fn into_trials(self) -> Trials {
        self.trials.into_inner()
    }

    /// Where the file of a key's value is. Relative paths begin at the agent's own folder of
    /// policies, or else at that of the configuration file.
    pub(in crate::plan) fn path(&self, value: Value) -> PolicyPath {
        let folder = self.directory.as_deref().unwrap_or(self.setting.folder);
        PolicyPath {
            path: folder.join(&value.text),
            value,
            is_chosen: false,
        }
    }

    /// The policy that orders a group's sinks, as the command line or the file says.
    pub(in crate::plan) fn of_group(&self, group: &Node) -> Option<PolicyPath> {
        if !is_balanced(group) {
            return None;
        }
        let choices = self.setting.choices;
        if let Some(path) = chosen(choices, &self.tree.name, &group.name) {
            let text = path.display().to_string();
            return Some(PolicyPath {
                value: Value::new(text, group.span, group.span),
                path: path.to_owned(),
                is_chosen: true,
            });
        }
        let value = group.value("processor.selector");
        let value = value.filter(|value| is_policy(&value.text))?;
        Some(self.path(value.clone()))
    }

    /// Whether a group with a policy has this sink, so that the sink may carry keys for it.
    pub(in crate::plan) fn reads_keys_of(&self, sink: &str) -> bool {
        let groups = &self.tree.sinkgroups;
        let listed = groups.listed().into_iter();
        let mut nodes = listed.filter_map(|word| groups.node(&word.text));
        let lists = |node: &&Node| {
            let sinks = node.value("sinks");
            sinks.is_some_and(|sinks| sinks.words.iter().any(|word| word.text == sink))
        };
        // Of several groups that list it, the first one has it.
        let group = nodes.find(lists);
        let has_shadow = |group: &Node| group.value("processor.shadow").is_some();
        group.is_some_and(|group| self.of_group(group).is_some() || has_shadow(group))
    }

    /// The limits of one place: its own keys `policy.…`, then the agent's, then the defaults.
    pub(in crate::plan) fn limits_of(&self, keys: &mut Context) -> Limits {
        let mut own = keys.below("policy");
        own.set_ours();
        let mut all = self.limits.clone();
        for (key, value) in own.iter() {
            all.insert(key, value.clone());
        }
        Limits::configure(&mut own);
        keys.adopt(own);
        // What is wrong with the agent's limits was said once, where they were read.
        Limits::configure(&mut all)
    }
}
