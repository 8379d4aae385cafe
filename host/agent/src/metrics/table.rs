//! What `/metrics` shows in addition to the counters of `flume_core::counters`: each number once,
//! with its meaning and how it is read. `host/METRICS.md` is made from the same tables.

use std::sync::Arc;

use flume_core::clock;
use flume_core::counters::MetricKind::{Counter, Gauge, Histogram};
use flume_core::counters::{Certificate, Metric, MetricKind};
use flume_core::{
    ChannelCounter, ClientCounter, DurableCounter, FileCounter, SinkCounter, SourceCounter,
    SpillCounter,
};
use flume_policy::shadow::ShadowStats;

use super::{Number, ProcessStats, ProcessView};
use crate::record::RecordStats;
use crate::runner::{Home, SinkReport, SourceState};
use crate::topology::{GroupView, RunningChannel, SourceView};

mod policy;

pub(super) use self::policy::POLICY;

/// A number of a `T`, and how it is read.
pub(crate) struct Reading<T> {
    metric: Metric,
    read: fn(&T) -> Number,
}

const fn reading<T>(
    kind: MetricKind,
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    read: fn(&T) -> Number,
) -> Reading<T> {
    let metric = Metric {
        name,
        kind,
        unit,
        help,
    };
    Reading { metric, read }
}

/// All numbers of a table.
pub(super) fn read<T>(table: &'static [Reading<T>], of: &T) -> Vec<(&'static Metric, Number)> {
    let read = |reading: &'static Reading<T>| (&reading.metric, (reading.read)(of));
    table.iter().map(read).collect()
}

/// The numbers of a source.
pub(super) const SOURCE: &[Reading<SourceView>] = &[
    reading(
        Counter,
        "RestartCount",
        "restarts",
        "Times that the source failed and was started again.",
        |r| Number::Whole(r.status.restarts()),
    ),
    reading(
        Gauge,
        "Running",
        "1 or 0",
        "1 while the source takes events in.",
        |r| {
            Number::Whole(u64::from(matches!(
                r.status.state(),
                SourceState::Running(_)
            )))
        },
    ),
];

/// The numbers of a channel.
pub(super) const CHANNEL: &[Reading<RunningChannel>] = &[
    reading(
        Gauge,
        "ChannelSize",
        "events",
        "Events in the channel now, those of unfinished takes not counted.",
        |r| Number::Whole(r.channel.depth() as u64),
    ),
    reading(
        Gauge,
        "ChannelCapacity",
        "events",
        "The configured capacity.",
        |r| Number::Whole(r.channel.capacity() as u64),
    ),
    reading(
        Gauge,
        "ChannelFillPercentage",
        "%",
        "Size in percent of the capacity; the largest double if the capacity is 0.",
        |r| Number::Fraction(percentage(r.channel.depth(), r.channel.capacity())),
    ),
    reading(
        Gauge,
        "ChannelBytes",
        "bytes",
        "Bytes that `byteCapacity` counts, in steps of 100 (`spillable`: of `avgEventSize`) for each event, those of unfinished puts and \
         takes included; 0 if the channel counts none.",
        |r| Number::Whole(r.channel.bytes().unwrap_or(0)),
    ),
    reading(
        Gauge,
        "OldestEventAge",
        "s",
        "How long the oldest event has waited that is not delivered: in the channel, with a sink, or aside; \
         up to 0.25 too high, and for one aside by a few thousandths.",
        |r| Number::Fraction(r.ages.oldest(&*r.channel, clock::now()).as_secs_f64()),
    ),
];

/// The numbers of a sink.
pub(super) const SINK: &[Reading<SinkReport>] = &[
    reading(
        Counter,
        "RestartCount",
        "restarts",
        "Times that the sink panicked and was replaced.",
        |r| Number::Whole(r.restarts),
    ),
    reading(
        Gauge,
        "FailuresInSequence",
        "batches",
        "Batches that failed since the last one that was delivered.",
        |r| Number::Whole(r.health.outage.map_or(0, |outage| outage.failures)),
    ),
    reading(
        Gauge,
        "AsideSize",
        "events",
        "Events that cannot be delivered and are set aside now; they keep their room in the channel.",
        |r| Number::Whole(r.health.aside.events as u64),
    ),
];

/// The numbers of a group; a sink without a group is a group of one.
pub(super) const PROCESSOR: &[Reading<GroupView>] = &[
    reading(Gauge, "SinkCount", "sinks", "Sinks of the group.", |r| {
        Number::Whole(r.sinks.len() as u64)
    }),
    reading(
        Gauge,
        "UsableSinkCount",
        "sinks",
        "Sinks that are not excluded by a penalty or back-off now, and whose last batch did not fail.",
        |r| Number::Whole(usable(r)),
    ),
    reading(
        Counter,
        "CallCount",
        "calls",
        "Calls of the sink processor, those that found no events included.",
        |r| Number::Whole(r.runner.calls()),
    ),
    reading(
        Counter,
        "ExhaustedCallCount",
        "calls",
        "Calls in which no sink could deliver: a pause follows, and a new try.",
        |r| Number::Whole(r.runner.exhausted_calls()),
    ),
    reading(
        Counter,
        "RestartCount",
        "restarts",
        "Times that the runner of the group panicked and began again.",
        |r| Number::Whole(r.runner.restarts()),
    ),
];

/// The numbers of a group with a spare, a sink of type `channel`.
pub(super) const SPARE: &[Reading<Home>] = &[
    reading(
        Counter,
        "EventSparedCount",
        "events",
        "Events that the spare took into its channel, as all other sinks were in penalty.",
        |r| Number::Whole(r.counts().spared.get()),
    ),
    reading(
        Counter,
        "EventCameHomeCount",
        "events",
        "Events of the spare's channel that another sink delivered.",
        |r| Number::Whole(r.counts().came_home.get()),
    ),
    reading(
        Gauge,
        "SpareInUse",
        "1 or 0",
        "1 from the first batch that the spare took until another sink delivers.",
        |r| Number::Whole(u64::from(r.in_use_since().is_some())),
    ),
];

/// The numbers of a group with `processor.shadow`.
pub(super) const SHADOW: &[Reading<Arc<ShadowStats>>] = &[
    reading(
        Counter,
        "ShadowComparedCount",
        "decisions",
        "Decisions in which candidate and live selector were compared.",
        |r| Number::Whole(r.compared.get()),
    ),
    reading(
        Counter,
        "ShadowFirstDiffersCount",
        "decisions",
        "Decisions in which the candidate chose another first sink.",
        |r| Number::Whole(r.first_differs.get()),
    ),
    reading(
        Counter,
        "ShadowOrderDiffersCount",
        "decisions",
        "Decisions with the same first sink and another order after it.",
        |r| Number::Whole(r.order_differs.get()),
    ),
    reading(
        Counter,
        "ShadowUnansweredCount",
        "decisions",
        "Decisions for which the candidate had no good answer.",
        |r| Number::Whole(r.unanswered.get()),
    ),
    reading(
        Counter,
        "ShadowDroppedCount",
        "decisions",
        "Decisions that the candidate was not shown, because it was too slow.",
        |r| Number::Whole(r.dropped.get()),
    ),
];

/// The numbers of a group with `processor.record`.
pub(super) const RECORD: &[Reading<Arc<RecordStats>>] = &[
    reading(
        Counter,
        "RecordEntryCount",
        "entries",
        "Entries that were recorded.",
        |r| Number::Whole(r.entries().0),
    ),
    reading(
        Counter,
        "RecordDroppedCount",
        "entries",
        "Entries that were dropped, because the queue was full.",
        |r| Number::Whole(r.entries().1),
    ),
    reading(
        Counter,
        "RecordByteCount",
        "bytes",
        "Bytes written to the record.",
        |r| Number::Whole(r.written()),
    ),
    reading(
        Counter,
        "RecordFailedWriteCount",
        "failures",
        "Writes to the record that failed, with all entries in them.",
        |r| Number::Whole(r.failures()),
    ),
];

/// The numbers of the process.
pub(super) const PROCESS: &[Reading<ProcessView>] = &[
    reading(
        Counter,
        "LogLineDroppedCount",
        "lines",
        "Log lines that were dropped, because standard error was not read.",
        |r| Number::Whole(r.log_lines_dropped),
    ),
    reading(
        Counter,
        "AuditLineFailedCount",
        "lines",
        "Lines of the audit log that could not be written to its file.",
        |r| Number::Whole(r.audit_lines_failed),
    ),
    reading(
        Counter,
        "ReloadCount",
        "reloads",
        "Changed configuration files that were taken.",
        |r| Number::Whole(r.reloads.taken),
    ),
    reading(
        Counter,
        "ReloadRefusedCount",
        "reloads",
        "Changed configuration files that were refused: the agents kept running.",
        |r| Number::Whole(r.reloads.refused),
    ),
    reading(
        Gauge,
        "LastReloadTaken",
        "1 or 0",
        "0 if the last changed configuration file was refused.",
        |r| Number::Whole(u64::from(r.reloads.last_taken)),
    ),
    reading(
        Gauge,
        "LastReloadTime",
        "ms since 1970",
        "When the last changed configuration file was taken or refused; 0 if none was.",
        |r| Number::Whole(r.reloads.last_time),
    ),
    reading(Gauge, "RunningAgents", "agents", "Agents that run.", |r| {
        Number::Whole(r.fleet.running)
    }),
    reading(
        Gauge,
        "StartingAgents",
        "agents",
        "Agents that do not run yet: their policies are compiled and tried out.",
        |r| Number::Whole(r.fleet.starting),
    ),
    reading(
        Gauge,
        "LeftOutAgents",
        "agents",
        "Agents that do not run, because a policy of theirs cannot be used.",
        |r| Number::Whole(r.fleet.left_out),
    ),
];

/// What Prometheus's client libraries say of every process, under their names.
pub(super) const STANDARD: &[Reading<ProcessStats>] = &[
    reading(
        Counter,
        "process_cpu_seconds",
        "s",
        "CPU time of the process, user and system.",
        |r| Number::Fraction(r.cpu_seconds),
    ),
    reading(
        Gauge,
        "process_resident_memory_bytes",
        "bytes",
        "Resident memory of the process.",
        |r| Number::Whole(r.resident_bytes),
    ),
    reading(
        Gauge,
        "process_open_fds",
        "files",
        "Open files, connections among them.",
        |r| Number::Whole(r.open_files),
    ),
    reading(
        Gauge,
        "process_max_fds",
        "files",
        "The most files that may be open.",
        |r| Number::Whole(r.most_files),
    ),
    reading(
        Gauge,
        "process_start_time_seconds",
        "s since 1970",
        "When the process started.",
        |r| Number::Fraction(r.start_seconds),
    ),
];

/// Which program this is; the value is 1.
pub(super) const BUILD: Metric = Metric {
    name: "Info",
    kind: Gauge,
    unit: "1",
    help: "The program that runs: its version, its profile, and its target.",
};

/// The type of [`CHANNEL_OF_SOURCE`]. It says something by its labels alone, so that it is only for
/// formats that have them.
pub(crate) const SOURCE_CHANNEL: &str = "SOURCE_CHANNEL";

/// A channel of a source; the value is 1.
pub(super) const CHANNEL_OF_SOURCE: Metric = Metric {
    name: "Info",
    kind: Gauge,
    unit: "1",
    help: "A channel that the source puts events into; the label `required` is false if it may miss all of them.",
};

/// The one counter of a policy that is split by kind.
pub(crate) const VIOLATIONS: Metric = Metric {
    name: "ViolationCount",
    kind: Counter,
    unit: "violations",
    help: "Rules that the policy broke; the label `kind` names the rule.",
};

/// The histogram of a sink.
pub(crate) const LATENCY: Metric = Metric {
    name: "BatchLatency",
    kind: Histogram,
    unit: "s",
    help: "Time from the taking of a batch to its commit, for batches that were delivered.",
};

/// The one counter of a source that is split by interceptor.
pub(crate) const DROPPED: Metric = Metric {
    name: "EventDroppedCount",
    kind: Counter,
    unit: "events",
    help: "Events that an interceptor dropped, as it is meant to; the label `interceptor` names it.",
};

/// The numbers of a client.
fn client() -> Vec<&'static Metric> {
    let split = [&ClientCounter::BEHIND, &ClientCounter::ERRORS];
    ClientCounter::METRICS.iter().chain(split).collect()
}

fn usable(group: &GroupView) -> u64 {
    let report = group.runner.report();
    let usable = report.iter().filter(|sink| sink.is_usable());
    usable.count() as u64
}

/// For a channel with capacity 0, Flume reports the largest double.
#[expect(
    clippy::cast_precision_loss,
    reason = "a percentage needs no more digits than a double"
)]
fn percentage(depth: usize, capacity: usize) -> f64 {
    if capacity == 0 {
        f64::MAX
    } else {
        depth as f64 / capacity as f64 * 100.0
    }
}

/// All metrics: a type of component, which of its components, and what they show.
pub(crate) fn metrics() -> Vec<(&'static str, &'static str, Vec<&'static Metric>)> {
    let violations = std::slice::from_ref(&VIOLATIONS);
    let durable = DurableCounter::METRICS.iter().collect();
    vec![
        ("SOURCE", "Sources", all(SourceCounter::METRICS, SOURCE)),
        (
            "SOURCE",
            "Sources with interceptors",
            std::slice::from_ref(&DROPPED).iter().collect(),
        ),
        (
            "SOURCE",
            "Sources with TLS",
            Certificate::METRICS.iter().collect(),
        ),
        ("SOURCE", "Sources with a client of Kafka", client()),
        (
            SOURCE_CHANNEL,
            "Channels of sources, to join the two",
            vec![&CHANNEL_OF_SOURCE],
        ),
        ("CHANNEL", "Channels", all(ChannelCounter::METRICS, CHANNEL)),
        ("CHANNEL", "Durable channels", durable),
        (
            "CHANNEL",
            "Channels of type `spillable`",
            SpillCounter::METRICS.iter().collect(),
        ),
        ("CHANNEL", "Channels with clients of Kafka", client()),
        (
            "SINK",
            "Sinks",
            [all(SinkCounter::METRICS, SINK), vec![&LATENCY]].concat(),
        ),
        (
            "SINK",
            "Sinks that write files: `hdfs`, and `file_roll` with keys of `hdfs`",
            FileCounter::METRICS.iter().collect(),
        ),
        ("SINK", "Sinks with a client of Kafka", client()),
        (
            "SINK_PROCESSOR",
            "Groups, and sinks without a group",
            all(&[], PROCESSOR),
        ),
        (
            "SINK_PROCESSOR",
            "Groups with a spare, a sink of type `channel`",
            all(&[], SPARE),
        ),
        (
            "SINK_PROCESSOR",
            "Groups with `processor.shadow`",
            all(&[], SHADOW),
        ),
        (
            "SINK_PROCESSOR",
            "Groups with `processor.record`",
            all(&[], RECORD),
        ),
        ("POLICY", "Policies", all(violations, POLICY)),
        ("PROCESS", "The process", all(&[], PROCESS)),
        (
            "PROCESS",
            "The process, by the names that Prometheus has for all processes (Linux only)",
            all(&[], STANDARD),
        ),
        ("BUILD", "The program", vec![&BUILD]),
    ]
}

fn all<T>(counted: &'static [Metric], read: &'static [Reading<T>]) -> Vec<&'static Metric> {
    let read = read.iter().map(|reading| &reading.metric);
    counted.iter().chain(read).collect()
}
