//! The same numbers as Prometheus text, one family per attribute:
//! `flume_channel_channel_size{agent="a1",name="c1"} 0`. A counter by kind has one more label. The
//! `HELP` line of a family is the meaning in its [`Metric`].

use std::collections::BTreeMap;
use std::fmt;

use flume_core::counters::{LatencyCounts, Metric, MetricKind};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::{Number, Sample};

/// The samples in the OpenMetrics text format.
///
/// # Errors
/// Only if the formatter fails.
pub(crate) fn render(samples: Vec<Sample>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Samples(samples)));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

/// An attribute with the components that have it, and the kinds.
type Family<'a> = (
    &'static Metric,
    Vec<(&'a Sample, Option<(&'static str, &'a str)>, Value<'a>)>,
);

/// A value of a family.
enum Value<'a> {
    Number(Number),
    Latency(&'a LatencyCounts),
}

#[derive(Debug)]
struct Samples(Vec<Sample>);

impl Collector for Samples {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families: BTreeMap<String, Family<'_>> = BTreeMap::new();
        for sample in &self.0 {
            let mut add = |metric: &'static Metric, kind, value| {
                let family = families.entry(family_name(sample.kind, metric.name));
                let (_, members) = family.or_insert((metric, Vec::new()));
                members.push((sample, kind, value));
            };
            for (metric, value) in &sample.attributes {
                add(metric, None, Value::Number(*value));
            }
            if let Some((metric, counts)) = &sample.latency {
                add(metric, None, Value::Latency(counts));
            }
            for kinds in &sample.kinds {
                for (kind, count) in &kinds.counts {
                    let kind = (kinds.label, kind.as_str());
                    add(
                        kinds.metric,
                        Some(kind),
                        Value::Number(Number::Whole(*count)),
                    );
                }
            }
        }
        for (name, (metric, samples)) in families {
            let kind = match metric.kind {
                MetricKind::Counter => MetricType::Counter,
                MetricKind::Gauge => MetricType::Gauge,
                MetricKind::Histogram => MetricType::Histogram,
            };
            let mut family = encoder.encode_descriptor(&name, metric.help, None, kind)?;
            for (sample, kind, value) in samples {
                let mut labels = Vec::with_capacity(5);
                if !sample.agent.is_empty() {
                    labels.push(("agent", sample.agent.as_str()));
                }
                labels.push(("name", sample.name.as_str()));
                let more = sample.labels.iter();
                labels.extend(more.map(|(label, value)| (*label, value.as_str())));
                labels.extend(kind);
                let encoder = family.encode_family(&labels)?;
                encode_value(metric.kind, &value, encoder)?;
            }
        }
        Ok(())
    }
}

fn encode_value(
    kind: MetricKind,
    value: &Value<'_>,
    mut encoder: MetricEncoder<'_>,
) -> fmt::Result {
    let number = match value {
        Value::Number(number) => *number,
        Value::Latency(latency) => {
            let LatencyCounts {
                count,
                sum,
                buckets,
            } = latency;
            // The format has no infinite bound; its last one is the largest double.
            let finite = |(bound, n): &(f64, u64)| (bound.min(f64::MAX), *n);
            let buckets: Vec<(f64, u64)> = buckets.iter().map(finite).collect();
            return encoder.encode_histogram::<NoLabelSet>(*sum, *count, &buckets, None);
        }
    };
    match (kind, number) {
        (MetricKind::Counter, Number::Whole(n)) => ConstCounter::new(n).encode(encoder),
        (MetricKind::Counter, Number::Fraction(n)) => ConstCounter::new(n).encode(encoder),
        (_, Number::Whole(n)) => {
            ConstGauge::new(i64::try_from(n).unwrap_or(i64::MAX)).encode(encoder)
        }
        (_, Number::Fraction(n)) => ConstGauge::new(n).encode(encoder),
    }
}

/// `SINK`, `EventDrainSuccessCount` → `flume_sink_event_drain_success`; the format itself adds
/// `_total` to counters. Prometheus's own names stay as they are.
fn family_name(kind: &str, attribute: &str) -> String {
    if attribute.starts_with("process_") {
        return attribute.to_owned();
    }
    let mut name = format!("flume_{}", kind.to_ascii_lowercase());
    for letter in attribute.strip_suffix("Count").unwrap_or(attribute).chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// The name as it appears in the text: `flume_sink_event_drain_success_total`.
pub(crate) fn full_name(kind: &str, metric: &Metric) -> String {
    let mut name = family_name(kind, metric.name);
    if metric.kind == MetricKind::Counter {
        name.push_str("_total");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Kinds;

    const DELIVERED: Metric = Metric {
        name: "EventDrainSuccessCount",
        kind: MetricKind::Counter,
        unit: "events",
        help: "Events delivered.",
    };
    const STARTED: Metric = Metric {
        name: "StartTime",
        kind: MetricKind::Gauge,
        unit: "ms since 1970",
        help: "When the sink started.",
    };
    const BROKEN: Metric = Metric {
        name: "ViolationCount",
        kind: MetricKind::Counter,
        unit: "violations",
        help: "Rules that were broken.",
    };

    #[test]
    fn counters_and_gauges_carry_agent_and_name() {
        let process = Sample {
            kind: "PROCESS",
            agent: String::new(),
            name: "flume-host".to_owned(),
            attributes: vec![(&DELIVERED, Number::Whole(2))],
            kinds: Vec::new(),
            latency: None,
            labels: Vec::new(),
        };
        let sink = Sample {
            kind: "SINK",
            agent: "a1".to_owned(),
            name: "k1".to_owned(),
            attributes: vec![(&DELIVERED, Number::Whole(7)), (&STARTED, Number::Whole(3))],
            kinds: vec![Kinds {
                metric: &BROKEN,
                label: "kind",
                counts: vec![("trap".to_owned(), 2)],
            }],
            latency: None,
            labels: vec![("channel", "c1".to_owned())],
        };
        let text = render(vec![sink, process]).unwrap();
        let help = "# HELP flume_sink_event_drain_success Events delivered.";
        assert!(text.lines().any(|line| line == help), "{text}");
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                r#"flume_process_event_drain_success_total{name="flume-host"} 2"#,
                r#"flume_sink_event_drain_success_total{agent="a1",name="k1",channel="c1"} 7"#,
                r#"flume_sink_start_time{agent="a1",name="k1",channel="c1"} 3"#,
                r#"flume_sink_violation_total{agent="a1",name="k1",channel="c1",kind="trap"} 2"#,
            ]
        );
    }
}
