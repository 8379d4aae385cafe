//! Goal: any number of agents with one file share a topic; some come, go or are killed under load, and no
//! event is lost. Method: `conf/fleet/worker.properties` as it is, but for the address of the broker, 1, 2 and
//! 4 times over a topic with 8 partitions, each in a folder of its own, while numbered lines flow.
//!
//! Who comes or ends in order doubles nothing: what a worker has delivered is noted with the brokers before
//! another gets the partition. A kill doubles what the worker had delivered and not noted, so one of the two is
//! in the folder of a worker that was killed. How long each change took, and the shares, are printed.

use std::path::Path;
use std::time::{Duration, Instant};

use flume_tests::{
    AgentFile, Brokers, Cluster, Feed, Host, Kafka, Landing, Lines, Scratch, Setup, Tally,
    eventually, host, landing, ports, require, say,
};

const PATIENCE: Duration = Duration::from_secs(180);

/// The partitions of the topic.
const PARTITIONS: u32 = 8;

/// Lines per second.
const RATE: u64 = 2_000;

/// Lines between two changes.
const MORE: u64 = 6_000;

/// More lines than are ever sent.
const MOST: u64 = 1_000_000;

/// Events that a kill may double: two batches that are delivered while what was before them is noted.
const DOUBLED: u64 = 2_000;

/// One of the agents with that file.
struct Worker {
    name: String,
    host: Host,
    landed: Landing,
    was_killed: bool,
    is_there: bool,
}

impl Worker {
    fn start(scratch: &Scratch, file: &Path, number: usize) -> Self {
        let name = format!("worker-{number}");
        let landed = scratch.folder(&format!("{name}/landed"));
        let mut program = host::program();
        program.current_dir(scratch.folder(&name));
        Self {
            host: Host::run_by(&mut program, scratch, &name, file, &[]),
            landed: Landing::Folder(landed),
            name,
            was_killed: false,
            is_there: true,
        }
    }

    /// The partitions that it has, by its log.
    fn partitions(&mut self) -> u64 {
        let log = self.host.process().log();
        let of = |what: &str| -> u64 {
            let lines = log.lines().filter(|line| line.contains(what));
            lines.filter_map(count).sum()
        };
        of("partitions come to this channel") - of("partitions leave this channel")
    }
}

/// The number in `… count=4 …`.
fn count(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("count=")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// The workers, and what feeds their topic.
struct Fleet<'a> {
    scratch: &'a Scratch,
    file: std::path::PathBuf,
    workers: Vec<Worker>,
    feed: Feed,
    feeder: Host,
}

impl<'a> Fleet<'a> {
    fn new(scratch: &'a Scratch, cluster: &Cluster) -> Self {
        let text = include_str!("../../../../conf/fleet/worker.properties");
        let address = "= 127.0.0.1:9092\n";
        assert!(text.contains(address), "the address of the broker");
        let text = text.replace(address, &format!("= {}\n", cluster.bootstrap()));
        let input = ports::free();
        let lines = AgentFile::new("a1")
            .memory("c1", 100_000, 1_000)
            .netcat("r1", input)
            // The number is the key, so that all partitions get the same.
            .set("sources.r1.interceptors", "i1")
            .set("sources.r1.interceptors.i1.type", "regex_extractor")
            .set("sources.r1.interceptors.i1.regex", "^n ([0-9]+)")
            .set("sources.r1.interceptors.i1.serializers", "s1")
            .set("sources.r1.interceptors.i1.serializers.s1.name", "key")
            .kafka_sink("k1", &cluster.bootstrap(), "events", 1_000);
        let feeder = Host::start(scratch, "feeder", &lines.text());
        Self {
            scratch,
            file: scratch.file("worker.properties", &text),
            workers: Vec::new(),
            feed: Feed::start(input, Lines::new("n", MOST).rate(RATE)),
            feeder,
        }
    }

    fn there(&mut self) -> impl Iterator<Item = &mut Worker> {
        self.workers.iter_mut().filter(|worker| worker.is_there)
    }

    /// More workers.
    fn add(&mut self, number: usize) {
        for _ in 0..number {
            let next = self.workers.len() + 1;
            let worker = Worker::start(self.scratch, &self.file, next);
            self.workers.push(worker);
        }
    }

    /// The first so many workers are killed.
    fn kill(&mut self, number: usize) {
        for worker in self.there().take(number) {
            worker.host.kill();
            (worker.was_killed, worker.is_there) = (true, false);
        }
    }

    /// The first worker ends in order.
    fn end(&mut self) {
        let worker = self.there().next().expect("a worker");
        worker.host.term(PATIENCE);
        worker.is_there = false;
    }

    /// Waits until the workers have all partitions, each as many as the others or one more, and says how long
    /// that took from the change on.
    fn await_balance(&mut self, change: &str, began: Instant) {
        let number = self.there().count() as u64;
        eventually(&format!("{change}: a balance"), PATIENCE, || {
            let shares: Vec<u64> = self.there().map(Worker::partitions).collect();
            let all = u64::from(PARTITIONS);
            let least = all / number;
            let even = shares
                .iter()
                .all(|share| (least..=least + 1).contains(share));
            (even && shares.iter().sum::<u64>() == all).then_some(())
        });
        let took = began.elapsed().as_secs_f64();
        say::line(&format!(
            "fleet: {change}: {number} workers have all partitions after {took:.1} s"
        ));
    }

    /// Lets lines flow when those so far have arrived, and says and checks what share of the events each
    /// worker had meanwhile.
    fn flow(&mut self) {
        let so_far = self.feed.acknowledged();
        let all: Vec<&Landing> = self.workers.iter().map(|worker| &worker.landed).collect();
        let arrived = landing::await_count(&all, "n", so_far, PATIENCE);
        assert!(arrived.lost().is_empty(), "lines so far: {arrived}");
        let landed = |fleet: &mut Self| -> Vec<(String, u64)> {
            let there = fleet.there();
            there
                .map(|it| (it.name.clone(), it.landed.bodies().len() as u64))
                .collect()
        };
        let before = landed(self);
        self.feed
            .await_acknowledged(self.feed.acknowledged() + MORE, PATIENCE);
        let after = landed(self);
        let counts = before
            .iter()
            .zip(&after)
            .map(|((name, was), (_, is))| (name, is - was));
        let counts: Vec<_> = counts.collect();
        let all: u64 = counts.iter().map(|(_, count)| count).sum();
        let number = counts.len() as u64;
        for (name, count) in counts {
            say::line(&format!(
                "fleet: {number} workers: {name} has {count} of {all} events"
            ));
            assert!(
                count * number * 2 >= all,
                "{name}: less than half of an equal share"
            );
        }
    }

    /// Ends the lines, and waits until all have arrived; how many were sent, and how often each arrived.
    fn finish(mut self) -> (u64, Tally, Vec<Worker>) {
        let replies = self.feed.stop(PATIENCE);
        replies.assert_all_acknowledged();
        let sent = replies.acknowledged.len() as u64;
        self.feeder.term(PATIENCE);
        let all: Vec<&Landing> = self.workers.iter().map(|worker| &worker.landed).collect();
        let tally = landing::await_count(&all, "n", sent, PATIENCE);
        for worker in self.workers.iter_mut().filter(|worker| worker.is_there) {
            worker.host.term(PATIENCE);
        }
        (sent, tally, self.workers)
    }
}

#[test]
fn workers_that_come_and_go_share_a_topic_and_double_nothing() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = kafka.start(&scratch, &Setup::plain());
    cluster.create("events", PARTITIONS);
    let mut fleet = Fleet::new(&scratch, &cluster);
    for more in [1, 1, 2] {
        let began = Instant::now();
        fleet.add(more);
        fleet.await_balance(&format!("{more} more"), began);
        fleet.flow();
    }
    let began = Instant::now();
    fleet.end();
    fleet.await_balance("one ends", began);
    fleet.flow();
    let (_, tally, _) = fleet.finish();
    tally.assert_exact("with 1, 2, 4 and 3 workers");
}

#[test]
fn killed_workers_lose_nothing_and_double_what_they_had_just_delivered() {
    let kafka = require!(Kafka::enter(Brokers::V4_4, 1));
    let scratch = Scratch::new();
    let cluster = kafka.start(&scratch, &Setup::plain());
    cluster.create("events", PARTITIONS);
    let mut fleet = Fleet::new(&scratch, &cluster);
    let began = Instant::now();
    fleet.add(4);
    fleet.await_balance("4 at once", began);
    fleet.flow();
    for (killed, added) in [(1, 0), (2, 2), (1, 2)] {
        let began = Instant::now();
        fleet.kill(killed);
        fleet.add(added);
        fleet.await_balance(&format!("{killed} killed, {added} more"), began);
        fleet.flow();
    }
    let (sent, tally, workers) = fleet.finish();
    let killed = workers.iter().filter(|worker| worker.was_killed).count() as u64;
    say::line(&format!("fleet: {killed} killed: {tally}"));
    tally.assert_at_least_once("with workers killed", killed * DOUBLED);
    let others = workers.iter().filter(|worker| !worker.was_killed);
    let others: Vec<&Landing> = others.map(|worker| &worker.landed).collect();
    let once = landing::count(&others, "n", sent);
    assert_eq!(once.doubled(), 0, "doubled without a kill: {once}");
}
