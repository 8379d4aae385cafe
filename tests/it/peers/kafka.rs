//! Kafka: real brokers, with real Flume and other clients beside our agent.

mod channel;
mod faults;
mod fleet;
mod flume;
mod harness;
mod placed;
mod real;
mod refused;
mod security;
mod sink;
mod source;

use std::path::Path;
use std::time::Duration;

use flume_tests::{AgentFile, Cluster};

/// How long everything may take to arrive, faults included.
const PATIENCE: Duration = Duration::from_secs(180);

/// The events of a scenario that counts under load.
const EVENTS: u64 = 100_000;

/// The batch of a sink under load.
const BATCH: u32 = 1_000;

/// Lines, and a Kafka sink. Its channel has room for all events of a scenario.
fn sender(cluster: &Cluster, input: u16, topic: &str) -> AgentFile {
    AgentFile::new("a1")
        .memory("c1", 120_000, 1_000)
        .netcat("r1", input)
        .kafka_sink("k1", &cluster.bootstrap(), topic, BATCH)
}

/// A Kafka source, and files.
fn receiver(cluster: &Cluster, topic: &str, group: &str, folder: &Path) -> AgentFile {
    AgentFile::new("a1")
        .memory("c1", 10_000, 1_000)
        .kafka_source("r1", &cluster.bootstrap(), topic, group)
        .file_roll("k1", folder, 100)
}

/// Lines, a Kafka channel, and files.
fn through(cluster: &Cluster, input: u16, topic: &str, folder: &Path) -> AgentFile {
    AgentFile::new("a1")
        .kafka_channel("c1", &cluster.bootstrap(), topic, "g1")
        .netcat("r1", input)
        .file_roll("k1", folder, 100)
}
