//! The first stage: the channels of an agent.

use std::sync::Arc;

use flume_components::channel;
use flume_core::context::did_you_mean;
use flume_core::registry::Named;
use flume_core::{ChannelRecipe, Code, Context, Diagnostic, Span};

use super::Setting;
use super::finding::{Finding, Found, problems};
use crate::config::AgentTree;
use crate::config::tree::Node;

/// The channels of an agent, for those who name them.
pub(super) struct Channels<'t> {
    tree: &'t AgentTree,
    /// Those that are listed and have keys, in the order of the list.
    pub(super) all: Vec<ListedChannel>,
}

/// A listed channel that has keys.
pub(super) struct ListedChannel {
    pub(super) name: String,
    pub(super) span: Span,
    /// Whether it has a type: what Flume's validation asks of a channel.
    pub(super) valid: bool,
    /// The first name of its type, and what it is made from, if it runs.
    pub(super) made: Option<(&'static str, Arc<dyn ChannelRecipe>)>,
    /// Whether it counts for later stages.
    pub(super) counts: bool,
}

/// Reads all of them.
pub(super) fn read<'t>(tree: &'t AgentTree, setting: Setting<'_>) -> Found<Channels<'t>> {
    let mut findings = Vec::new();
    let listed = tree.channels.listed().into_iter();
    let nodes = listed.filter_map(|word| tree.channels.node(&word.text));
    let all = nodes.map(|node| channel(node, setting, &mut findings));
    let all: Vec<ListedChannel> = all.collect();
    findings.extend(shared_folders(tree, &all).map(Finding::Problem));
    Found {
        value: Channels { tree, all },
        findings,
    }
}

fn channel(node: &Node, setting: Setting<'_>, findings: &mut Vec<Finding>) -> ListedChannel {
    let mut context = node.context.clone();
    let path = context.path().to_owned();
    let kind = channel::TYPES.read(&mut context);
    let services = &setting.services.components;
    let mut made = None;
    let why = match &kind {
        Named::Missing => {
            // What it would do with its keys can be said all the same: most are of this type.
            channel::memory::configure(&mut context, services);
            "it has no type"
        }
        Named::Known(kind) => {
            let recipe = (kind.configure)(&mut context, services);
            made = recipe.map(|recipe| (kind.name(), recipe));
            "its keys are refused"
        }
        Named::Unknown => {
            context.accept_all();
            findings.push(Finding::unknown_class(&path, &node.text("type")));
            "its type is unknown"
        }
    };
    findings.extend(problems(context.finish()));
    let span = node.span;
    if made.is_none() {
        findings.push(Finding::Dropped { path, span, why });
    }
    ListedChannel {
        name: node.name.clone(),
        span,
        valid: !matches!(kind, Named::Missing),
        counts: setting.counts(made.is_some()),
        made,
    }
}

/// Channels that keep their events in the folder of another one.
fn shared_folders<'a>(
    tree: &'a AgentTree,
    all: &'a [ListedChannel],
) -> impl Iterator<Item = Diagnostic> + 'a {
    let folders = |channel: &'a ListedChannel| {
        let recipe = channel.recipe();
        recipe.map_or(&[][..], ChannelRecipe::folders)
    };
    let pairs = all.iter().enumerate();
    pairs.filter_map(move |(at, channel)| {
        let before = all.iter().take(at);
        let (other, folder) = before.into_iter().find_map(|other| {
            let shared = folders(channel).iter().find(|it| folders(other).contains(it));
            shared.map(|folder| (other, folder))
        })?;
        let (agent, name) = (&tree.name, &channel.name);
        let message = format!(
            "`{agent}.channels.{name}` and `{agent}.channels.{}` keep their events in one folder, {}",
            other.name,
            folder.display()
        );
        let help = format!("give each its own, for example `{agent}.channels.{name}.dataDirs = …/{name}`");
        let found = Diagnostic::new(Code::SharedFolder, message).at(&channel.span, "this channel");
        Some(found.related(&other.span, "and this one").help(help))
    })
}

impl ListedChannel {
    /// What it is made from, if it runs.
    pub(super) fn recipe(&self) -> Option<&dyn ChannelRecipe> {
        let (_, recipe) = self.made.as_ref()?;
        Some(&**recipe)
    }
}

impl Channels<'_> {
    /// The channel of this name, if it is listed and has keys.
    pub(super) fn find(&self, name: &str) -> Option<&ListedChannel> {
        self.all.iter().find(|channel| channel.name == name)
    }

    /// Whether the agent lists this name.
    pub(super) fn lists(&self, name: &str) -> bool {
        self.tree.channels.lists(name)
    }

    /// Whether Flume's validation lets this channel pass.
    pub(super) fn is_valid(&self, name: &str) -> bool {
        self.find(name).is_some_and(|channel| channel.valid)
    }

    /// Whether this channel runs.
    pub(super) fn runs(&self, name: &str) -> bool {
        self.find(name)
            .is_some_and(|channel| channel.made.is_some())
    }

    /// Leaves an error in the context for a channel that the agent does not list.
    pub(super) fn unknown(&self, context: &mut Context, key: &str, name: &str, span: Span) {
        if self.tree.channels.list.is_none() {
            // That no channel is listed is said once.
            return;
        }
        let listed = self.tree.channels.listed();
        let names: Vec<&str> = listed.iter().map(|word| word.text.as_str()).collect();
        let agent = &self.tree.name;
        let help = did_you_mean(name, &names)
            .unwrap_or_else(|| format!("`{agent}.channels` lists `{}`", names.join("`, `")));
        let path = context.path();
        let message = format!("`{path}.{key}` names the channel `{name}`, which is not listed");
        let found = Diagnostic::new(Code::UnknownChannel, message);
        context.push(found.at(&span, "no such channel").help(help));
    }
}
