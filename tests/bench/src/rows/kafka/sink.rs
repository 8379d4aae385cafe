//! B15: netcat and avro → memory → kafka. An event counts when it is in the topic.

use std::io;

use flume_tests::Scratch;

use super::{FLUME, LIBRARY, Site, of_tool, report};
use crate::load::Shape;
use crate::rounds::Turn;
use crate::rows::{Bench, Candidate, OURS, Way, compare_beside, ours};
use crate::run::{Count, Feed};
use crate::setup::{Channel, Setup};

/// The feeds, with their batches and connections. A batch of lines is one of the sink.
const PARTS: [(Feed, u32, u32); 3] = [
    (Feed::Netcat, 100, 1),
    (Feed::Netcat, 1000, 1),
    (Feed::Avro, 1000, 4),
];

/// The most events of a run of Kafka's tool.
const TOOL_EVENTS: u64 = 1_000_000;

pub(super) fn measure(bench: &mut Bench<'_>, site: &Site) -> io::Result<()> {
    for (number, (feed, batch, connections)) in PARTS.into_iter().enumerate() {
        let setup = Setup {
            shape: Shape {
                batch,
                connections,
                ..Shape::USUAL
            },
            channel: Channel::Tuned,
        };
        one(bench, site, feed, setup, &format!("b15-{number}"))?;
    }
    java(bench, site)
}

fn one(bench: &mut Bench<'_>, site: &Site, feed: Feed, setup: Setup, name: &str) -> io::Result<()> {
    let source = match feed {
        Feed::Netcat => "netcat",
        Feed::Avro => "avro",
    };
    let title = format!("B15 {source} → memory → kafka: {}", setup.described());
    bench.table.throughput(&title)?;
    let scratch = Scratch::new();
    let topic = site.topic(name, setup.shape.size);
    let written = || topic.written();
    let way = Way {
        scratch: &scratch,
        feed,
        setup,
        count: Count::Counter(&written),
    };
    let file = |input| setup.to_kafka(feed, input, &site.brokers, name);
    let (own, input) = ours(&scratch, OURS, file);
    let mut candidates = vec![Candidate::new(own, feed, input, setup, way.count)];
    candidates.extend(bench.warm_from(&site.flume, FLUME, way, file)?);
    let time = bench.time();
    let library = Turn::new(LIBRARY, || topic.write(time, u64::MAX));
    let all = compare_beside(bench.scale.pairs, time, candidates, vec![library]);
    report(
        bench,
        "B15",
        &format!("{source}, batch {}", setup.shape.batch),
        &all,
    )
}

/// Java's client with the settings of Flume's sink, and with a wait as ours has.
fn java(bench: &mut Bench<'_>, site: &Site) -> io::Result<()> {
    let size = Shape::USUAL.size;
    bench.table.throughput(&format!(
        "B15 kafka-producer-perf-test: {size} B, a JVM for each run"
    ))?;
    site.cluster
        .create("b15-java", u32::from(super::PARTITIONS));
    let events = bench.scale.events(TOOL_EVENTS);
    let size = u32::try_from(size).expect("a small body");
    for linger in ["0", "5"] {
        let linger = format!("linger.ms={linger}");
        let settings = ["acks=all", linger.as_str()];
        let run = || rate(&site.cluster.measure("b15-java", events, size, &settings));
        let series = of_tool(&format!("java, {linger}"), bench.scale.variants, run);
        bench.table.series(&series)?;
    }
    Ok(())
}

/// `… records sent, 1234.5 records/sec (…`: the number before the unit.
fn rate(said: &str) -> f64 {
    let words: Vec<&str> = said.split_whitespace().collect();
    let found = words.windows(2).find_map(|pair| match pair {
        [number, unit] if unit.starts_with("records/sec") => number.parse().ok(),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no rate: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_what_the_tool_says() {
        let said = "1000 records sent, 1234.5 records/sec (0.59 MB/sec), 1.2 ms avg latency";
        assert_eq!(rate(said), 1234.5);
    }
}
