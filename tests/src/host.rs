//! Our agent, `flume-host`, as a process.
//!
//! Built once by cargo in the profile of this harness, because cargo gives a package's tests only
//! the binaries of that package. `FLUME_HOST_BIN` names another binary to test.

use std::io::{PipeReader, PipeWriter};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::cargo::cargo;
use crate::eventually::{eventually, within};
use crate::process::{self, Ends, Finished, Process};
use crate::scratch::Scratch;
use crate::{ports, target, unix_http};

/// How long a build of the agent may take: from nothing, on two cores.
const BUILD: Duration = Duration::from_secs(900);

/// How long an agent may take until it is ready.
const START: Duration = Duration::from_secs(120);

/// How long a page may take.
const PAGE: Duration = Duration::from_secs(30);

/// How long a change of a policy may take, which is compiled for it.
const CHANGE: Duration = Duration::from_secs(60);

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

/// Variables that would make an agent behave otherwise than in another environment.
const OF_THE_ENVIRONMENT: [&str; 12] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "RUNTIME_DIRECTORY",
    "XDG_RUNTIME_DIR",
    "HADOOP_CONF_DIR",
    "HADOOP_HOME",
    "HADOOP_USER_NAME",
    "NO_COLOR",
];

/// A command for the agent, without arguments. Its cache is kept below `target/`.
///
/// # Panics
/// When it does not build.
#[must_use]
pub fn program() -> Command {
    let mut program = Command::new(binary());
    for name in OF_THE_ENVIRONMENT {
        program.env_remove(name);
    }
    program.env("XDG_CACHE_HOME", target::root().join("cache"));
    program
}

/// The agent's command, started by another program, whose command ends where the agent's begins.
#[must_use]
pub fn program_by(mut other: Command) -> Command {
    let agent = program();
    for (name, value) in agent.get_envs() {
        match value {
            Some(value) => other.env(name, value),
            None => other.env_remove(name),
        };
    }
    other.arg(agent.get_program());
    other
}

fn build() -> PathBuf {
    let folder = target::profile();
    let profile = folder
        .file_name()
        .expect("a profile has a name")
        .to_string_lossy();
    let profile = if profile == "debug" { "dev" } else { &profile };
    let mut command = cargo();
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("build")
        .args(["--profile", profile]);
    if ["release", "dist"].contains(&profile) {
        // For measurements, the same program that operators run.
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
/// When it does not end in time.
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
    runtime: PathBuf,
    file: PathBuf,
    process: Process,
}

/// The log texts for each agent of a file that was reloaded: one of them.
const RELOADED: [&str; 2] = ["agent runs from the new file", "nothing changed: the agent"];

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
        Self::run_with(scratch, name, file, words, &mut program(), None)
    }

    /// Starts all agents of a file, and waits for none of them.
    #[must_use]
    pub fn begin(scratch: &Scratch, name: &str, file: &Path, words: &[&str]) -> Self {
        Self::spawn_with(scratch, name, file, words, &mut program(), None)
    }

    /// The same, by a command that was prepared.
    #[must_use]
    pub fn begin_by(
        command: &mut Command,
        scratch: &Scratch,
        name: &str,
        file: &Path,
        words: &[&str],
    ) -> Self {
        Self::spawn_with(scratch, name, file, words, command, None)
    }

    /// Like [`Self::run`], with a pipe as the agent's standard error. Nobody reads it yet.
    ///
    /// # Panics
    /// When they are not ready in time.
    #[must_use]
    pub fn run_unread(
        scratch: &Scratch,
        name: &str,
        file: &Path,
        words: &[&str],
    ) -> (Self, PipeReader) {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let host = Self::run_with(scratch, name, file, words, &mut program(), Some(writer));
        (host, reader)
    }

    /// Like [`Self::run`], by a command that was prepared: with variables, or through a shell.
    ///
    /// # Panics
    /// When they are not ready in time.
    #[must_use]
    pub fn run_by(
        command: &mut Command,
        scratch: &Scratch,
        name: &str,
        file: &Path,
        words: &[&str],
    ) -> Self {
        Self::run_with(scratch, name, file, words, command, None)
    }

    fn run_with(
        scratch: &Scratch,
        name: &str,
        file: &Path,
        words: &[&str],
        command: &mut Command,
        pipe: Option<PipeWriter>,
    ) -> Self {
        let mut host = Self::spawn_with(scratch, name, file, words, command, pipe);
        host.await_ready();
        host
    }

    fn spawn_with(
        scratch: &Scratch,
        name: &str,
        file: &Path,
        words: &[&str],
        command: &mut Command,
        pipe: Option<PipeWriter>,
    ) -> Self {
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
        let log = logs.join(format!("{name}.1.log"));
        let ends = Ends {
            error: pipe.map(Into::into),
            ..Ends::default()
        };
        let runtime = scratch.folder(&format!("{name}.run"));
        command.env("RUNTIME_DIRECTORY", &runtime);
        let process = Process::start_with(name, command.args(&all), log, ends);
        Self {
            name: name.to_owned(),
            words: all,
            logs,
            starts: 1,
            admin,
            runtime,
            file: file.to_path_buf(),
            process,
        }
    }

    /// The process: its log, exit status and signals.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Sends SIGTERM, and waits until it has ended.
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

    /// Sends SIGUSR1: the state of all components goes into its log.
    ///
    /// # Panics
    /// When the process has ended.
    pub fn log_state(&self) {
        self.process.signal(Signal::USR1);
    }

    /// Writes a new text to its file and sends SIGHUP.
    ///
    /// # Panics
    /// When the file cannot be written, or the process has ended.
    pub fn rewrite(&self, text: &str) {
        std::fs::write(&self.file, text).expect("a file in the scratch folder");
        self.process.hup();
    }

    /// Like [`Self::rewrite`], and waits until all `agents` of the text run from it.
    ///
    /// # Panics
    /// When they do not within `patience`.
    pub fn reload(&mut self, text: &str, agents: usize, patience: Duration) {
        let said = || -> usize { RELOADED.iter().map(|text| self.process.said(text)).sum() };
        let before = said();
        self.rewrite(text);
        eventually("all agents run from the new file", patience, || {
            (said() >= before + agents).then_some(())
        });
    }

    /// Starts it again, as it was started, after it has ended.
    ///
    /// # Panics
    /// When it still runs, or is not ready in time.
    pub fn restart(&mut self) {
        assert!(self.process.ended().is_some(), "{} still runs", self.name);
        self.starts += 1;
        let log = self.logs.join(format!("{}.{}.log", self.name, self.starts));
        let mut program = program();
        program.args(&self.words);
        program.env("RUNTIME_DIRECTORY", &self.runtime);
        self.process = Process::start(&self.name, &mut program, log);
        self.await_ready();
    }

    /// A page of the agent's HTTP port: status and text.
    ///
    /// # Errors
    /// When there was no answer.
    pub fn page(&self, path: &str) -> Result<(u16, String), String> {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PAGE))
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

    /// Its admin socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.runtime.join("admin.sock")
    }

    /// Requests a change of a policy over the admin socket, by a path below `/policies/`: status and
    /// text of the answer.
    ///
    /// # Panics
    /// When there was no answer.
    #[must_use]
    pub fn change(&self, method: &str, path: &str, body: impl AsRef<[u8]>) -> (u16, String) {
        let path = format!("/policies/{path}");
        let answer = unix_http::ask(&self.socket(), method, &path, body.as_ref(), CHANGE);
        answer.unwrap_or_else(|err| panic!("{method} {path}: {err}"))
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

    /// Waits until `events` events were committed out of a channel: the next hop has them.
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

    /// Events in batches that a sink has attempted and not committed so far. They are delivered
    /// again, so those that had already been written exist twice.
    #[must_use]
    pub fn redelivered(&self, sink: &str) -> u64 {
        let component = format!("SINK.{sink}");
        // In this order, a batch that is delivered between the two reads does not count as failed.
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
