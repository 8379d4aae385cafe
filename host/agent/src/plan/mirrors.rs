//! Groups whose sinks drain different channels, and when that is all right.
//!
//! A failover group uses one sink at a time, so the channels of the others fill and stall their
//! sources: Flume's best-known trap. But if these channels hold the same events anyway, the group
//! is clearly meant to deliver each event once. Such channels are *mirrors*, and become one channel
//! with several names: in a shared queue, what the active sink has delivered is gone for the others
//! too, without any bookkeeping between queues.
//!
//! | condition for mirrors | otherwise |
//! |---|---|
//! | the processor looks for them (`failover`, without `mirrored = false`) | its sinks are meant to differ |
//! | no sink outside the group drains one of them | that sink would lose events to the group |
//! | the same sources fill all of them | the channels hold different events |
//! | these sources replicate to all, none optional | some events are in some channels only |
//! | no interceptor and no sink has one of them for dead letters | those events are in that channel only |
//! | they are in memory | each has its own events on a disk, which outlive the file |

use std::collections::BTreeSet;

use flume_core::sink_processor::ProcessorType;
use flume_core::{Code, Diagnostic, Severity, Span};

use super::finding::{Finding, Found};
use super::groups::ListedGroup;
use super::parts::Parts;
use super::sources::ListedSource;

/// A channel that a sink of the group names, and where it does.
type Drained = (String, Span);

/// The sets of mirrored channels of an agent. Every group with several channels is explained.
pub(super) fn find(parts: Parts<'_>) -> Found<Vec<Vec<String>>> {
    let mut sets = Vec::new();
    let mut findings = Vec::new();
    for group in parts.groups.iter().filter(|group| group.counts) {
        let channels = parts.channels_of(group);
        let Some(kind) = group.kind.filter(|_| channels.len() > 1) else {
            continue;
        };
        let explained = match parts.obstacle(group, kind, &channels) {
            Some(obstacle) => separate(group, kind, &channels, obstacle),
            None => {
                let explained = parts.mirrored(group, &channels);
                sets.push(channels.into_iter().map(|(name, _)| name).collect());
                explained
            }
        };
        findings.push(Finding::Problem(explained));
    }
    Found {
        value: sets,
        findings,
    }
}

/// Why channels are not treated as mirrors, and what would help.
struct Obstacle {
    why: String,
    help: String,
    place: Option<(Span, String)>,
}

impl<'a> Parts<'a> {
    /// The different channels of a group.
    fn channels_of(&self, group: &ListedGroup) -> Vec<Drained> {
        let mut channels: Vec<Drained> = Vec::new();
        for member in &group.members {
            let sink = self.sinks.find(&member.text);
            if let Some(channel) = sink.and_then(|sink| sink.channel.as_ref())
                && channels.iter().all(|(known, _)| *known != channel.text)
            {
                channels.push((channel.text.clone(), channel.span));
            }
        }
        channels
    }

    /// The first condition that fails.
    fn obstacle(
        &self,
        group: &ListedGroup,
        kind: &ProcessorType,
        channels: &[Drained],
    ) -> Option<Obstacle> {
        if !kind.can.mirrors {
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
    fn outside(&self, group: &ListedGroup, channels: &[Drained]) -> Option<Obstacle> {
        let is_member = |name: &str| group.members.iter().any(|member| member.text == name);
        let outside = self.counted_sinks().filter(|sink| !is_member(&sink.name));
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
    fn fed_differently(&self, group: &ListedGroup, channels: &[Drained]) -> Option<Obstacle> {
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
        let partial = |source: &&ListedSource| {
            let mut names = channels.iter().map(|(name, _)| name);
            names.any(|name| !source.replicated.contains(name))
        };
        let Some(source) = self.feeding(first).into_iter().find(partial) else {
            let dead_letters = self.dead_letters(group, channels);
            return dead_letters.or_else(|| self.different(group, channels));
        };
        let name = &source.name;
        Some(Obstacle {
            why: format!("source `{name}` does not require all of them for every event"),
            help: format!("give `{name}` a replicating selector without `optional`, or {one}"),
            place: Some((source.span, "this source".to_owned())),
        })
    }

    /// A source that puts what it cannot handle into one of the channels.
    fn dead_letters(&self, group: &ListedGroup, channels: &[Drained]) -> Option<Obstacle> {
        let mut sources = self.sources.all.iter();
        let has = |name: &String| channels.iter().any(|(channel, _)| channel == name);
        let Some(source) = sources.find(|source| source.dead_letters.iter().any(has)) else {
            return self.letters_of_sinks(group, channels);
        };
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

    /// A sink that puts what it can never deliver into one of the channels.
    fn letters_of_sinks(&self, group: &ListedGroup, channels: &[Drained]) -> Option<Obstacle> {
        let mut sinks = self.sinks.all.iter();
        let has = |name: &str| channels.iter().any(|(channel, _)| channel == name);
        let sink = sinks.find(|sink| sink.dead_letters().is_some_and(has))?;
        Some(Obstacle {
            why: format!("`{}` puts what it cannot deliver into one", sink.name),
            help: format!(
                "give dead letters a channel of their own, or {}",
                one_channel(group)
            ),
            place: Some((sink.span, "this sink".to_owned())),
        })
    }

    /// A channel whose type cannot be one with that of the first.
    fn different(&self, group: &ListedGroup, channels: &[Drained]) -> Option<Obstacle> {
        let recipe = |name: &str| self.channels.find(name)?.recipe();
        let (first, _) = channels.first()?;
        let cannot = |(name, _): &&Drained| match (recipe(first), recipe(name)) {
            (Some(one), Some(other)) => one.merged(other).is_none(),
            _ => false,
        };
        let (other, span) = channels.iter().find(cannot)?;
        Some(Obstacle {
            why: format!("`{first}` and `{other}` cannot be one queue: not both are in memory"),
            help: one_channel(group),
            place: Some((*span, format!("`{other}` is drained here"))),
        })
    }

    fn feeding(&self, channel: &str) -> Vec<&'a ListedSource> {
        let feeds = |source: &&ListedSource| source.channels.iter().any(|name| name == channel);
        self.counted_sources().filter(feeds).collect()
    }

    fn mirrored(&self, group: &ListedGroup, channels: &[Drained]) -> Diagnostic {
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

fn one_channel(group: &ListedGroup) -> String {
    format!("let all sinks of `{}` name one channel", group.name)
}

fn separate(
    group: &ListedGroup,
    kind: &ProcessorType,
    channels: &[Drained],
    obstacle: Obstacle,
) -> Diagnostic {
    let effect = match kind.can.mirrors {
        true => {
            "only the active sink's channel is drained: the standby's fills up, then stalls its \
             sources, and what it holds waits for a failure of the active sink"
        }
        false => {
            "each sink is given only what its own channel holds, and the channel of a failed sink \
             waits for it"
        }
    };
    let name = &group.name;
    let names = quoted(channels);
    let message = format!("the sinks of `{name}` drain different channels: {names}");
    let mut found = Diagnostic::new(Code::SeparateChannels, message).at(&group.span, "this group");
    if kind.can.mirrors && !group.mirrored {
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
fn mark(found: Diagnostic, channels: &[Drained]) -> Diagnostic {
    let label = |found: Diagnostic, (name, span): &Drained| {
        found.related(span, format!("`{name}` is drained here"))
    };
    channels.iter().fold(found, label)
}

fn quoted(channels: &[Drained]) -> String {
    let names: Vec<String> = channels
        .iter()
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}
