//! B8: from the start of a process to its first connection, and its memory use then.
//!
//! Ours is probed five thousand times a second; real Flume, which needs a second or two, twenty times.

use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use flume_tests::figures::{Estimate, millis};
use flume_tests::{Process, Scratch, host, ports};

use super::{Bench, RELEASES, SETUP, shipped_policy};
use crate::cost::{self, Memory};
use crate::subject::Subject;
use crate::table::{Target, mega};

/// Milliseconds until it listens, and with a policy that was compiled before.
const PLAIN: Target = Target::Most(15.0);
const WITH_POLICY: Target = Target::Most(30.0);

/// Megabytes of an idle agent.
const IDLE: Target = Target::Most(12.0);

/// The pause between two attempts to connect.
const PAUSE: Duration = Duration::from_micros(200);

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long after its start an agent counts as idle.
const SETTLED: Duration = Duration::from_millis(300);

/// Measures it.
pub(super) fn measure(bench: &mut Bench<'_>) -> io::Result<()> {
    bench
        .table
        .section("B8 start to first connection, and idle: netcat → memory → avro")?;
    let policy = shipped_policy("weighted").display().to_string();
    let (mut plain, mut with_policy) = (Vec::new(), Vec::new());
    // The first of each is not counted: it compiles the policy, and warms the page cache.
    for round in 0..=bench.scale.pairs {
        let one = start(&[]);
        let other = start(&["--policy", &policy]);
        if round > 0 {
            plain.push(one);
            with_policy.push(other);
        }
    }
    let starts = |all: &[Start]| estimate(all, |start| millis(start.time));
    let memory = |all: &[Start]| estimate(all, |start| start.memory.resident as f64 / 1e6);
    let table = &mut bench.table;
    table.target("B8 listening, ms", &starts(&plain), 1, PLAIN)?;
    table.target(
        "B8 listening with a cached policy, ms",
        &starts(&with_policy),
        1,
        WITH_POLICY,
    )?;
    table.target("B8 idle, MB", &memory(&plain), 1, IDLE)?;
    table.figure("B8 idle with a policy, MB", &memory(&with_policy), 1)?;
    for (release, name) in RELEASES {
        let stage = match bench.peers.flume(release) {
            Ok(stage) => stage,
            Err(why) => {
                bench.table.skipped(name, &why)?;
                continue;
            }
        };
        let (scratch, input) = (Scratch::new(), ports::free());
        let file = SETUP.to_avro(input, ports::free());
        let began = Instant::now();
        let flume = Subject::flume(&scratch, name, stage, &file, &[input]);
        let took = millis(began.elapsed() - Subject::IDLE_AFTER);
        let idle = mega(flume.idle().resident);
        bench.table.line(&format!(
            "  {name:<34}listening after {took:.0} ms, idle {idle} MB  [1 round]"
        ))?;
    }
    Ok(())
}

/// One start.
pub(super) struct Start {
    pub(super) time: Duration,
    /// When it has settled.
    pub(super) memory: Memory,
}

/// Starts an agent through a channel in memory.
fn start(words: &[&str]) -> Start {
    let (scratch, input, output) = (Scratch::new(), ports::free(), ports::free());
    let file = match words {
        [] => SETUP.to_avro(input, output),
        _ => SETUP.balanced(input, &[output, ports::free()], 1),
    };
    let file = scratch.file("a1.properties", &file.text());
    listening(&scratch, &file, words, input)
}

/// Starts an agent as operators do: no admin pages, the log on standard error.
pub(super) fn listening(scratch: &Scratch, file: &Path, words: &[&str], input: u16) -> Start {
    let mut program = host::program();
    program.args(["run", "--no-reload-conf", "-f"]).arg(file);
    let log = scratch.path("a1.log");
    let began = Instant::now();
    let process = Process::start("a1", program.args(words), log);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, input)).is_err() {
        let waited = began.elapsed();
        assert!(waited < PATIENCE, "does not listen: {}", process.log());
        thread::sleep(PAUSE);
    }
    let time = began.elapsed();
    thread::sleep(SETTLED);
    Start {
        time,
        memory: cost::memory(process.id()),
    }
}

pub(super) fn estimate(starts: &[Start], figure: impl Fn(&Start) -> f64) -> Estimate {
    let figures: Vec<f64> = starts.iter().map(figure).collect();
    Estimate::of(&figures)
}
