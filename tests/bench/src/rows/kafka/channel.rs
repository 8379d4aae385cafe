//! B17: avro → kafka channel → avro. The library writes and reads at once, in one process.

use std::io;
use std::time::Duration;

use flume_tests::{Scratch, ports};

use super::{FLUME, LIBRARY, Site, report};
use crate::load::arrivals::Slot;
use crate::load::{AvroReceiver, Shape};
use crate::rounds::Turn;
use crate::rows::{Bench, Candidate, OURS, Way, compare_beside, ours};
use crate::run::{Count, Feed};
use crate::setup::{Channel, Setup};

pub(super) fn measure(bench: &mut Bench<'_>, site: &Site) -> io::Result<()> {
    for batch in [100, 1000] {
        let setup = Setup {
            shape: Shape {
                batch,
                connections: 4,
                ..Shape::USUAL
            },
            channel: Channel::Kafka,
        };
        one(bench, site, setup)?;
    }
    Ok(())
}

fn one(bench: &mut Bench<'_>, site: &Site, setup: Setup) -> io::Result<()> {
    let Shape { batch, size, .. } = setup.shape;
    let title = format!("B17 avro → kafka channel → avro: {}", setup.described());
    bench.table.throughput(&title)?;
    let (scratch, slot) = (Scratch::new(), Slot::new());
    let receiver = AvroReceiver::start(ports::free(), &slot, Duration::ZERO);
    let [of_own, of_flume, bare] =
        ["ours", "flume", "bare"].map(|whose| site.topic(&format!("b17-{batch}-{whose}"), size));
    let way = Way {
        scratch: &scratch,
        feed: Feed::Avro,
        setup,
        count: Count::At(&slot),
    };
    let file =
        |topic: &str, input| setup.through_kafka(input, &site.brokers, topic, receiver.port());
    let (own, input) = ours(&scratch, OURS, |input| file(of_own.name(), input));
    let mut candidates = vec![Candidate::new(own, way.feed, input, setup, way.count)];
    let of_flume = |input| file(of_flume.name(), input);
    candidates.extend(bench.warm_from(&site.flume, FLUME, way, of_flume)?);
    let time = bench.time();
    let library = Turn::new(LIBRARY, || bare.write_and_read(time));
    let all = compare_beside(bench.scale.pairs, time, candidates, vec![library]);
    report(bench, "B17", &format!("batch {batch} × 4"), &all)
}
