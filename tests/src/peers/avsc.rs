//! npm's avsc as sender and as collector: an Avro RPC implementation independent of Java's and ours.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{cached, npm_install};
use crate::landing::Landing;
use crate::ports;
use crate::process::{self, Process};
use crate::scratch::Scratch;
use crate::skip::Availability;

/// The version that our wire format was checked against.
const PACKAGE: &str = "avsc@5.7.9";

/// How long node may take to start.
const START: Duration = Duration::from_secs(120);

/// How long a client may take to send its events.
const SEND: Duration = Duration::from_secs(120);

/// avsc, after it was fetched.
pub struct Avsc {
    modules: PathBuf,
}

/// The events that the client sends.
pub struct Sending<'a> {
    /// How many events.
    pub count: u64,
    /// The number of the first.
    pub first: u64,
    /// Events in a call; 0 calls `append` with one event.
    pub batch: u64,
    /// Calls that may be unanswered.
    pub window: u64,
    /// The text at the start of each body.
    pub prefix: &'a str,
    /// The headers of each event, as a JSON object.
    pub headers: &'a str,
    /// A `doc` in the protocol's text: its hash is unknown to the server.
    pub doc: &'a str,
}

impl Default for Sending<'_> {
    fn default() -> Self {
        let (prefix, headers, doc) = ("line", "{}", "");
        Self {
            count: 1,
            first: 0,
            batch: 0,
            window: 1,
            prefix,
            headers,
            doc,
        }
    }
}

/// How a client's events were answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Sent {
    /// Events answered `OK`.
    pub ok: u64,
    /// Events whose answer was not `OK`.
    pub refused: u64,
    /// Why it stopped early, if it did.
    pub error: Option<String>,
}

impl Avsc {
    /// avsc, fetched by npm unless that was already done.
    #[must_use]
    pub fn resolve() -> Availability<Self> {
        let folder = cached(&PACKAGE.replace('@', "-"), "node", |folder| {
            npm_install(folder, &[PACKAGE])
        });
        folder.map(|folder| Self {
            modules: folder.join("node_modules"),
        })
    }

    /// Starts a collector on a loopback port.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn server(&self, scratch: &Scratch, name: &str, port: u16) -> AvscServer {
        let events = scratch.path(&format!("{name}.events"));
        let mut command = self.script("server.js");
        command.arg("--out").arg(&events);
        Self::started(scratch, name, port, events, command)
    }

    /// Starts a collector that keeps no events: as fast as avsc can be.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn discarding_server(&self, scratch: &Scratch, name: &str, port: u16) -> AvscServer {
        Self::started(
            scratch,
            name,
            port,
            PathBuf::new(),
            self.script("server.js"),
        )
    }

    fn started(
        scratch: &Scratch,
        name: &str,
        port: u16,
        events: PathBuf,
        mut command: Command,
    ) -> AvscServer {
        command.arg("--port").arg(port.to_string());
        let mut server = AvscServer {
            name: name.to_owned(),
            port,
            events,
            starts: 0,
            process: None,
            command,
        };
        server.restart(scratch);
        server
    }

    /// Sends numbered events to a loopback port and waits for their answers.
    ///
    /// # Panics
    /// When the script does not end in time.
    #[must_use]
    pub fn send(&self, port: u16, what: &Sending<'_>) -> Sent {
        let mut command = self.script("client.js");
        command.args([
            "--prefix",
            what.prefix,
            "--headers",
            what.headers,
            "--doc",
            what.doc,
        ]);
        let numbers = [
            ("--port", u64::from(port)),
            ("--count", what.count),
            ("--first", what.first),
            ("--batch", what.batch),
            ("--window", what.window),
        ];
        for (option, value) in numbers {
            command.arg(option).arg(value.to_string());
        }
        let done = process::run(&mut command, "", SEND).expect("the avsc client ends");
        let said: Value = serde_json::from_str(done.stdout.trim())
            .unwrap_or_else(|err| panic!("avsc client: {err}: {}{}", done.stdout, done.stderr));
        Sent {
            ok: said["ok"].as_u64().expect("a count"),
            refused: said["refused"].as_u64().expect("a count"),
            error: said["error"].as_str().map(str::to_owned),
        }
    }

    /// Sends events in several ways; each of them is answered with `OK`.
    ///
    /// # Panics
    /// When one is not.
    pub fn deliver(&self, port: u16, all: &[Sending<'_>]) {
        for sending in all {
            let ok = sending.count;
            let expected = Sent {
                ok,
                refused: 0,
                error: None,
            };
            assert_eq!(self.send(port, sending), expected, "from avsc");
        }
    }

    fn script(&self, name: &str) -> Command {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("peers")
            .join(name);
        let mut command = Command::new("node");
        command.env("NODE_PATH", &self.modules).arg(script);
        command
    }
}

/// A collector in another language that keeps every event it has answered with `OK`.
pub struct AvscServer {
    name: String,
    port: u16,
    events: PathBuf,
    starts: u32,
    process: Option<Process>,
    command: Command,
}

impl AvscServer {
    /// Where its events are kept; the same file after a restart.
    #[must_use]
    pub fn landing(&self) -> Landing {
        Landing::Events(self.events.clone())
    }

    /// From now on answers every append with `OK`, `FAILED` or `UNKNOWN`.
    pub fn answer(&mut self, status: &str) {
        self.order(&format!("answer {status}"));
    }

    /// From now on waits for `delay` before each answer.
    pub fn delay(&mut self, delay: Duration) {
        self.order(&format!("delay {}", delay.as_millis()));
    }

    /// The process: its log.
    ///
    /// # Panics
    /// When it was killed.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the avsc server runs")
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it on its port, at first or again.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self, scratch: &Scratch) {
        self.kill();
        self.starts += 1;
        let log = scratch.path(&format!("{}.{}.log", self.name, self.starts));
        let process = self
            .process
            .insert(Process::start(&self.name, &mut self.command, log));
        process.await_said("listening", 1, START);
        ports::await_listening(self.port, START);
    }

    fn order(&mut self, order: &str) {
        let process = self.process();
        let done = format!("done {order}\n");
        let before = process.said(&done);
        process.order(order);
        process.await_said(&done, before + 1, START);
    }
}
