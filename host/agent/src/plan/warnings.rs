//! What Flume runs without a word although it is hardly ever meant.

use flume_core::{Code, Diagnostic, Severity, Span};

use super::agent::{Batch, Draft};
use super::channels::ChannelDraft;
use super::sinks::SinkDraft;
use super::sources::SourceDraft;
use super::{AgentPlan, SourcePlan};

/// Compares channels with what fills and drains them.
pub(super) fn wiring(draft: &mut Draft<'_>) {
    let mut found = Vec::new();
    let mut unused = Vec::new();
    for channel in &draft.channels {
        if !draft.counts(channel.config.is_some()) {
            continue;
        }
        let finding = ends(draft, channel);
        if finding
            .as_ref()
            .is_some_and(|finding| finding.code == Code::UnusedChannel)
        {
            let path = format!("{}.channels.{}", draft.tree.name, channel.name);
            unused.push((path, channel.span));
        }
        found.extend(finding);
        found.extend(batches(draft, channel));
        found.extend(held(draft, channel));
    }
    draft.diagnostics.extend(found);
    for (path, span) in unused {
        draft.dropped(&path, span, "nothing is connected to it");
    }
}

/// What a channel lacks at its ends.
fn ends(draft: &Draft<'_>, channel: &ChannelDraft) -> Option<Diagnostic> {
    let (agent, name) = (&draft.tree.name, &channel.name);
    let sources = draft
        .sources
        .iter()
        .filter(|source| draft.counts(source.plan.is_some()));
    let mut filling = sources
        .filter(|source| source.channels.contains(name) || source.dead_letters.contains(name));
    let sinks = draft
        .sinks
        .iter()
        .filter(|sink| draft.counts(sink.plan.is_some()));
    let drained = sinks.filter(|sink| drains(sink, name)).count() > 0;
    let source = filling.next();
    // One mistake is not to look like two.
    let unknown =
        (source.is_none() && draft.source_is_open()) || (!drained && draft.sink_is_open());
    if unknown {
        return None;
    }
    let (finding, label, help) = match (source, drained) {
        (None, false) => {
            let message = format!("nothing fills channel `{name}`, and nothing drains it");
            let help = format!(
                "name it in a source's `channels` and a sink's `channel`, or take it off \
                 `{agent}.channels`"
            );
            let finding = Diagnostic::new(Code::UnusedChannel, message);
            (finding, "not connected", help)
        }
        (None, true) => {
            let message = format!("no source fills channel `{name}`");
            let finding = Diagnostic::new(Code::UnfilledChannel, message);
            let help = format!("name it in a source: `{agent}.sources.….channels = {name}`");
            (finding, "stays empty", help)
        }
        (Some(first), false) => {
            let mut sources = std::iter::once(first).chain(filling);
            let source = sources.find(|source| source.required.contains(name))?;
            let message = format!("no sink drains channel `{name}`");
            let finding = Diagnostic::new(Code::UndrainedChannel, message);
            let help = format!(
                "once it is full, source `{}` can put no more events: add a sink with \
                 `channel = {name}`",
                source.name
            );
            let finding = finding.related(&source.span, "filled by this source");
            (finding, "fills up and stays full", help)
        }
        (Some(_), true) => return None,
    };
    Some(finding.at(&channel.span, label).help(help))
}

fn drains(sink: &SinkDraft, name: &str) -> bool {
    let channel = sink.channel.as_ref();
    channel.is_some_and(|channel| channel.text == name)
}

/// Batches that do not fit into a transaction of the channel.
fn batches(draft: &Draft<'_>, channel: &ChannelDraft) -> Vec<Diagnostic> {
    let Some(config) = channel.config else {
        return Vec::new();
    };
    let (agent, name) = (&draft.tree.name, &channel.name);
    let source = |source: &SourceDraft| format!("{agent}.sources.{}", source.name);
    let sources = draft
        .sources
        .iter()
        .filter(|source| source.channels.contains(name));
    let sources = sources.map(|s| (source(s), "puts", s.batch.as_ref()));
    let sinks = draft.sinks.iter().filter(|sink| drains(sink, name));
    let sinks = sinks.map(|s| {
        (
            format!("{agent}.sinks.{}", s.name),
            "takes",
            s.batch.as_ref(),
        )
    });
    let limit = config.transaction_capacity;
    let mut found = Vec::new();
    for (path, verb, batch) in sources.chain(sinks) {
        let Some(Batch { size, key, span }) = batch.filter(|batch| batch.size > limit) else {
            continue;
        };
        let message = format!(
            "`{path}` {verb} up to {size} events at once, and a transaction of `{name}` holds \
             {limit}"
        );
        let wider = format!("`{agent}.channels.{name}.transactionCapacity = {size}`");
        let help = match key {
            Some(key) => format!("set `{path}.{key} = {limit}`, or {wider}"),
            None => format!("set {wider}"),
        };
        let finding = Diagnostic::new(Code::BatchSize, message);
        let finding = finding.at(span, "more than a transaction holds");
        found.push(finding.related(&channel.span, "this channel").help(help));
    }
    found
}

/// Files that would hold more events than their channel has room for: they end before they are full.
fn held(draft: &Draft<'_>, channel: &ChannelDraft) -> Vec<Diagnostic> {
    let Some(room) = channel.config.map(|config| config.capacity) else {
        return Vec::new();
    };
    let (agent, name) = (&draft.tree.name, &channel.name);
    let sinks = draft.sinks.iter().filter(|sink| drains(sink, name));
    let held = sinks.filter_map(|sink| Some((sink, sink.holds.filter(|held| *held > room)?)));
    let finding = |(sink, held): (&SinkDraft, usize)| {
        let path = format!("{agent}.sinks.{}", sink.name);
        let (what, severity) = match held {
            usize::MAX => ("no number of events".to_owned(), Severity::Note),
            held => (format!("{held} events"), Severity::Warning),
        };
        let message = format!(
            "a file of `{path}` is complete after {what}, which are uncommitted until then, and \
             `{name}` has room for {room}"
        );
        let mut finding = Diagnostic::new(Code::HeldEvents, message);
        finding.severity = severity;
        let finding = finding.at(&sink.span, "ends its files when the channel is full");
        finding.related(&channel.span, "this channel").help(format!(
            "set `{path}.hdfs.rollCount` to at most {room}, or raise \
             `{agent}.channels.{name}.capacity`"
        ))
    };
    held.map(finding).collect()
}

/// Sources of all agents that listen on one port: only the first of them gets it.
pub(super) fn shared_ports(plans: &[AgentPlan]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut seen: Vec<Listener> = Vec::new();
    for source in plans.iter().flat_map(|plan| &plan.sources) {
        let Some(listener) = Listener::of(source) else {
            continue;
        };
        if let Some(first) = seen.iter().find(|other| other.clashes(&listener)) {
            let message = format!(
                "`{}` and `{}` listen on one port",
                first.path, listener.path
            );
            let finding = Diagnostic::new(Code::SharedPort, message)
                .at(&listener.span, "in use by then")
                .related(&first.span, "taken by this source");
            found.push(finding.help("give each source a port of its own"));
        }
        seen.push(listener);
    }
    found
}

struct Listener {
    path: String,
    udp: bool,
    host: String,
    port: u16,
    span: Span,
}

impl Listener {
    /// What a source listens on. Port 0 is a new one each time.
    fn of(source: &SourcePlan) -> Option<Self> {
        let context = &source.component.context;
        let value = |name: &str| {
            let mut keys = context.iter();
            keys.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let host = value("bind")?.text.to_ascii_lowercase();
        let port = value("port")?;
        Some(Self {
            path: context.path().to_owned(),
            udp: source.component.kind.contains("udp"),
            host: host.replace("localhost", "127.0.0.1"),
            port: port.text.parse().ok().filter(|port| *port != 0)?,
            span: port.span,
        })
    }

    fn clashes(&self, other: &Self) -> bool {
        let any = |host: &str| matches!(host, "0.0.0.0" | "::" | "[::]");
        let host = self.host == other.host || any(&self.host) || any(&other.host);
        host && self.udp == other.udp && self.port == other.port
    }
}
