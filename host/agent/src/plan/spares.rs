//! Sinks of type `channel`, compared with the group that they are the spare of and with the channel
//! into which they put events.
//!
//! | of a spare | because |
//! |---|---|
//! | is in a group whose processor knows spares (`failover`), with other sinks | nobody else takes its events home |
//! | is the only one of its group | which of two would be the last? |
//! | drains the channel that all sinks of its group drain | what comes home would be another sink's |
//! | has its channel to itself: no source, sink, or dead letter has it | what is there is its group's |

use flume_core::{Code, Diagnostic, Severity, Span};

use super::groups::ListedGroup;
use super::parts::Parts;
use super::sinks::ListedSink;

/// What is wrong with the spares of an agent.
pub(super) fn find(parts: Parts<'_>) -> Vec<Diagnostic> {
    let spares = parts.counted_sinks().filter_map(|sink| {
        let (outlet, span) = sink.outlet.as_ref()?;
        let path = format!("{}.sinks.{}", parts.agent, sink.name);
        Some(Spare {
            parts,
            sink,
            path,
            to: &outlet.to,
            named: span,
        })
    });
    spares.flat_map(|spare| spare.findings()).collect()
}

/// A spare, with where it names its channel.
struct Spare<'a> {
    parts: Parts<'a>,
    sink: &'a ListedSink,
    path: String,
    to: &'a str,
    named: &'a Span,
}

impl Spare<'_> {
    fn findings(&self) -> Vec<Diagnostic> {
        let mut groups = self.parts.groups.iter();
        let is_mine = |group: &&ListedGroup| {
            let mut members = group.members.iter();
            members.any(|member| member.text == self.sink.name)
        };
        let group = groups.find(is_mine);
        let place = match group {
            Some(group) => self.in_group(group),
            None => Some(self.refused(
                &self.sink.span,
                "is in no group, and a sink of type `channel` is the spare of one",
                "list it in the `sinks` of a group whose `processor.type` is `failover`",
            )),
        };
        let mut found: Vec<Diagnostic> = place.into_iter().collect();
        found.extend(self.channel());
        if found.is_empty() {
            found.extend(self.volatile());
        }
        found
    }

    /// What is wrong with its place in the group.
    fn in_group(&self, group: &ListedGroup) -> Option<Diagnostic> {
        let name = &group.name;
        let kind = group.kind?;
        if !kind.can.spares {
            let why = format!(
                "cannot be in `{name}`: only a group of type `failover` has a spare, not `{}`",
                kind.name()
            );
            let help = format!(
                "set `{}.sinkgroups.{name}.processor.type = failover`",
                self.parts.agent
            );
            return Some(self.refused(&group.span, &why, &help));
        }
        let members = group.members.iter();
        let others = members.filter(|member| member.text != self.sink.name);
        let others: Vec<&ListedSink> = others
            .filter_map(|member| self.parts.sinks.find(&member.text))
            .collect();
        if group.members.len() == 1 {
            let why = format!("is the only sink of `{name}`, so nobody takes its events home");
            let help = "add the sinks that deliver, or let them name its channel";
            return Some(self.refused(&group.span, &why, help));
        }
        if let Some(other) = others.iter().find(|other| other.spill().is_some()) {
            let why = format!(
                "and `{}` are both spares of `{name}`, which can have one",
                other.name
            );
            let help = "take one of them out of the group";
            return Some(self.refused(&self.sink.span, &why, help));
        }
        let own = self.sink.channel.as_ref()?;
        let other = others.iter().find_map(|other| {
            let drained = other.channel.as_ref()?;
            (drained.text != own.text).then_some((other, drained))
        });
        let (other, drained) = other?;
        let why = format!(
            "drains `{}`, and `{}` of its group drains `{}`",
            own.text, other.name, drained.text
        );
        let help = format!(
            "let all sinks of `{name}` have one `channel`; `to` is where the spare puts events"
        );
        let found = self.refused(&own.span, &why, &help);
        Some(found.related(&drained.span, "another channel"))
    }

    /// Who else has its channel.
    fn channel(&self) -> Option<Diagnostic> {
        let (parts, to) = (self.parts, self.to);
        if self.sink.drains(to) {
            let why = "would put its events back where they come from: `to` is its own `channel`";
            let help = "let `channel` be what the group drains, and `to` another channel";
            return Some(self.refused(self.named, why, help));
        }
        let mut sources = parts.counted_sources();
        let source = sources.find(|source| {
            source.channels.iter().any(|name| name == to)
                || source.dead_letters.iter().any(|name| name == to)
        });
        let source = source.map(|source| (&source.name, &source.span, "puts events there too"));
        let mut sinks = parts
            .counted_sinks()
            .filter(|other| other.name != self.sink.name);
        let sink = sinks.find_map(|other| {
            let how = match other {
                _ if other.drains(to) => "drains it",
                _ if other.dead_letters() == Some(to) => "puts dead letters there",
                _ if other.spill() == Some(to) => "is a spare that puts events there too",
                _ => return None,
            };
            Some((&other.name, &other.span, how))
        });
        let (name, span, how) = source.or(sink)?;
        let why = format!("needs `{to}` for itself, and `{name}` {how}");
        let help = "give the spare a channel of its own: its group fills it and takes it home";
        Some(self.refused(self.named, &why, help).related(span, how))
    }

    /// What it takes is lost at a kill.
    fn volatile(&self) -> Option<Diagnostic> {
        let to = self.to;
        let channel = self.parts.channels.find(to)?;
        if channel.recipe()?.make(to).outlives_kill() {
            return None;
        }
        let message = format!(
            "what `{}` takes is in memory: `{to}` is lost if the process is killed",
            self.path
        );
        let found = Diagnostic::new(Code::VolatileSpare, message).at(self.named, "in memory");
        let help = format!("set `{}.channels.{to}.type = file`", self.parts.agent);
        Some(found.related(&channel.span, "this channel").help(help))
    }

    fn refused(&self, span: &Span, why: &str, help: &str) -> Diagnostic {
        let mut found = Diagnostic::new(Code::Spare, format!("`{}` {why}", self.path));
        found.severity = Severity::Error;
        found.at(span, "not possible with a spare").help(help)
    }
}
