//! Metrics of all components: one collection, two formats.
//!
//! A component is `TYPE.name`, as in Flume. Where one process runs several agents, which Flume
//! does not, the name is `agent.name`, since two agents may both have a channel `c1`.

use std::time::Duration;

use flume_core::Channel;
use flume_core::sink_processor::SinkState;
use flume_policy::SeatState;

use crate::policies::PolicyFileReport;
use crate::runner::SourceState;
use crate::topology::{AgentView, GroupView, Watchers};

pub mod flume_json;
pub mod prometheus;

/// One component's numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// `SOURCE`, `CHANNEL`, `SINK`, `SINK_PROCESSOR` or `POLICY`.
    pub kind: &'static str,
    /// The agent.
    pub agent: String,
    /// The component.
    pub name: String,
    /// Attributes with Flume's names.
    pub attributes: Vec<(&'static str, Value)>,
    /// Counters that come in kinds.
    pub kinds: Vec<Kinds>,
}

/// A counter that comes in kinds.
#[derive(Debug, Clone, PartialEq)]
pub struct Kinds {
    /// The attribute.
    pub attribute: &'static str,
    /// Each kind with its number.
    pub counts: Vec<(&'static str, u64)>,
}

/// A number that only grows, or one that goes up and down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// Only grows.
    Counter(u64),
    /// Goes up and down.
    Gauge(f64),
    /// Goes up and down, whole.
    WholeGauge(u64),
}

/// All numbers, agents and components in the order of the file, then policies.
pub fn collect(agents: &[AgentView], policies: &[PolicyFileReport]) -> Vec<Sample> {
    let components = agents.iter().flat_map(collect_agent);
    components.chain(policies.iter().map(policy)).collect()
}

fn policy(report: &PolicyFileReport) -> Sample {
    let totals = &report.totals;
    let in_state = |wanted: fn(&SeatState) -> bool| {
        let seats = report.seats.iter().filter(|seat| wanted(&seat.state));
        Value::WholeGauge(seats.count() as u64)
    };
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let name = report.name.split_once('/').map_or("", |(_, name)| name);
    let attributes = vec![
        ("CallCount", Value::Counter(totals.calls)),
        ("EventCount", Value::Counter(totals.events)),
        ("CpuNanosCount", Value::Counter(nanos(totals.cpu))),
        ("FallbackCount", Value::Counter(totals.fallbacks)),
        ("ThrottledCount", Value::Counter(totals.throttled)),
        ("PoisonCount", Value::Counter(totals.poison)),
        ("ReplacementCount", Value::Counter(totals.replacements)),
        ("SwapCount", Value::Counter(totals.swaps)),
        ("RollBackCount", Value::Counter(totals.roll_backs)),
        (
            "LogLineDroppedCount",
            Value::Counter(totals.log_lines_dropped),
        ),
        ("Generation", Value::WholeGauge(report.generation)),
        ("MemoryBytes", Value::WholeGauge(totals.memory)),
        ("MostMemoryBytes", Value::WholeGauge(totals.most_memory)),
        ("CallP99Nanos", Value::WholeGauge(nanos(totals.usual_call))),
        (
            "LongestCallNanos",
            Value::WholeGauge(nanos(totals.longest_call)),
        ),
        (
            "LongestSwapNanos",
            Value::WholeGauge(nanos(totals.longest_swap)),
        ),
        (
            "RunningSeats",
            in_state(|s| matches!(s, SeatState::Running)),
        ),
        (
            "RestingSeats",
            in_state(|s| matches!(s, SeatState::Resting { .. } | SeatState::Starting)),
        ),
        (
            "QuarantinedSeats",
            in_state(|s| matches!(s, SeatState::Quarantined)),
        ),
    ];
    let counts = totals.violations.iter().map(|(kind, n)| (kind.id(), *n));
    let kinds = vec![Kinds {
        attribute: "ViolationCount",
        counts: counts.collect(),
    }];
    Sample {
        kind: "POLICY",
        agent: report.agent.clone(),
        name: name.to_owned(),
        attributes,
        kinds,
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
    };
    for source in &view.sources {
        let mut attributes = typed(source.counters.attributes());
        attributes.push(("RestartCount", Value::Counter(source.status.restarts())));
        let running = matches!(source.status.state(), SourceState::Running(_));
        attributes.push(("Running", Value::WholeGauge(u64::from(running))));
        samples.push(sample("SOURCE", &source.name, attributes));
    }
    for channel in &view.channels {
        let (depth, capacity) = (channel.channel.depth(), channel.channel.capacity());
        let mut attributes = typed(channel.channel.counters().attributes());
        attributes.push(("ChannelSize", Value::WholeGauge(depth as u64)));
        attributes.push(("ChannelCapacity", Value::WholeGauge(capacity as u64)));
        attributes.push((
            "ChannelFillPercentage",
            Value::Gauge(percentage(depth, capacity)),
        ));
        // A mirrored channel answers under each of its names.
        for name in &channel.names {
            samples.push(sample("CHANNEL", name, attributes.clone()));
        }
    }
    for GroupView {
        runner,
        sinks,
        watchers,
    } in &view.groups
    {
        let report = runner.report();
        for (sink, report) in sinks.iter().zip(&report) {
            let mut attributes = typed(sink.counters.attributes());
            attributes.push(("RestartCount", Value::Counter(report.restarts)));
            samples.push(sample("SINK", &sink.name, attributes));
        }
        let usable = report
            .iter()
            .filter(|r| !matches!(r.state, SinkState::Penalty { .. }));
        let mut attributes = vec![
            ("SinkCount", Value::WholeGauge(report.len() as u64)),
            ("UsableSinkCount", Value::WholeGauge(usable.count() as u64)),
            ("CallCount", Value::Counter(runner.calls())),
            (
                "ExhaustedCallCount",
                Value::Counter(runner.exhausted_calls()),
            ),
        ];
        attributes.extend(watched(watchers));
        samples.push(sample("SINK_PROCESSOR", runner.name(), attributes));
    }
    samples
}

/// What a shadow and a record have counted.
fn watched(watchers: &Watchers) -> Vec<(&'static str, Value)> {
    let mut attributes = Vec::new();
    if let Some(shadow) = &watchers.shadow {
        attributes.extend([
            ("ShadowComparedCount", shadow.compared.get()),
            ("ShadowFirstDiffersCount", shadow.first_differs.get()),
            ("ShadowOrderDiffersCount", shadow.order_differs.get()),
            ("ShadowUnansweredCount", shadow.unanswered.get()),
            ("ShadowDroppedCount", shadow.dropped.get()),
        ]);
    }
    if let Some(record) = &watchers.record {
        let (entries, dropped) = record.entries();
        attributes.extend([
            ("RecordEntryCount", entries),
            ("RecordDroppedCount", dropped),
            ("RecordByteCount", record.written()),
            ("RecordFailedWriteCount", record.failures()),
        ]);
    }
    typed(attributes)
}

/// Flume's attributes that go up and down; all others only grow.
const GAUGES: &[&str] = &[
    "OpenConnectionCount",
    "StartTime",
    "StopTime",
    "BucketCount",
];

fn typed(attributes: Vec<(&'static str, u64)>) -> Vec<(&'static str, Value)> {
    let value = |name, n| match GAUGES.contains(&name) {
        true => Value::WholeGauge(n),
        false => Value::Counter(n),
    };
    attributes
        .into_iter()
        .map(|(name, n)| (name, value(name, n)))
        .collect()
}

/// Of a channel without room Flume says the largest double.
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
