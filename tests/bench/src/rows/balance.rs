//! B4: netcat → memory → a balanced group of 1, 2 and 4 avro sinks, near and far.
//!
//! Far means that each answer is delayed by 5 ms while further batches are accepted: network
//! distance, not a slow collector. Throughput then depends on the number of batches in flight, so
//! the target is set for one batch per sink. One of our sinks alone keeps four batches in flight by
//! default. That line has no target, because equal numbers in flight give equal throughput.

use std::io;
use std::time::Duration;

use flume_tests::{AgentFile, Scratch, ports};

use super::{Bench, Candidate, RELEASES, SETUP, compare, flume, ours};
use crate::load::AvroReceiver;
use crate::load::arrivals::Slot;
use crate::rounds::{Turn, ratio, run};
use crate::run::{Feed, Run};
use crate::table::Target;

/// The target for four far sinks, as a multiple of one.
const FOUR: Target = Target::Least(3.8);

/// The delay of the answer to a batch.
pub(super) const DISTANCE: Duration = Duration::from_millis(5);

/// Events per second of load. Far runs send a fixed number of events, because the channel alone
/// would hold what a far sink delivers in seconds.
const FAR_EVENTS: f64 = 40_000.0;

/// The longest time to send these events.
const FAR_TIME: Duration = Duration::from_secs(60);

/// Four collectors.
pub(super) type Collectors = [AvroReceiver; 4];

/// Collectors at a distance, which count at `slot`.
pub(super) fn collectors(slot: &Slot, distance: Duration) -> Collectors {
    std::array::from_fn(|_| AvroReceiver::start(ports::free(), slot, distance))
}

/// A balanced group over the first of the collectors, with one batch in flight per sink.
pub(super) fn group(
    input: u16,
    collectors: &Collectors,
    sinks: usize,
    parallelism: usize,
) -> AgentFile {
    let ports = collectors.each_ref().map(AvroReceiver::port);
    SETUP.balanced(input, &ports[..sinks], parallelism)
}

/// Measures it.
pub(super) fn measure(bench: &mut Bench<'_>) -> io::Result<()> {
    near(bench)?;
    far(bench)?;
    far_others(bench)
}

/// One sink as in Flume, and one with our defaults; groups of two and four, with one batch per sink
/// or one at a time.
const ONE_AS_IN_FLUME: &str = "1 sink, max-in-flight 1";
const ONE: &str = "1 sink, max-in-flight 4 (default)";
const TWO: &str = "2 sinks, parallelism 2";
const FOUR_AT_ONCE: &str = "4 sinks, parallelism 4";
const FOUR_IN_TURNS: &str = "4 sinks, parallelism 1 (default)";

fn near(bench: &mut Bench<'_>) -> io::Result<()> {
    bench.table.throughput(&format!(
        "B4 netcat → memory → load_balance → avro: {}",
        SETUP.described()
    ))?;
    let (scratch, slot) = (Scratch::new(), Slot::new());
    let collectors = collectors(&slot, Duration::ZERO);
    let names = [ONE_AS_IN_FLUME, ONE, TWO, FOUR_AT_ONCE, FOUR_IN_TURNS];
    let all = names.map(|name| candidate(&scratch, &slot, &collectors, name));
    for series in compare(bench.scale.variants, bench.time(), all.into()) {
        bench.table.series(&series)?;
    }
    Ok(())
}

fn far(bench: &mut Bench<'_>) -> io::Result<()> {
    bench.table.throughput(&title(""))?;
    let (scratch, slot) = (Scratch::new(), Slot::new());
    let collectors = collectors(&slot, DISTANCE);
    let names = [ONE_AS_IN_FLUME, FOUR_AT_ONCE, ONE];
    let all = names.map(|name| candidate(&scratch, &slot, &collectors, name));
    let turns = all.map(|candidate| counted(bench, candidate));
    let all = run(bench.scale.pairs, turns.into());
    for series in &all {
        bench.table.series(series)?;
    }
    let [one, four, default] = all.as_slice() else {
        return Ok(());
    };
    let times = ratio(four, one, Run::rate);
    bench.table.target(
        "B4 events/s at 5 ms, 4 sinks at once / 1 sink",
        &times,
        2,
        FOUR,
    )?;
    let times = ratio(four, default, Run::rate);
    let name = "B4 the same / 1 sink with 4 batches in flight (default)";
    bench.table.figure(name, &times, 2)
}

/// Variants at that distance with fewer rounds, including real Flume.
fn far_others(bench: &mut Bench<'_>) -> io::Result<()> {
    bench.table.throughput(&title(", others"))?;
    let (scratch, slot) = (Scratch::new(), Slot::new());
    let collectors = collectors(&slot, DISTANCE);
    let mut turns: Vec<Turn<'_>> = [TWO, FOUR_IN_TURNS]
        .map(|name| counted(bench, candidate(&scratch, &slot, &collectors, name)))
        .into();
    let (release, name) = RELEASES[0];
    match bench.peers.flume(release) {
        Ok(stage) => {
            let name = format!("{name}, 4 sinks");
            let file = |input| group(input, &collectors, 4, 1);
            let (subject, input) = flume(&scratch, &name, stage, file);
            let candidate = Candidate::new(subject, Feed::Netcat, input, SETUP, &slot);
            turns.push(counted(bench, candidate));
        }
        Err(why) => bench.table.skipped(name, &why)?,
    }
    for series in run(bench.scale.variants, turns) {
        bench.table.series(&series)?;
    }
    Ok(())
}

/// One of our agents, by the name of its line.
fn candidate<'s>(
    scratch: &Scratch,
    slot: &'s Slot,
    collectors: &Collectors,
    name: &str,
) -> Candidate<'s> {
    let file = |input| match name {
        ONE_AS_IN_FLUME => group(input, collectors, 1, 1).set("sinks.k1.max-in-flight", 1),
        ONE => group(input, collectors, 1, 1),
        TWO => group(input, collectors, 2, 2),
        FOUR_AT_ONCE => group(input, collectors, 4, 4),
        _ => group(input, collectors, 4, 1),
    };
    let (own, input) = ours(scratch, name, file);
    Candidate::new(own, Feed::Netcat, input, SETUP, slot)
}

/// Runs its turns with a fixed number of events.
fn counted<'a>(bench: &Bench<'_>, candidate: Candidate<'a>) -> Turn<'a> {
    let events = (bench.time().as_secs_f64() * FAR_EVENTS) as u64;
    let events = events.max(u64::from(SETUP.shape.batch) * 4);
    let Candidate { subject, mut lane } = candidate;
    // The turn owns the subject, which ends when the turn is dropped.
    Turn::new(subject.name().to_owned(), move || {
        let _running = &subject;
        lane.run(FAR_TIME, events)
    })
}

fn title(more: &str) -> String {
    format!(
        "B4 the same, each answer {} ms late{more}",
        DISTANCE.as_millis()
    )
}
