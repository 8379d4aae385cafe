//! B12: the durable channel, beside Flume's, each with a sync for what it answers.
//!
//! | part | shows |
//! |---|---|
//! | netcat → file → null, an answer for each line | what lines cost that are answered one by one |
//! | the same with 64 clients | what they share |
//! | avro → file → avro, batches of 1, 100 and 1000 from one to 32 connections | both ends of the channel |
//!
//! Beside them stands what the disk gives: one process that appends as many bytes and syncs them, again
//! and again. No channel that writes a batch at a time is faster than that.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use flume_tests::{AgentFile, Scratch, ports};

use super::{Bench, Candidate, OURS, RELEASES, Way, compare_beside, ours};
use crate::load::arrivals::Slot;
use crate::load::{AvroReceiver, Shape};
use crate::rounds::{Turn, ratio};
use crate::run::{Count, Feed, Run};
use crate::setup::{Channel, Setup};
use crate::table::Target;

/// How many times as many events a second as Flume.
const RATE: Target = Target::Least(10.0);

/// How many times as much CPU time Flume needs for an event.
const CPU: Target = Target::Least(20.0);

/// Events in a batch that leaves, at least: few come in one by one and go on so.
const LEAST_OUT: u32 = 100;

/// Measures it.
pub(super) fn measure(bench: &mut Bench<'_>) -> io::Result<()> {
    for connections in [1, 64] {
        let shape = Shape {
            ack: true,
            connections,
            ..Shape::USUAL
        };
        lines(bench, setup(shape))?;
    }
    for (batch, connections) in [(1, 32), (100, 1), (100, 4), (1000, 1), (1000, 4)] {
        let shape = Shape {
            batch,
            connections,
            ..Shape::USUAL
        };
        batches(bench, setup(shape))?;
    }
    Ok(())
}

fn setup(shape: Shape) -> Setup {
    Setup {
        shape,
        channel: Channel::File,
    }
}

fn lines(bench: &mut Bench<'_>, setup: Setup) -> io::Result<()> {
    let title = format!("B12 netcat → file → null: {}", setup.described());
    bench.table.throughput(&title)?;
    let scratch = Scratch::new();
    let way = Way {
        scratch: &scratch,
        feed: Feed::Netcat,
        setup,
        count: Count::Answers,
    };
    let file = |name: &str, input: u16| {
        let file = AgentFile::new("a1").file_channel("c1", &scratch.folder(name));
        file.netcat("r1", input)
            .set("sources.r1.max-line-length", setup.shape.size + 1)
            .null("k1", setup.shape.batch)
    };
    one(bench, way, &file)
}

fn batches(bench: &mut Bench<'_>, setup: Setup) -> io::Result<()> {
    let title = format!("B12 avro → file → avro: {}", setup.described());
    bench.table.throughput(&title)?;
    let (scratch, slot) = (Scratch::new(), Slot::new());
    let receiver = AvroReceiver::start(ports::free(), &slot, Duration::ZERO);
    let way = Way {
        scratch: &scratch,
        feed: Feed::Avro,
        setup,
        count: Count::At(&slot),
    };
    let file = |name: &str, input: u16| {
        let file = AgentFile::new("a1").file_channel("c1", &scratch.folder(name));
        file.avro_source("r1", input).avro_sink(
            "k1",
            receiver.port(),
            setup.shape.batch.max(LEAST_OUT),
        )
    };
    one(bench, way, &file)
}

fn one(
    bench: &mut Bench<'_>,
    way: Way<'_>,
    file: &dyn Fn(&str, u16) -> AgentFile,
) -> io::Result<()> {
    let setup = way.setup;
    let (own, input) = ours(way.scratch, OURS, |input| file("ours", input));
    let mut candidates = vec![Candidate::new(own, way.feed, input, setup, way.count)];
    candidates.extend(bench.warm_flume(RELEASES[0], way, |input| file("flume", input))?);
    let floor = Floor::new(&way.scratch.folder("floor"), setup.shape)?;
    let time = bench.time();
    let floor = Turn::new(FLOOR, move || floor.run(time));
    let all = compare_beside(bench.scale.variants, time, candidates, vec![floor]);
    for series in &all {
        bench.table.series(series)?;
    }
    let [own, peers @ .., floor] = all.as_slice() else {
        return Ok(());
    };
    let Shape {
        batch,
        ack,
        connections,
        ..
    } = setup.shape;
    let what = match ack {
        true => format!("lines × {connections}"),
        false => format!("batch {batch} × {connections}"),
    };
    let share = ratio(own, floor, Run::rate);
    let name = format!("B12 events/s of {} / {FLOOR}, {what}", own.name);
    bench.table.figure(&name, &share, 2)?;
    for peer in peers {
        let times = ratio(own, peer, Run::rate);
        let name = format!("B12 events/s of {} / {}, {what}", own.name, peer.name);
        bench.table.target(&name, &times, 1, RATE)?;
        let times = ratio(peer, own, Run::cpu_per_million);
        let name = format!("B12 CPU of {} / {}, {what}", peer.name, own.name);
        bench.table.target(&name, &times, 1, CPU)?;
    }
    Ok(())
}

/// The name of the floor in the table.
const FLOOR: &str = "disk: append and sync";

/// A file that grows by a batch of bytes and a sync, again and again.
struct Floor {
    file: File,
    bytes: Vec<u8>,
    batch: u64,
}

impl Floor {
    fn new(folder: &Path, shape: Shape) -> io::Result<Self> {
        Ok(Self {
            file: File::create(folder.join("floor"))?,
            bytes: vec![b'x'; shape.size * shape.batch as usize],
            batch: u64::from(shape.batch),
        })
    }

    /// Appends for some time; a batch counts when it is synced.
    ///
    /// # Panics
    /// When the disk fails: there is nothing to compare with.
    fn run(&self, time: Duration) -> Run {
        let began = Instant::now();
        let mut events = 0;
        while began.elapsed() < time {
            (&self.file).write_all(&self.bytes).expect("a disk");
            self.file.sync_data().expect("a disk");
            events += self.batch;
        }
        Run {
            events,
            wall: began.elapsed(),
            ..Run::default()
        }
    }
}
