//! `kcat` from Debian: it writes and reads in a moment, where Kafka's own tools start a JVM.

use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::Cluster;
use crate::eventually::within;
use crate::peers::debian;
use crate::process;
use crate::skip::Availability;
use crate::tally::{self, Tally};

/// How long a call may take: a read of a whole topic while nodes come and go.
const CALL: Duration = Duration::from_secs(120);

/// How long to wait for duplicates after the count is complete.
const SETTLE: Duration = Duration::from_millis(500);

/// How long to wait between two counts: each reads the whole topic.
const BETWEEN_COUNTS: Duration = Duration::from_millis(300);

/// kcat, unpacked with its libraries.
#[derive(Clone)]
pub(super) struct Kcat {
    root: PathBuf,
}

impl Kcat {
    /// Debian's package, unpacked unless that was already done.
    pub(super) fn resolve() -> Availability<Self> {
        let unpacked = debian::unpacked_as("kcat", || debian::with_dependencies("kcat"));
        unpacked.map(|root| Self { root })
    }

    fn program(&self) -> Command {
        let mut command = Command::new(self.root.join("usr/bin/kcat"));
        let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
        let libraries = ["usr/lib", "lib"].map(|lib| self.root.join(lib).join(&triple));
        let libraries = std::env::join_paths(libraries).expect("a path without colons");
        command.env("LD_LIBRARY_PATH", libraries);
        command
    }
}

impl Cluster {
    /// Writes each line of a text as a record, once, with further words for kcat: `&["-K", ":"]` takes
    /// the key from before the colon.
    ///
    /// # Panics
    /// When a record is not acknowledged by all replicas.
    pub fn produce(&self, topic: &str, lines: &str, more: &[&str]) {
        let words = [&["-P", "-t", topic, "-X", "enable.idempotence=true"], more].concat();
        self.plain_kcat(&words, lines);
    }

    /// The values of a topic, each a line. In one that does not exist are none.
    ///
    /// # Panics
    /// When it cannot be read to its end.
    #[must_use]
    pub fn lines(&self, topic: &str) -> String {
        let words = ["-C", "-t", topic, "-o", "beginning", "-e", "-q"];
        match self.call(&words, "") {
            Ok(lines) => lines,
            Err(why) if why.contains("Unknown topic or partition") => String::new(),
            Err(why) => panic!("{why}"),
        }
    }

    /// Writes numbered events, each with its number as its key.
    ///
    /// # Panics
    /// When one is not acknowledged by all replicas.
    pub fn produce_numbered(&self, topic: &str, prefix: &str, numbers: Range<u64>) {
        let line = |number| format!("{number}\t{}\n", tally::body(prefix, number));
        let lines: String = numbers.map(line).collect();
        self.produce(topic, &lines, &["-K", "\t"]);
    }

    /// Counts the numbered events of a topic.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn count(&self, topic: &str, prefix: &str, count: u64) -> Tally {
        Tally::of_lines(prefix, count, &self.lines(topic))
    }

    /// Waits until each of `expected` numbered events is in a topic, or `patience` is over, then a
    /// moment longer for duplicates, and returns the count, which the scenario checks.
    ///
    /// # Panics
    /// When the topic cannot be read.
    #[must_use]
    pub fn await_count(
        &self,
        topic: &str,
        prefix: &str,
        expected: u64,
        patience: Duration,
    ) -> Tally {
        let all = within(patience, || {
            let found = self.count(topic, prefix, expected).arrived() == expected;
            if !found {
                std::thread::sleep(BETWEEN_COUNTS);
            }
            found.then_some(())
        });
        if all.is_some() {
            std::thread::sleep(SETTLE);
        }
        self.count(topic, prefix, expected)
    }

    /// The node that leads a partition, if one does.
    ///
    /// # Panics
    /// When no node answers.
    #[must_use]
    pub fn leader(&self, topic: &str, partition: u32) -> Option<u32> {
        let said = self.plain_kcat(&["-L", "-J", "-t", topic], "");
        let said: Value = serde_json::from_str(&said).expect("kcat writes JSON");
        let partitions = said["topics"][0]["partitions"].as_array()?;
        let found = partitions
            .iter()
            .find(|found| found["partition"] == partition)?;
        u32::try_from(found["leader"].as_i64()?).ok()
    }

    fn plain_kcat(&self, words: &[&str], input: &str) -> String {
        self.call(words, input)
            .unwrap_or_else(|why| panic!("{why}"))
    }

    fn call(&self, words: &[&str], input: &str) -> Result<String, String> {
        let mut command = self.kcat.program();
        command.args(["-b", &self.inner()]).args(words);
        let done = process::run(&mut command, input, CALL)?;
        match done.status.success() {
            true => Ok(done.stdout),
            false => Err(format!("kcat {words:?}: {}", done.stderr)),
        }
    }
}
