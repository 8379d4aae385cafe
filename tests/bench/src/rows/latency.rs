//! B9: the latency from the sender's write to the collector, at a steady rate.
//!
//! A target is compared with the quantile of each round; the line above it has all rounds together.
//! Other lines show what the machine alone needs: the same sender and a receiver, with nothing
//! between them, and with a relay that only reads and writes. An agent is one more process that has
//! to be woken. So is the receiver, unless it never sleeps: both are measured.

use std::io;
use std::time::Duration;

use flume_tests::figures::{Estimate, Waits, millis};
use flume_tests::{Scratch, ports};

use super::{Bench, OURS, RELEASES, SETUP, flume, ours};
use crate::load::arrivals::{Arrivals, Slot};
use crate::load::reading::Reading;
use crate::load::{AvroReceiver, LineReceiver, bare_relay, paced};
use crate::table::Target;

/// The targets in milliseconds for the median and for 99 of 100 events.
const P50: Target = Target::Most(0.15);
const P99: Target = Target::Most(2.0);

/// How long the last event may take before it counts as lost. Flume gets whole batches, so its
/// sinks do not wait for further events.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lines a second.
const SELDOM: u64 = 2;
const USUAL: u64 = 1_000;
const OFTEN: u64 = 20_000;

/// A run at the slowest rate takes this many times as long as the others.
const SELDOM_TIMES: u32 = 20;

/// Measures it.
pub(super) fn measure(bench: &mut Bench<'_>) -> io::Result<()> {
    section(bench, "a receiver that has to be woken")?;
    ceiling(bench, Reading::Asleep)?;
    through(bench, Reading::Asleep)?;
    peer(bench)?;
    section(bench, "a receiver that never sleeps")?;
    ceiling(bench, Reading::Awake)?;
    through(bench, Reading::Awake)
}

fn section(bench: &mut Bench<'_>, receiver: &str) -> io::Result<()> {
    bench.table.waits_section(&format!(
        "B9 from a write to {receiver}, netcat → memory → avro: {}",
        SETUP.described()
    ))
}

/// Sender to agent to receiver.
fn through(bench: &mut Bench<'_>, reading: Reading) -> io::Result<()> {
    let (scratch, slot) = (Scratch::new(), Slot::new());
    let receiver = AvroReceiver::reading(ports::free(), &slot, Duration::ZERO, reading);
    let (_own, input) = ours(&scratch, OURS, |input| {
        SETUP.to_avro(input, receiver.port())
    });
    let mut lane = EventPath {
        input,
        slot: &slot,
        next: 0,
    };
    let (time, rounds) = (bench.time(), bench.scale.pairs);
    for (rate, time, rounds, targets) in [
        (USUAL, time, rounds, true),
        (OFTEN, time, rounds, false),
        // At this rate, a round of the usual length would have only one or two events.
        (SELDOM, time * SELDOM_TIMES, 1, true),
    ] {
        let rounds: Vec<Waits> = (0..rounds).map(|_| lane.run(rate, time)).collect();
        show(bench, rate, reading, &rounds, targets)?;
    }
    Ok(())
}

/// Sender to receiver, and a relay between them that only reads and writes.
fn ceiling(bench: &mut Bench<'_>, reading: Reading) -> io::Result<()> {
    let slot = Slot::new();
    let receiver = LineReceiver::reading(ports::free(), &slot, reading);
    let time = bench.time();
    for (name, input) in [
        ("no agent", receiver.port()),
        (
            "reads and writes, no more",
            bare_relay::start(receiver.port()),
        ),
    ] {
        let mut lane = EventPath {
            input,
            slot: &slot,
            next: 0,
        };
        for (rate, time) in [(USUAL, time), (SELDOM, time * SELDOM_TIMES)] {
            let waits = lane.run(rate, time);
            bench
                .table
                .waits(&format!("{name}, {rate} a second"), &waits)?;
        }
    }
    Ok(())
}

fn show(
    bench: &mut Bench<'_>,
    rate: u64,
    reading: Reading,
    rounds: &[Waits],
    targets: bool,
) -> io::Result<()> {
    let receiver = match reading {
        Reading::Asleep => "",
        Reading::Awake => ", receiver awake",
    };
    let table = &mut bench.table;
    table.waits(
        &format!("{OURS}, {rate} a second"),
        &Waits::all(rounds.iter()),
    )?;
    for (name, per_ten_thousand, target) in [("p50", 5_000, P50), ("p99", 9_900, P99)] {
        let values: Vec<f64> = rounds
            .iter()
            .map(|waits| millis(waits.quantile(per_ten_thousand)))
            .collect();
        let name = format!("B9 {name} at {rate} a second{receiver}, ms");
        let estimate = Estimate::of(&values);
        match targets {
            true => table.target(&name, &estimate, 3, target)?,
            false => table.figure(&name, &estimate, 3)?,
        }
    }
    Ok(())
}

/// Real Flume at the usual rate, with the same file.
fn peer(bench: &mut Bench<'_>) -> io::Result<()> {
    let (release, name) = RELEASES[0];
    let stage = match bench.peers.flume(release) {
        Ok(stage) => stage,
        Err(why) => return bench.table.skipped(name, &why),
    };
    let (scratch, slot) = (Scratch::new(), Slot::new());
    let receiver = AvroReceiver::start(ports::free(), &slot, Duration::ZERO);
    let (_subject, input) = flume(&scratch, name, stage, |input| {
        SETUP.to_avro(input, receiver.port())
    });
    let mut lane = EventPath {
        input,
        slot: &slot,
        next: 0,
    };
    // The first seconds of a JVM are not measured.
    let time = bench.time() * 4;
    lane.run(USUAL, time);
    let waits = lane.run(USUAL, time);
    let line = format!("{name}, {USUAL} a second");
    bench.table.waits(&line, &waits)
}

/// The path of the events, and how many took it.
struct EventPath<'a> {
    input: u16,
    slot: &'a Slot,
    next: u64,
}

impl EventPath<'_> {
    /// Sends at this rate for this long.
    ///
    /// # Panics
    /// When the subject hangs up, or an event is lost or comes twice.
    fn run(&mut self, rate: u64, time: Duration) -> Waits {
        let batch = u64::from(SETUP.shape.batch);
        let count = (time.as_secs_f64() * rate as f64).ceil() as u64;
        // Whole batches, unless they would take too long: Flume waits for full ones.
        let count = match rate {
            SELDOM => count,
            _ => count.next_multiple_of(batch),
        };
        let arrivals = Arrivals::timed(self.next, count as usize);
        self.slot.begin(&arrivals);
        let pace = paced::Pace {
            size: SETUP.shape.size,
            rate,
            count,
        };
        let sent = paced::send(self.input, pace, &arrivals);
        let begins = sent.unwrap_or_else(|error| panic!("port {}: {error}", self.input));
        let verdict = arrivals.settle(count, PATIENCE);
        assert!(verdict.exact(), "{rate} a second: {verdict:?}");
        self.next += count;
        paced::waits(&begins, &arrivals)
    }
}
