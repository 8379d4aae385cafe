//! A child process with its output in a file, killed when it is dropped.
//!
//! A file instead of a pipe: the child never blocks on an unread pipe, and a wait can read the file
//! from the start as often as it needs.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::eventually::within;

/// How much of a log a failing scenario shows.
const TAIL_BYTES: u64 = 6_000;

/// What a child has in place of a pipe as its standard input, and of the log as its standard error.
#[derive(Default)]
pub struct Ends {
    /// Its standard input.
    pub input: Option<OwnedFd>,
    /// Its standard error.
    pub error: Option<OwnedFd>,
}

/// A running child.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its standard output and error appended to `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(name: &str, command: &mut Command, log: PathBuf) -> Self {
        Self::start_with(name, command, log, Ends::default())
    }

    /// Starts `command` with these ends, if they are there.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_with(name: &str, command: &mut Command, log: PathBuf, ends: Ends) -> Self {
        let out = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("a log file");
        let err = out.try_clone().expect("a second handle on the log file");
        let child = command
            .stdin(ends.input.map_or_else(Stdio::piped, Stdio::from))
            .stdout(out)
            .stderr(ends.error.map_or_else(|| Stdio::from(err), Stdio::from))
            .spawn();
        // Else it would hold copies of the ends, so that these are never closed.
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let child = child.unwrap_or_else(|err| panic!("{name}: {command:?}: {err}"));
        Self {
            name: name.to_owned(),
            child,
            log,
        }
    }

    /// Everything that it has written so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// How often it has written `text`.
    #[must_use]
    pub fn said(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    /// Waits until it has written `text` at least `times` times.
    ///
    /// # Panics
    /// When it has not within `patience`, or has ended before.
    pub fn await_said(&mut self, text: &str, times: usize, patience: Duration) {
        let said = within(patience, || {
            if self.said(text) >= times {
                return Some(true);
            }
            self.ended().map(|_| false)
        });
        assert_eq!(
            said,
            Some(true),
            "{} did not say {text:?} in {patience:?}",
            self.name
        );
    }

    /// Writes one line to its standard input.
    ///
    /// # Panics
    /// When its standard input is closed.
    pub fn order(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("standard input is a pipe");
        stdin
            .write_all(format!("{line}\n").as_bytes())
            .expect("the child reads its input");
    }

    /// Kills it, as `kill -9` does. Does nothing if the child has already ended.
    pub fn kill(&mut self) {
        if self.child.kill().is_ok() {
            // The child cannot ignore the signal, so this returns at once; without the wait it
            // would stay a zombie.
            drop(self.child.wait());
        }
    }

    /// Sends SIGTERM.
    ///
    /// # Panics
    /// When it has ended already.
    pub fn term(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGHUP: its file has changed.
    ///
    /// # Panics
    /// When it has ended already.
    pub fn hup(&self) {
        self.signal(Signal::HUP);
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits until it exits.
    ///
    /// # Panics
    /// When it has not within `patience`.
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let status = within(patience, || self.ended());
        status.unwrap_or_else(|| panic!("{} still runs after {patience:?}", self.name))
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When it has ended already.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let sent = rustix::process::kill_process(pid.expect("a process id"), signal);
        sent.unwrap_or_else(|err| panic!("{} cannot be signalled: {err}", self.name));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!(
                "---- the end of what {} wrote\n{}",
                self.name,
                tail(&self.log)
            );
        }
    }
}

/// The result of a command that has ended.
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// Runs a command to its end, with `input` as its standard input. `Err` says why it did not end:
/// it could not be started, or was killed after `patience`.
pub fn run(command: &mut Command, input: &str, patience: Duration) -> Result<Finished, String> {
    let mut stdin = tempfile::tempfile().map_err(|err| err.to_string())?;
    stdin
        .write_all(input.as_bytes())
        .map_err(|err| err.to_string())?;
    stdin.rewind().map_err(|err| err.to_string())?;
    let mut stdout = tempfile::tempfile().map_err(|err| err.to_string())?;
    let mut stderr = tempfile::tempfile().map_err(|err| err.to_string())?;
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(stdin);
    command.stdout(stdout.try_clone().map_err(|err| err.to_string())?);
    command.stderr(stderr.try_clone().map_err(|err| err.to_string())?);
    let mut child = command.spawn().map_err(|err| format!("{program}: {err}"))?;
    let ended = within(patience, || child.try_wait().transpose());
    let Some(status) = ended else {
        child
            .kill()
            .and_then(|()| child.wait())
            .map_err(|err| format!("{program}: {err}"))?;
        return Err(format!("{program} did not end within {patience:?}"));
    };
    let status = status.map_err(|err| format!("{program}: {err}"))?;
    Ok(Finished {
        status,
        stdout: text_of(&mut stdout),
        stderr: text_of(&mut stderr),
    })
}

fn text_of(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().expect("a temporary file can be read again");
    file.read_to_end(&mut bytes)
        .expect("a temporary file can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn tail(log: &Path) -> String {
    let Ok(mut file) = File::open(log) else {
        return String::new();
    };
    let length = file.metadata().map_or(0, |meta| meta.len());
    let mut bytes = Vec::new();
    let read = file
        .seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))
        .and_then(|_| file.read_to_end(&mut bytes));
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(err) => format!("(unreadable: {err})"),
    }
}
