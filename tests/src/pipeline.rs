//! What a policy costs a whole agent: the same pipeline with a native selector and with a policy.
//!
//! `stress` → memory → a group of two sinks, as fast as it goes: sinks that forget, where the choice
//! is most of the work, or avro sinks to a collector, as agents have them. The two kinds run one after
//! the other, never at the same time, and change places from pair to pair; a ratio is formed within
//! a pair. Two figures: events a second, which other work on the machine disturbs, and CPU time for
//! an event, which it hardly does.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::host::Host;
use crate::{AgentFile, Scratch, ports};

/// How long an agent runs before it is measured.
const WARM: Duration = Duration::from_millis(500);

/// Bytes of a body.
const BODY: u32 = 500;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Runs {
    /// Pairs of runs.
    pub pairs: usize,
    /// How long each run is measured.
    pub each: Duration,
    /// Events in a batch.
    pub batch: u32,
    /// What the sinks are.
    pub ends: Ends,
}

/// Where a pipeline ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// In sinks that forget: what is left is the channel and the group.
    Null,
    /// In another agent, over two connections.
    Avro,
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Events delivered in a second.
    pub rate: f64,
    /// Nanoseconds of CPU time for an event, of the whole process.
    pub cpu: f64,
}

/// Runs pairs: with `round_robin`, and with the policy in its place.
#[must_use]
pub fn pairs(runs: &Runs, policy: &Path) -> Vec<(Run, Run)> {
    let pair = |at: usize| {
        let (native, wasm) = (|| run(runs, None), || run(runs, Some(policy)));
        if at.is_multiple_of(2) {
            let native = native();
            (native, wasm())
        } else {
            let wasm = wasm();
            (native(), wasm)
        }
    };
    (0..runs.pairs).map(pair).collect()
}

/// One agent, measured.
fn run(runs: &Runs, policy: Option<&Path>) -> Run {
    let scratch = Scratch::new();
    let selector = policy.map_or("round_robin".to_owned(), |path| path.display().to_string());
    let mut file = AgentFile::new("a1")
        .memory("c1", 100_000, 10_000)
        .stress("r1", BODY, runs.batch);
    let ports = [ports::free(), ports::free()];
    // Ends with this function.
    let _collector = (runs.ends == Ends::Avro).then(|| {
        let file = AgentFile::new("collector")
            .memory("c1", 100_000, 10_000)
            .avro_source("r1", ports[0])
            .avro_source("r2", ports[1])
            .null("k1", 1_000);
        Host::start(&scratch, "collector", &file.text())
    });
    for (sink, port) in ["k1", "k2"].into_iter().zip(ports) {
        file = match runs.ends {
            Ends::Null => file.null(sink, runs.batch),
            Ends::Avro => file.avro_sink(sink, port, runs.batch),
        };
    }
    let file = file
        .set("sinkgroups", "g1")
        .set("sinkgroups.g1.sinks", "k1 k2")
        .set("sinkgroups.g1.processor.type", "load_balance")
        .set("sinkgroups.g1.processor.selector", selector);
    let mut host = Host::start(&scratch, "agent", &file.text());
    thread::sleep(WARM);
    let process = host.process().id();
    let (before, cpu, began) = (taken(&host), cpu_time(process), Instant::now());
    thread::sleep(runs.each);
    let (after, spent, took) = (taken(&host), cpu_time(process) - cpu, began.elapsed());
    let events = (after - before) as f64;
    Run {
        rate: events / took.as_secs_f64(),
        cpu: spent.as_secs_f64() * 1e9 / events,
    }
}

fn taken(host: &Host) -> u64 {
    host.counter("CHANNEL.c1", "EventTakeSuccessCount")
}

/// CPU time that a running process has spent: user and system.
///
/// # Panics
/// When it does not run.
#[must_use]
pub fn cpu_time(process: u32) -> Duration {
    let path = format!("/proc/{process}/stat");
    let stat = std::fs::read_to_string(path).expect("a running process");
    // The name of the program may have blanks in it; it ends with the last bracket.
    let (_, fields) = stat.rsplit_once(')').expect("a line of /proc");
    let fields: Vec<u64> = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse().expect("a number of ticks"))
        .collect();
    // A tick is a hundredth of a second on every Linux that anybody runs.
    Duration::from_millis(fields.iter().sum::<u64>() * 10)
}
