//! Goal: two files that users wrote for Flume run unchanged and do what their authors wanted: when
//! one collector dies the other takes over, and no line is lost or duplicated. Method:
//! `tests/data/seed-*.properties` verbatim, with their three host names resolved to loopback ports;
//! 100,000 lines through each; the active collector is stopped in mid-stream and started again.
//! There are two kinds of collectors: avsc servers, which store an event before they answer, so
//! that counts are exact even after a kill; and our own agents, which are stopped by a signal,
//! because a kill would lose the events in the memory channel.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flume_tests::UNDER_WAY;
use flume_tests::{
    AgentFile, Avsc, AvscServer, Feed, Host, Landing, Lines, Scratch, Tally, eventually, landing,
    ports, require,
};

const PATIENCE: Duration = Duration::from_secs(300);

const LINES: u64 = 100_000;

/// Lines per second: slow enough that a penalty of a few seconds ends in mid-stream.
const RATE: u64 = 10_000;

/// The number of acknowledged lines after which a collector is stopped.
const KILL_AT: u64 = 30_000;

/// How many events may arrive twice: those in batches that the stopped collector had taken and not
/// yet answered.
const DOUBLED: u64 = UNDER_WAY * 100;

/// How long a restarted collector may stay unused: 30 s is the longest penalty.
const PENALTY: Duration = Duration::from_secs(45);

/// A collector of either kind, on a port that it keeps.
enum Collector {
    Avsc(Box<AvscServer>),
    Ours(Box<Host>, Landing),
}

impl Collector {
    fn ours(scratch: &Scratch, name: &str, port: u16) -> Self {
        let folder = scratch.folder(&format!("{name}-landed"));
        let file = AgentFile::new(name)
            .memory("c1", 10_000, 1_000)
            .avro_source("r1", port)
            .file_roll("k1", &folder, 1_000);
        let host = Host::start(scratch, name, &file.text());
        Self::Ours(Box::new(host), Landing::Folder(folder))
    }

    fn landing(&self) -> Landing {
        match self {
            Self::Avsc(server) => server.landing(),
            Self::Ours(_, landing) => landing.clone(),
        }
    }

    fn end(&mut self) {
        match self {
            Self::Avsc(server) => server.kill(),
            Self::Ours(host, _) => {
                host.term(PATIENCE);
            }
        }
    }

    fn bring_back(&mut self, scratch: &Scratch) {
        match self {
            Self::Avsc(server) => server.restart(scratch),
            Self::Ours(host, _) => host.restart(),
        }
    }
}

/// The agent of a file, and its collectors node103 (s1) and node104 (s2).
struct Scene {
    input: u16,
    node103: Collector,
    node104: Collector,
    agent: Host,
    next: Cell<u64>,
    scratch: Scratch,
}

impl Scene {
    fn start(file: &str, collector: impl Fn(&Scratch, &str, u16) -> Collector) -> Self {
        let scratch = Scratch::new();
        let [input, port103, port104] = std::array::from_fn(|_| ports::free());
        let node103 = collector(&scratch, "node103", port103);
        let node104 = collector(&scratch, "node104", port104);
        let names = [
            ("node113", input),
            ("node103", port103),
            ("node104", port104),
        ];
        let names = names.map(|(name, port)| format!("{name}=127.0.0.1:{port}"));
        let mut words = vec!["-n", "a1"];
        for name in &names {
            words.extend(["--resolve", name]);
        }
        let agent = Host::run(&scratch, "a1", &data(file), &words);
        Self {
            input,
            node103,
            node104,
            agent,
            next: Cell::new(0),
            scratch,
        }
    }

    /// Sends the next lines; their numbers continue those of the last ones.
    fn feed(&self, count: u64, rate: u64) -> Feed {
        let first = self.next.replace(self.next.get() + count);
        Feed::start(self.input, Lines::new("n", count).from(first).rate(rate))
    }

    /// Waits for all lines so far, at either collector.
    fn await_all(&self) -> Tally {
        let (one, other) = (self.node103.landing(), self.node104.landing());
        landing::await_count(&[&one, &other], "n", self.next.get(), PATIENCE)
    }

    /// The count of all lines so far at one collector.
    fn share(&self, collector: &Collector) -> Tally {
        landing::count(&[&collector.landing()], "n", self.next.get())
    }

    fn groups(&self) -> String {
        self.agent
            .page("/groups")
            .map_or_else(|err| err, |(_, text)| text)
    }

    /// Sends a hundred lines at a time until a whole hundred has arrived at node104.
    fn await_used_again(&self, what: &str) {
        eventually(what, PENALTY, || {
            let first = self.next.get();
            self.feed(100, 0).finish(PATIENCE).assert_all_acknowledged();
            self.await_all();
            let share = self.share(&self.node104);
            (share.arrived_of(first..first + 100) == 100).then_some(())
        });
    }
}

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("data")
        .join(file)
}

/// node104 has the higher priority: it gets everything until it is stopped, and again after its
/// restart.
fn failover(collector: impl Fn(&Scratch, &str, u16) -> Collector) {
    let mut scene = Scene::start("seed-failover.properties", collector);
    let feed = scene.feed(LINES, RATE);
    feed.await_acknowledged(KILL_AT, PATIENCE);
    assert_eq!(
        scene.share(&scene.node103).arrived(),
        0,
        "the standby gets nothing before that"
    );
    scene.node104.end();
    let taken = scene.share(&scene.node104);
    let takes_over = || (scene.share(&scene.node103).arrived() > 0).then_some(());
    eventually("the standby takes over", PATIENCE, takes_over);
    scene.node104.bring_back(&scene.scratch);
    let replies = feed.finish(PATIENCE);
    replies.assert_all_acknowledged();

    let tally = scene.await_all();
    tally.assert_has("acknowledged lines", &replies.acknowledged);
    tally.assert_at_least_once(&format!("failover: {}", scene.groups()), DOUBLED);
    // The standby continued where the active one stopped; it did not begin with the first line.
    let again = scene.share(&scene.node103).arrived_of(0..taken.arrived());
    assert!(
        again <= DOUBLED,
        "the standby sent {again} lines that had been delivered"
    );
    scene.await_used_again("the group fails back to node104");
    let tally = scene.await_all();
    tally.assert_at_least_once("failover and fail-back", 2 * DOUBLED);
}

/// Both collectors get a share; while one is down the other gets everything, and no line waits.
fn load_balance(collector: impl Fn(&Scratch, &str, u16) -> Collector) {
    let mut scene = Scene::start("seed-load-balance.properties", collector);
    let feed = scene.feed(LINES, RATE);
    feed.await_acknowledged(KILL_AT, PATIENCE);
    for node in [&scene.node103, &scene.node104] {
        let share = scene.share(node).arrived();
        assert!(share > KILL_AT / 4, "a share of {KILL_AT} lines: {share}");
    }
    scene.node104.end();
    let acknowledged = feed.acknowledged();
    feed.await_acknowledged((acknowledged + 10_000).min(LINES), PATIENCE);
    let before = scene.share(&scene.node104).arrived();
    scene.node104.bring_back(&scene.scratch);
    let replies = feed.finish(PATIENCE);
    replies.assert_all_acknowledged();

    let tally = scene.await_all();
    tally.assert_has("acknowledged lines", &replies.acknowledged);
    tally.assert_at_least_once(&format!("load balancing: {}", scene.groups()), DOUBLED);
    let after = scene.share(&scene.node104).arrived();
    assert!(
        after > before + 1_000,
        "node104 is used again: {before}, then {after} lines"
    );
}

/// An avsc server. The tests that call this have already resolved avsc.
fn keeping(avsc: &Avsc) -> impl Fn(&Scratch, &str, u16) -> Collector {
    |scratch, name, port| Collector::Avsc(Box::new(avsc.server(scratch, name, port)))
}

#[test]
fn failover_with_a_killed_collector() {
    let avsc = require!(Avsc::resolve());
    failover(keeping(&avsc));
}

#[test]
fn failover_with_our_collectors() {
    failover(Collector::ours);
}

#[test]
fn load_balance_with_a_killed_collector() {
    let avsc = require!(Avsc::resolve());
    load_balance(keeping(&avsc));
}

#[test]
fn load_balance_with_our_collectors() {
    load_balance(Collector::ours);
}
