//! Keys become agents with components: `agent.kind = names` and `agent.kind.name.key = value`.
//! What an agent says about all of its policies has no names: `agent.policies.key = value`.
//!
//! Law: every property ends up in exactly one component's context, in the agent's policies or in a
//! diagnostic. Nothing is checked here that needs to know what a component is.

use std::collections::BTreeMap;

use flume_core::context::{Context, Mode, Value, Word, did_you_mean};
use flume_core::{Code, Diagnostic, Span};

use super::{Property, judge};

/// The kinds of components, as keys spell them, in the order of an agent's life.
pub const KINDS: [&str; 4] = ["sources", "channels", "sinks", "sinkgroups"];

/// What stands in the place of a kind for the keys about all policies of an agent. It makes no
/// agent: one that has only such keys has nothing to do.
pub const POLICIES: &str = "policies";

/// The components of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentTree {
    /// The name that `-n` gives.
    pub name: String,
    /// Its first key.
    pub span: Span,
    /// What fills its channels.
    pub sources: Kind,
    /// Its channels.
    pub channels: Kind,
    /// What drains its channels.
    pub sinks: Kind,
    /// Groups of its sinks.
    pub sinkgroups: Kind,
    /// What holds for all of its policies.
    pub policies: Context,
    /// Names of the other agents of the file.
    pub others: Vec<String>,
}

/// The components of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kind {
    /// The list of names, if there is one.
    pub list: Option<Value>,
    /// The components with at least one key, listed or not, in the order of the file.
    pub described: Vec<Node>,
}

/// One component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Where it is listed, or else its first key.
    pub span: Span,
    /// Its keys.
    pub context: Context,
}

impl Node {
    /// The value of a key.
    pub fn value(&self, key: &str) -> Option<&Value> {
        let mut keys = self.context.iter();
        let value = keys.find(|(other, _)| *other == key);
        value.map(|(_, value)| value)
    }

    /// How many words the value of a key has.
    pub fn words(&self, key: &str) -> usize {
        self.value(key).map_or(0, |value| value.words.len())
    }

    /// The value of a key; empty if there is none.
    pub fn text(&self, key: &str) -> String {
        let value = self.value(key);
        value.map_or_else(String::new, |value| value.text.clone())
    }
}

impl Kind {
    /// The names of the list, each once.
    pub fn listed(&self) -> Vec<&Word> {
        let mut names: Vec<&Word> = Vec::new();
        for word in self.list.iter().flat_map(|list| &list.words) {
            if names.iter().all(|known| known.text != word.text) {
                names.push(word);
            }
        }
        names
    }

    /// The component of this name, if it has keys.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.described.iter().find(|node| node.name == name)
    }

    /// Whether the list has this name.
    pub fn lists(&self, name: &str) -> bool {
        self.listed().iter().any(|word| word.text == name)
    }
}

/// Sorts the properties of a file into the agents that `names` asks for (none means all). Findings
/// about other agents' properties are left out.
pub fn build(
    properties: Vec<Property>,
    names: &[String],
    mode: Mode,
) -> (Vec<AgentTree>, Vec<Diagnostic>) {
    let mut builder = Builder {
        mode,
        ..Builder::default()
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

/// The names of the agents, in the order of the file: whatever stands before a kind.
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
struct Builder {
    mode: Mode,
    /// The names of all agents of the file.
    agents: Vec<String>,
    trees: Vec<AgentTree>,
    diagnostics: Vec<Diagnostic>,
}

impl Builder {
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

    /// Of a doubled key the last, which is what counts, also if it has no value.
    fn last_of_each(&mut self, properties: Vec<Property>) -> Vec<Property> {
        let mut last: BTreeMap<String, usize> = BTreeMap::new();
        let mut kept: Vec<Option<Property>> = Vec::new();
        for property in properties {
            let first = last.insert(property.key.clone(), kept.len());
            let first = first.and_then(|at| kept.get_mut(at)?.take());
            if let Some(first) = first {
                let message = format!("`{}` is given twice", property.key);
                let found = Diagnostic::new(Code::DuplicateKey, message)
                    .at(&property.value.key_span, "this one would count")
                    .related(&first.value.key_span, "given here before");
                self.diagnostics.push(found.help("remove one of the two"));
            }
            kept.push(Some(property));
        }
        kept.into_iter().flatten().collect()
    }

    fn property(&mut self, property: Property) {
        let Property { key, value } = property;
        if value.text.is_empty() {
            let message = format!("`{key}` has no value");
            let found = Diagnostic::new(Code::EmptyValue, message);
            let help = "give a value, or remove the line: an empty value counts as absent";
            self.diagnostics
                .push(found.at(&value.key_span, "no value").help(help));
            return;
        }
        let parts: Vec<&str> = key.splitn(4, '.').collect();
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

    fn kind(&mut self, agent: &str, kind: &str, span: Span) -> Option<&mut Kind> {
        let at = self
            .trees
            .iter()
            .position(|tree| tree.name == agent)
            .unwrap_or_else(|| {
                self.trees.push(AgentTree {
                    name: agent.to_owned(),
                    span,
                    sources: Kind::default(),
                    channels: Kind::default(),
                    sinks: Kind::default(),
                    sinkgroups: Kind::default(),
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

    /// A key about all policies of an agent, which components have to have made.
    fn policies(&mut self, key: &str, agent: &str, value: Value) {
        let prefix = agent.len() + POLICIES.len() + 2;
        let rest = key.get(prefix..).unwrap_or_default();
        let is_agent = self.agents.iter().any(|known| known == agent);
        let (message, help) = if rest.is_empty() {
            let message = format!("`{key}` is no key of `{agent}.{POLICIES}`");
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

    /// A key that is neither a list nor a component's.
    fn misshapen(&mut self, key: &str, parts: &[&str], value: &Value) {
        let shapes = "keys are `agent.kind = names` or `agent.kind.name.key = value`, \
                      and kinds are `sources`, `channels`, `sinks` and `sinkgroups`; \
                      `agent.policies.key = value` holds for all policies";
        let (message, help) = match parts {
            [agent, "configfilters", ..] => {
                let message = format!("`{agent}.configfilters` is not supported");
                let help = "put secrets into variables and start with `--interpolate env`";
                let found = Diagnostic::new(Code::Unsupported, message);
                self.diagnostics
                    .push(found.at(&value.key_span, "config filter").help(help));
                return;
            }
            [_] | ["", ..] => (format!("`{key}` does not begin with an agent's name"), None),
            [agent, kind, name] if KINDS.contains(kind) => {
                let help = format!("did you mean `{agent}.{kind} = {}`, ", value.text)
                    + &format!("or `{agent}.{kind}.{name}.type = {}`?", value.text);
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
                (
                    format!("`{agent}` has no kind of components called `{kind}`"),
                    guess,
                )
            }
            [] => return,
        };
        let found = Diagnostic::new(Code::InvalidKey, message).at(&value.key_span, "this key");
        self.diagnostics
            .push(found.help(help.unwrap_or_else(|| shapes.to_owned())));
    }
}

/// Puts nodes to their places in the lists, and compares what is listed with what is described.
fn check_lists(tree: &mut AgentTree, diagnostics: &mut Vec<Diagnostic>) {
    let agent = tree.name.clone();
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
                None => diagnostics.push(not_described(&path, word, kind)),
            }
        }
        let listed: Vec<&str> = listed.iter().map(|word| word.text.as_str()).collect();
        for node in &kind.described {
            // An agent without channels is one finding of its own, made by the plan.
            let is_listed = listed.contains(&node.name.as_str());
            if !is_listed && (kind.list.is_some() || name != "channels") {
                diagnostics.push(not_listed(&path, node, kind));
            }
        }
    }
}

fn repeated(kind: &Kind, path: &str, diagnostics: &mut Vec<Diagnostic>) {
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

fn not_described(path: &str, word: &Word, kind: &Kind) -> Diagnostic {
    let unlisted = kind.described.iter().filter(|node| !kind.lists(&node.name));
    let unlisted: Vec<&str> = unlisted.map(|node| node.name.as_str()).collect();
    let name = &word.text;
    let help = did_you_mean(name, &unlisted)
        .unwrap_or_else(|| format!("describe it (`{path}.{name}.… = …`), or take it off the list"));
    let message = format!("`{path}` lists `{name}`, which has no properties");
    let label = format!("no key begins with `{path}.{name}.`");
    Diagnostic::new(Code::NotDescribed, message)
        .at(&word.span, label)
        .help(help)
}

fn not_listed(path: &str, node: &Node, kind: &Kind) -> Diagnostic {
    let empty: Vec<&Word> = kind.listed();
    let empty = empty
        .into_iter()
        .filter(|word| kind.node(&word.text).is_none());
    let empty: Vec<&str> = empty.map(|word| word.text.as_str()).collect();
    let name = &node.name;
    let help = match (&kind.list, did_you_mean(name, &empty)) {
        (_, Some(guess)) => guess,
        (Some(list), None) => format!("write `{path} = {} {name}`", list.text),
        (None, None) => format!("add `{path} = {name}`"),
    };
    let message = format!("`{path}.{name}` is described and not listed, so it would not run");
    let found = Diagnostic::new(Code::NotListed, message).at(&node.span, "not in the list");
    match &kind.list {
        Some(list) => found.related(&list.span, "the list").help(help),
        None => found.help(help),
    }
}

#[cfg(test)]
mod tests;
