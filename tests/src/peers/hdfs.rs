//! A real HDFS on the loopback interface: a namenode and a datanode of Hadoop 3.4.1.
//!
//! What the bucket writer stores there is read by Hadoop's own shell (`hdfs/shell.rs`), not by our
//! code. A scenario that breaks its HDFS starts its own and takes places for three JVMs: the two of
//! HDFS, and one for a Flume or a reader. The other scenarios share one (`hdfs/shared.rs`), whose
//! nodes take no places, because they are idle most of the time. Waits read the namenode's metrics
//! page and the datanode's log.

mod shared;
mod shell;
mod site;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::flume::{Jvm, Release, Stage};
use super::jvm::{self, Places};
use super::maven::{self, Coordinates};
use crate::eventually::{eventually, within};
use crate::ports;
use crate::process::{self, Finished, Process};
use crate::scratch::Scratch;
use crate::skip::Availability;

pub use shell::Entry;
pub use site::BLOCK;

const DEPENDENCIES: &[Coordinates] = &[
    ("org.apache.hadoop", "hadoop-hdfs", "3.4.1"),
    ("org.apache.hadoop", "hadoop-common", "3.4.1"),
    ("org.apache.hadoop", "hadoop-hdfs-client", "3.4.1"),
];

/// The places for JVMs that a scenario takes: the two of HDFS, and one for a Flume or a reader.
const JVMS: usize = 3;

/// The heap of namenode, datanode and readers, in MiB.
const HEAP: u32 = 128;

/// How long a namenode or datanode may take to start or to change its state.
const START: Duration = Duration::from_secs(120);

/// The Hadoop classes to run.
const NAMENODE: &str = "org.apache.hadoop.hdfs.server.namenode.NameNode";
const DATANODE: &str = "org.apache.hadoop.hdfs.server.datanode.DataNode";

/// Hadoop, ready to run, and places for its JVMs, held until this is dropped.
pub struct Hadoop {
    folder: PathBuf,
    _places: Places,
}

/// A running HDFS.
pub struct Hdfs {
    folder: PathBuf,
    conf: PathBuf,
    logs: PathBuf,
    port: u16,
    http: u16,
    starts: u32,
    /// The folder that the scenario sees as `/`: empty, or a folder of the shared HDFS.
    root: String,
    /// The processes of a scenario's own HDFS.
    nodes: Option<Nodes>,
}

struct Nodes {
    namenode: Process,
    datanode: Process,
}

impl Hadoop {
    /// Resolves Hadoop and waits for the places of its JVMs.
    #[must_use]
    pub fn enter() -> Availability<Self> {
        maven::resolve("hadoop-3.4.1", DEPENDENCIES, &[]).map(|folder| Self {
            folder,
            _places: Places::take(JVMS),
        })
    }

    /// The same for a scenario that uses [`Hadoop::shared`]: places for a Flume and a reader.
    #[must_use]
    pub fn enter_shared() -> Availability<Self> {
        maven::resolve("hadoop-3.4.1", DEPENDENCIES, &[]).map(|folder| Self {
            folder,
            _places: Places::take(2),
        })
    }

    /// Flume 1.8 with its hdfs sink, for the place next to the HDFS. One agent at a time.
    #[must_use]
    pub fn flume(&self) -> Availability<Stage> {
        Stage::with_reserved_place(Release::V1_8Hdfs, Jvm::Small)
    }

    /// Formats and starts an HDFS and waits until it can be written to.
    ///
    /// # Panics
    /// When it cannot in time.
    #[must_use]
    pub fn start(&self, scratch: &Scratch) -> Hdfs {
        self.start_with(scratch, BLOCK)
    }

    /// Like the above, on a given port.
    ///
    /// # Panics
    /// When it cannot be written to in time.
    #[must_use]
    pub fn start_at(&self, scratch: &Scratch, port: u16) -> Hdfs {
        self.launch(scratch, port, BLOCK, |node| node)
    }

    /// Like the above, with a given block size.
    ///
    /// # Panics
    /// When it cannot be written to in time.
    #[must_use]
    pub fn start_with(&self, scratch: &Scratch, block: u64) -> Hdfs {
        self.launch(scratch, ports::free(), block, |node| node)
    }

    /// Starts the nodes with commands that `kept` derives from theirs.
    fn launch(
        &self,
        scratch: &Scratch,
        port: u16,
        block: u64,
        kept: impl Fn(Command) -> Command,
    ) -> Hdfs {
        let http = ports::free();
        let conf = site::write(scratch, [port, http], block);
        let run = |class: &str| java(&self.folder, &conf, class);
        let format = process::run(
            run(NAMENODE).args(["-format", "-nonInteractive"]),
            "",
            START,
        );
        let format = format.expect("a namenode formats its folder");
        assert!(format.status.success(), "namenode: {}", format.stdout);
        let logs = scratch.root().to_path_buf();
        let start = |name: &str, class| {
            Process::start(
                name,
                &mut kept(run(class)),
                logs.join(format!("{name}.1.log")),
            )
        };
        let nodes = Nodes {
            namenode: start("namenode", NAMENODE),
            datanode: start("datanode", DATANODE),
        };
        let mut hdfs = Hdfs {
            folder: self.folder.clone(),
            conf,
            logs,
            port,
            http,
            starts: 1,
            root: String::new(),
            nodes: Some(nodes),
        };
        hdfs.await_writable();
        hdfs
    }
}

impl Hdfs {
    /// Its address: `hdfs://127.0.0.1:PORT`, with the scenario's folder if it is shared.
    #[must_use]
    pub fn address(&self) -> String {
        format!("hdfs://127.0.0.1:{}{}", self.port, self.root)
    }

    /// Where the datanode keeps its blocks.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.logs.join(site::DATA).join("dfs").join("data")
    }

    /// Kills the datanode. Data that was not synced to its disk may be lost.
    pub fn kill_datanode(&mut self) {
        self.nodes().datanode.kill();
    }

    /// Starts the datanode again and waits until it can be written to.
    ///
    /// # Panics
    /// When it still runs, or is not up in time.
    pub fn restart_datanode(&mut self) {
        let again = self.again("datanode", DATANODE);
        self.nodes().datanode = again;
        self.await_writable();
    }

    /// Kills the namenode: nothing answers at its address.
    pub fn kill_namenode(&mut self) {
        self.nodes().namenode.kill();
    }

    /// Starts the namenode again and waits until it has found its datanode.
    ///
    /// # Panics
    /// When it is not up in time.
    pub fn restart_namenode(&mut self) {
        let again = self.again("namenode", NAMENODE);
        self.nodes().namenode = again;
        let state = || {
            let state = self.state()?;
            let found = state["NumLiveDataNodes"] == 1 && state["FSState"] == "Operational";
            found.then_some(())
        };
        eventually("a restarted namenode with its datanode", START, state);
    }

    /// Refuses all changes, as a namenode does after it has lost blocks or when its disk is full.
    ///
    /// # Panics
    /// When the namenode refuses.
    pub fn enter_safe_mode(&self) {
        self.admin(&["-safemode", "enter"]);
    }

    /// Accepts changes again.
    ///
    /// # Panics
    /// When the namenode refuses.
    pub fn leave_safe_mode(&self) {
        self.admin(&["-safemode", "leave"]);
    }

    /// Limits the bytes that may be below a folder. A block counts with its full size ([`BLOCK`])
    /// while it is written.
    ///
    /// # Panics
    /// When the namenode refuses.
    pub fn set_space_quota(&self, folder: &str, bytes: u64) {
        self.admin(&["-setSpaceQuota", &bytes.to_string(), &self.path(folder)]);
    }

    /// Lifts that limit.
    ///
    /// # Panics
    /// When the namenode refuses.
    pub fn clear_space_quota(&self, folder: &str) {
        self.admin(&["-clrSpaceQuota", &self.path(folder)]);
    }

    /// A scenario's path as the namenode sees it.
    fn path(&self, path: &str) -> String {
        format!("{}{path}", self.root)
    }

    fn nodes(&mut self) -> &mut Nodes {
        self.nodes.as_mut().expect("an HDFS of the scenario's own")
    }

    fn admin(&self, words: &[&str]) {
        self.tool("org.apache.hadoop.hdfs.tools.DFSAdmin", words);
    }

    /// Runs a class of Hadoop and checks that it succeeds.
    fn tool(&self, class: &str, words: &[&str]) -> Finished {
        let done = self.run(class, words);
        assert!(
            done.status.success(),
            "{class} {words:?}: {}{}",
            done.stdout,
            done.stderr
        );
        done
    }

    /// Runs a class of Hadoop to its end.
    fn run(&self, class: &str, words: &[&str]) -> Finished {
        let mut command = java(&self.folder, &self.conf, class);
        process::run(command.args(words), "", START).expect("a command of Hadoop ends")
    }

    /// Starts a new process in place of one that has ended.
    fn again(&mut self, name: &str, class: &str) -> Process {
        self.starts += 1;
        let log = self.logs.join(format!("{name}.{}.log", self.starts));
        Process::start(name, &mut java(&self.folder, &self.conf, class), log)
    }

    fn await_writable(&mut self) {
        // A namenode lists a killed datanode as live for a while; the new one's log is reliable.
        let said = "Successfully sent block report";
        self.nodes().datanode.await_said(said, 1, START);
        let ready = within(START, || {
            if let Some(code) = self.nodes().namenode.ended() {
                panic!("the namenode ended: {code}");
            }
            let state = self.state()?;
            (state["NumLiveDataNodes"] == 1).then_some(())
        });
        assert!(ready.is_some(), "no live datanode within {START:?}");
    }

    /// The state that the namenode reports, if it answers.
    fn state(&self) -> Option<Value> {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(5)))
            .build();
        let query = "qry=Hadoop:service=NameNode,name=FSNamesystemState";
        let url = format!("http://127.0.0.1:{}/jmx?{query}", self.http);
        let mut answer = ureq::Agent::new_with_config(config).get(&url).call().ok()?;
        let text = answer.body_mut().read_to_string().ok()?;
        let page: Value = serde_json::from_str(&text).ok()?;
        Some(page["beans"][0].clone())
    }
}

/// A class of Hadoop, with the configuration of one HDFS.
fn java(folder: &Path, conf: &Path, class: &str) -> Command {
    let mut command = jvm::java(HEAP);
    let jars = folder.join("lib").join("*");
    let path = format!("{}:{}", conf.display(), jars.display());
    // A killed node leaves the unpacked pages of its web server there.
    command.arg(format!("-Djava.io.tmpdir={}", conf.display()));
    command.arg("-cp").arg(path).arg(class);
    command
}
