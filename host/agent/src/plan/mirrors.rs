//! Groups whose sinks drain different channels, and when that is all right.
//!
//! A failover group uses one sink at a time, so the channels of the others fill and stall their
//! sources: Flume's best-known trap. But if these channels hold the same events anyway, the group
//! is clearly meant to deliver each event once. Such channels are *mirrors*, and become one channel
//! with several names: a shared queue makes it exact that what the active sink has delivered is
//! struck from the mirrors, without any book-keeping between queues.
//!
//! | condition for mirrors | otherwise |
//! |---|---|
//! | the group is `failover`, not `processor.mirrored = false` | its sinks are meant to differ |
//! | no sink outside the group drains one of them | that sink would lose events to the group |
//! | the same sources fill all of them | the channels hold different events |
//! | these sources replicate to all, none optional | some events are in some channels only |
//! | no interceptor has one of them for dead letters | those events are in that channel only |

use std::collections::BTreeSet;

use flume_core::channel::memory::MemoryConfig;
use flume_core::{Code, Diagnostic, Severity, Span};

use super::agent::Draft;
use super::groups::GroupDraft;
use super::sources::SourceDraft;

/// A channel that a sink of the group names, and where it does.
type Named = (String, Span);

/// The sets of mirrored channels of an agent. Every group with several channels is explained.
pub(super) fn find(draft: &mut Draft<'_>) -> Vec<Vec<String>> {
    let mut sets = Vec::new();
    let mut found = Vec::new();
    for group in &draft.groups {
        let channels = draft.channels_of(group);
        let Some(kind) = group.kind.filter(|_| channels.len() > 1) else {
            continue;
        };
        if !draft.counts(group.plan.is_some()) {
            continue;
        }
        match draft.obstacle(group, kind, &channels) {
            Some(obstacle) => found.push(separate(group, kind, &channels, obstacle)),
            None => {
                found.push(draft.mirrored(group, &channels));
                sets.push(channels.into_iter().map(|(name, _)| name).collect());
            }
        }
    }
    draft.diagnostics.extend(found);
    sets
}

/// The limits of two mirrors together: the narrowest of each, and the longest wait.
pub(super) fn narrowest(one: MemoryConfig, other: MemoryConfig) -> MemoryConfig {
    let narrower = other.byte_slots() < one.byte_slots();
    let bytes = if narrower { other } else { one };
    MemoryConfig {
        capacity: one.capacity.min(other.capacity),
        transaction_capacity: one.transaction_capacity.min(other.transaction_capacity),
        keep_alive: one.keep_alive.max(other.keep_alive),
        byte_capacity: bytes.byte_capacity,
        buffer_percentage: bytes.buffer_percentage,
    }
}

/// Why channels are not treated as mirrors, and what mends it.
struct Obstacle {
    why: String,
    help: String,
    place: Option<(Span, String)>,
}

impl Draft<'_> {
    /// The different channels of a group.
    fn channels_of(&self, group: &GroupDraft) -> Vec<Named> {
        let mut channels: Vec<Named> = Vec::new();
        for name in &group.members {
            let sink = self.sinks.iter().find(|sink| sink.name == *name);
            if let Some(channel) = sink.and_then(|sink| sink.channel.as_ref())
                && channels.iter().all(|(known, _)| *known != channel.text)
            {
                channels.push((channel.text.clone(), channel.span));
            }
        }
        channels
    }

    /// The first condition that fails.
    fn obstacle(&self, group: &GroupDraft, kind: &str, channels: &[Named]) -> Option<Obstacle> {
        if kind != "failover" {
            return Some(Obstacle {
                why: "a channel is drained only by the sinks that name it".to_owned(),
                help: one_channel(group),
                place: None,
            });
        }
        if !group.mirrored {
            return Some(Obstacle {
                why: "`processor.mirrored` is `false`".to_owned(),
                help: "remove `processor.mirrored` to have them treated as one".to_owned(),
                place: None,
            });
        }
        self.outside(group, channels)
            .or_else(|| self.fed_differently(group, channels))
    }

    /// A sink outside of the group that drains one of its channels.
    fn outside(&self, group: &GroupDraft, channels: &[Named]) -> Option<Obstacle> {
        let outside = self
            .sinks
            .iter()
            .filter(|sink| self.counts(sink.plan.is_some()) && !group.members.contains(&sink.name));
        let mut drained = outside.filter_map(|sink| Some((&sink.name, sink.channel.as_ref()?)));
        let (sink, channel) =
            drained.find(|(_, channel)| channels.iter().any(|(name, _)| *name == channel.text))?;
        Some(Obstacle {
            why: format!(
                "sink `{sink}`, outside of the group, drains `{}` too",
                channel.text
            ),
            help: format!(
                "give `{sink}` a channel of its own, or {}",
                one_channel(group)
            ),
            place: Some((channel.span, format!("`{sink}` drains it too"))),
        })
    }

    /// A source that does not put every event into all of the channels.
    fn fed_differently(&self, group: &GroupDraft, channels: &[Named]) -> Option<Obstacle> {
        let one = one_channel(group);
        let (first, _) = channels.first()?;
        let feeds = |name: &str| -> BTreeSet<&str> {
            let sources = self.feeding(name).into_iter();
            sources.map(|source| source.name.as_str()).collect()
        };
        if let Some((other, span)) = channels
            .iter()
            .find(|(name, _)| feeds(name) != feeds(first))
        {
            return Some(Obstacle {
                why: format!("`{first}` and `{other}` are not filled by the same sources"),
                help: format!("name both in `channels` of each source that names one, or {one}"),
                place: Some((*span, format!("`{other}` is drained here"))),
            });
        }
        if feeds(first).is_empty() {
            return Some(Obstacle {
                why: "no source fills them".to_owned(),
                help: format!("name them in `channels` of a source, or {one}"),
                place: None,
            });
        }
        let partial = |source: &&SourceDraft| {
            let mut names = channels.iter().map(|(name, _)| name);
            names.any(|name| !source.replicated.contains(name))
        };
        let Some(source) = self.feeding(first).into_iter().find(partial) else {
            return self.dead_letters(group, channels);
        };
        let name = &source.name;
        Some(Obstacle {
            why: format!("source `{name}` does not require all of them for every event"),
            help: format!("give `{name}` a replicating selector without `optional`, or {one}"),
            place: Some((source.span, "this source".to_owned())),
        })
    }

    /// A source that puts what it cannot handle into one of the channels.
    fn dead_letters(&self, group: &GroupDraft, channels: &[Named]) -> Option<Obstacle> {
        let mut sources = self.sources.iter();
        let has = |name: &String| channels.iter().any(|(channel, _)| channel == name);
        let source = sources.find(|source| source.dead_letters.iter().any(has))?;
        Some(Obstacle {
            why: format!(
                "an interceptor of `{}` puts what it cannot handle into one",
                source.name
            ),
            help: format!(
                "give dead letters a channel of their own, or {}",
                one_channel(group)
            ),
            place: Some((source.span, "this source".to_owned())),
        })
    }

    fn feeding(&self, channel: &str) -> Vec<&SourceDraft> {
        let sources = self
            .sources
            .iter()
            .filter(|source| self.counts(source.plan.is_some()));
        sources
            .filter(|source| source.channels.iter().any(|name| name == channel))
            .collect()
    }

    fn mirrored(&self, group: &GroupDraft, channels: &[Named]) -> Diagnostic {
        let name = &group.name;
        let sources = channels.first().into_iter();
        let sources = sources.flat_map(|(first, _)| self.feeding(first));
        let sources: Vec<String> = sources.map(|s| format!("`{}`", s.name)).collect();
        let message = format!(
            "{} are mirrors of each other, and `{name}` treats them as one channel",
            quoted(channels)
        );
        let help = format!(
            "all events of {} go into each of them, and only `{name}` drains them: what one sink \
             delivered is struck from the others, so a standby goes on at the first undelivered \
             event (`processor.mirrored = false` keeps them apart, as Flume does)",
            sources.join(" and "),
        );
        let found = Diagnostic::new(Code::MirroredChannels, message);
        let found = found.at(&group.span, "this failover group").help(help);
        mark(found, channels)
    }
}

fn one_channel(group: &GroupDraft) -> String {
    format!("let all sinks of `{}` name one channel", group.name)
}

fn separate(group: &GroupDraft, kind: &str, channels: &[Named], obstacle: Obstacle) -> Diagnostic {
    let effect = match kind {
        "failover" => {
            "only the active sink's channel is drained: the standby's fills up, then stalls its \
             sources, and what it holds waits for a failure of the active sink"
        }
        _ => {
            "each sink is given only what its own channel holds, and the channel of a failed sink \
             waits for it"
        }
    };
    let name = &group.name;
    let names = quoted(channels);
    let message = format!("the sinks of `{name}` drain different channels: {names}");
    let mut found = Diagnostic::new(Code::SeparateChannels, message).at(&group.span, "this group");
    if kind == "failover" && !group.mirrored {
        // It was asked for.
        found.severity = Severity::Note;
    }
    let found = found.help(format!("{}; {effect}; {}", obstacle.why, obstacle.help));
    match &obstacle.place {
        Some((span, label)) => found.related(span, label),
        None => mark(found, channels),
    }
}

/// Points at each channel where a sink names it.
fn mark(found: Diagnostic, channels: &[Named]) -> Diagnostic {
    let label = |found: Diagnostic, (name, span): &Named| {
        found.related(span, format!("`{name}` is drained here"))
    };
    channels.iter().fold(found, label)
}

fn quoted(channels: &[Named]) -> String {
    let names: Vec<String> = channels
        .iter()
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}
