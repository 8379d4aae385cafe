//! Flume's JSON: `{"CHANNEL.c1": {"ChannelSize": "0", …}, …}`, every value a string. What comes in
//! kinds is `"ViolationCount"` as a whole and `"ViolationCount.trap"` by kind.

use serde_json::{Map, Value as Json};

use super::{Kinds, Sample, Value};

/// The samples as Flume's `/metrics` answers them.
pub fn render(samples: &[Sample]) -> Json {
    let several = samples
        .iter()
        .any(|sample| samples.first().is_some_and(|f| f.agent != sample.agent));
    let mut all = Map::new();
    for sample in samples {
        let mut attributes: Map<String, Json> = sample
            .attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Json::String(text(*value))))
            .collect();
        for Kinds { attribute, counts } in &sample.kinds {
            let mut sum = 0;
            for (kind, count) in counts {
                sum += count;
                attributes.insert(
                    format!("{attribute}.{kind}"),
                    Json::String(count.to_string()),
                );
            }
            attributes.insert((*attribute).to_owned(), Json::String(sum.to_string()));
        }
        attributes.insert("Type".to_owned(), Json::String(sample.kind.to_owned()));
        let name = match several {
            true => format!("{}.{}.{}", sample.kind, sample.agent, sample.name),
            false => format!("{}.{}", sample.kind, sample.name),
        };
        all.insert(name, Json::Object(attributes));
    }
    Json::Object(all)
}

/// Java prints a double with at least one decimal place.
fn text(value: Value) -> String {
    match value {
        Value::Counter(n) | Value::WholeGauge(n) => n.to_string(),
        Value::Gauge(n) if n == f64::MAX => "1.7976931348623157E308".to_owned(),
        Value::Gauge(n) => format!("{n:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(agent: &str, value: Value) -> Sample {
        Sample {
            kind: "CHANNEL",
            agent: agent.to_owned(),
            name: "c1".to_owned(),
            attributes: vec![("ChannelFillPercentage", value)],
            kinds: Vec::new(),
        }
    }

    /// Flume: TestHTTPMetricsServer.testJSON (G10): names and string values.
    #[test]
    fn values_are_strings_under_flumes_names() {
        let json = render(&[sample("a1", Value::Gauge(0.0))]);
        assert_eq!(
            json.to_string(),
            r#"{"CHANNEL.c1":{"ChannelFillPercentage":"0.0","Type":"CHANNEL"}}"#
        );
    }

    #[test]
    fn a_channel_without_room_is_filled_beyond_measure() {
        let json = render(&[sample("a1", Value::Gauge(f64::MAX))]);
        assert!(
            json.to_string().contains("1.7976931348623157E308"),
            "{json}"
        );
    }

    #[test]
    fn kinds_are_told_one_by_one_and_as_a_whole() {
        let mut sample = sample("a1", Value::Counter(0));
        sample.attributes.clear();
        sample.kinds.push(Kinds {
            attribute: "ViolationCount",
            counts: vec![("trap", 2), ("deadline", 3)],
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
            sample("a1", Value::Counter(1)),
            sample("a2", Value::Counter(2)),
        ]);
        let names: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(names, ["CHANNEL.a1.c1", "CHANNEL.a2.c1"]);
    }
}
