//! What Kafka's own tools do and say: each call starts a JVM, which takes a second or more.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Cluster, Isolation};
use crate::eventually::eventually;
use crate::process::{self, Finished};

/// The heap of a tool, in MiB.
const HEAP: u32 = 128;

/// How long a tool may take, and the brokers to do what it asked for.
const PATIENCE: Duration = Duration::from_secs(120);

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const CONSOLE: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const REASSIGN: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
const DELETE: &str = "org.apache.kafka.tools.DeleteRecordsCommand";
const ELECT: &str = "org.apache.kafka.tools.LeaderElectionCommand";
const MEASURE: &str = "org.apache.kafka.tools.ProducerPerformance";
const MEASURE_READING: &str = "org.apache.kafka.tools.ConsumerPerformance";

/// How far a group is in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The first offset that is still to be read, if one was committed.
    pub offset: Option<u64>,
    /// The records from there to the end of the partition.
    pub lag: Option<u64>,
    /// The member that has the partition, if one does.
    pub member: Option<String>,
}

impl Cluster {
    /// Makes a topic, with a replica on each node.
    ///
    /// # Panics
    /// When it exists.
    pub fn create(&self, topic: &str, partitions: u32) {
        self.create_with(topic, partitions, &[]);
    }

    /// The same with settings of the topic: `&["max.message.bytes=1000"]`.
    ///
    /// # Panics
    /// When it exists.
    pub fn create_with(&self, topic: &str, partitions: u32, settings: &[&str]) {
        let partitions = partitions.to_string();
        let replicas = if self.nodes() > 2 { "3" } else { "1" };
        let mut words = vec!["--create", "--topic", topic, "--partitions", &partitions];
        words.extend(["--replication-factor", replicas]);
        for setting in settings {
            words.extend(["--config", setting]);
        }
        self.tool(TOPICS, &words);
    }

    /// Deletes a topic with all its records.
    ///
    /// # Panics
    /// When there is none.
    pub fn delete(&self, topic: &str) {
        self.tool(TOPICS, &["--delete", "--topic", topic]);
    }

    /// What a topic looks like to Kafka: a line for it and one for each partition.
    #[must_use]
    pub fn describe(&self, topic: &str) -> String {
        self.tool(TOPICS, &["--describe", "--topic", topic])
    }

    /// Makes a node the leader of a partition, and waits until it is.
    ///
    /// # Panics
    /// When it does not become it.
    pub fn move_leader(&self, topic: &str, partition: u32, to: u32) {
        let mut replicas: Vec<u32> = (1..=3).filter(|node| *node != to).collect();
        // The first one is the leader that Kafka prefers.
        replicas.insert(0, to);
        let plan = json!({
            "version": 1,
            "partitions": [{"topic": topic, "partition": partition, "replicas": replicas}],
        });
        self.tool_with(REASSIGN, &["--execute", "--reassignment-json-file"], &plan);
        let number = partition.to_string();
        let elect = ["--election-type", "preferred", "--topic", topic];
        self.tool(ELECT, &[&elect[..], &["--partition", &number]].concat());
        eventually("the leader has moved", PATIENCE, || {
            (self.leader(topic, partition) == Some(to)).then_some(())
        });
    }

    /// Deletes the records of a partition up to this offset, as they are when their time is over.
    ///
    /// # Panics
    /// When the partition ends before.
    pub fn delete_records(&self, topic: &str, partition: u32, before: u64) {
        let plan = json!({
            "version": 1,
            "partitions": [{"topic": topic, "partition": partition, "offset": before}],
        });
        self.tool_with(DELETE, &["--offset-json-file"], &plan);
    }

    /// How far a group is. A group that nobody has ever joined is nowhere.
    #[must_use]
    pub fn group(&self, group: &str) -> Vec<Progress> {
        let done = self.run_tool(GROUPS, &["--describe", "--group", group]);
        done.stdout.lines().filter_map(Progress::read).collect()
    }

    /// What the console consumer prints of so many records of a topic: partition, offset, headers, key
    /// and value of each.
    ///
    /// # Panics
    /// When there are fewer.
    #[must_use]
    pub fn console(&self, topic: &str, records: usize, isolation: Isolation) -> Vec<String> {
        let count = records.to_string();
        let mut words = vec!["--topic", topic, "--from-beginning"];
        words.extend(["--max-messages", &count, "--timeout-ms", "60000"]);
        words.extend(["--isolation-level", isolation.name()]);
        // Both releases take this older name of the option.
        for what in ["key", "headers", "partition", "offset"] {
            words.extend(["--property", print_of(what)]);
        }
        let said = self.tool(CONSOLE, &words);
        let lines: Vec<String> = said.lines().map(str::to_owned).collect();
        let lines: Vec<String> = lines
            .into_iter()
            .filter(|line| line.starts_with("Partition:"))
            .collect();
        assert_eq!(lines.len(), records, "{said}");
        lines
    }

    /// Writes records as fast as Java's client can, and returns what it says of its speed.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn measure(&self, topic: &str, records: u64, size: u32, settings: &[&str]) -> String {
        let servers = format!("bootstrap.servers={}", self.inner());
        let (records, size) = (records.to_string(), size.to_string());
        let mut words = vec!["--topic", topic, "--num-records", &records];
        words.extend(["--record-size", &size, "--throughput", "-1"]);
        words.extend(["--producer-props", &servers]);
        words.extend(settings);
        let mut command = self.jars.java(HEAP, MEASURE);
        let done = process::run(command.args(&words), "", PATIENCE).expect("a tool of Kafka ends");
        let last = done.stdout.lines().last().unwrap_or_default().to_owned();
        assert!(
            last.contains("records/sec"),
            "{}{}",
            done.stdout,
            done.stderr
        );
        last
    }

    /// Reads records from the beginning of a topic as fast as Java's client can, and returns what it
    /// says of its speed: numbers between commas.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn measure_reading(&self, topic: &str, records: u64) -> String {
        let records = records.to_string();
        let words = ["--topic", topic, "--messages", &records, "--hide-header"];
        let said = self.tool(MEASURE_READING, &words);
        said.lines().last().unwrap_or_default().to_owned()
    }

    /// Runs a tool whose last word is a file with this.
    fn tool_with(&self, class: &str, words: &[&str], plan: &Value) {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), plan.to_string()).expect("a temporary file");
        let path = file.path().display().to_string();
        self.tool(class, &[words, &[&path]].concat());
    }

    fn tool(&self, class: &str, words: &[&str]) -> String {
        let done = self.run_tool(class, words);
        let said = format!("{}{}", done.stdout, done.stderr);
        assert!(done.status.success(), "{class} {words:?}: {said}");
        done.stdout
    }

    fn run_tool(&self, class: &str, words: &[&str]) -> Finished {
        let mut command = self.jars.java(HEAP, class);
        command.args(["--bootstrap-server", &self.inner()]);
        process::run(command.args(words), "", PATIENCE).expect("a tool of Kafka ends")
    }
}

fn print_of(what: &str) -> &'static str {
    match what {
        "key" => "print.key=true",
        "headers" => "print.headers=true",
        "partition" => "print.partition=true",
        _ => "print.offset=true",
    }
}

impl Progress {
    /// `g1 t1 0 2 100 98 - - -`: group, topic, partition, offset, end, lag, member, …
    fn read(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, topic, partition, offset, _, lag, member, ..] = words[..] else {
            return None;
        };
        Some(Self {
            topic: topic.to_owned(),
            partition: partition.parse().ok()?,
            offset: offset.parse().ok(),
            lag: lag.parse().ok(),
            member: (member != "-").then(|| member.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_tool_is_read() {
        let read = Progress::read("g1 t1 0 2 100 98 - - -").expect("a partition");
        assert_eq!(
            (read.offset, read.lag, read.member),
            (Some(2), Some(98), None)
        );
        let head = "GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST";
        assert_eq!(Progress::read(head), None);
        let fresh = Progress::read("g1 t1 0 - 100 - c-1 /127.0.0.1 c").expect("a partition");
        assert_eq!((fresh.offset, fresh.lag), (None, None));
        assert_eq!(fresh.member.as_deref(), Some("c-1"));
    }
}
