//! B1: netcat → memory → null. What reading, splitting and the channel cost.
//!
//! For our agent, the sink's counter says when every event has been drained. In real Flume that
//! counter would need an HTTP server, so the answers to the lines are counted instead; up to a
//! hundred thousand events may then still be in its channel, which is in its favour.

use std::io;

use flume_tests::{Release, Scratch};

use super::{Bench, OURS, RELEASES, flume, ours, turn};
use crate::cost;
use crate::load::Shape;
use crate::rounds::run;
use crate::run::{Count, Feed, Lane};
use crate::setup::{Channel, Setup};
use crate::subject::Subject;
use crate::table::Target;

/// Events a second with an answer to each line.
const WITH_ACKS: f64 = 500_000.0;

/// Measures it.
pub(super) fn measure(bench: &mut Bench<'_>) -> io::Result<()> {
    for ack in [true, false] {
        let setup = Setup {
            shape: Shape {
                ack,
                ..Shape::USUAL
            },
            channel: Channel::Tuned,
        };
        let title = format!("B1 netcat → memory → null: {}", setup.described());
        bench.table.throughput(&title)?;
        one(bench, setup)?;
    }
    Ok(())
}

fn one(bench: &mut Bench<'_>, setup: Setup) -> io::Result<()> {
    let scratch = Scratch::new();
    let time = bench.time();
    let (own, input) = ours(&scratch, OURS, |input| setup.to_null(input));
    let counter = || own.counter("SINK.k1", "EventDrainSuccessCount");
    let lane = lane(&own, input, setup, Count::Counter(&counter));
    let mut turns = vec![turn(OURS, lane, time)];
    let mut subjects = vec![&own];
    let (release, name) = RELEASES[0];
    debug_assert_eq!(release, Release::V1_8);
    let started = if setup.shape.ack {
        let stage = bench.peers.flume(release);
        stage.map(|stage| flume(&scratch, name, stage, |input| setup.to_null(input)))
    } else {
        Err("it does not say how many events it took".to_owned())
    };
    match &started {
        Ok((subject, input)) => {
            let mut lane = self::lane(subject, *input, setup, Count::Answers);
            lane.run(std::time::Duration::from_secs(120), bench.scale.warm);
            let name = format!("{name}, {}", bench.scale.warmth());
            turns.push(turn(&name, lane, time));
            subjects.push(subject);
        }
        Err(why) => bench.table.skipped(name, why)?,
    }
    let mut all = run(bench.scale.variants, turns);
    for (series, subject) in all.iter_mut().zip(subjects) {
        series.memory = Some((subject.idle(), cost::memory(subject.id())));
        bench.table.series(series)?;
    }
    if let (Some(first), true) = (all.first(), setup.shape.ack) {
        let target = Target::Least(WITH_ACKS);
        bench
            .table
            .target("B1 events/s with an ack per line", &first.rate(), 0, target)?;
    }
    Ok(())
}

fn lane<'a>(subject: &Subject, input: u16, setup: Setup, count: Count<'a>) -> Lane<'a> {
    Lane {
        feed: Feed::Netcat,
        input,
        shape: setup.shape,
        process: Some(subject.id()),
        count,
        next: 0,
    }
}
