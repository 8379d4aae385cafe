//! A running cluster: its nodes are killed, stopped, frozen and started again, on the same ports and
//! with what they have.

use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::kcat::Kcat;
use super::records::KafkaPython;
use super::setup::{Ports, Setup};
use super::{Jars, Kafka};
use crate::process::{self, Process};
use crate::scratch::Scratch;
use crate::skip::Availability;
use crate::small_disk::SmallDisk;

/// The heap of a node, in MiB.
const HEAP: u32 = 256;

/// The heap of what formats its folder, in MiB.
const FORMAT_HEAP: u32 = 128;

/// How long a node may take to start, and its folder to be formatted.
const START: Duration = Duration::from_secs(120);

/// What a node says when it is ready. Its port is open before.
const STARTED: &str = "Kafka Server started";

/// Identities of the cluster and of its folders, as Kafka writes 16 bytes.
const CLUSTER: &str = "Zmx1bWUtdGVzdC1rYWZrYQ";
const DIRECTORIES: [&str; 3] = [
    "Zmx1bWUtdGVzdC1ub2RlMQ",
    "Zmx1bWUtdGVzdC1ub2RlMg",
    "Zmx1bWUtdGVzdC1ub2RlMw",
];

/// Running nodes, with the numbers 1 to 3.
pub struct Cluster {
    pub(super) jars: Jars,
    pub(super) kcat: Kcat,
    pub(super) python: KafkaPython,
    nodes: Vec<Node>,
    logs: PathBuf,
}

struct Node {
    ports: Ports,
    name: String,
    command: Command,
    process: Process,
    starts: u32,
    /// Its disk, if that is small.
    disk: Option<SmallDisk>,
}

/// Formats and starts the nodes that `kafka` has places for.
pub(super) fn start(kafka: &Kafka, scratch: &Scratch, setup: &Setup) -> Cluster {
    let root = scratch.root().to_path_buf();
    let ids = 1..=u32::try_from(kafka.nodes).expect("few nodes");
    let mut ports: Vec<Ports> = ids
        .map(|id| Ports::new(id, &root.join(format!("kafka-{id}.data"))))
        .collect();
    if let (Some(first), Some(port)) = (ports.first_mut(), setup.port) {
        first.clients = port;
    }
    let format = |node: &Ports| format(&kafka.jars, scratch, setup, node, &ports);
    thread::scope(|scope| {
        for node in &ports {
            scope.spawn(move || format(node));
        }
    });
    let nodes: Vec<Node> = ports
        .into_iter()
        .map(|node| spawn(&kafka.jars, scratch, setup, node))
        .collect();
    let mut cluster = Cluster {
        jars: kafka.jars.clone(),
        kcat: kafka.kcat.clone(),
        python: kafka.python.clone(),
        nodes,
        logs: root,
    };
    for node in &mut cluster.nodes {
        node.process.await_said(STARTED, 1, START);
    }
    cluster
}

/// Writes the properties of a node and formats its folder.
fn format(jars: &Jars, scratch: &Scratch, setup: &Setup, node: &Ports, all: &[Ports]) {
    let text = setup.properties(jars.release, node, all);
    let file = scratch.file(&format!("kafka-{}.properties", node.id), &text);
    let mut format = jars.java(FORMAT_HEAP, "kafka.tools.StorageTool");
    format.args(["format", "-t", CLUSTER, "-c"]).arg(file);
    if all.len() == 1 {
        format.arg("--standalone");
    } else {
        let voters = all.iter().zip(DIRECTORIES);
        let voters: Vec<String> = voters.map(|(node, id)| node.voter(id)).collect();
        format.args(["--initial-controllers", &voters.join(",")]);
    }
    let done = process::run(format.args(setup.accounts()), "", START);
    let done = done.expect("a node's folder is formatted");
    assert!(
        done.status.success(),
        "format: {}{}",
        done.stdout,
        done.stderr
    );
}

fn spawn(jars: &Jars, scratch: &Scratch, setup: &Setup, ports: Ports) -> Node {
    let name = format!("kafka-{}", ports.id);
    let file = scratch.path(&format!("{name}.properties"));
    let mut command = jars.java(HEAP, "kafka.Kafka");
    command.arg(file);
    let mib = setup.small_disk.filter(|(id, _)| *id == ports.id);
    let disk = mib.map(|(_, mib)| {
        let formatted = ports.data.with_extension("formatted");
        std::fs::rename(&ports.data, &formatted).expect("a formatted folder");
        std::fs::create_dir(&ports.data).expect("an empty folder");
        let disk = match SmallDisk::over(ports.data.clone(), mib) {
            Availability::Ready(disk) => disk,
            Availability::Missing(why) => panic!("{why}"),
        };
        let copy = format!("cp -a {}/. {}/", formatted.display(), ports.data.display());
        command = disk.carries(&copy, &command);
        disk
    });
    let log = scratch.path(&format!("{name}.1.log"));
    let process = Process::start(&name, &mut command, log);
    Node {
        ports,
        name,
        command,
        process,
        starts: 1,
        disk,
    }
}

impl Cluster {
    /// The addresses of the nodes for clients: `127.0.0.1:PORT,…`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.addresses(|ports| ports.clients)
    }

    /// The addresses of the plain listeners, for the harness.
    pub(super) fn inner(&self) -> String {
        self.addresses(|ports| ports.inner)
    }

    /// The number of nodes, running or not.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The process of a node: its log and exit status.
    ///
    /// # Panics
    /// When there is no such node.
    pub fn process(&mut self, node: u32) -> &mut Process {
        &mut self.node(node).process
    }

    /// Kills a node, as `kill -9` does.
    pub fn kill(&mut self, node: u32) {
        self.process(node).kill();
    }

    /// Ends a node in order: it hands its leaderships over first.
    ///
    /// # Panics
    /// When it has not ended within `patience`.
    pub fn term(&mut self, node: u32, patience: Duration) {
        let process = self.process(node);
        process.term();
        process.wait(patience);
    }

    /// Starts a node again, as it was started, and waits until it says that it has started.
    ///
    /// # Panics
    /// When it still runs, or does not in time.
    pub fn restart(&mut self, node: u32) {
        let logs = self.logs.clone();
        let node = self.node(node);
        assert!(node.process.ended().is_some(), "{} still runs", node.name);
        node.starts += 1;
        let log = logs.join(format!("{}.{}.log", node.name, node.starts));
        node.process = Process::start(&node.name, &mut node.command, log);
        node.process.await_said(STARTED, 1, START);
    }

    /// Stops a node for a while: its connections stay, and nothing is answered.
    pub fn freeze(&mut self, node: u32) {
        self.process(node).signal(Signal::STOP);
    }

    /// Lets a frozen node go on.
    pub fn thaw(&mut self, node: u32) {
        self.process(node).signal(Signal::CONT);
    }

    /// The small disk of a node, as that sees it.
    ///
    /// # Panics
    /// When its disk is not small.
    #[must_use]
    pub fn disk(&mut self, node: u32) -> PathBuf {
        let node = self.node(node);
        let disk = node.disk.as_ref().expect("a node with a small disk");
        disk.of(&node.process)
    }

    fn node(&mut self, id: u32) -> &mut Node {
        let found = self.nodes.iter_mut().find(|node| node.ports.id == id);
        found.unwrap_or_else(|| panic!("no node {id}"))
    }

    fn addresses(&self, port: impl Fn(&Ports) -> u16) -> String {
        let all = self.nodes.iter().map(|node| port(&node.ports));
        let all: Vec<String> = all.map(|port| format!("127.0.0.1:{port}")).collect();
        all.join(",")
    }
}
