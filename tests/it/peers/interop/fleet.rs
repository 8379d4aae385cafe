//! Goal: the nodes of a Flume fleet are replaced by ours one after the other, under load, rolled
//! back and forward again, ended and killed, and no event that a client was told is kept is lost.
//!
//! Method: two senders (netcat → memory → two avro sinks, one in a group that balances, one in a
//! group that fails over) and two collectors (avro → memory → `file_roll`), at first all real Flume,
//! one of each release.
//! A node goes on with the other program, from the same file, on the same ports. What a memory
//! channel holds is lost when Flume is terminated, and when ours is killed. So, as operators do it,
//! clients pause until everything has arrived before that happens; they go on while the node is
//! away. Ours is terminated in the middle of the load.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use flume_tests::{
    Agent, AgentFile, Feed, Kind, Landing, Lines, Release, Scratch, Stage, Tally, UNDER_WAY, ports,
    require, say, within,
};

const PATIENCE: Duration = Duration::from_secs(300);

/// How long to wait for duplicates, and for the answers to the last batches.
const SETTLE: Duration = Duration::from_millis(300);

const BATCH: u32 = 100;

/// Lines per second of each client.
const RATE: u64 = 2_000;

/// More lines than a client sends until it pauses.
const MOST: u64 = 1_000_000;

/// Lines of each client between two steps.
const MORE: u64 = 1_500;

/// A node's place in the fleet: whichever program runs there has this file and this port.
struct Node<'a> {
    scratch: &'a Scratch,
    name: &'static str,
    file: AgentFile,
    port: u16,
    /// The Flume that it begins with.
    flume: &'a Stage,
    agent: Option<Agent>,
}

impl Node<'_> {
    fn start_flume(&mut self) {
        self.start(Kind::Real(self.flume));
    }

    fn start_ours(&mut self) {
        self.start(Kind::Ours);
    }

    fn start(&mut self, kind: Kind<'_>) {
        assert!(self.agent.is_none(), "{} still runs", self.name);
        self.agent = Some(kind.start(self.scratch, self.name, &self.file, self.port));
    }

    fn term(&mut self) {
        let mut agent = self.agent.take().expect("a running agent");
        agent.term(PATIENCE);
    }

    fn kill(&mut self) {
        self.agent.take().expect("a running agent").kill();
    }
}

/// The client of a sender, with all the lines that it ever sent.
struct Client {
    prefix: &'static str,
    port: u16,
    sent: u64,
    /// Lines without an answer: they may have been taken in or not.
    open: HashSet<u64>,
    feed: Option<Feed>,
}

impl Client {
    fn go_on(&mut self) {
        let lines = Lines::new(self.prefix, MOST).from(self.sent).rate(RATE);
        self.feed = Some(Feed::start(self.port, lines));
    }

    fn pause(&mut self) {
        let replies = self.feed.take().expect("lines flow").stop(PATIENCE);
        assert_eq!(replies.failed, [], "{}", self.prefix);
        self.open.extend(&replies.unanswered);
        self.sent += (replies.acknowledged.len() + replies.unanswered.len()) as u64;
    }

    /// Waits until more lines are acknowledged than now.
    fn more(&self) {
        let feed = self.feed.as_ref().expect("lines flow");
        feed.await_acknowledged(feed.acknowledged() + MORE, PATIENCE);
    }

    fn tally(&self, landed: &[Landing]) -> Tally {
        let mut tally = Tally::new(self.prefix, self.sent);
        let bodies = landed.iter().flat_map(Landing::bodies);
        let own = bodies.filter(|body| body.starts_with(self.prefix.as_bytes()));
        own.for_each(|body| tally.add(&body));
        tally
    }

    /// Waits until every acknowledged line has arrived.
    fn await_arrived(&self, what: &str, landed: &[Landing]) -> Tally {
        let all = |tally: &Tally| tally.lost().iter().all(|lost| self.open.contains(lost));
        let arrived = within(PATIENCE, || all(&self.tally(landed)).then_some(()));
        thread::sleep(SETTLE);
        let tally = self.tally(landed);
        assert!(arrived.is_some(), "{what}, {}: {tally}", self.prefix);
        tally
    }
}

struct Fleet<'a> {
    senders: [Node<'a>; 2],
    collectors: [Node<'a>; 2],
    clients: [Client; 2],
    landed: [Landing; 2],
}

impl<'a> Fleet<'a> {
    /// A fleet of Flumes, with load.
    fn start([old, new]: [&'a Stage; 2], scratch: &'a Scratch) -> Self {
        let [one, two, first, second] = std::array::from_fn(|_| ports::free());
        let folders = ["landed-1", "landed-2"].map(|name| scratch.folder(name));
        let node = |name, file, port, flume| Node {
            scratch,
            name,
            file,
            port,
            flume,
            agent: None,
        };
        let collector = |name, port, folder, flume| {
            let file = AgentFile::new("a2").memory("c1", 100_000, 1_000);
            let file = file.avro_source("r1", port).file_roll("k1", folder, 1_000);
            node(name, file, port, flume)
        };
        let sender = |name, port, processor: &[(&str, &str)], flume| {
            let file = AgentFile::new("a1")
                .memory("c1", 100_000, 1_000)
                .netcat("r1", port);
            let file = file
                .avro_sink("k1", first, BATCH)
                .avro_sink("k2", second, BATCH)
                .group("k1 k2", processor);
            node(name, file, port, flume)
        };
        let balances = [("type", "load_balance"), ("backoff", "true")];
        let fails_over = [
            ("type", "failover"),
            ("priority.k1", "10"),
            ("priority.k2", "5"),
        ];
        let client = |prefix, port| Client {
            prefix,
            port,
            sent: 0,
            open: HashSet::new(),
            feed: None,
        };
        let mut fleet = Self {
            senders: [
                sender("sender-1", one, &balances, new),
                sender("sender-2", two, &fails_over, old),
            ],
            collectors: [
                collector("collector-1", first, &folders[0], old),
                collector("collector-2", second, &folders[1], new),
            ],
            clients: [client("m", one), client("n", two)],
            landed: folders.map(Landing::Folder),
        };
        let nodes = fleet.collectors.iter_mut().chain(&mut fleet.senders);
        thread::scope(|scope| {
            for node in nodes {
                scope.spawn(|| node.start_flume());
            }
        });
        fleet.clients.iter_mut().for_each(Client::go_on);
        fleet.more();
        fleet
    }

    fn more(&self) {
        self.clients.iter().for_each(Client::more);
    }

    /// Clients pause until everything has arrived.
    fn rest(&mut self, what: &str) {
        self.clients.iter_mut().for_each(Client::pause);
        for client in &self.clients {
            client.await_arrived(what, &self.landed);
        }
    }

    /// A Flume collector becomes ours.
    fn replace_collector(&mut self, which: usize) {
        self.rest("before a collector is replaced");
        self.collectors[which].term();
        self.clients.iter_mut().for_each(Client::go_on);
        self.more();
        self.collectors[which].start_ours();
        self.more();
    }

    /// A Flume sender becomes ours; the other one goes on.
    fn replace_sender(&mut self, which: usize) {
        let client = &mut self.clients[which];
        client.pause();
        client.await_arrived("before a sender is replaced", &self.landed);
        self.senders[which].term();
        self.senders[which].start_ours();
        client.go_on();
        self.more();
    }

    /// Our collector becomes a Flume again, in the middle of the load.
    fn roll_back_collector(&mut self, which: usize) {
        self.collectors[which].term();
        self.more();
        self.collectors[which].start_flume();
        self.more();
    }

    /// Our sender is restarted in the middle of the load; its client loses one connection.
    fn restart_sender(&mut self, which: usize) {
        self.senders[which].term();
        self.clients[which].pause();
        self.senders[which].start_ours();
        self.clients[which].go_on();
        self.more();
    }

    /// Our collector is killed when its channel is empty, and the load goes on without it.
    fn kill_collector(&mut self, which: usize) {
        self.rest("before a collector is killed");
        self.collectors[which].kill();
        self.clients.iter_mut().for_each(Client::go_on);
        self.more();
        self.collectors[which].start_ours();
        self.more();
    }
}

#[test]
fn a_fleet_of_flume_is_replaced_node_by_node() {
    let old = require!(Stage::enter(Release::V1_8, 4));
    let new = require!(old.with(Release::V1_11));
    let scratch = Scratch::new();
    let mut fleet = Fleet::start([&old, &new], &scratch);
    fleet.replace_collector(0);
    fleet.replace_sender(0);
    fleet.replace_collector(1);
    fleet.replace_sender(1);
    fleet.roll_back_collector(0);
    fleet.replace_collector(0);
    fleet.restart_sender(0);
    fleet.kill_collector(1);
    fleet.rest("at the end");
    for client in &fleet.clients {
        let tally = client.await_arrived("at the end", &fleet.landed);
        let (open, name) = (client.open.len(), client.prefix);
        say::line(&format!("{name}: {tally}; {open} without an answer"));
        // One connection of each sender is cut under load, when a collector is rolled back.
        assert!(
            tally.doubled() <= UNDER_WAY * u64::from(BATCH),
            "{name}: {tally}"
        );
    }
    let all: usize = fleet
        .landed
        .iter()
        .map(|landing| landing.bodies().len())
        .sum();
    let known = |client: &Client| {
        let tally = client.tally(&fleet.landed);
        tally.arrived() + tally.doubled()
    };
    assert_eq!(
        all as u64,
        fleet.clients.iter().map(known).sum::<u64>(),
        "torn or foreign lines"
    );
}
