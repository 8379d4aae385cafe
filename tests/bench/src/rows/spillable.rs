//! B14: a spillable channel whose memory is never full, beside a memory channel: what it costs that a disk
//! stands behind it.
//!
//! | part | shows |
//! |---|---|
//! | netcat → channel → null, an answer for each line | the steps of a put and of a take |
//! | the same with `redact` before the channel | puts that a policy has seen |
//! | avro → channel → avro, batches of 100 and 1000 | both ends of the channel |
//!
//! Both hold as many events. The source is faster than an avro sink, so puts wait for room in either one,
//! and for less than `overflowTimeout`: that nothing went to the disk is checked.

use std::io;
use std::time::Duration;

use flume_tests::{AgentFile, Scratch, ports};

use super::{Bench, ours, shipped_policy, turn};
use crate::cost;
use crate::load::arrivals::Slot;
use crate::load::{AvroReceiver, Shape};
use crate::rounds::{ratio, run};
use crate::run::{Count, Feed, Lane, Run};
use crate::setup::{Channel, Setup};
use crate::table::Target;

/// The least that the disk must leave of the rate, and of the events for a CPU second.
const LEAST: Target = Target::Least(0.95);

/// Events in memory, and in a transaction: as many as [`Channel::Tuned`] has.
const EVENTS: u32 = 100_000;
const TRANSACTION: u32 = 10_000;

/// What counts the events of an agent.
#[derive(Clone, Copy)]
enum End<'a> {
    /// Its null sink.
    Null,
    /// A receiver of its avro sink.
    Avro(&'a AvroReceiver, &'a Slot),
}

/// Measures it.
pub(super) fn measure(bench: &mut Bench<'_>) -> io::Result<()> {
    let redact = shipped_policy("redact").display().to_string();
    let masked = |file: AgentFile| {
        file.set("sources.r1.interceptors", "i1")
            .set("sources.r1.interceptors.i1.type", &redact)
            .set("sources.r1.interceptors.i1.patterns", "####-####-####-####")
    };
    let lines = Shape {
        ack: true,
        ..Shape::USUAL
    };
    one(bench, "lines", lines, End::Null, &|file| file)?;
    one(
        bench,
        "lines through redact.wasm",
        lines,
        End::Null,
        &masked,
    )?;
    for batch in [100, 1000] {
        let shape = Shape {
            batch,
            ..Shape::USUAL
        };
        let slot = Slot::new();
        let receiver = AvroReceiver::start(ports::free(), &slot, Duration::ZERO);
        let end = End::Avro(&receiver, &slot);
        one(
            bench,
            &format!("avro, batch {batch}"),
            shape,
            end,
            &|file| file,
        )?;
    }
    Ok(())
}

fn one(
    bench: &mut Bench<'_>,
    what: &str,
    shape: Shape,
    end: End<'_>,
    chain: &dyn Fn(AgentFile) -> AgentFile,
) -> io::Result<()> {
    let setup = Setup {
        shape,
        channel: Channel::Tuned,
    };
    let title = format!("B14 {what}: {}", setup.described());
    bench.table.throughput(&title)?;
    let scratch = Scratch::new();
    let start = |name: &str, file: AgentFile| {
        let file = |input| chain(joined(file, input, shape, end));
        ours(&scratch, name, file)
    };
    let memory = AgentFile::new("a1").plain_memory("c1");
    let memory = memory.set("channels.c1.capacity", EVENTS);
    let spillable = AgentFile::new("a1").spillable("c1", &scratch.folder("spillable"), EVENTS, 3);
    let pair = [start("memory", memory), start("spillable", spillable)];
    let counters = pair.each_ref().map(|(subject, _)| {
        let delivered = || subject.counter("SINK.k1", "EventDrainSuccessCount");
        Box::new(delivered) as Box<dyn Fn() -> u64>
    });
    let turns = pair
        .iter()
        .zip(&counters)
        .map(|((subject, input), counter)| {
            let (feed, count) = match end {
                End::Null => (Feed::Netcat, Count::Counter(counter)),
                End::Avro(_, slot) => (Feed::Avro, Count::At(slot)),
            };
            let lane = Lane {
                feed,
                input: *input,
                shape,
                process: Some(subject.id()),
                count,
                next: 0,
            };
            turn(subject.name(), lane, bench.scale.time)
        });
    let mut all = run(bench.scale.pairs, turns.collect());
    for (series, (subject, _)) in all.iter_mut().zip(&pair) {
        series.memory = Some((subject.idle(), cost::memory(subject.id())));
        bench.table.series(series)?;
    }
    let [of_memory, of_spillable] = all.as_slice() else {
        return Ok(());
    };
    let rate = ratio(of_spillable, of_memory, Run::rate);
    let name = format!("B14 events/s of spillable / memory, {what}");
    bench.table.target(&name, &rate, 3, LEAST)?;
    let cpu = ratio(of_memory, of_spillable, Run::cpu_per_million);
    let name = format!("B14 CPU of memory / spillable, {what}");
    bench.table.target(&name, &cpu, 3, LEAST)?;
    let [_, (spillable, _)] = &pair;
    let spilled = spillable.counter("CHANNEL.c1", "EventSpilledCount");
    match spilled {
        0 => Ok(()),
        some => bench
            .table
            .wrong(&format!("{some} events went to the disk: memory was full")),
    }
}

/// Joins source, channel and sink.
fn joined(file: AgentFile, input: u16, shape: Shape, end: End<'_>) -> AgentFile {
    let file = file.set("channels.c1.transactionCapacity", TRANSACTION);
    match end {
        End::Null => file.netcat("r1", input).null("k1", shape.batch),
        End::Avro(receiver, _) => {
            let file = file.avro_source("r1", input);
            file.avro_sink("k1", receiver.port(), shape.batch)
        }
    }
}
