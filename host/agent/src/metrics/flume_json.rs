//! Flume's JSON: `{"CHANNEL.c1": {"ChannelSize": "0", …}, …}`, every value a string. A counter by
//! kind is `"ViolationCount"` in total and `"ViolationCount.trap"` for a kind.

use serde_json::{Map, Value as Json};

use super::table::SOURCE_CHANNEL;
use super::{Kinds, Number, Sample};

/// The samples as in Flume's `/metrics`.
pub(crate) fn render(samples: &[Sample]) -> Json {
    let mut agents = samples.iter().map(|sample| &sample.agent);
    let first = agents.next();
    // What belongs to no agent does not count as one.
    let several = agents.any(|agent| !agent.is_empty() && Some(agent) != first);
    let mut all = Map::new();
    for sample in samples.iter().filter(|it| it.kind != SOURCE_CHANNEL) {
        let mut attributes: Map<String, Json> = sample
            .attributes
            .iter()
            .map(|(metric, value)| (metric.name.to_owned(), Json::String(text(*value))))
            .collect();
        for Kinds { metric, counts, .. } in &sample.kinds {
            let attribute = metric.name;
            let mut sum = 0;
            for (kind, count) in counts {
                sum += count;
                attributes.insert(
                    format!("{attribute}.{kind}"),
                    Json::String(count.to_string()),
                );
            }
            attributes.insert(attribute.to_owned(), Json::String(sum.to_string()));
        }
        if let Some((metric, counts)) = &sample.latency {
            let name = metric.name;
            let (count, sum) = (counts.count.to_string(), format!("{:?}", counts.sum));
            attributes.insert(format!("{name}.count"), Json::String(count));
            attributes.insert(format!("{name}.sum"), Json::String(sum));
        }
        attributes.insert("Type".to_owned(), Json::String(sample.kind.to_owned()));
        let name = match several && !sample.agent.is_empty() {
            true => format!("{}.{}.{}", sample.kind, sample.agent, sample.name),
            false => format!("{}.{}", sample.kind, sample.name),
        };
        all.insert(name, Json::Object(attributes));
    }
    Json::Object(all)
}

/// Java prints a double with at least one decimal place.
fn text(value: Number) -> String {
    match value {
        Number::Whole(n) => n.to_string(),
        Number::Fraction(n) if n == f64::MAX => "1.7976931348623157E308".to_owned(),
        Number::Fraction(n) => format!("{n:?}"),
    }
}

#[cfg(test)]
mod tests {
    use flume_core::counters::{Metric, MetricKind};

    use super::*;
    use crate::metrics::table::VIOLATIONS;

    const FILL: Metric = Metric {
        name: "ChannelFillPercentage",
        kind: MetricKind::Gauge,
        unit: "%",
        help: "Size in percent of the capacity.",
    };

    fn sample(agent: &str, value: Number) -> Sample {
        Sample {
            kind: "CHANNEL",
            agent: agent.to_owned(),
            name: "c1".to_owned(),
            attributes: vec![(&FILL, value)],
            kinds: Vec::new(),
            latency: None,
            labels: Vec::new(),
        }
    }

    /// Flume: TestHTTPMetricsServer.testJSON (G10): names and string values.
    #[test]
    fn values_are_strings_under_flumes_names() {
        let json = render(&[sample("a1", Number::Fraction(0.0))]);
        assert_eq!(
            json.to_string(),
            r#"{"CHANNEL.c1":{"ChannelFillPercentage":"0.0","Type":"CHANNEL"}}"#
        );
    }

    #[test]
    fn a_channel_without_room_is_filled_beyond_measure() {
        let json = render(&[sample("a1", Number::Fraction(f64::MAX))]);
        assert!(
            json.to_string().contains("1.7976931348623157E308"),
            "{json}"
        );
    }

    #[test]
    fn kinds_are_shown_one_by_one_and_as_a_sum() {
        let mut sample = sample("a1", Number::Whole(0));
        sample.attributes.clear();
        sample.kinds.push(Kinds {
            metric: &VIOLATIONS,
            label: "kind",
            counts: vec![("trap".to_owned(), 2), ("deadline".to_owned(), 3)],
        });
        let expected = serde_json::json!({"CHANNEL.c1": {
            "ViolationCount": "5",
            "ViolationCount.trap": "2",
            "ViolationCount.deadline": "3",
            "Type": "CHANNEL",
        }});
        assert_eq!(render(&[sample]), expected);
    }

    #[test]
    fn several_agents_do_not_share_names() {
        let json = render(&[
            sample("a1", Number::Whole(1)),
            sample("a2", Number::Whole(2)),
        ]);
        let names: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(names, ["CHANNEL.a1.c1", "CHANNEL.a2.c1"]);
    }

    #[test]
    fn what_belongs_to_no_agent_keeps_its_name_and_leaves_others_theirs() {
        let own = sample("", Number::Whole(1));
        let process = Sample {
            name: "p".to_owned(),
            ..own
        };
        let names = |samples: &[Sample]| -> Vec<String> {
            render(samples)
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect()
        };
        let one = sample("a1", Number::Whole(1));
        assert_eq!(
            names(&[one.clone(), process.clone()]),
            ["CHANNEL.c1", "CHANNEL.p"]
        );
        let all = [one, sample("a2", Number::Whole(1)), process];
        assert_eq!(names(&all), ["CHANNEL.a1.c1", "CHANNEL.a2.c1", "CHANNEL.p"]);
    }
}
