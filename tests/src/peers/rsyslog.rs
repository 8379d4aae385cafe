//! rsyslog from Debian: another relay from lines to lines, written in C.
//!
//! It has no acknowledged batches, so it is not equivalent to our agent; it shows what a mature
//! native relay costs on the same machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{complaint, debian, on_path};
use crate::ports;
use crate::process::{self, Process};
use crate::scratch::Scratch;
use crate::skip::Availability;

/// The package, and libraries that may not be installed yet.
const PACKAGES: [&str; 3] = ["rsyslog", "libestr0", "libfastjson4"];

/// How long it may take to listen.
const START: Duration = Duration::from_secs(120);

/// rsyslog, installed or unpacked.
pub struct Rsyslog {
    /// The folder to which it was unpacked; `None` if it is installed.
    unpacked: Option<PathBuf>,
    version: String,
}

/// The installed one, or Debian's package unpacked below `target/peers`.
#[must_use]
pub fn resolve() -> Availability<Rsyslog> {
    let unpacked = if on_path("rsyslogd") {
        Availability::Ready(None)
    } else {
        debian::unpacked("rsyslog", &PACKAGES).map(Some)
    };
    let unpacked = match unpacked {
        Availability::Ready(unpacked) => unpacked,
        Availability::Missing(why) => return Availability::Missing(why),
    };
    let mut rsyslog = Rsyslog {
        unpacked,
        version: String::new(),
    };
    match process::run(rsyslog.program().arg("-v"), "", START) {
        Ok(said) if said.status.success() => {
            let mut words = said.stdout.split_whitespace();
            rsyslog.version = words.nth(1).unwrap_or_default().to_owned();
            Availability::Ready(rsyslog)
        }
        Ok(said) => Availability::Missing(complaint("rsyslogd", &said.stderr)),
        Err(why) => Availability::Missing(why),
    }
}

impl Rsyslog {
    /// Its name and version.
    #[must_use]
    pub fn name(&self) -> String {
        format!("rsyslog {}", self.version)
    }

    /// Starts it as a relay from lines to lines, with a queue in memory, and waits until it
    /// listens.
    ///
    /// # Panics
    /// When it does not listen in time.
    #[must_use]
    pub fn start(&self, scratch: &Scratch, input: u16, output: u16) -> Process {
        // Digits at the start of a line are part of the line, not its length.
        let text = format!(
            "module(load=\"imptcp\")\n\
             template(name=\"whole\" type=\"string\" string=\"%rawmsg%\\n\")\n\
             ruleset(name=\"relay\" queue.type=\"FixedArray\" queue.size=\"100000\" \
             queue.dequeueBatchSize=\"1024\") {{\n  action(type=\"omfwd\" target=\"127.0.0.1\" \
             port=\"{output}\" protocol=\"tcp\" template=\"whole\" \
             action.resumeRetryCount=\"-1\")\n}}\n\
             input(type=\"imptcp\" address=\"127.0.0.1\" port=\"{input}\" ruleset=\"relay\" \
             supportOctetCountedFraming=\"off\")\n"
        );
        let file = scratch.file("rsyslog.conf", &text);
        let mut command = self.program();
        command.args(["-n", "-f"]).arg(file);
        command.arg("-i").arg(scratch.path("rsyslog.pid"));
        let log = scratch.path("rsyslog.log");
        let process = Process::start("rsyslog", &mut command, log);
        ports::await_listening(input, START);
        process
    }

    fn program(&self) -> Command {
        let Some(root) = &self.unpacked else {
            return Command::new("rsyslogd");
        };
        let mut command = Command::new(root.join("usr/sbin/rsyslogd"));
        let libraries = libraries(root);
        command.arg("-M").arg(libraries.join("rsyslog"));
        command.env("LD_LIBRARY_PATH", libraries);
        command
    }
}

/// `usr/lib/x86_64-linux-gnu`, or the same for another architecture.
fn libraries(root: &Path) -> PathBuf {
    let lib = root.join("usr/lib");
    let folders = std::fs::read_dir(&lib).into_iter().flatten().flatten();
    let mut paths = folders.map(|entry| entry.path());
    let found = paths.find(|path| path.join("rsyslog").is_dir());
    found.unwrap_or(lib)
}
