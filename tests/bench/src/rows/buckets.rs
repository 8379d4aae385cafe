//! The bucket writer compared with the hdfs sink of real Flume 1.8: into an HDFS on this machine,
//! and onto its disk.
//!
//! `stress` → memory → hdfs, as fast as possible, plain lines in files of 64 MiB. Each run has its
//! own agent and HDFS, already warm. Throughput is measured at the destination, in bytes that the
//! datanode or the folder holds, which is the same measure for both. CPU time is that of the
//! agent's process, without HDFS. Our agent syncs each batch to the disk; Flume flushes it to the
//! datanode, or on disk to the kernel.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use flume_tests::{AgentFile, Availability, Hadoop, Host, Jvm, Scratch, Stage};

use super::{Bench, OURS};
use crate::cost;
use crate::rounds::{Turn, ratio, run};
use crate::run::Run;

/// Bytes of a body; in the file, a line feed follows.
const BODY: u32 = 500;

/// Events in a batch.
const BATCH: u32 = 1_000;

/// Bytes after which a file is full.
const FILE: u64 = 64 << 20;

/// Bytes of an HDFS block: Hadoop's usual size, not the small one of the scenarios.
const BLOCK: u64 = 128 << 20;

/// Rounds; each starts two or three JVMs, four times.
const ROUNDS: usize = 3;

/// Where files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Store {
    Hdfs,
    Disk,
}

/// Whose agent.
#[derive(Clone, Copy)]
enum Whose<'a> {
    Ours,
    Real(&'a Stage),
}

/// Measures it.
pub(super) fn measure(bench: &mut Bench<'_>) -> io::Result<()> {
    if !bench.peers.wanted() {
        // An HDFS is a peer too.
        let table = &mut bench.table;
        table.section("Buckets")?;
        return table.skipped("buckets", "peers were not asked for");
    }
    // All places for JVMs are taken once.
    bench.peers.leave();
    let hadoop = match Hadoop::enter() {
        Availability::Ready(hadoop) => hadoop,
        Availability::Missing(why) => return bench.table.skipped("buckets", &why),
    };
    let flume = match hadoop.flume() {
        Availability::Ready(stage) => stage.jvm(Jvm::Measured),
        Availability::Missing(why) => return bench.table.skipped("flume 1.8.0", &why),
    };
    for (store, what) in [(Store::Hdfs, "an HDFS"), (Store::Disk, "the disk")] {
        bench.table.throughput(&format!(
            "Buckets: stress → memory → hdfs, into {what} of this machine: {BODY} B, batch {BATCH}"
        ))?;
        let time = bench.time();
        let turn = |name: &str, whose| {
            let hadoop = &hadoop;
            Turn::new(name, move || once(time, store, hadoop, whose))
        };
        let turns = vec![
            turn(OURS, Whose::Ours),
            turn("flume 1.8.0", Whose::Real(&flume)),
        ];
        let all = run(bench.scale.variants.min(ROUNDS), turns);
        for series in &all {
            bench.table.series(series)?;
        }
        let [ours, real] = all.as_slice() else {
            continue;
        };
        let times = ratio(ours, real, Run::rate);
        let name = format!("events/s of {} / {}, {store:?}", ours.name, real.name);
        bench.table.figure(&name, &times, 2)?;
        let times = ratio(real, ours, Run::cpu_per_million);
        let name = format!("CPU of {} / {}, {store:?}", real.name, ours.name);
        bench.table.figure(&name, &times, 1)?;
    }
    Ok(())
}

/// Measures one agent with its own store.
fn once(time: Duration, store: Store, hadoop: &Hadoop, whose: Whose<'_>) -> Run {
    let scratch = Scratch::new();
    let (_hdfs, path, arrives) = match store {
        Store::Hdfs => {
            let hdfs = hadoop.start_with(&scratch, BLOCK);
            let (path, data) = (format!("{}/rate", hdfs.address()), hdfs.data());
            (Some(hdfs), path, data)
        }
        Store::Disk => {
            let folder = scratch.folder("rate");
            (None, format!("file://{}", folder.display()), folder)
        }
    };
    let file = AgentFile::new("a1")
        .memory("c1", 100_000, 10_000)
        .stress("r1", BODY, BATCH)
        .lines_in("k1", &path, BATCH)
        .rolls("k1", 0, FILE, 0)
        .sink_keys("k1", &[("hdfs.minBlockReplicas", "1")]);
    match whose {
        Whose::Ours => {
            let mut host = Host::start(&scratch, "ours", &file.text());
            measured(time, &arrives, host.process().id())
        }
        Whose::Real(stage) => {
            // Flume has no short name for this source. The last value of a key counts.
            let file = file.set("sources.r1.type", "org.apache.flume.source.StressSource");
            let mut flume = stage.start(&scratch, "real", &file, &[]);
            measured(time, &arrives, flume.process().id())
        }
    }
}

/// After enough time for a JVM to compile its hot code.
fn measured(time: Duration, arrives: &Path, process: u32) -> Run {
    thread::sleep(time * 6);
    let (before, cpu, began) = (bytes(arrives), cost::cpu(process), Instant::now());
    thread::sleep(time * 4);
    let (after, spent, wall) = (bytes(arrives), cost::cpu(process) - cpu, began.elapsed());
    Run {
        events: (after - before) / u64::from(BODY + 1),
        wall,
        cpu: spent,
        ..Run::default()
    }
}

/// Bytes of files below a folder, without Hadoop's checksum files.
fn bytes(folder: &Path) -> u64 {
    let mut sum = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // Files are renamed meanwhile: one that is gone exists under its new name.
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
