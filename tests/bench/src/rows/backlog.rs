//! B13: a file channel with a backlog: how long its agent takes to listen, what it holds in memory, and
//! how fast the backlog leaves once there is a way out.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use flume_tests::figures::{Estimate, millis};
use flume_tests::{AgentFile, Host, Scratch, host, ports};

use super::Bench;
use super::startup::{Start, estimate, listening};
use crate::cost;
use crate::table::{Target, mega};

/// Bytes of a body.
const SIZE: usize = 100;

/// Events of the rows, with the milliseconds in which an agent has to listen. The last one needs
/// `--full`, and 20 GB of disk.
const BACKLOGS: [(u64, f64); 3] = [
    (1_000_000, 1_000.0),
    (10_000_000, 1_000.0),
    (100_000_000, 5_000.0),
];

/// Megabytes of an agent, whatever the backlog.
const MEMORY: Target = Target::Most(64.0);

/// Events in a batch of the sink.
const BATCH: u32 = 1000;

/// Longer than a backlog takes to leave.
const PATIENCE: Duration = Duration::from_secs(600);

/// Measures it.
pub(super) fn measure(bench: &mut Bench<'_>) -> io::Result<()> {
    bench.table.section(&format!(
        "B13 a file channel with a backlog of events of {SIZE} bytes: netcat → file → avro, null"
    ))?;
    let few = if bench.scale.full { 3 } else { 2 };
    for (events, most) in BACKLOGS.into_iter().take(few) {
        one(bench, bench.scale.events(events), most)?;
    }
    Ok(())
}

fn one(bench: &mut Bench<'_>, events: u64, most: f64) -> io::Result<()> {
    let scratch = Scratch::new();
    let folder = scratch.folder("channel");
    let began = Instant::now();
    fill(&folder.join("data"), events)?;
    let took = began.elapsed().as_secs_f64();
    let rate = events as f64 / took / 1e3;
    bench.table.line(&format!(
        "  {events} events imported in {took:.1} s: {rate:.0} thousand/s  [1 round]"
    ))?;
    let starts: Vec<Start> = (0..=bench.scale.variants)
        .map(|_| start(&scratch, &folder))
        .skip(1)
        .collect();
    let what = |what: &str| format!("B13 {what}, {events} events");
    let time = estimate(&starts, |start| millis(start.time));
    let table = &mut bench.table;
    table.target(&what("listening, ms"), &time, 1, Target::Most(most))?;
    let memory = estimate(&starts, |start| start.memory.high as f64 / 1e6);
    table.target(&what("MB while they wait"), &memory, 1, MEMORY)?;
    let (took, high) = deliver(&scratch, &folder, events);
    let rate = Estimate::of(&[events as f64 / took.as_secs_f64() / 1e3]);
    table.figure(&what("thousand delivered in a second"), &rate, 0)?;
    table.line(&format!(
        "  the most memory while they leave: {} MB  [1 round]",
        mega(high)
    ))
}

/// Puts numbered events into a channel.
fn fill(folder: &Path, events: u64) -> io::Result<()> {
    let mut program = host::program();
    program.args(["channel", "import", "--new"]).arg(folder);
    let mut import = program
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    if let Some(input) = import.stdin.take() {
        let mut input = BufWriter::with_capacity(1 << 20, input);
        for number in 0..events {
            writeln!(input, "{{\"body\":\"{number:0SIZE$}\"}}")?;
        }
        input.flush()?;
    }
    let ended = import.wait()?;
    match ended.success() {
        true => Ok(()),
        false => Err(io::Error::other("the events cannot be imported")),
    }
}

fn file(folder: &Path, input: u16) -> AgentFile {
    AgentFile::new("a1")
        .file_channel("c1", folder)
        .netcat("r1", input)
}

/// Starts an agent whose collector is away.
fn start(scratch: &Scratch, folder: &Path) -> Start {
    let (input, output) = (ports::free(), ports::free());
    let text = file(folder, input).avro_sink("k1", output, BATCH).text();
    let file = scratch.file("waits.properties", &text);
    listening(scratch, &file, &[], input)
}

/// Has an agent deliver all; returns how long that took from its start on, and the most memory.
fn deliver(scratch: &Scratch, folder: &Path, events: u64) -> (Duration, u64) {
    let text = file(folder, ports::free()).null("k1", BATCH).text();
    let began = Instant::now();
    let mut agent = Host::start(scratch, "leaves", &text);
    agent.await_delivered("c1", events, PATIENCE);
    let took = began.elapsed();
    let high = cost::memory(agent.process().id()).high;
    (took, high)
}
