//! Metrics of all components: one collection, two formats.
//!
//! A component is `TYPE.name`, as in Flume. If one process runs several agents, which Flume cannot,
//! the name is `agent.name`, because two agents may both have a channel `c1`.

use std::sync::OnceLock;

use flume_core::ClientCounter;
use flume_core::counters::{LatencyCounts, Metric};

use crate::audit::Audit;
use crate::logging;
use crate::policies::PolicyFileReport;
use crate::reloads::{ReloadCounts, Reloads};
use crate::topology::{AgentView, GroupView, RunningChannel, SourceView, Watchers};

pub(crate) mod flume_json;
pub(crate) mod prometheus;
pub(crate) mod table;

mod process;

pub(crate) use self::process::ProcessStats;

/// One component's numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// `SOURCE`, `SOURCE_CHANNEL`, `CHANNEL`, `SINK`, `SINK_PROCESSOR`, `POLICY`, `PROCESS` or
    /// `BUILD`.
    pub kind: &'static str,
    /// The agent; empty for what belongs to no agent.
    pub agent: String,
    /// The component.
    pub name: String,
    /// Its numbers.
    pub attributes: Vec<(&'static Metric, Number)>,
    /// Numbers by kind.
    pub kinds: Vec<Kinds>,
    /// Durations.
    pub latency: Option<(&'static Metric, LatencyCounts)>,
    /// What else it belongs to, so that its numbers can be joined with those of others.
    pub labels: Vec<(&'static str, String)>,
}

/// What belongs to no agent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ProcessView {
    /// Log lines that nobody read in time.
    pub log_lines_dropped: u64,
    /// Lines of the audit log that could not be written.
    pub audit_lines_failed: u64,
    /// Changes of the configuration file.
    pub reloads: ReloadCounts,
    /// The agents of the process.
    pub fleet: FleetCounts,
    /// What the kernel says, where it does.
    pub stats: Option<ProcessStats>,
}

impl ProcessView {
    /// The process that asks.
    pub(crate) fn of_this(reloads: &Reloads, audit: &Audit, fleet: FleetCounts) -> Self {
        Self {
            log_lines_dropped: logging::dropped(),
            audit_lines_failed: audit.failed(),
            reloads: reloads.counts(),
            fleet,
            stats: ProcessStats::read(),
        }
    }
}

/// The agents of the process, by what they do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FleetCounts {
    /// Those that run.
    pub running: u64,
    /// Those whose policies are tried out for their start.
    pub starting: u64,
    /// Those that do not run, because a policy of theirs cannot be used.
    pub left_out: u64,
}

/// A number that is split by kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kinds {
    /// What is counted.
    pub metric: &'static Metric,
    /// What tells its kinds apart: a label.
    pub label: &'static str,
    /// The number of each kind.
    pub counts: Vec<(String, u64)>,
}

/// A number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    /// A whole number.
    Whole(u64),
    /// A number with decimal places.
    Fraction(f64),
}

/// All numbers, agents and components in the order of the file, then policies, then the process.
pub(crate) fn collect(
    agents: &[AgentView],
    policies: &[PolicyFileReport],
    process: Option<&ProcessView>,
) -> Vec<Sample> {
    let components = agents.iter().flat_map(collect_agent);
    let policies = policies.iter().map(policy);
    components
        .chain(policies)
        .chain(process.into_iter().flat_map(of_process))
        .collect()
}

fn of_process(process: &ProcessView) -> [Sample; 2] {
    let sample = |kind, attributes, labels| Sample {
        kind,
        agent: String::new(),
        name: "flume-host".to_owned(),
        attributes,
        kinds: Vec::new(),
        latency: None,
        labels,
    };
    let mut attributes = table::read(table::PROCESS, process);
    if let Some(stats) = &process.stats {
        attributes.extend(table::read(table::STANDARD, stats));
    }
    let profile = match cfg!(debug_assertions) {
        true => "debug",
        false => "release",
    };
    let labels = vec![
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("profile", profile.to_owned()),
        ("os", std::env::consts::OS.to_owned()),
        ("arch", std::env::consts::ARCH.to_owned()),
    ];
    [
        sample("PROCESS", attributes, Vec::new()),
        sample("BUILD", vec![(&table::BUILD, Number::Whole(1))], labels),
    ]
}

fn policy(report: &PolicyFileReport) -> Sample {
    let name = report.name.split_once('/').map_or("", |(_, name)| name);
    let counts = report.totals.violations.iter();
    Sample {
        kind: "POLICY",
        agent: report.agent.clone(),
        name: name.to_owned(),
        attributes: table::read(table::POLICY, report),
        kinds: vec![Kinds {
            metric: &table::VIOLATIONS,
            label: "kind",
            counts: counts.map(|(kind, n)| (kind.id().to_owned(), *n)).collect(),
        }],
        latency: None,
        labels: Vec::new(),
    }
}

fn collect_agent(view: &AgentView) -> Vec<Sample> {
    let mut samples = Vec::new();
    let sample = |kind, name: &str, attributes| Sample {
        kind,
        agent: view.plan.name.clone(),
        name: name.to_owned(),
        attributes,
        kinds: Vec::new(),
        latency: None,
        labels: Vec::new(),
    };
    for source in &view.sources {
        let mut attributes = whole(source.counters.attributes());
        attributes.extend(table::read(table::SOURCE, source));
        samples.push(Sample {
            kinds: kinds_of(source),
            ..sample("SOURCE", &source.name, attributes)
        });
    }
    for source in &view.plan.sources {
        let selector = source.selector.make();
        for (at, channel) in source.channels.iter().enumerate() {
            let info = vec![(&table::CHANNEL_OF_SOURCE, Number::Whole(1))];
            samples.push(Sample {
                labels: vec![
                    ("channel", channel.clone()),
                    ("required", selector.requires(at).to_string()),
                ],
                ..sample(table::SOURCE_CHANNEL, &source.component.name, info)
            });
        }
    }
    for channel in view.channels.iter().chain(departing_channels(view)) {
        let mut attributes = whole(channel.channel.counters().attributes());
        attributes.extend(table::read(table::CHANNEL, channel));
        // A mirrored channel is listed under each of its names.
        for name in &channel.names {
            samples.push(Sample {
                kinds: client(&channel.channel.counters().client),
                ..sample("CHANNEL", name, attributes.clone())
            });
        }
    }
    for group in view.groups.iter().chain(departing_groups(view)) {
        for (sink, report) in group.sinks.iter().zip(&group.runner.report()) {
            let mut attributes = whole(sink.counters.attributes());
            attributes.extend(table::read(table::SINK, report));
            samples.push(Sample {
                kinds: client(&sink.counters.client),
                latency: Some((&table::LATENCY, sink.counters.latency.counts())),
                labels: vec![
                    ("channel", sink.channel.clone()),
                    ("group", group.runner.name().to_owned()),
                ],
                ..sample("SINK", &sink.name, attributes)
            });
        }
        samples.push(sample(
            "SINK_PROCESSOR",
            group.runner.name(),
            processor(group),
        ));
    }
    samples
}

/// What a source counts by kind.
fn kinds_of(source: &SourceView) -> Vec<Kinds> {
    let dropped = source.dropped.iter();
    let mut kinds = vec![Kinds {
        metric: &table::DROPPED,
        label: "interceptor",
        counts: dropped.map(|(name, n)| (name.clone(), n.get())).collect(),
    }];
    kinds.extend(client(&source.counters.client));
    kinds
}

/// What the client of a component counts by partition and by kind.
fn client(client: &OnceLock<ClientCounter>) -> Vec<Kinds> {
    let Some(client) = client.get() else {
        return Vec::new();
    };
    let errors = client.errors().into_iter();
    vec![
        Kinds {
            metric: &ClientCounter::BEHIND,
            label: "partition",
            counts: client.behind_by_partition().into_iter().collect(),
        },
        Kinds {
            metric: &ClientCounter::ERRORS,
            label: "kind",
            counts: errors.map(|(kind, n)| (kind.to_owned(), n)).collect(),
        },
    ]
}

/// Channels that the file has no more and that are not empty. One whose name is in use again has to
/// do without numbers, since those of the new one are asked for.
fn departing_channels(view: &AgentView) -> Vec<&RunningChannel> {
    let mut channels: Vec<&RunningChannel> = Vec::new();
    for channel in view.departing.iter().flat_map(|gone| &gone.channels) {
        let others = view.channels.iter().chain(channels.iter().copied());
        let mut names = others.flat_map(|other| &other.names);
        if !names.any(|name| channel.names.contains(name)) {
            channels.push(channel);
        }
    }
    channels
}

/// The groups that empty them, except those whose sinks are in use again.
fn departing_groups(view: &AgentView) -> Vec<&GroupView> {
    let is_used = |name: &str| {
        let groups = view.groups.iter();
        let mut sinks = groups.clone().flat_map(|group| &group.sinks);
        sinks.any(|sink| sink.name == name)
            || groups.into_iter().any(|group| group.runner.name() == name)
    };
    let departing = view.departing.iter().filter_map(|gone| gone.group.as_ref());
    let unused = departing.filter(|group| {
        !is_used(group.runner.name()) && !group.sinks.iter().any(|sink| is_used(&sink.name))
    });
    unused.collect()
}

fn processor(group: &GroupView) -> Vec<(&'static Metric, Number)> {
    let mut attributes = table::read(table::PROCESSOR, group);
    if let Some(home) = group.runner.home() {
        attributes.extend(table::read(table::SPARE, home));
    }
    let Watchers { shadow, record } = &group.watchers;
    if let Some(shadow) = shadow {
        attributes.extend(table::read(table::SHADOW, shadow));
    }
    if let Some(record) = record {
        attributes.extend(table::read(table::RECORD, record));
    }
    attributes
}

fn whole(attributes: Vec<(&'static Metric, u64)>) -> Vec<(&'static Metric, Number)> {
    let all = attributes.into_iter();
    all.map(|(metric, n)| (metric, Number::Whole(n))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{plan, services};
    use crate::topology::RunningAgent;

    const AGENT: &str = "\
a1.sources = r1 r2
a1.channels = c1 c2 c3
a1.sinks = k1 k2 k3
a1.sources.r1.type = seq
a1.sources.r1.channels = c1 c2
a1.sources.r1.selector.optional = c2
a1.sources.r2.type = seq
a1.sources.r2.channels = c3 c1 c2
a1.sources.r2.selector.type = multiplexing
a1.sources.r2.selector.header = to
a1.sources.r2.selector.mapping.one = c1
a1.sources.r2.selector.optional.one = c2
a1.sources.r2.selector.default = c3
a1.channels.c1.type = memory
a1.channels.c2.type = memory
a1.channels.c3.type = memory
a1.sinks.k1.type = null
a1.sinks.k1.channel = c1
a1.sinks.k2.type = null
a1.sinks.k2.channel = c2
a1.sinks.k3.type = null
a1.sinks.k3.channel = c3
";

    #[tokio::test]
    async fn every_channel_of_a_source_has_a_series_that_joins_the_two() {
        let agent = RunningAgent::build(plan(AGENT), &services(1)).unwrap();
        let samples = collect(&[agent.view()], &[], Some(&ProcessView::default()));
        let text = prometheus::render(samples.clone()).unwrap();
        let infos: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("flume_source_channel_info"))
            .collect();
        let info = |source: &str, channel: &str, required: bool| {
            format!(
                "{{agent=\"a1\",name=\"{source}\",channel=\"{channel}\",required=\"{required}\"}} 1"
            )
        };
        assert_eq!(
            infos,
            [
                info("r1", "c1", true),
                info("r1", "c2", false),
                info("r2", "c3", true),
                info("r2", "c1", true),
                info("r2", "c2", false),
            ]
        );
        // Flume's JSON has no labels.
        let json = flume_json::render(&samples).to_string();
        assert!(!json.contains("SOURCE_CHANNEL"), "{json}");
    }
}
