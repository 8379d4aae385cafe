//! What Flume runs without a warning, although hardly anybody means it.

use flume_core::{ChannelRecipe, Code, Diagnostic, Severity, Span};

use super::batch_size::BatchSize;
use super::channels::ListedChannel;
use super::finding::Finding;
use super::parts::Parts;
use super::sinks::ListedSink;
use super::sources::ListedSource;
use super::{AgentPlan, SourcePlan};

/// Compares channels with what fills and drains them.
pub(super) fn wiring(parts: Parts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for channel in parts.channels.all.iter().filter(|channel| channel.counts) {
        // What a spare puts events into is filled and drained by its group.
        let is_spill = |sink: &ListedSink| sink.spill() == Some(channel.name.as_str());
        let found = match parts.counted_sinks().any(is_spill) {
            true => None,
            false => ends(parts, channel),
        };
        if let Some(found) = found {
            findings.push(Finding::Problem(found));
        }
        findings.extend(loops(parts, channel).map(Finding::Problem));
        findings.extend(batches(parts, channel).map(Finding::Problem));
        findings.extend(held(parts, channel).map(Finding::Problem));
    }
    findings
}

/// Events that come from a place and go back there. Who has interceptors may change the header.
fn loops(parts: Parts<'_>, channel: &ListedChannel) -> impl Iterator<Item = Diagnostic> {
    let (agent, name) = (parts.agent, &channel.name);
    let sources = parts.sources.all.iter();
    let sources = sources.filter(move |it| it.counts && it.channels.contains(name));
    sources.filter_map(move |source| {
        let plan = source.plan.as_ref();
        let as_it_comes = plan.filter(|plan| plan.interceptors.is_empty())?;
        let origin = as_it_comes.component.recipe.make().origin()?;
        let mut sinks = parts.counted_sinks().filter(|sink| sink.drains(name));
        let back = sinks.find(|sink| {
            let plan = sink.plan.as_ref();
            let chosen = plan.and_then(|plan| plan.component.recipe.make().chosen_by());
            chosen.is_some_and(|chosen| chosen.follows(&origin))
        })?;
        let (from, to, header) = (&source.name, &back.name, &origin.header);
        let message = format!(
            "what source `{from}` reads goes back to its topic by sink `{to}`, without end: it \
             obeys the header `{header}`"
        );
        let help = format!(
            "set `{agent}.sinks.{to}.allowTopicOverride = false`, so that `kafka.topic` counts, or \
             `{agent}.sources.{from}.setTopicHeader = false`"
        );
        let found = Diagnostic::new(Code::EventLoop, message);
        let found = found.at(&back.span, "writes to where the events come from");
        let found = found.related(&source.span, "notes the topic of each event");
        Some(found.help(help))
    })
}

/// What a channel lacks at its ends.
fn ends(parts: Parts<'_>, channel: &ListedChannel) -> Option<Diagnostic> {
    let (agent, name) = (parts.agent, &channel.name);
    let fills = |source: &&ListedSource| {
        source.channels.contains(name) || source.dead_letters.contains(name)
    };
    let mut filling = parts.counted_sources().filter(fills);
    let drained = parts.counted_sinks().any(|sink| sink.drains(name));
    let mut letters = parts.counted_sinks();
    let letters = letters.find(|sink| sink.dead_letters() == Some(name.as_str()));
    let source = filling.next();
    match (letters, drained) {
        (Some(_), true) => return None,
        (Some(sink), false) if !parts.sinks.may_drain_any => {
            let message = format!("no sink drains channel `{name}`");
            let finding = Diagnostic::new(Code::UndrainedChannel, message);
            let finding = finding.related(&sink.span, "puts what it cannot deliver there");
            let help = format!(
                "once it is full, what `{}` cannot deliver stays in its own channel: add a sink \
                 with `channel = {name}`",
                sink.name
            );
            return Some(
                finding
                    .at(&channel.span, "fills up and stays full")
                    .help(help),
            );
        }
        _ => {}
    }
    // One mistake is not to look like two.
    let unknown =
        (source.is_none() && parts.sources.may_fill_any) || (!drained && parts.sinks.may_drain_any);
    if unknown {
        return None;
    }
    let is_shared = channel.recipe().is_some_and(ChannelRecipe::is_shared);
    let (finding, label, help) = match (source, drained) {
        (None, true) | (Some(_), false) if is_shared => return None,
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

/// Batches that do not fit into a transaction of the channel. A sink whose file cannot say how much it
/// takes is no matter of the file: it takes what fits.
fn batches(parts: Parts<'_>, channel: &ListedChannel) -> impl Iterator<Item = Diagnostic> {
    let (agent, name) = (parts.agent, &channel.name);
    let limit = channel.recipe().map(ChannelRecipe::transaction_capacity);
    let sources = parts.sources.all.iter();
    let sources = sources.filter(move |source| source.channels.contains(name));
    let sources = sources.map(|source| ("sources", &source.name, "puts", &source.batch));
    let sinks = parts.sinks.all.iter().filter(move |sink| sink.drains(name));
    let can_say = |sink: &&ListedSink| sink.batch.as_ref().is_some_and(|b| b.key.is_some());
    let sinks = sinks.filter(can_say);
    let sinks = sinks.map(|sink| ("sinks", &sink.name, "takes", &sink.batch));
    sources
        .chain(sinks)
        .filter_map(move |(kind, of, verb, batch)| {
            let limit = limit?;
            let BatchSize { size, key, span } =
                batch.as_ref().filter(|batch| batch.size > limit)?;
            let path = format!("{agent}.{kind}.{of}");
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
            Some(finding.related(&channel.span, "this channel").help(help))
        })
}

/// Files that would hold more events than their channel has room for: they end before they are full.
fn held(parts: Parts<'_>, channel: &ListedChannel) -> impl Iterator<Item = Diagnostic> {
    let (agent, name) = (parts.agent, &channel.name);
    let room = channel.recipe().map(ChannelRecipe::capacity);
    let sinks = parts.sinks.all.iter().filter(move |sink| sink.drains(name));
    sinks.filter_map(move |sink: &ListedSink| {
        let room = room?;
        let held = sink.holds.filter(|held| *held > room)?;
        let path = format!("{agent}.sinks.{}", sink.name);
        let (most, severity) = match held {
            usize::MAX => ("any number of events".to_owned(), Severity::Note),
            held => (format!("{held} events"), Severity::Warning),
        };
        let message = format!(
            "a file of `{path}` may hold {most}, which are uncommitted until it is complete, and \
             `{name}` has room for {room}"
        );
        let mut finding = Diagnostic::new(Code::HeldEvents, message);
        finding.severity = severity;
        let finding = finding.at(&sink.span, "ends its files when the channel is full");
        let finding = finding.related(&channel.span, "this channel");
        Some(finding.help(format!(
            "set `{path}.hdfs.rollCount` to at most {room}, or raise \
             `{agent}.channels.{name}.capacity`"
        )))
    })
}

/// Sources of all agents that listen on one port: only the first of them gets it.
pub(super) fn shared_ports(plans: &[&AgentPlan]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut seen: Vec<ListenAddress> = Vec::new();
    for source in plans.iter().flat_map(|plan| &plan.sources) {
        let Some(address) = ListenAddress::of(source) else {
            continue;
        };
        if let Some(first) = seen.iter().find(|other| other.clashes(&address)) {
            let message = format!("`{}` and `{}` listen on one port", first.path, address.path);
            let finding = Diagnostic::new(Code::SharedPort, message)
                .at(&address.span, "in use by then")
                .related(&first.span, "taken by this source");
            found.push(finding.help("give each source a port of its own"));
        }
        seen.push(address);
    }
    found
}

struct ListenAddress {
    path: String,
    udp: bool,
    host: String,
    port: u16,
    span: Span,
}

impl ListenAddress {
    /// What a source listens on. Port 0 is a new one each time.
    fn of(source: &SourcePlan) -> Option<Self> {
        let keys = &source.component.keys;
        let host = keys.text("bind")?.to_ascii_lowercase();
        let port = keys.value("port")?;
        Some(Self {
            path: keys.path().to_owned(),
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
