//! How fast a bucket writer is, beside the hdfs sink of real Flume 1.8: into HDFS and onto disk.
//!
//! `stress` → memory → hdfs, as fast as it goes. The two run one after the other, never at the same
//! time, and change places from pair to pair; a ratio is formed within a pair. What arrived is
//! measured where it arrives, in bytes that the datanode or the folder holds, so that both are
//! measured by the same measure; CPU time is that of the agent's process, without HDFS. Ours syncs
//! each batch to the disk; Flume flushes it to the datanode, and on disk to the kernel.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::host::Host;
use crate::peers::flume::Stage;
use crate::peers::hdfs::Hadoop;
use crate::pipeline::{Run, cpu_time};
use crate::{AgentFile, Scratch};

/// Bytes of a body; the file has a line feed more.
const BODY: u32 = 500;

/// Bytes after which a file is full.
const FILE: u64 = 64 << 20;

/// Bytes of a block, for HDFS: more than in the scenarios, as everywhere.
const BLOCK: u64 = 128 << 20;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Runs {
    /// Pairs of runs.
    pub pairs: usize,
    /// How long an agent runs before it is measured: a JVM compiles what it runs often.
    pub warm: Duration,
    /// How long each run is measured.
    pub each: Duration,
    /// Events in a batch.
    pub batch: u32,
    /// Where the files are.
    pub store: Store,
}

/// Where files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// An HDFS on this machine.
    Hdfs,
    /// A folder of this machine.
    Files,
}

/// Whose agent.
#[derive(Clone, Copy)]
enum Whose<'a> {
    Ours,
    Real(&'a Stage),
}

/// Runs pairs: ours, and Flume's.
#[must_use]
pub fn pairs(runs: &Runs, hadoop: &Hadoop, flume: &Stage) -> Vec<(Run, Run)> {
    let pair = |at: usize| {
        let ours = || run(runs, hadoop, Whose::Ours);
        let real = || run(runs, hadoop, Whose::Real(flume));
        if at.is_multiple_of(2) {
            let ours = ours();
            (ours, real())
        } else {
            let real = real();
            (ours(), real)
        }
    };
    (0..runs.pairs).map(pair).collect()
}

/// One agent with a store of its own, measured.
fn run(runs: &Runs, hadoop: &Hadoop, whose: Whose<'_>) -> Run {
    let scratch = Scratch::new();
    let (hdfs, path, arrives) = match runs.store {
        Store::Hdfs => {
            let hdfs = hadoop.start_with(&scratch, BLOCK);
            let (path, data) = (format!("{}/rate", hdfs.address()), hdfs.data());
            (Some(hdfs), path, data)
        }
        Store::Files => {
            let folder = scratch.folder("rate");
            (None, format!("file://{}", folder.display()), folder)
        }
    };
    let file = AgentFile::new("a1")
        .memory("c1", 100_000, 10_000)
        .stress("r1", BODY, runs.batch)
        .lines_in("k1", &path, runs.batch)
        .rolls("k1", 0, FILE, 0)
        .sink_keys("k1", &[("hdfs.minBlockReplicas", "1")]);
    let measured = match whose {
        Whose::Ours => {
            let mut host = Host::start(&scratch, "ours", &file.text());
            measure(runs, &arrives, host.process().id())
        }
        Whose::Real(stage) => {
            // Flume has no short name for this source; the last line of a key counts.
            let file = file.set("sources.r1.type", "org.apache.flume.source.StressSource");
            let mut flume = stage.start(&scratch, "real", &file, &[]);
            measure(runs, &arrives, flume.process().id())
        }
    };
    drop(hdfs);
    measured
}

fn measure(runs: &Runs, arrives: &Path, process: u32) -> Run {
    thread::sleep(runs.warm);
    let (before, cpu, began) = (bytes(arrives), cpu_time(process), Instant::now());
    thread::sleep(runs.each);
    let (after, spent, took) = (bytes(arrives), cpu_time(process) - cpu, began.elapsed());
    let events = (after - before) as f64 / f64::from(BODY + 1);
    Run {
        rate: events / took.as_secs_f64(),
        cpu: spent.as_secs_f64() * 1e9 / events,
    }
}

/// Bytes of files below a folder, without the checksums that Hadoop puts beside them.
fn bytes(folder: &Path) -> u64 {
    let mut sum = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // Files are renamed meanwhile: what is not there any more is there under its next name.
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => folders.push(entry.path()),
                Ok(meta) if !name.ends_with(".meta") && !name.ends_with(".crc") => {
                    sum += meta.len();
                }
                _ => {}
            }
        }
    }
    sum
}
