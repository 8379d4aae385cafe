//! The subjects of the measurements: our agent, both releases of real Flume, rsyslog.

use std::cell::OnceCell;
use std::time::Duration;

use flume_tests::peers::avsc::Avsc;
use flume_tests::peers::rsyslog::{self, Rsyslog};
use flume_tests::{AgentFile, Availability, Flume, Host, Jvm, Process, Release, Scratch, Stage};
use rustix::process::{Pid, Signal, kill_process};

use crate::cost::{self, Memory};

/// A running subject.
pub struct Subject {
    name: String,
    process: Running,
    id: u32,
    idle: Memory,
}

enum Running {
    Ours(Box<Host>),
    Flume(Box<Flume>),
    Other(Process),
}

impl Subject {
    /// How long after its start a process counts as idle.
    pub const IDLE_AFTER: Duration = Duration::from_millis(500);

    /// Starts our agent.
    #[must_use]
    pub fn ours(scratch: &Scratch, name: &str, file: &AgentFile) -> Self {
        let mut host = Host::start(scratch, &file_name(name), &file.text());
        let id = host.process().id();
        Self::settled(name, Running::Ours(Box::new(host)), id)
    }

    /// Starts real Flume, whose sources listen on these ports.
    #[must_use]
    pub fn flume(
        scratch: &Scratch,
        name: &str,
        stage: &Stage,
        file: &AgentFile,
        inputs: &[u16],
    ) -> Self {
        let mut flume = stage.start(scratch, &file_name(name), file, inputs);
        let id = flume.process().id();
        Self::settled(name, Running::Flume(Box::new(flume)), id)
    }

    /// Starts rsyslog from lines to lines.
    #[must_use]
    pub fn rsyslog(scratch: &Scratch, rsyslog: &Rsyslog, input: u16, output: u16) -> Self {
        let process = rsyslog.start(scratch, input, output);
        let id = process.id();
        Self::settled(&rsyslog.name(), Running::Other(process), id)
    }

    fn settled(name: &str, process: Running, id: u32) -> Self {
        std::thread::sleep(Self::IDLE_AFTER);
        Self {
            name: name.to_owned(),
            process,
            id,
            idle: cost::memory(id),
        }
    }

    /// Its name in the table.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its memory before its first event.
    #[must_use]
    pub fn idle(&self) -> Memory {
        self.idle
    }

    /// Has it stand still, or go on.
    ///
    /// # Panics
    /// When it has ended.
    pub fn stand_still(&self, on: bool) {
        let signal = if on { Signal::STOP } else { Signal::CONT };
        let id = i32::try_from(self.id).ok().and_then(Pid::from_raw);
        let id = id.expect("a process id");
        kill_process(id, signal).expect("a running process");
    }

    /// A counter of its admin page, for our agent; 0 for others.
    #[must_use]
    pub fn counter(&self, component: &str, counter: &str) -> u64 {
        match &self.process {
            Running::Ours(host) => host.counter(component, counter),
            Running::Flume(_) | Running::Other(_) => 0,
        }
    }

    /// Its log.
    pub fn log(&mut self) -> String {
        match &mut self.process {
            Running::Ours(host) => host.process().log(),
            Running::Flume(flume) => flume.process().log(),
            Running::Other(process) => process.log(),
        }
    }
}

/// Its name as a file name.
fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    name.chars().map(plain).collect()
}

/// The peers on this machine, looked up when they are first needed.
pub struct Peers {
    wanted: bool,
    stage: OnceCell<Availability<Stage>>,
    later: OnceCell<Availability<Stage>>,
    rsyslog: OnceCell<Availability<Rsyslog>>,
    avsc: OnceCell<Availability<Avsc>>,
}

impl Peers {
    /// All available peers, or none if no peer is wanted.
    #[must_use]
    pub fn new(wanted: bool) -> Self {
        Self {
            wanted,
            stage: OnceCell::new(),
            later: OnceCell::new(),
            rsyslog: OnceCell::new(),
            avsc: OnceCell::new(),
        }
    }

    /// Flume of a release, or why it is unavailable.
    pub fn flume(&self, release: Release) -> Result<&Stage, String> {
        self.asked_for()?;
        // Both releases run at once, and one more as their collector: the first takes the places of all.
        let stage = self
            .stage
            .get_or_init(|| Stage::enter(Release::V1_8, 3).map(|stage| stage.jvm(Jvm::Measured)));
        let first = found(stage)?;
        match release {
            Release::V1_8 => Ok(first),
            Release::V1_11 => found(self.later.get_or_init(|| first.with(Release::V1_11))),
            Release::V1_8Hdfs => Err("it comes with its HDFS".to_owned()),
            Release::V1_8Kafka | Release::V1_11Kafka => Err("it comes with its Kafka".to_owned()),
        }
    }

    /// rsyslog, or why it is unavailable.
    pub fn rsyslog(&self) -> Result<&Rsyslog, String> {
        self.asked_for()?;
        found(self.rsyslog.get_or_init(rsyslog::resolve))
    }

    /// npm's avsc, or why it is unavailable.
    pub fn avsc(&self) -> Result<&Avsc, String> {
        self.asked_for()?;
        found(self.avsc.get_or_init(Avsc::resolve))
    }

    /// Whether any peer is wanted.
    #[must_use]
    pub fn wanted(&self) -> bool {
        self.wanted
    }

    /// Releases the places for JVMs, for a row that takes its own. A peer that is needed again
    /// takes them again.
    pub fn leave(&mut self) {
        self.later.take();
        self.stage.take();
    }

    fn asked_for(&self) -> Result<(), String> {
        match self.wanted {
            true => Ok(()),
            false => Err("peers were not asked for".to_owned()),
        }
    }
}

fn found<T>(availability: &Availability<T>) -> Result<&T, String> {
    match availability {
        Availability::Ready(peer) => Ok(peer),
        Availability::Missing(why) => Err(why.clone()),
    }
}
