//! B16: kafka → memory → null. An agent stands still while its topic is filled; then it goes on, until
//! its group has committed all. The library reads as much, and commits nothing.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use flume_tests::{AgentFile, Availability, Scratch};

use super::{FLUME, LIBRARY, Site, of_tool, report};
use crate::cost;
use crate::load::Shape;
use crate::load::kafka::{Group, Topic};
use crate::rounds::{Turn, run};
use crate::rows::{Bench, OURS};
use crate::run::Run;
use crate::setup::{Channel, Setup};
use crate::subject::Subject;

/// Events in a topic for each second that a run should last.
const A_SECOND: f64 = 400_000.0;

/// The longest that filling a topic may take: a member of a group that is silent for 10 s loses its place.
const FILLING: Duration = Duration::from_secs(8);

pub(super) fn measure(bench: &mut Bench<'_>, site: &Site) -> io::Result<()> {
    let setup = Setup {
        shape: Shape {
            batch: 1000,
            ..Shape::USUAL
        },
        channel: Channel::Tuned,
    };
    let size = setup.shape.size;
    bench.table.throughput(&format!(
        "B16 kafka → memory → null: {size} B, batch {}, channel 100000/10000",
        setup.shape.batch
    ))?;
    let scratch = Scratch::new();
    let events = (bench.time().as_secs_f64() * A_SECOND) as u64;
    let [of_own, of_flume, bare] =
        ["b16-ours", "b16-flume", "b16-bare"].map(|name| site.topic(name, size));
    let file = |topic: &Topic| setup.from_kafka(&site.brokers, topic.name(), topic.name());
    let own = Rc::new(Subject::ours(&scratch, OURS, &file(&of_own)));
    let mut subjects = vec![Rc::clone(&own)];
    let mut turns = vec![turn(own, &of_own, events)];
    if let Some(flume) = warm(bench, site, &scratch, &file(&of_flume), &of_flume)? {
        turns.push(turn(Rc::clone(&flume), &of_flume, events));
        subjects.push(flume);
    }
    turns.push(Turn::new(LIBRARY, || {
        let starts = bare.ends();
        bare.write(FILLING, events);
        bare.read(&starts, events)
    }));
    let mut all = run(bench.scale.pairs, turns);
    for (series, subject) in all.iter_mut().zip(subjects) {
        series.memory = Some((subject.idle(), cost::memory(subject.id())));
    }
    report(bench, "B16", &format!("batch {}", setup.shape.batch), &all)?;
    java(bench, site, size)
}

fn warm(
    bench: &mut Bench<'_>,
    site: &Site,
    scratch: &Scratch,
    file: &AgentFile,
    topic: &Topic,
) -> io::Result<Option<Rc<Subject>>> {
    let stage = match &site.flume {
        Availability::Ready(stage) => stage,
        Availability::Missing(why) => return bench.table.skipped(FLUME, why).map(|()| None),
    };
    let name = format!("{FLUME}, {}", bench.scale.warmth());
    let flume = Subject::flume(scratch, &name, stage, file, &[]);
    topic.write(FILLING * 10, bench.scale.warm);
    Group::of(topic, topic.name()).await_committed(topic.written());
    Ok(Some(Rc::new(flume)))
}

fn turn<'a>(subject: Rc<Subject>, topic: &'a Topic, events: u64) -> Turn<'a> {
    let group = Group::of(topic, topic.name());
    Turn::new(subject.name().to_owned(), move || {
        // It has its partitions, and reads.
        topic.write(FILLING, events / 100);
        group.await_committed(topic.written());
        subject.stand_still(true);
        topic.write(FILLING, events);
        let (all, cpu) = (topic.written(), cost::cpu(subject.id()));
        let began = Instant::now();
        subject.stand_still(false);
        group.await_committed(all);
        Run {
            events,
            wall: began.elapsed(),
            cpu: cost::cpu(subject.id()) - cpu,
            ..Run::default()
        }
    })
}

/// Java's client alone.
fn java(bench: &mut Bench<'_>, site: &Site, size: usize) -> io::Result<()> {
    bench.table.throughput(&format!(
        "B16 kafka-consumer-perf-test: {size} B, a JVM for each run"
    ))?;
    let topic = site.topic("b16-java", size);
    let events = bench.scale.events(1_000_000);
    topic.write(FILLING, events);
    let run = || rate(&site.cluster.measure_reading("b16-java", topic.written()));
    let series = of_tool("java", bench.scale.variants, run);
    bench.table.series(&series)
}

/// The last of the numbers is that of records a second without the wait for the group.
fn rate(said: &str) -> f64 {
    let last = said.rsplit(',').next().map(str::trim);
    let rate = last.and_then(|number| number.parse().ok());
    rate.unwrap_or_else(|| panic!("no rate: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_what_the_tool_says() {
        let said = "2026-11-30 10:00:00:000, 2026-11-30 10:00:03:000, 9.5, 3.1, 20000, 6666.6, 30, 297, 32.1, 67340.0";
        assert_eq!(rate(said), 67340.0);
    }
}
