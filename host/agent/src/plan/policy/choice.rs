//! Policies that the command line gives to groups: `--policy [AGENT/][GROUP=]FILE`.
//!
//! It replaces the group's key `processor.selector`; everything else that the file says about the
//! group stays. A choice that matches no group is an error and is not ignored: what runs would not
//! be what was asked for.

use std::path::{Path, PathBuf};

use flume_core::context::did_you_mean;
use flume_core::{Code, Diagnostic, Type, sink_processor};

use crate::config::AgentTree;
use crate::config::tree::Node;

/// One `--policy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PolicyChoice {
    /// As it was written.
    text: String,
    agent: Option<String>,
    group: Option<String>,
    /// The file. Relative paths begin at the working directory, unlike those of the file's keys.
    path: PathBuf,
}

impl PolicyChoice {
    /// Reads `FILE`, `GROUP=FILE` or `AGENT/GROUP=FILE`. A file whose path has `=` needs the
    /// second or third.
    ///
    /// # Errors
    /// A part is empty; says what to write.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (place, path) = match text.split_once('=') {
            Some((place, path)) => (Some(place), path),
            None => (None, text),
        };
        let (agent, group) = match place.map(|place| (place, place.split_once('/'))) {
            None => (None, None),
            Some((_, Some((agent, group)))) => (Some(agent), Some(group)),
            Some((group, None)) => (None, Some(group)),
        };
        if [agent, group, Some(path)].contains(&Some("")) {
            return Err("give FILE, GROUP=FILE or AGENT/GROUP=FILE".to_owned());
        }
        Ok(Self {
            text: text.to_owned(),
            agent: agent.map(str::to_owned),
            group: group.map(str::to_owned),
            path: PathBuf::from(path),
        })
    }

    fn matches(&self, agent: &str, group: &str) -> bool {
        let is = |wanted: &Option<String>, name| wanted.as_deref().is_none_or(|w| w == name);
        is(&self.agent, agent) && is(&self.group, group)
    }

    /// How narrowly the group is named.
    fn rank(&self) -> usize {
        usize::from(self.agent.is_some()) + usize::from(self.group.is_some())
    }
}

/// The file for a load-balancing group: the narrowest choice that matches it; of several, the last.
pub(crate) fn chosen<'c>(
    choices: &'c [PolicyChoice],
    agent: &str,
    group: &str,
) -> Option<&'c Path> {
    let matching = choices.iter().filter(|choice| choice.matches(agent, group));
    let choice = matching.max_by_key(|choice| choice.rank());
    choice.map(|choice| choice.path.as_path())
}

/// Whether a group may have a policy.
pub(crate) fn is_balanced(group: &Node) -> bool {
    is_balancing(&group.text("processor.type"))
}

/// Whether a processor of this type balances.
pub(crate) fn is_balancing(kind: &str) -> bool {
    let kind = sink_processor::TYPES.find(kind);
    kind.is_some_and(|kind| kind.can.selects)
}

/// Leaves an error for each choice that matches no load-balancing group of these agents.
pub(crate) fn unmatched(choices: &[PolicyChoice], trees: &[AgentTree]) -> Vec<Diagnostic> {
    let mut groups: Vec<(&str, &str)> = Vec::new();
    for tree in trees {
        let listed = tree.sinkgroups.listed().into_iter();
        let nodes = listed.filter_map(|word| tree.sinkgroups.node(&word.text));
        let balanced = nodes.filter(|node| is_balanced(node));
        groups.extend(balanced.map(|node| (tree.name.as_str(), node.name.as_str())));
    }
    let unmatched = choices.iter().filter(|choice| {
        let mut groups = groups.iter();
        !groups.any(|(agent, group)| choice.matches(agent, group))
    });
    unmatched.map(|choice| no_group(choice, &groups)).collect()
}

fn no_group(choice: &PolicyChoice, groups: &[(&str, &str)]) -> Diagnostic {
    let paths: Vec<String> = groups.iter().map(|(a, g)| format!("{a}/{g}")).collect();
    let balancing = sink_processor::TYPES.types.iter();
    let balancing = balancing.filter(|kind| kind.can.selects);
    let types = balancing.map(Type::name).collect::<Vec<_>>().join("`, `");
    let help = match paths.as_slice() {
        [] => format!("no group of the agents is of type `{types}`"),
        paths => {
            let there = format!("the `{types}` groups are `{}`", paths.join("`, `"));
            let names: Vec<&str> = groups.iter().map(|(_, group)| *group).collect();
            let guess = choice
                .group
                .as_ref()
                .and_then(|name| did_you_mean(name, &names));
            guess.map_or(there.clone(), |guess| format!("{guess} {there}"))
        }
    };
    let message = format!("`--policy {}` matches no group", choice.text);
    Diagnostic::new(Code::UnknownGroup, message).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(texts: &[&str]) -> Vec<PolicyChoice> {
        let parse = |text: &&str| PolicyChoice::parse(text).unwrap();
        texts.iter().map(parse).collect()
    }

    #[test]
    fn the_narrowest_choice_counts_and_of_several_the_last() {
        let all = choices(&["a2/g1=two.wasm", "all.wasm", "g1=one.wasm", "g1=b=c.wasm"]);
        let path = |agent, group| chosen(&all, agent, group).and_then(Path::to_str);
        assert_eq!(path("a2", "g1"), Some("two.wasm"));
        assert_eq!(path("a1", "g1"), Some("b=c.wasm"));
        assert_eq!(path("a1", "g2"), Some("all.wasm"));
        assert_eq!(chosen(&all[..1], "a1", "g1"), None);
    }

    #[test]
    fn parts_are_not_empty() {
        for text in ["", "=x.wasm", "g1=", "/g1=x.wasm", "a1/=x.wasm"] {
            assert!(PolicyChoice::parse(text).is_err(), "{text}");
        }
    }
}
