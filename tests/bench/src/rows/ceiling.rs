//! The ceiling of the harness itself: generator to receiver, with nothing between them.
//!
//! This row also has npm's avsc as a receiver. It is slower than the subjects, so no other row uses
//! it.

use std::io;

use flume_tests::{Scratch, ports};

use super::{Bench, turn};
use crate::load::arrivals::Slot;
use crate::load::{AvroReceiver, LineReceiver, Shape};
use crate::rounds::run;
use crate::run::{Count, Feed, Lane};

/// A receiver that we did not write.
const AVSC: &str = "avro, batch 100, to npm's avsc";

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
        let lane = |feed, input, batch, count| Lane {
            feed,
            input,
            shape: Shape {
                size,
                batch,
                ..Shape::USUAL
            },
            process: None,
            count,
            next: 0,
        };
        let at = || Count::At(&slot);
        let mut lanes = vec![
            ("lines", lane(Feed::Netcat, lines.port(), 100, at())),
            (
                "avro, batch 100",
                lane(Feed::Avro, batches.port(), 100, at()),
            ),
            (
                "avro, batch 1000",
                lane(Feed::Avro, batches.port(), 1000, at()),
            ),
        ];
        let scratch = Scratch::new();
        let port = ports::free();
        let avsc = bench.peers.avsc();
        let avsc = avsc.map(|avsc| avsc.discarding_server(&scratch, "avsc", port));
        match &avsc {
            Ok(_) => lanes.push((AVSC, lane(Feed::Avro, port, 100, Count::Answers))),
            Err(why) => bench.table.skipped(AVSC, why)?,
        }
        let time = bench.time();
        let turns = lanes.into_iter().map(|(name, lane)| turn(name, lane, time));
        for series in run(bench.scale.variants, turns.collect()) {
            bench.table.series(&series)?;
        }
    }
    Ok(())
}
