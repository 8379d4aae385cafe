//! What the harness itself can do: generator to receiver, with nothing between them.

use std::io;

use flume_tests::ports;

use super::{Bench, turn};
use crate::load::arrivals::Slot;
use crate::load::{AvroReceiver, LineReceiver, Shape};
use crate::rounds::run;
use crate::run::{Count, Feed, Lane};

/// Measures it.
pub(super) fn measure(bench: &mut Bench<'_>) -> io::Result<()> {
    let sizes: &[usize] = if bench.scale.full {
        &[100, 500, 2000]
    } else {
        &[500]
    };
    for &size in sizes {
        let title = format!("Ceiling: generator to receiver, {size} B, no subject");
        bench.table.throughput(&title)?;
        let slot = Slot::new();
        let lines = LineReceiver::start(ports::free(), &slot);
        let batches = AvroReceiver::start(ports::free(), &slot, std::time::Duration::ZERO);
        let lane = |feed, input, batch| Lane {
            feed,
            input,
            shape: Shape {
                size,
                batch,
                ..Shape::USUAL
            },
            process: None,
            count: Count::At(&slot),
            next: 0,
        };
        let lanes = [
            ("lines", lane(Feed::Netcat, lines.port(), 100)),
            ("avro, batch 100", lane(Feed::Avro, batches.port(), 100)),
            ("avro, batch 1000", lane(Feed::Avro, batches.port(), 1000)),
        ];
        let time = bench.time();
        let turns = lanes.map(|(name, lane)| turn(name, lane, time));
        for series in run(bench.scale.variants, turns.into()) {
            bench.table.series(&series)?;
        }
    }
    Ok(())
}
