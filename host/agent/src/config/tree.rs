//! Keys become agents with components: `agent.kind = names` and `agent.kind.name.key = value`. The
//! keys for all policies of an agent have no name: `agent.policies.key = value`.
//!
//! Law: every property ends up in exactly one component's context, in the agent's policies or in a
//! diagnostic. Checks that need to know about a type of component come later.

use std::collections::BTreeMap;

use flume_core::context::{Context, Disclosure, Mode, Value, Word, did_you_mean, nearest};
use flume_core::{Code, Diagnostic, Severity, Span};

use super::{Property, judge};

mod commas;

/// The kinds of components, as they are written in keys, in the order in which events pass them.
pub(crate) const KINDS: [&str; 4] = ["sources", "channels", "sinks", "sinkgroups"];

/// Takes the place of a kind in the keys for all policies of an agent. Such keys alone do not make
/// an agent, since it would have nothing to do.
pub(crate) const POLICIES: &str = "policies";

/// The components of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentTree {
    /// The name, as for `-n`.
    pub name: String,
    /// Its first key.
    pub span: Span,
    /// Its sources.
    pub sources: KindTree,
    /// Its channels.
    pub channels: KindTree,
    /// Its sinks.
    pub sinks: KindTree,
    /// Groups of its sinks.
    pub sinkgroups: KindTree,
    /// The keys for all of its policies.
    pub policies: Context,
    /// Names of the other agents of the file.
    pub others: Vec<String>,
}

/// The components of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KindTree {
    /// The list of names, if the file has one.
    pub list: Option<Value>,
    /// The components with at least one key, listed or not, in the order of the file.
    pub described: Vec<Node>,
}

/// One component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its name.
    pub name: String,
    /// The place where it is listed, or else its first key.
    pub span: Span,
    /// Its keys.
    pub context: Context,
}

impl Node {
    /// The value of a key.
    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        let mut keys = self.context.iter();
        let value = keys.find(|(other, _)| *other == key);
        value.map(|(_, value)| value)
    }

    /// The number of words in the value of a key.
    pub(crate) fn words(&self, key: &str) -> usize {
        self.value(key).map_or(0, |value| value.words.len())
    }

    /// The value of a key; empty if there is none.
    pub(crate) fn text(&self, key: &str) -> String {
        let value = self.value(key);
        value.map_or_else(String::new, |value| value.text.clone())
    }
}

impl KindTree {
    /// The names of the list, each once.
    pub(crate) fn listed(&self) -> Vec<&Word> {
        let mut names: Vec<&Word> = Vec::new();
        for word in self.list.iter().flat_map(|list| &list.words) {
            if names.iter().all(|known| known.text != word.text) {
                names.push(word);
            }
        }
        names
    }

    /// The component of this name, if it has keys.
    pub(crate) fn node(&self, name: &str) -> Option<&Node> {
        self.described.iter().find(|node| node.name == name)
    }

    /// Whether a component of this kind is listed and described.
    fn has_any(&self) -> bool {
        self.described.iter().any(|node| self.lists(&node.name))
    }

    /// Whether the list has this name.
    pub(crate) fn lists(&self, name: &str) -> bool {
        self.listed().iter().any(|word| word.text == name)
    }
}

/// Sorts the properties of a file into the agents that `names` asks for (none means all). Findings
/// about other agents' properties are left out.
pub(crate) fn build(
    properties: Vec<Property>,
    names: &[String],
    mode: Mode,
) -> (Vec<AgentTree>, Vec<Diagnostic>) {
    let mut builder = TreeBuilder {
        mode,
        ..TreeBuilder::default()
    };
    let all = agents(&properties);
    builder.agents.clone_from(&all);
    builder.unknown_agents(names, &all);
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let mut properties = properties;
    properties.retain(|property| {
        let agent = property.key.split('.').next().unwrap_or_default();
        wanted(agent) || !all.iter().any(|known| known == agent)
    });
    for property in builder.last_of_each(properties) {
        builder.property(property);
    }
    let mut trees = builder.trees;
    for tree in &mut trees {
        tree.others = all
            .iter()
            .filter(|name| **name != tree.name)
            .cloned()
            .collect();
        check_lists(tree, &mut builder.diagnostics);
    }
    (trees, judge(mode, builder.diagnostics))
}

/// The names of the agents, in the order of the file: every name in front of a kind.
fn agents(properties: &[Property]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for property in properties {
        let mut parts = property.key.split('.');
        if let (Some(agent), Some(kind)) = (parts.next(), parts.next())
            && KINDS.contains(&kind)
            && !agent.is_empty()
            && !names.iter().any(|known| known == agent)
        {
            names.push(agent.to_owned());
        }
    }
    names
}

#[derive(Default)]
struct TreeBuilder {
    mode: Mode,
    /// The names of all agents of the file.
    agents: Vec<String>,
    trees: Vec<AgentTree>,
    diagnostics: Vec<Diagnostic>,
}

impl TreeBuilder {
    fn unknown_agents(&mut self, names: &[String], all: &[String]) {
        for name in names.iter().filter(|name| !all.contains(name)) {
            let candidates: Vec<&str> = all.iter().map(String::as_str).collect();
            let known = match candidates.as_slice() {
                [] => "the file has no agent".to_owned(),
                names => format!("the file has `{}`", names.join("`, `")),
            };
            let help = match did_you_mean(name, &candidates) {
                Some(guess) => format!("{guess} {known}"),
                None => known,
            };
            let message = format!("the file has no agent `{name}`");
            self.diagnostics
                .push(Diagnostic::new(Code::UnknownAgent, message).help(help));
        }
    }

    /// Of a duplicate key keeps the last, which is the one that counts, even if it has no value.
    fn last_of_each(&mut self, properties: Vec<Property>) -> Vec<Property> {
        let mut last: BTreeMap<String, usize> = BTreeMap::new();
        let mut kept: Vec<Option<Property>> = Vec::new();
        for property in properties {
            let first = last.insert(property.key.clone(), kept.len());
            let first = first.and_then(|at| kept.get_mut(at)?.take());
            if let Some(first) = first {
                self.diagnostics.push(twice(&first, &property));
            }
            kept.push(Some(property));
        }
        kept.into_iter().flatten().collect()
    }

    fn property(&mut self, property: Property) {
        let Property { key, mut value } = property;
        if value.text.is_empty() {
            // What needs the value says so itself.
            let message = format!("`{key}` has no value");
            let found = Diagnostic::new(Code::EmptyValue, message);
            let help = "give a value, or remove the line: an empty value counts as absent";
            self.diagnostics
                .push(found.at(&value.key_span, "no value").help(help));
            return;
        }
        let parts: Vec<&str> = key.splitn(4, '.').collect();
        if commas::is_list(&parts) && value.text.contains(',') {
            let (separated, found) = commas::separated(&key, &value);
            self.diagnostics.push(found);
            // Flume would take the commas for parts of names.
            if self.mode == Mode::Strict {
                value = separated;
            }
        }
        match parts.as_slice() {
            [agent, kind] if !agent.is_empty() && KINDS.contains(kind) => {
                if let Some(kind) = self.kind(agent, kind, value.key_span) {
                    kind.list = Some(value);
                }
            }
            [agent, kind, name, rest]
                if KINDS.contains(kind) && ![*agent, *name, *rest].contains(&"") =>
            {
                let path = format!("{agent}.{kind}.{name}");
                let context = Context::new(path, Some(value.key_span), self.mode);
                if let Some(kind) = self.kind(agent, kind, value.key_span) {
                    let at = kind.described.iter().position(|node| node.name == *name);
                    let node = at.unwrap_or_else(|| {
                        let name = (*name).to_owned();
                        kind.described.push(Node {
                            name,
                            span: value.key_span,
                            context,
                        });
                        kind.described.len() - 1
                    });
                    if let Some(node) = kind.described.get_mut(node) {
                        node.context.insert(*rest, value);
                    }
                }
            }
            [agent, POLICIES, ..] if !agent.is_empty() => self.policies(&key, agent, value),
            _ => self.misshapen(&key, &parts, &value),
        }
    }

    fn kind(&mut self, agent: &str, kind: &str, span: Span) -> Option<&mut KindTree> {
        let at = self
            .trees
            .iter()
            .position(|tree| tree.name == agent)
            .unwrap_or_else(|| {
                self.trees.push(AgentTree {
                    name: agent.to_owned(),
                    span,
                    sources: KindTree::default(),
                    channels: KindTree::default(),
                    sinks: KindTree::default(),
                    sinkgroups: KindTree::default(),
                    policies: Context::new(format!("{agent}.{POLICIES}"), Some(span), self.mode),
                    others: Vec::new(),
                });
                self.trees.len() - 1
            });
        let tree = self.trees.get_mut(at)?;
        match kind {
            "sources" => Some(&mut tree.sources),
            "channels" => Some(&mut tree.channels),
            "sinks" => Some(&mut tree.sinks),
            _ => Some(&mut tree.sinkgroups),
        }
    }

    /// A key for all policies of an agent. The agent must have components.
    fn policies(&mut self, key: &str, agent: &str, value: Value) {
        let prefix = agent.len() + POLICIES.len() + 2;
        let rest = key.get(prefix..).unwrap_or_default();
        let is_agent = self.agents.iter().any(|known| known == agent);
        let (message, help) = if rest.is_empty() {
            let message = format!("`{key}` alone is not a key");
            (
                message,
                format!("keys are `{agent}.{POLICIES}.directory` and limits"),
            )
        } else if !is_agent {
            let agents: Vec<&str> = self.agents.iter().map(String::as_str).collect();
            let help = did_you_mean(agent, &agents)
                .unwrap_or_else(|| format!("describe the agent `{agent}`, or remove the line"));
            (format!("`{agent}` has policies and no components"), help)
        } else {
            if self.kind(agent, "sources", value.key_span).is_some()
                && let Some(tree) = self.trees.iter_mut().find(|tree| tree.name == agent)
            {
                tree.policies.insert(rest, value);
            }
            return;
        };
        let found = Diagnostic::new(Code::InvalidKey, message).at(&value.key_span, "this key");
        self.diagnostics.push(found.help(help));
    }

    /// A key that is neither a list nor belongs to a component.
    fn misshapen(&mut self, key: &str, parts: &[&str], value: &Value) {
        let shapes = "keys are `agent.kind = names` or `agent.kind.name.key = value`, \
                      and kinds are `sources`, `channels`, `sinks` and `sinkgroups`; \
                      `agent.policies.key = value` holds for all policies";
        let mut is_meant = true;
        let (message, help) = match parts {
            [agent, "configfilters", ..] => {
                let message = format!("`{agent}.configfilters` is not supported");
                let help = "put secrets into variables and start with `--interpolate env`";
                let found = Diagnostic::new(Code::Unsupported, message);
                self.diagnostics
                    .push(found.at(&value.key_span, "config filter").help(help));
                return;
            }
            [_] | ["", ..] => {
                // `sources = r1` was meant for an agent, and a line of prose for nobody.
                is_meant = parts.iter().any(|part| nearest(part, &KINDS).is_some());
                (format!("`{key}` does not begin with an agent's name"), None)
            }
            [agent, kind, name] if KINDS.contains(kind) => {
                let text = Disclosure::default().shown(name, &value.text);
                let help = format!("did you mean `{agent}.{kind} = {text}`, ")
                    + &format!("or `{agent}.{kind}.{name}.type = {text}`?");
                (
                    format!("`{key}` names a component and no key of it"),
                    Some(help),
                )
            }
            [_, kind, ..] if KINDS.contains(kind) => {
                (format!("`{key}` has an empty name or key"), None)
            }
            [agent, kind, ..] => {
                let [sources, channels, sinks, sinkgroups] = KINDS;
                let kinds = [sources, channels, sinks, sinkgroups, POLICIES];
                let guess = did_you_mean(kind, &kinds);
                is_meant = guess.is_some() || is_kind(agent);
                (
                    format!("`{agent}` has no kind of components called `{kind}`"),
                    guess,
                )
            }
            [] => return,
        };
        let found = Diagnostic::new(Code::InvalidKey, message).at(&value.key_span, "this key");
        let mut found = found.help(help.unwrap_or_else(|| shapes.to_owned()));
        if !is_meant {
            found.severity = Severity::Warning;
        }
        self.diagnostics.push(found);
    }
}

/// Whether a part of a key is a kind of components.
fn is_kind(part: &&str) -> bool {
    KINDS.contains(part)
}

/// A key that is there a second time. It is a mistake only if the two differ, and if one of them is
/// read.
fn twice(first: &Property, second: &Property) -> Diagnostic {
    let key = &second.key;
    let is_same = first.value.text == second.value.text;
    let (message, label) = match is_same {
        true => (
            format!("`{key}` is given twice, with the same value"),
            "again",
        ),
        false => (
            format!("`{key}` is given twice, with two values"),
            "this one would count",
        ),
    };
    let mut found = Diagnostic::new(Code::DuplicateKey, message)
        .at(&second.value.key_span, label)
        .related(&first.value.key_span, "first given here")
        .help("remove one of the two");
    let kind = key.split('.').nth(1).unwrap_or_default();
    if is_same || !(is_kind(&kind) || kind == POLICIES) {
        found.severity = Severity::Warning;
    }
    found
}

/// Orders nodes as in the lists, and compares the lists with the described components.
fn check_lists(tree: &mut AgentTree, diagnostics: &mut Vec<Diagnostic>) {
    let agent = tree.name.clone();
    let groups = tree.sinkgroups.described.iter();
    let groups: Vec<String> = groups.map(|node| node.name.clone()).collect();
    let kinds = [
        &mut tree.sources,
        &mut tree.channels,
        &mut tree.sinks,
        &mut tree.sinkgroups,
    ];
    for (name, kind) in KINDS.into_iter().zip(kinds) {
        let path = format!("{agent}.{name}");
        let listed: Vec<Word> = kind.listed().into_iter().cloned().collect();
        repeated(kind, &path, diagnostics);
        for word in &listed {
            match kind
                .described
                .iter_mut()
                .find(|node| node.name == word.text)
            {
                Some(node) => {
                    node.span = word.span;
                    node.context.set_span(word.span);
                }
                None => {
                    let is_group = name == "sinks" && groups.contains(&word.text);
                    let found = not_described(&path, word, kind);
                    diagnostics.push(match is_group {
                        true => found.help(format!(
                            "`{0}` is a sink group: only `{agent}.sinkgroups` lists it, and \
                             `{agent}.sinks` its sinks",
                            word.text
                        )),
                        false => found,
                    });
                }
            }
        }
        let listed: Vec<&str> = listed.iter().map(|word| word.text.as_str()).collect();
        for node in &kind.described {
            // An agent without channels is a separate finding, reported by the plan.
            let is_listed = listed.contains(&node.name.as_str());
            if !is_listed && (kind.list.is_some() || name != "channels") {
                diagnostics.push(not_listed(&path, node, kind));
            }
        }
    }
}

fn repeated(kind: &KindTree, path: &str, diagnostics: &mut Vec<Diagnostic>) {
    let words = kind.list.iter().flat_map(|list| &list.words);
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for word in words {
        if let Some(first) = seen.insert(&word.text, word.span) {
            let message = format!("`{path}` lists `{}` twice", word.text);
            let found = Diagnostic::new(Code::DuplicateName, message)
                .at(&word.span, "again")
                .related(&first, "first here");
            diagnostics.push(found.help("remove one of the two"));
        }
    }
}

/// Flume goes on without it, so this is a mistake only where another name was meant, or where no name
/// of the list means anything.
fn not_described(path: &str, word: &Word, kind: &KindTree) -> Diagnostic {
    let unlisted = kind.described.iter().filter(|node| !kind.lists(&node.name));
    let unlisted: Vec<&str> = unlisted.map(|node| node.name.as_str()).collect();
    let name = &word.text;
    let guess = did_you_mean(name, &unlisted);
    let is_left_out = guess.is_none() && kind.has_any();
    let help = guess
        .unwrap_or_else(|| format!("describe it (`{path}.{name}.… = …`), or take it off the list"));
    let message = format!("`{path}` lists `{name}`, which has no properties");
    let label = format!("no key begins with `{path}.{name}.`");
    let mut found = Diagnostic::new(Code::NotDescribed, message)
        .at(&word.span, label)
        .help(help);
    if is_left_out {
        found.severity = Severity::Warning;
    }
    found
}

/// Many files choose by the list what runs. It is no choice if there is no list, if no name of it
/// means anything, or if the list has a name that is nearly the same.
fn not_listed(path: &str, node: &Node, kind: &KindTree) -> Diagnostic {
    let empty: Vec<&Word> = kind.listed();
    let empty = empty
        .into_iter()
        .filter(|word| kind.node(&word.text).is_none());
    let empty: Vec<&str> = empty.map(|word| word.text.as_str()).collect();
    let name = &node.name;
    let guess = did_you_mean(name, &empty);
    let is_choice = guess.is_none() && kind.has_any();
    let help = match (&kind.list, guess) {
        (_, Some(guess)) => guess,
        (Some(list), None) => format!("write `{path} = {} {name}`", list.text),
        (None, None) => format!("add `{path} = {name}`"),
    };
    let message = format!("`{path}.{name}` is described and not listed, so it does not run");
    let mut found = Diagnostic::new(Code::NotListed, message).at(&node.span, "not in the list");
    if is_choice {
        found.severity = Severity::Warning;
    }
    match &kind.list {
        Some(list) => found.related(&list.span, "the list").help(help),
        None => found.help(help),
    }
}

#[cfg(test)]
mod tests;
