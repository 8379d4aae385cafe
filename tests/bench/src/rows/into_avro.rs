//! B2: netcat → memory → avro, one sink. The most common use of an agent.

use std::io;
use std::time::Duration;

use flume_tests::{Scratch, ports};

use super::{Bench, Candidate, OURS, RELEASES, SETUP, Way, compare, flume, ours};
use crate::load::arrivals::Slot;
use crate::load::{AvroReceiver, LineReceiver, Shape};
use crate::rounds::ratio;
use crate::run::{Count, Feed, Run};
use crate::setup::{Channel, Setup};
use crate::subject::Subject;
use crate::table::{Target, mega};

/// The target rate in batches of 100 without answers.
const RATE: Target = Target::Least(1e6);
const CPU: Target = Target::Most(0.6);
/// The target for memory under that load, in MB.
const MEMORY: Target = Target::Most(96.0);
/// The targets in CPU time compared with Flume: tuned and warm, and with its defaults.
const TUNED: f64 = 6.0;
const DEFAULTS: f64 = 15.0;

/// The file of the comparison with Flume, tuned for throughput.
const THROUGHPUT: Setup = Setup {
    shape: Shape {
        batch: 1000,
        ..Shape::USUAL
    },
    channel: Channel::Tuned,
};

/// Flume's defaults.
const AS_IS: Setup = Setup {
    shape: Shape {
        ack: true,
        ..Shape::USUAL
    },
    channel: Channel::Default,
};

/// Measures it.
pub(super) fn measure(bench: &mut Bench<'_>) -> io::Result<()> {
    usual(bench)?;
    for (setup, what, least) in [(THROUGHPUT, "tuned", TUNED), (AS_IS, "defaults", DEFAULTS)] {
        into_receiver(bench, setup, what, least)?;
    }
    into_flume(bench)?;
    variants(bench)
}

/// The line with the targets, and rsyslog for comparison.
fn usual(bench: &mut Bench<'_>) -> io::Result<()> {
    let setup = SETUP;
    bench.table.throughput(&title(setup, ""))?;
    let (scratch, slot) = (Scratch::new(), Slot::new());
    let receiver = AvroReceiver::start(ports::free(), &slot, Duration::ZERO);
    let lines = LineReceiver::start(ports::free(), &slot);
    let (own, input) = ours(&scratch, OURS, |input| {
        setup.to_avro(input, receiver.port())
    });
    let mut candidates = vec![Candidate::new(own, Feed::Netcat, input, setup, &slot)];
    match bench.peers.rsyslog() {
        Ok(rsyslog) => {
            let input = ports::free();
            let subject = Subject::rsyslog(&scratch, rsyslog, input, lines.port());
            candidates.push(Candidate::new(subject, Feed::Netcat, input, setup, &slot));
        }
        Err(why) => bench.table.skipped("rsyslog", &why)?,
    }
    let all = compare(bench.scale.pairs, bench.time(), candidates);
    for series in &all {
        bench.table.series(series)?;
    }
    let Some(own) = all.first() else {
        return Ok(());
    };
    bench
        .table
        .target("B2 events/s, batch 100, no acks", &own.rate(), 0, RATE)?;
    bench.table.target(
        "B2 CPU-s per million, batch 100, no acks",
        &own.cpu(),
        3,
        CPU,
    )?;
    let high = own.memory.map_or(0, |(_, after)| after.high);
    let high = flume_tests::figures::Estimate::of(&[mega(high) as f64]);
    bench
        .table
        .target("B2 memory under load, MB", &high, 0, MEMORY)
}

/// Ours and both releases of Flume with the same file, into a receiver that costs next to nothing.
fn into_receiver(bench: &mut Bench<'_>, setup: Setup, what: &str, least: f64) -> io::Result<()> {
    let title = title(setup, &format!(" ({what}, the same file)"));
    bench.table.throughput(&title)?;
    let slot = Slot::new();
    let receiver = AvroReceiver::start(ports::free(), &slot, Duration::ZERO);
    beside_flume(bench, setup, what, least, receiver.port(), Count::At(&slot))
}

/// The same with Flume's defaults into the collector that they usually go to: a real Flume. Its
/// counters would need an HTTP server, which costs it time, so the answers are counted instead. At
/// most the channel's 100 events are still in flight at the last answer.
fn into_flume(bench: &mut Bench<'_>) -> io::Result<()> {
    let (release, name) = RELEASES[0];
    let what = format!("defaults, into {name}");
    bench
        .table
        .throughput(&title(AS_IS, &format!(" ({what})")))?;
    let scratch = Scratch::new();
    let started = bench.peers.flume(release).map(|stage| {
        let file = |input| THROUGHPUT.collector(input);
        flume(&scratch, "collector", stage, file)
    });
    let (_collector, port) = match started {
        Ok(started) => started,
        Err(why) => return bench.table.skipped(name, &why),
    };
    beside_flume(bench, AS_IS, &what, DEFAULTS, port, Count::Answers)
}

/// Ours and both releases of Flume, in turns, with batches to a port.
fn beside_flume(
    bench: &mut Bench<'_>,
    setup: Setup,
    what: &str,
    least: f64,
    port: u16,
    count: Count<'_>,
) -> io::Result<()> {
    let scratch = Scratch::new();
    let file = |input| setup.to_avro(input, port);
    let (own, input) = ours(&scratch, OURS, file);
    let mut candidates = vec![Candidate::new(own, Feed::Netcat, input, setup, count)];
    let way = Way {
        scratch: &scratch,
        feed: Feed::Netcat,
        setup,
        count,
    };
    for release in RELEASES {
        candidates.extend(bench.warm_flume(release, way, file)?);
    }
    let all = compare(bench.scale.pairs, bench.time(), candidates);
    for series in &all {
        bench.table.series(series)?;
    }
    let Some((own, peers)) = all.split_first() else {
        return Ok(());
    };
    for peer in peers {
        let times = ratio(peer, own, Run::cpu_per_million);
        let name = format!("B2 {what}: CPU of {} / {}", peer.name, own.name);
        bench.table.target(&name, &times, 1, Target::Least(least))?;
        let times = ratio(own, peer, Run::rate);
        let name = format!("events/s of {} / {}", own.name, peer.name);
        bench.table.figure(&name, &times, 1)?;
    }
    Ok(())
}

/// Measures how event size, batch size and answers change the result.
fn variants(bench: &mut Bench<'_>) -> io::Result<()> {
    let usual = Shape::USUAL;
    let few = [
        Shape { ack: true, ..usual },
        Shape { batch: 1, ..usual },
        Shape {
            batch: 1000,
            ..usual
        },
        Shape { size: 100, ..usual },
        Shape {
            size: 2000,
            ..usual
        },
    ];
    let all = || {
        let sizes = [100, 500, 2000].into_iter();
        let batches = sizes.flat_map(|size| [1, 100, 1000].map(|batch| (size, batch)));
        batches.flat_map(|(size, batch)| {
            [false, true].map(|ack| Shape {
                size,
                batch,
                ack,
                ..Shape::USUAL
            })
        })
    };
    let shapes: Vec<Shape> = if bench.scale.full {
        all().collect()
    } else {
        few.to_vec()
    };
    bench
        .table
        .throughput("B2 variants, flume-host, channel 100000/10000")?;
    for shape in shapes {
        let setup = Setup {
            shape,
            channel: Channel::Tuned,
        };
        let (scratch, slot) = (Scratch::new(), Slot::new());
        let receiver = AvroReceiver::start(ports::free(), &slot, Duration::ZERO);
        let ack = if shape.ack { "acks" } else { "no acks" };
        let name = format!("{} B, batch {}, {ack}", shape.size, shape.batch);
        let (own, input) = ours(&scratch, &name, |input| {
            setup.to_avro(input, receiver.port())
        });
        let candidate = Candidate::new(own, Feed::Netcat, input, setup, &slot);
        for series in compare(bench.scale.variants, bench.time(), vec![candidate]) {
            bench.table.series(&series)?;
        }
    }
    Ok(())
}

fn title(setup: Setup, more: &str) -> String {
    format!("B2 netcat → memory → avro: {}{more}", setup.described())
}
