//! The same numbers as Prometheus text, one family an attribute:
//! `flume_channel_channel_size{agent="a1",name="c1"} 0`. What comes in kinds has one more label.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::{Kinds, Sample, Value};

/// The samples in the OpenMetrics text format.
///
/// # Errors
/// Only if the formatter fails.
pub fn render(samples: Vec<Sample>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Samples(samples)));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

/// An attribute with the components that have it, and their kinds.
type Family<'a> = (&'a str, Vec<(&'a Sample, Option<&'static str>, Value)>);

#[derive(Debug)]
struct Samples(Vec<Sample>);

impl Collector for Samples {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families: BTreeMap<String, Family<'_>> = BTreeMap::new();
        for sample in &self.0 {
            let mut add = |attribute, kind, value| {
                let family = families.entry(family_name(sample.kind, attribute));
                let (_, members) = family.or_insert((attribute, Vec::new()));
                members.push((sample, kind, value));
            };
            for (attribute, value) in &sample.attributes {
                add(attribute, None, *value);
            }
            for Kinds { attribute, counts } in &sample.kinds {
                for (kind, count) in counts {
                    add(attribute, Some(kind), Value::Counter(*count));
                }
            }
        }
        for (name, (attribute, samples)) in families {
            let Some((_, _, first)) = samples.first() else {
                continue;
            };
            let kind = match first {
                Value::Counter(_) => MetricType::Counter,
                Value::Gauge(_) | Value::WholeGauge(_) => MetricType::Gauge,
            };
            let help = format!("{attribute} as Flume counts it");
            let mut family = encoder.encode_descriptor(&name, &help, None, kind)?;
            for (sample, kind, value) in samples {
                let mut labels = vec![
                    ("agent", sample.agent.as_str()),
                    ("name", sample.name.as_str()),
                ];
                labels.extend(kind.map(|kind| ("kind", kind)));
                let metric = family.encode_family(&labels)?;
                match value {
                    Value::Counter(n) => ConstCounter::new(n).encode(metric)?,
                    Value::Gauge(n) => ConstGauge::new(n).encode(metric)?,
                    Value::WholeGauge(n) => {
                        ConstGauge::new(i64::try_from(n).unwrap_or(i64::MAX)).encode(metric)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// `SINK`, `EventDrainSuccessCount` → `flume_sink_event_drain_success`; the format itself adds
/// `_total` to what only grows.
fn family_name(kind: &str, attribute: &str) -> String {
    let mut name = format!("flume_{}", kind.to_ascii_lowercase());
    for letter in attribute.strip_suffix("Count").unwrap_or(attribute).chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_gauges_carry_agent_and_name() {
        let text = render(vec![Sample {
            kind: "SINK",
            agent: "a1".to_owned(),
            name: "k1".to_owned(),
            attributes: vec![
                ("EventDrainSuccessCount", Value::Counter(7)),
                ("StartTime", Value::WholeGauge(3)),
            ],
            kinds: vec![Kinds {
                attribute: "ViolationCount",
                counts: vec![("trap", 2)],
            }],
        }])
        .unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                r#"flume_sink_event_drain_success_total{agent="a1",name="k1"} 7"#,
                r#"flume_sink_start_time{agent="a1",name="k1"} 3"#,
                r#"flume_sink_violation_total{agent="a1",name="k1",kind="trap"} 2"#,
            ]
        );
    }
}
