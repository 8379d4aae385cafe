//! A simulation in words and numbers, for people and for machines.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Played, name};

/// What was played.
pub(super) fn heading(played: &Played) -> String {
    let scenario = &played.scenario;
    format!(
        "{}: {} sinks, {} events/s for {:?} in batches of {}, {} at a time, seed {}\n",
        played.title,
        scenario.sinks,
        scenario.rate,
        scenario.duration,
        scenario.batch,
        scenario.parallel,
        scenario.seed,
    )
}

/// What became of the sinks, a line each, and of the group.
pub(super) fn table(played: &Played) -> String {
    let seen = &played.seen;
    let mut text = format!(
        "{:<6}{:>12}{:>8}{:>10}{:>8}{:>12}{:>12}\n",
        "sink", "delivered", "share", "batches", "failed", "latency", "slowest"
    );
    for (at, sink) in seen.sinks.iter().enumerate() {
        let latency = sink.mean_latency().map_or_else(|| "-".to_owned(), rounded);
        let slowest = match sink.batches {
            0 => "-".to_owned(),
            _ => rounded(sink.slowest),
        };
        text.push_str(&format!(
            "{:<6}{:>12}{:>7.1}%{:>10}{:>8}{latency:>12}{slowest:>12}\n",
            name(at),
            sink.delivered,
            seen.share(at) * 100.0,
            sink.batches,
            sink.failed,
        ));
    }
    let failed: u64 = seen.sinks.iter().map(|sink| sink.failed).sum();
    text.push_str(&format!(
        "\n{} delivered of {} events, {} refused by a full channel, {} left at the end\n\
         {} calls, {failed} failed attempts, {} calls in which no sink delivered\n\
         channel depth at most {}, at {}\n",
        seen.delivered(),
        seen.arrived,
        seen.refused,
        seen.left,
        seen.calls,
        seen.exhausted,
        seen.high_water,
        rounded(seen.high_water_at),
    ));
    text.push_str(&conduct(played));
    text
}

/// Whether the policy kept to the contract.
fn conduct(played: &Played) -> String {
    let Some((violations, fallbacks)) = &played.conduct else {
        return String::new();
    };
    if violations.is_empty() && *fallbacks == 0 {
        return "no violations\n".to_owned();
    }
    let counts = violations
        .iter()
        .map(|(rule, count)| format!("{rule} {count}"));
    let counts: Vec<String> = counts.collect();
    format!(
        "violations: {}; the fallback ordered {fallbacks} batches\n",
        counts.join(", ")
    )
}

/// All of it, as JSON.
pub(super) fn json(played: &Played) -> Value {
    let (scenario, seen) = (&played.scenario, &played.seen);
    let sinks: Vec<Value> = seen
        .sinks
        .iter()
        .enumerate()
        .map(|(at, sink)| {
            json!({
                "name": name(at),
                "delivered": sink.delivered,
                "share": seen.share(at),
                "batches": sink.batches,
                "failed": sink.failed,
                "latency_ms": sink.mean_latency().map(millis),
                "slowest_ms": millis(sink.slowest),
                "delivered_over_time": sink.slots,
                "failed_over_time": sink.failed_slots,
            })
        })
        .collect();
    let mut value = json!({
        "selector": played.title,
        "seed": scenario.seed,
        "slot_ms": millis(scenario.duration) / slots(scenario.slots),
        "sinks": sinks,
        "arrived": seen.arrived,
        "delivered": seen.delivered(),
        "refused": seen.refused,
        "left": seen.left,
        "calls": seen.calls,
        "exhausted_calls": seen.exhausted,
        "depth_high_water": seen.high_water,
        "depth_high_water_ms": millis(seen.high_water_at),
        "depth_over_time": seen.depth,
    });
    if let (Some((violations, fallbacks)), Some(object)) = (&played.conduct, value.as_object_mut())
    {
        let violations = violations
            .iter()
            .map(|(rule, count)| ((*rule).to_owned(), json!(count)));
        object.insert("violations".to_owned(), violations.collect::<Value>());
        object.insert("fallback_batches".to_owned(), json!(fallbacks));
    }
    value
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn slots(slots: usize) -> f64 {
    f64::from(u32::try_from(slots).unwrap_or(u32::MAX))
}

/// A time with two decimals.
fn rounded(time: Duration) -> String {
    format!("{time:.2?}")
}
