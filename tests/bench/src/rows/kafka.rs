//! B15 to B17: the kafka sink, source and channel, beside those of Flume 1.11, with one broker on this
//! machine and topics of four partitions.
//!
//! | row | shows |
//! |---|---|
//! | b15 | netcat and avro → memory → kafka |
//! | b16 | kafka → memory → null |
//! | b17 | avro → kafka channel → avro |
//!
//! Beside them stands librdkafka in a bare loop, with the settings that matter for speed as our agent
//! has them: what no agent that uses it can exceed. What Java's client does in Kafka's own tools is a
//! figure. CPU time is that of the agent; the broker needs more, on the same processors.

use std::io;
use std::process::Command;
use std::time::Duration;

use flume_tests::{Availability, Brokers, Cluster, Jvm, Kafka, Release, Scratch, Stage, host};

use super::{Bench, OURS};
use crate::load::kafka::Topic;
use crate::rounds::{Series, ratio};
use crate::run::Run;
use crate::table::Target;

mod channel;
mod sink;
mod source;

/// The events a second as a share of the library's own.
const SHARE: Target = Target::Least(0.8);

/// How many times as much CPU time Flume needs for an event.
const CPU: Target = Target::Least(3.0);

/// Partitions of each topic.
const PARTITIONS: u8 = 4;

/// The name of the bare loop in the table.
const LIBRARY: &str = "librdkafka alone";

/// The name of Flume in the table.
const FLUME: &str = "flume 1.11.0";

/// How many rounds Kafka's tools run; each starts a JVM.
const TOOL_ROUNDS: usize = 3;

/// Measures the sink.
pub(super) fn sink(bench: &mut Bench<'_>) -> io::Result<()> {
    match site(bench, "B15")? {
        Some(site) => sink::measure(bench, &site),
        None => Ok(()),
    }
}

/// Measures the source.
pub(super) fn source(bench: &mut Bench<'_>) -> io::Result<()> {
    match site(bench, "B16")? {
        Some(site) => source::measure(bench, &site),
        None => Ok(()),
    }
}

/// Measures the channel.
pub(super) fn channel(bench: &mut Bench<'_>) -> io::Result<()> {
    match site(bench, "B17")? {
        Some(site) => channel::measure(bench, &site),
        None => Ok(()),
    }
}

/// A broker, and the Flume beside it.
struct Site {
    cluster: Cluster,
    flume: Availability<Stage>,
    brokers: String,
    /// The broker's files, and the places of the JVMs, are held as long.
    _scratch: Scratch,
    _kafka: Kafka,
}

/// Starts a broker, or says why there is none.
fn site(bench: &mut Bench<'_>, row: &str) -> io::Result<Option<Site>> {
    let found = match (bench.peers.wanted(), has_kafka()) {
        (false, _) => Err("peers were not asked for".to_owned()),
        (_, false) => Err(
            "this flume-host has no Kafka; tests/bench/README.md says how to build one".to_owned(),
        ),
        (true, true) => {
            // All places for JVMs are taken once.
            bench.peers.leave();
            match Kafka::enter(Brokers::V4_4, 1) {
                Availability::Ready(kafka) => Ok(kafka.jvm(Jvm::Measured)),
                Availability::Missing(why) => Err(why),
            }
        }
    };
    let kafka = match found {
        Ok(kafka) => kafka,
        Err(why) => {
            bench.table.section(row)?;
            return bench.table.skipped("kafka", &why).map(|()| None);
        }
    };
    let scratch = Scratch::new();
    let cluster = kafka.start(&scratch, &flume_tests::Setup::plain());
    Ok(Some(Site {
        flume: kafka.flume(Release::V1_11Kafka),
        brokers: cluster.bootstrap(),
        cluster,
        _scratch: scratch,
        _kafka: kafka,
    }))
}

/// Whether our agent has the components.
fn has_kafka() -> bool {
    let mut command: Command = host::program();
    let listed = command.arg("components").output();
    let listed = listed.expect("flume-host lists its components");
    String::from_utf8_lossy(&listed.stdout).contains("kafka")
}

impl Site {
    /// A new topic for records of so many bytes.
    fn topic(&self, name: &str, size: usize) -> Topic {
        self.cluster.create(name, u32::from(PARTITIONS));
        Topic::new(&self.brokers, name, i32::from(PARTITIONS), size)
    }
}

/// What Java's client does in a tool of Kafka, from what it says of its events a second.
fn of_tool(name: &str, rounds: usize, mut run: impl FnMut() -> f64) -> Series {
    let once = |_| {
        let rate = run();
        Run {
            events: rate as u64,
            wall: Duration::from_secs(1),
            ..Run::default()
        }
    };
    Series {
        name: name.to_owned(),
        runs: (0..rounds.min(TOOL_ROUNDS)).map(once).collect(),
        memory: None,
    }
}

/// The lines of all subjects, and the ratios between them: ours, Flume if there is one, the library.
fn report(bench: &mut Bench<'_>, row: &str, what: &str, all: &[Series]) -> io::Result<()> {
    for series in all {
        bench.table.series(series)?;
    }
    let [own, peers @ .., library] = all else {
        return Ok(());
    };
    let name = |of: &str, ours: &str, to: &str| format!("{row} {of} of {ours} / {to}, {what}");
    let share = ratio(own, library, Run::rate);
    let of = name("events/s", OURS, LIBRARY);
    bench.table.target(&of, &share, 2, SHARE)?;
    let times = ratio(own, library, Run::cpu_per_million);
    let of = name("CPU", OURS, LIBRARY);
    bench.table.figure(&of, &times, 2)?;
    for peer in peers {
        let times = ratio(own, peer, Run::rate);
        let of = name("events/s", OURS, FLUME);
        bench.table.figure(&of, &times, 1)?;
        let times = ratio(peer, own, Run::cpu_per_million);
        let of = name("CPU", FLUME, OURS);
        bench.table.target(&of, &times, 1, CPU)?;
    }
    Ok(())
}
