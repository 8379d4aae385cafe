//! The rows of the table: what each measures, and its target.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use flume_tests::{AgentFile, Availability, Release, Scratch, Stage, ports};

use crate::cost;
use crate::load::Shape;
use crate::options::{Row, Scale};
use crate::rounds::{Series, Turn, run};
use crate::run::{Count, Feed, Lane};
use crate::setup::{Channel, Setup};
use crate::subject::{Peers, Subject};
use crate::table::Table;

mod backlog;
mod balance;
mod buckets;
mod ceiling;
mod default_channel;
mod durable;
mod interceptors;
mod into_avro;
mod into_null;
mod kafka;
mod latency;
mod relay;
mod selector;
mod spillable;
mod startup;
mod swap;
mod tenants;
mod unrest;

/// The releases of Flume, with their names in the table.
const RELEASES: [(Release, &str); 2] = [
    (Release::V1_8, "flume 1.8.0"),
    (Release::V1_11, "flume 1.11.0"),
];

/// The name of our agent in the table.
const OURS: &str = "flume-host";

/// What most rows measure: 500 bytes in batches of 100 without answers, through a channel for
/// throughput.
const SETUP: Setup = Setup {
    shape: Shape::USUAL,
    channel: Channel::Tuned,
};

/// What all rows share.
pub struct Bench<'a> {
    /// The table to write to.
    pub table: Table<'a>,
    /// How much is measured.
    pub scale: Scale,
    /// The peers to compare with.
    pub peers: Peers,
    /// The attacks to measure; all, if empty.
    pub attacks: Vec<String>,
}

impl Bench<'_> {
    /// Measures a row.
    ///
    /// # Errors
    /// The table cannot be written.
    pub fn row(&mut self, row: Row) -> io::Result<()> {
        match row {
            Row::Ceiling => ceiling::measure(self),
            Row::B1 => into_null::measure(self),
            Row::B2 => into_avro::measure(self),
            Row::B3 => relay::measure(self),
            Row::B4 => balance::measure(self),
            Row::B5 => unrest::measure(self),
            Row::B6 => interceptors::measure(self),
            Row::B7 => selector::measure(self),
            Row::B8 => startup::measure(self),
            Row::B9 => latency::measure(self),
            Row::B10 => swap::measure(self),
            Row::B11 => default_channel::measure(self),
            Row::B12 => durable::measure(self),
            Row::B13 => backlog::measure(self),
            Row::B14 => spillable::measure(self),
            Row::B15 => kafka::sink(self),
            Row::B16 => kafka::source(self),
            Row::B17 => kafka::channel(self),
            Row::Tenants => tenants::measure(self),
            Row::Buckets => buckets::measure(self),
        }
    }

    /// A round's worth of load.
    fn time(&self) -> Duration {
        self.scale.time
    }

    /// Starts real Flume: one cold round, which goes into the table, then enough events to warm it
    /// up. `None` if there is no Flume; the table says so.
    fn warm_flume<'s>(
        &mut self,
        (release, name): (Release, &str),
        way: Way<'s>,
        file: impl FnOnce(u16) -> AgentFile,
    ) -> io::Result<Option<Candidate<'s>>> {
        let stage = match self.peers.flume(release) {
            Ok(stage) => stage,
            Err(why) => return self.table.skipped(name, &why).map(|()| None),
        };
        let (subject, input) = flume(way.scratch, &self.warm_name(name), stage, file);
        self.warmed(name, subject, input, way).map(Some)
    }

    /// The same for a Flume that a row has found itself.
    fn warm_from<'s>(
        &mut self,
        stage: &Availability<Stage>,
        name: &str,
        way: Way<'s>,
        file: impl FnOnce(u16) -> AgentFile,
    ) -> io::Result<Option<Candidate<'s>>> {
        let stage = match stage {
            Availability::Ready(stage) => stage,
            Availability::Missing(why) => return self.table.skipped(name, why).map(|()| None),
        };
        let (subject, input) = flume(way.scratch, &self.warm_name(name), stage, file);
        self.warmed(name, subject, input, way).map(Some)
    }

    fn warm_name(&self, name: &str) -> String {
        format!("{name}, {}", self.scale.warmth())
    }

    /// A cold round, and the warm-up.
    fn warmed<'s>(
        &mut self,
        name: &str,
        subject: Subject,
        input: u16,
        way: Way<'s>,
    ) -> io::Result<Candidate<'s>> {
        let mut candidate = Candidate::new(subject, way.feed, input, way.setup, way.count);
        let cold = Series {
            name: format!("{name}, cold"),
            runs: vec![candidate.lane.run(self.scale.time, u64::MAX)],
            memory: None,
        };
        self.table.series(&cold)?;
        // Through its file channel, so many would take it minutes.
        candidate.warm(match way.setup.channel {
            Channel::File => self.scale.warm / 10,
            Channel::Kafka => self.scale.warm / 2,
            Channel::Default | Channel::Tuned => self.scale.warm,
        });
        Ok(candidate)
    }
}

/// The parts of a candidate other than its file.
#[derive(Clone, Copy)]
struct Way<'s> {
    scratch: &'s Scratch,
    feed: Feed,
    setup: Setup,
    count: Count<'s>,
}

/// A subject with its feed and its counter, ready to be run in turns.
struct Candidate<'a> {
    subject: Rc<Subject>,
    lane: Lane<'a>,
}

impl<'a> Candidate<'a> {
    /// A subject that listens on `input`.
    fn new(
        subject: Subject,
        feed: Feed,
        input: u16,
        setup: Setup,
        count: impl Into<Count<'a>>,
    ) -> Self {
        let lane = Lane {
            feed,
            input,
            shape: setup.shape,
            process: Some(subject.id()),
            count: count.into(),
            next: 0,
        };
        Self {
            subject: Rc::new(subject),
            lane,
        }
    }

    /// Sends events that are not counted, as a warm-up.
    fn warm(&mut self, events: u64) {
        self.lane.run(Duration::from_secs(120), events);
    }
}

/// Runs candidates in turns, and then reads their memory use.
fn compare(rounds: usize, time: Duration, candidates: Vec<Candidate<'_>>) -> Vec<Series> {
    compare_beside(rounds, time, candidates, Vec::new())
}

/// Like [`compare`], with further turns that are not agents; their series come last.
fn compare_beside<'a>(
    rounds: usize,
    time: Duration,
    candidates: Vec<Candidate<'a>>,
    others: Vec<Turn<'a>>,
) -> Vec<Series> {
    let subjects: Vec<_> = candidates
        .iter()
        .map(|one| Rc::clone(&one.subject))
        .collect();
    let turns = candidates
        .into_iter()
        .map(|one| turn(one.subject.name(), one.lane, time));
    let mut all = run(rounds, turns.chain(others).collect());
    for (series, subject) in all.iter_mut().zip(subjects) {
        series.memory = Some((subject.idle(), cost::memory(subject.id())));
    }
    all
}

/// A turn that runs a lane.
fn turn<'a>(name: &str, mut lane: Lane<'a>, time: Duration) -> Turn<'a> {
    Turn::new(name, move || lane.run(time, u64::MAX))
}

/// A shipped policy.
fn shipped_policy(name: &str) -> PathBuf {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/dist");
    let file = dist.join(name).with_extension("wasm");
    file.canonicalize().expect("a policy of guests/dist")
}

/// Starts our agent, which takes lines and does with them what the file says.
fn ours(scratch: &Scratch, name: &str, file: impl FnOnce(u16) -> AgentFile) -> (Subject, u16) {
    let input = ports::free();
    (Subject::ours(scratch, name, &file(input)), input)
}

/// Starts real Flume in the same way.
fn flume(
    scratch: &Scratch,
    name: &str,
    stage: &Stage,
    file: impl FnOnce(u16) -> AgentFile,
) -> (Subject, u16) {
    let input = ports::free();
    let subject = Subject::flume(scratch, name, stage, &file(input), &[input]);
    (subject, input)
}

#[cfg(test)]
mod full;
