//! Records with all that they have, read and written by kafka-python from PyPI
//! (`tests/peers/records.py`).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::Cluster;
use crate::landing::unhex;
use crate::peers::{cached, fetched};
use crate::process::{self, Finished};
use crate::skip::Availability;

/// The version with which the scenarios were written; crc32c computes its checksums quickly.
const PACKAGES: [&str; 2] = ["kafka-python==3.0.12", "crc32c==2.8"];

/// How long a call may take.
const CALL: Duration = Duration::from_secs(120);

/// kafka-python, after it was fetched.
#[derive(Clone)]
pub(super) struct KafkaPython {
    packages: PathBuf,
}

/// Which records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// All: also those of transactions that were aborted.
    Uncommitted,
    /// Those of no transaction, and of transactions that were committed.
    Committed,
}

/// A record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Its partition. To write: the one that its key gives, if there is none.
    pub partition: Option<u32>,
    /// Its place there. Of no meaning when it is written.
    pub offset: u64,
    /// Milliseconds since 1970. To write: the time of the client, if there is none.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Kafka's headers, in their order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Isolation {
    /// Its name, the same for every client.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Uncommitted => "read_uncommitted",
            Self::Committed => "read_committed",
        }
    }
}

impl KafkaPython {
    /// kafka-python, fetched by pip unless that was already done.
    pub(super) fn resolve() -> Availability<Self> {
        let folder = cached("kafka-python-3.0.12", "python3", |folder| {
            let mut pip = Command::new("python3");
            pip.current_dir(folder)
                .args(["-m", "pip", "install", "--quiet", "--target", "."]);
            fetched("pip", pip.args(PACKAGES))
        });
        folder.map(|packages| Self { packages })
    }

    fn run(&self, words: &[&str], input: &str) -> String {
        let done = self.call(words, input);
        assert!(
            done.status.success(),
            "records.py {words:?}: {}",
            done.stderr
        );
        done.stdout
    }

    fn call(&self, words: &[&str], input: &str) -> Finished {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/records.py");
        let mut python = Command::new("python3");
        python.env("PYTHONPATH", &self.packages).arg(script);
        process::run(python.args(words), input, CALL).expect("records.py ends")
    }
}

impl Record {
    /// A record with nothing but a value.
    #[must_use]
    pub fn of(value: impl Into<Vec<u8>>) -> Self {
        Self {
            value: Some(value.into()),
            ..Self::default()
        }
    }

    /// The value as text; nothing for a tombstone.
    ///
    /// # Panics
    /// When it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(self.value.as_deref().unwrap_or_default()).expect("a text")
    }

    fn read(line: &str) -> Self {
        let line: Value = serde_json::from_str(line).expect("records.py writes JSON");
        let bytes = |value: &Value| value.as_str().map(unhex);
        let header = |pair: &Value| {
            let name = pair[0].as_str().expect("the name of a header");
            (name.to_owned(), bytes(&pair[1]))
        };
        let partition = line["partition"].as_u64();
        let headers = line["headers"].as_array().expect("a list of headers");
        Self {
            partition: partition.and_then(|number| u32::try_from(number).ok()),
            offset: line["offset"].as_u64().expect("an offset"),
            timestamp: line["timestamp"].as_i64(),
            key: bytes(&line["key"]),
            value: bytes(&line["value"]),
            headers: headers.iter().map(header).collect(),
        }
    }

    fn line(&self) -> String {
        let hex = |bytes: &Option<Vec<u8>>| {
            let digits = |bytes: &Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            bytes.as_ref().map(digits)
        };
        let hex = |bytes: &Option<Vec<u8>>| -> Option<String> { hex(bytes) };
        let headers = self.headers.iter();
        let headers: Vec<Value> = headers
            .map(|(name, value)| json!([name, hex(value)]))
            .collect();
        json!({
            "partition": self.partition,
            "timestamp": self.timestamp,
            "key": hex(&self.key),
            "value": hex(&self.value),
            "headers": headers,
        })
        .to_string()
    }
}

impl Cluster {
    /// All records of a topic, in the order of partitions and offsets.
    ///
    /// # Panics
    /// When they cannot be read.
    #[must_use]
    pub fn records(&self, topic: &str, isolation: Isolation) -> Vec<Record> {
        let said = self
            .python
            .run(&["read", &self.inner(), topic, isolation.name()], "");
        let mut records: Vec<Record> = said.lines().map(Record::read).collect();
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    /// Writes these records.
    ///
    /// # Panics
    /// When one is not acknowledged.
    pub fn write(&self, topic: &str, records: &[Record]) {
        self.write_as(&["write", &self.inner(), topic], records);
    }

    /// Writes these records in a transaction, and commits or aborts it.
    ///
    /// # Panics
    /// When that fails.
    pub fn transact(&self, topic: &str, records: &[Record], commit: bool) {
        let end = if commit { "commit" } else { "abort" };
        self.write_as(&["write", &self.inner(), topic, end], records);
    }

    /// The topics that a client of the scenario sees with these settings of kafka-python, such as
    /// `{"security_protocol": "SSL"}`.
    ///
    /// # Errors
    /// What it complains of.
    pub fn topics(&self, settings: &Value) -> Result<Vec<String>, String> {
        let brokers = self.bootstrap();
        let done = self
            .python
            .call(&["topics", &brokers, &settings.to_string()], "");
        match done.status.success() {
            true => Ok(done.stdout.lines().map(str::to_owned).collect()),
            false => Err(done.stderr),
        }
    }

    fn write_as(&self, words: &[&str], records: &[Record]) {
        let lines: Vec<String> = records.iter().map(Record::line).collect();
        self.python.run(words, &lines.join("\n"));
    }
}
