//! Our agent, `flume-host`, as a process.
//!
//! Built once by cargo in the profile of this harness, because a package's tests are only handed
//! the binaries of their own package. `FLUME_HOST_BIN` names another binary to test.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::eventually::within;
use crate::process::{self, Finished, Process};
use crate::scratch::Scratch;
use crate::{ports, target};

/// How long a build of the agent may take: from nothing, on two cores.
const BUILD: Duration = Duration::from_secs(900);

/// How long an agent may take until it is ready.
const START: Duration = Duration::from_secs(20);

/// How long a command such as `check` or `send` may take.
const COMMAND: Duration = Duration::from_secs(120);

/// The agent's binary.
///
/// # Panics
/// When it does not build.
#[must_use]
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("FLUME_HOST_BIN") {
        Some(path) => PathBuf::from(path),
        None => build(),
    })
}

/// The agent, to be given its arguments. What it keeps for later starts, it keeps below `target/`.
///
/// # Panics
/// When it does not build.
#[must_use]
pub fn program() -> Command {
    let mut program = Command::new(binary());
    program.env("XDG_CACHE_HOME", target::root().join("cache"));
    program
}

fn build() -> PathBuf {
    let folder = target::profile();
    let profile = folder
        .file_name()
        .expect("a profile has a name")
        .to_string_lossy();
    let profile = if profile == "debug" { "dev" } else { &profile };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("build")
        .args(["--profile", profile]);
    if profile == "release" {
        // To be measured: the very program that operators build.
        command.args(["--package", "flume-agent"]);
    } else {
        // The whole workspace with a test: the same features of all dependencies as in the build of
        // the tests, which would otherwise be compiled once more, a WebAssembly engine among them.
        command.args(["--workspace", "--bin", "flume-host", "--test", "it"]);
    }
    command.arg("--target-dir");
    command.arg(target::root());
    let built = process::run(&mut command, "", BUILD).expect("cargo runs");
    assert!(
        built.status.success(),
        "flume-host does not build:\n{}",
        built.stderr
    );
    folder.join("flume-host")
}

/// Runs a command of the agent to its end: `command(&["check", "a.properties"], "")`.
///
/// # Panics
/// When it has no end.
#[must_use]
pub fn command(words: &[&str], input: &str) -> Finished {
    let finished = process::run(program().args(words), input, COMMAND);
    finished.unwrap_or_else(|err| panic!("flume-host {words:?}: {err}"))
}

/// A running agent.
pub struct Host {
    name: String,
    words: Vec<String>,
    logs: PathBuf,
    starts: u32,
    admin: u16,
    file: PathBuf,
    process: Process,
}

/// What an agent's log says for each agent of a file that was read again.
const RELOADED: &str = "agent runs by the new file";

impl Host {
    /// Starts all agents of a properties text and waits until they are ready.
    ///
    /// # Panics
    /// When they are not in time.
    #[must_use]
    pub fn start(scratch: &Scratch, name: &str, text: &str) -> Self {
        let file = scratch.file(&format!("{name}.properties"), text);
        Self::run(scratch, name, &file, &[])
    }

    /// Starts all agents of a file, with further words on the command line, and waits until they
    /// are ready.
    ///
    /// # Panics
    /// When they are not in time.
    #[must_use]
    pub fn run(scratch: &Scratch, name: &str, file: &Path, words: &[&str]) -> Self {
        let admin = ports::free();
        let mut all = vec![
            "run".to_owned(),
            "-f".to_owned(),
            file.display().to_string(),
        ];
        all.push("--no-reload-conf".to_owned());
        all.push("-Dflume.monitoring.type=http".to_owned());
        all.push(format!("-Dflume.monitoring.port={admin}"));
        all.extend(words.iter().map(|&word| word.to_owned()));
        let logs = scratch.root().to_path_buf();
        let process = spawn(name, &all, &logs, 1);
        let mut host = Self {
            name: name.to_owned(),
            words: all,
            logs,
            starts: 1,
            admin,
            file: file.to_path_buf(),
            process,
        };
        host.await_ready();
        host
    }

    /// The process: its log, how it ended, what it is told.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Panics
    /// When it has not within `patience`.
    pub fn term(&mut self, patience: Duration) -> ExitStatus {
        self.process.term();
        self.process.wait(patience)
    }

    /// The port of its HTTP pages.
    #[must_use]
    pub fn admin_port(&self) -> u16 {
        self.admin
    }

    /// Writes another text into its file and sends SIGHUP.
    ///
    /// # Panics
    /// When the file cannot be written, or the process has ended.
    pub fn rewrite(&self, text: &str) {
        std::fs::write(&self.file, text).expect("a file in the scratch folder");
        self.process.hup();
    }

    /// Does so, and waits until all `agents` of the text run by it.
    ///
    /// # Panics
    /// When they do not within `patience`.
    pub fn reload(&mut self, text: &str, agents: usize, patience: Duration) {
        let before = self.process.said(RELOADED);
        self.rewrite(text);
        self.process.await_said(RELOADED, before + agents, patience);
    }

    /// Starts it again, as it was started, after it has ended.
    ///
    /// # Panics
    /// When it still runs, or is not ready in time.
    pub fn restart(&mut self) {
        assert!(self.process.ended().is_some(), "{} still runs", self.name);
        self.starts += 1;
        self.process = spawn(&self.name, &self.words, &self.logs, self.starts);
        self.await_ready();
    }

    /// A page of the agent's HTTP port: status and text.
    ///
    /// # Errors
    /// When there was no answer.
    pub fn page(&self, path: &str) -> Result<(u16, String), String> {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(5)))
            .http_status_as_error(false)
            .build();
        let url = format!("http://127.0.0.1:{}{path}", self.admin);
        let answer = ureq::Agent::new_with_config(config).get(&url).call();
        let mut answer = answer.map_err(|err| err.to_string())?;
        let text = answer
            .body_mut()
            .read_to_string()
            .map_err(|err| err.to_string())?;
        Ok((answer.status().as_u16(), text))
    }

    /// The metrics page as JSON.
    ///
    /// # Panics
    /// When there is none, or it is not JSON.
    #[must_use]
    pub fn metrics(&self) -> Value {
        let (status, text) = self.page("/metrics").expect("the metrics page");
        assert_eq!(status, 200, "{}: /metrics: {text}", self.name);
        serde_json::from_str(&text).unwrap_or_else(|err| panic!("/metrics: {err}: {text}"))
    }

    /// A counter of the metrics page, such as `("CHANNEL.c1", "ChannelSize")`.
    ///
    /// # Panics
    /// When there is no such counter, or it is not a number.
    #[must_use]
    pub fn counter(&self, component: &str, counter: &str) -> u64 {
        let metrics = self.metrics();
        let value = metrics[component][counter]
            .as_str()
            .and_then(|text| text.parse().ok());
        value.unwrap_or_else(|| panic!("no {counter} of {component} in {metrics}"))
    }

    /// Waits until so many events have left a channel for good: the next hop has them.
    ///
    /// # Panics
    /// When they have not within `patience`.
    pub fn await_delivered(&self, channel: &str, events: u64, patience: Duration) {
        let component = format!("CHANNEL.{channel}");
        let mut delivered = 0;
        let all = within(patience, || {
            delivered = self.counter(&component, "EventTakeSuccessCount");
            (delivered >= events).then_some(())
        });
        let name = &self.name;
        assert!(
            all.is_some(),
            "{name}: {delivered} of {events} delivered from {channel} in {patience:?}"
        );
    }

    /// Events of batches that a sink was handed and did not deliver, so far: they were handed out
    /// again, and those that were written all the same are there twice.
    #[must_use]
    pub fn handed_again(&self, sink: &str) -> u64 {
        let component = format!("SINK.{sink}");
        // In this order: a batch that is delivered between the looks is not counted as failed.
        let delivered = self.counter(&component, "EventDrainSuccessCount");
        self.counter(&component, "EventDrainAttemptCount") - delivered
    }

    fn await_ready(&mut self) {
        let ready = within(START, || {
            if matches!(self.page("/readyz"), Ok((200, _))) {
                return Some(true);
            }
            self.process.ended().map(|_| false)
        });
        match ready {
            Some(true) => {}
            Some(false) => panic!("{} ended before it was ready", self.name),
            None => panic!("{} is not ready after {START:?}", self.name),
        }
    }
}

fn spawn(name: &str, words: &[String], logs: &Path, start: u32) -> Process {
    let log = logs.join(format!("{name}.{start}.log"));
    Process::start(name, program().args(words), log)
}
