//! B3: avro → memory → avro, a relay: the cost of receiving a batch and passing it on.
//!
//! The ceiling is the same generator and the same receiver without the relay between them. It runs
//! in the same rounds, because other work on the machine affects it too. So does a relay that only
//! reads and writes: no separate process can be faster than that.

use std::io;
use std::time::Duration;

use flume_tests::{Scratch, ports};

use super::{Bench, Candidate, OURS, RELEASES, Way, compare_beside, ours, turn};
use crate::load::arrivals::Slot;
use crate::load::{AvroReceiver, Shape, bare_relay};
use crate::rounds::{Series, ratio};
use crate::run::{Count, Feed, Lane, Run};
use crate::setup::{Channel, Setup};
use crate::table::Target;

/// The target as a share of the ceiling, in batches of 100.
const SHARE: Target = Target::Least(0.5);

/// Measures it: the target's batch size alone, and a larger one compared with real Flume, tuned and
/// warm.
pub(super) fn measure(bench: &mut Bench<'_>) -> io::Result<()> {
    for (batch, peer) in [(100, false), (1000, true)] {
        let setup = Setup {
            shape: Shape {
                batch,
                ..Shape::USUAL
            },
            channel: Channel::Tuned,
        };
        one(bench, setup, peer)?;
    }
    Ok(())
}

fn one(bench: &mut Bench<'_>, setup: Setup, peer: bool) -> io::Result<()> {
    let batch = setup.shape.batch;
    bench
        .table
        .throughput(&format!("B3 avro → memory → avro: {}", setup.described()))?;
    let (scratch, slot) = (Scratch::new(), Slot::new());
    let receiver = AvroReceiver::start(ports::free(), &slot, Duration::ZERO);
    let (own, input) = ours(&scratch, OURS, |input| setup.relay(input, receiver.port()));
    let mut candidates = vec![Candidate::new(own, Feed::Avro, input, setup, &slot)];
    if peer {
        let way = Way {
            scratch: &scratch,
            feed: Feed::Avro,
            setup,
            count: Count::At(&slot),
        };
        let file = |input| setup.relay(input, receiver.port());
        candidates.extend(bench.warm_flume(RELEASES[0], way, file)?);
    }
    let without = |name, input| {
        let lane = Lane {
            feed: Feed::Avro,
            input,
            shape: setup.shape,
            process: None,
            count: Count::At(&slot),
            next: 0,
        };
        turn(name, lane, bench.time())
    };
    let others = vec![
        without(
            "reads and writes, no more",
            bare_relay::start(receiver.port()),
        ),
        without("ceiling: no relay", receiver.port()),
    ];
    let all = compare_beside(bench.scale.pairs, bench.time(), candidates, others);
    for series in &all {
        bench.table.series(series)?;
    }
    let [own, peers @ .., bare, ceiling] = all.as_slice() else {
        return Ok(());
    };
    let share = ratio(own, ceiling, Run::rate);
    let name = format!("B3 events/s of {} / ceiling, batch {batch}", own.name);
    match peer {
        false => bench.table.target(&name, &share, 2, SHARE)?,
        true => bench.table.figure(&name, &share, 2)?,
    }
    for (of, to) in [(bare, ceiling), (own, bare)] {
        let name = format!("B3 events/s of {} / {}", of.name, to.name);
        bench.table.figure(&name, &ratio(of, to, Run::rate), 2)?;
    }
    compare_with_peers(bench, own, peers)
}

fn compare_with_peers(bench: &mut Bench<'_>, own: &Series, peers: &[Series]) -> io::Result<()> {
    for peer in peers {
        let times = ratio(peer, own, Run::cpu_per_million);
        let name = format!("B3 CPU of {} / {}", peer.name, own.name);
        bench.table.figure(&name, &times, 1)?;
        let times = ratio(own, peer, Run::rate);
        let name = format!("B3 events/s of {} / {}", own.name, peer.name);
        bench.table.figure(&name, &times, 1)?;
    }
    Ok(())
}
