//! The channels of an agent.

use flume_core::channel::memory::MemoryConfig;
use flume_core::context::{Context, did_you_mean};
use flume_core::{Code, Diagnostic, Span};

use super::agent::Draft;
use super::types::{self, OTHER_CHANNELS};

/// The names of the only type of channel.
const MEMORY: [&str; 2] = ["memory", "org.apache.flume.channel.MemoryChannel"];

/// A listed channel that has keys.
pub(super) struct ChannelDraft {
    pub(super) name: String,
    pub(super) span: Span,
    /// Whether it has a type: what Flume's validation asks of a channel.
    pub(super) valid: bool,
    /// Its limits, if it runs.
    pub(super) config: Option<MemoryConfig>,
}

/// Reads all of them.
pub(super) fn read(draft: &mut Draft<'_>) {
    let tree = draft.tree;
    for word in tree.channels.listed() {
        let Some(node) = tree.channels.node(&word.text) else {
            continue;
        };
        let mut context = node.context.clone();
        let path = context.path().to_owned();
        let kind = context.required("type");
        let is_memory = |kind: &str| MEMORY.iter().any(|name| name.eq_ignore_ascii_case(kind));
        let memory = draft.services.available_memory;
        let mut config = None;
        let why = match &kind {
            None => {
                // What it would do with its keys can be said all the same: there is one type.
                MemoryConfig::configure(&mut context, memory);
                "it has no type"
            }
            Some(kind) if is_memory(kind) => {
                config = MemoryConfig::configure(&mut context, memory);
                "its keys are refused"
            }
            Some(kind) => {
                types::unknown(&mut context, "channel", kind, &["memory"], &OTHER_CHANNELS);
                context.accept_all();
                draft.unknown_class(&path, kind);
                "its type is unknown"
            }
        };
        draft.diagnostics.extend(context.finish());
        if config.is_none() {
            draft.dropped(&path, node.span, why);
        }
        draft.channels.push(ChannelDraft {
            name: node.name.clone(),
            span: node.span,
            valid: kind.is_some(),
            config,
        });
    }
}

impl Draft<'_> {
    /// Whether Flume's validation lets this channel pass.
    pub(super) fn channel_is_valid(&self, name: &str) -> bool {
        let mut channels = self.channels.iter();
        channels.any(|channel| channel.name == name && channel.valid)
    }

    /// Whether this channel runs.
    pub(super) fn channel_runs(&self, name: &str) -> bool {
        let mut channels = self.channels.iter();
        channels.any(|channel| channel.name == name && channel.config.is_some())
    }

    /// Flume takes a type that it does not know for the name of a class, and gives up on the whole
    /// file when there is no such class.
    pub(super) fn unknown_class(&mut self, path: &str, kind: &str) {
        let reason =
            format!("Flume gives up on a file with an unknown class: `{path}` is `{kind}`");
        self.fatal.push(reason);
    }

    /// Leaves an error in the context for a channel that the agent does not list.
    pub(super) fn unknown_channel(&self, context: &mut Context, key: &str, name: &str, span: Span) {
        if self.tree.channels.list.is_none() {
            // That no channel is listed is said once.
            return;
        }
        let listed = self.tree.channels.listed();
        let names: Vec<&str> = listed.iter().map(|word| word.text.as_str()).collect();
        let agent = &self.tree.name;
        let help = did_you_mean(name, &names)
            .unwrap_or_else(|| format!("`{agent}.channels` lists `{}`", names.join("`, `")));
        let message = format!(
            "`{}.{key}` names the channel `{name}`, which is not listed",
            context.path()
        );
        let found = Diagnostic::new(Code::UnknownChannel, message);
        context.push(found.at(&span, "no such channel").help(help));
    }
}
