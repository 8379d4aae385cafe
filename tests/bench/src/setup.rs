//! The files of the agents under test: one text for `flume-host` and for Flume.

use flume_tests::AgentFile;

use crate::load::Shape;
use crate::run::Feed;

/// The longest line, its end included, that a netcat source takes by default.
const USUAL_LINE: usize = 512;

/// The memory channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Flume's defaults: 100 events.
    Default,
    /// For throughput: capacity 100000, transactionCapacity 10000.
    Tuned,
    /// On the disk.
    File,
    /// A topic.
    Kafka,
}

/// The task of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The events, and how they travel.
    pub shape: Shape,
    /// What is between source and sink.
    pub channel: Channel,
}

impl Setup {
    /// An agent without source and sink.
    fn agent(self) -> AgentFile {
        let file = AgentFile::new("a1").plain_memory("c1");
        match self.channel {
            Channel::Default | Channel::File | Channel::Kafka => file,
            Channel::Tuned => file
                .set("channels.c1.capacity", 100_000)
                .set("channels.c1.transactionCapacity", 10_000),
        }
    }

    /// An agent with a netcat source.
    #[must_use]
    pub fn netcat(self, input: u16) -> AgentFile {
        let mut file = self.agent().netcat("r1", input);
        if !self.shape.ack {
            file = file.set("sources.r1.ack-every-event", false);
        }
        if self.shape.size >= USUAL_LINE {
            file = file.set("sources.r1.max-line-length", self.shape.size + 1);
        }
        file
    }

    /// netcat → memory → null.
    #[must_use]
    pub fn to_null(self, input: u16) -> AgentFile {
        self.netcat(input).null("k1", self.shape.batch)
    }

    /// netcat → memory → avro.
    #[must_use]
    pub fn to_avro(self, input: u16, output: u16) -> AgentFile {
        self.netcat(input).avro_sink("k1", output, self.shape.batch)
    }

    /// avro → memory → avro.
    #[must_use]
    pub fn relay(self, input: u16, output: u16) -> AgentFile {
        self.agent()
            .avro_source("r1", input)
            .avro_sink("k1", output, self.shape.batch)
    }

    /// netcat or avro → memory → kafka.
    #[must_use]
    pub fn to_kafka(self, feed: Feed, input: u16, brokers: &str, topic: &str) -> AgentFile {
        let file = match feed {
            Feed::Netcat => self.netcat(input),
            Feed::Avro => self.agent().avro_source("r1", input),
        };
        file.kafka_sink("k1", brokers, topic, self.shape.batch)
    }

    /// kafka → memory → null. A source that found nothing looks again at once.
    #[must_use]
    pub fn from_kafka(self, brokers: &str, topic: &str, group: &str) -> AgentFile {
        self.agent()
            .kafka_source("r1", brokers, topic, group)
            .set("sources.r1.batchSize", self.shape.batch)
            .set("sources.r1.backoffSleepIncrement", 10)
            .set("sources.r1.maxBackoffSleep", 10)
            .null("k1", self.shape.batch)
    }

    /// avro → kafka channel → avro.
    #[must_use]
    pub fn through_kafka(self, input: u16, brokers: &str, topic: &str, output: u16) -> AgentFile {
        AgentFile::new("a1")
            .kafka_channel("c1", brokers, topic, topic)
            .avro_source("r1", input)
            .avro_sink("k1", output, self.shape.batch)
    }

    /// avro → memory → null: receives a sink's batches.
    #[must_use]
    pub fn collector(self, input: u16) -> AgentFile {
        self.agent()
            .avro_source("r1", input)
            .null("k1", self.shape.batch)
    }

    /// netcat → memory → a balanced group of avro sinks, with a given number of batches in flight.
    #[must_use]
    pub fn balanced(self, input: u16, outputs: &[u16], parallelism: usize) -> AgentFile {
        let mut file = self.netcat(input);
        let names: Vec<String> = (1..=outputs.len()).map(|at| format!("k{at}")).collect();
        for (name, port) in names.iter().zip(outputs) {
            file = file.avro_sink(name, *port, self.shape.batch);
        }
        if outputs.len() > 1 {
            file = file
                .set("sinkgroups", "g1")
                .set("sinkgroups.g1.sinks", names.join(" "))
                .set("sinkgroups.g1.processor.type", "load_balance")
                .set("sinkgroups.g1.processor.backoff", true);
        }
        if parallelism > 1 {
            file = file.set("sinkgroups.g1.processor.parallelism", parallelism);
        }
        file
    }

    /// Its description in a heading.
    #[must_use]
    pub fn described(self) -> String {
        let Shape {
            size,
            batch,
            ack,
            connections,
        } = self.shape;
        let connections = match connections {
            1 => String::new(),
            some => format!(", {some} connections"),
        };
        let ack = if ack { "ack per line" } else { "no acks" };
        let channel = match self.channel {
            Channel::Default => "default channel (100 events)",
            Channel::Tuned => "channel 100000/10000",
            Channel::File => "file channel, a sync before each answer",
            Channel::Kafka => "kafka channel",
        };
        format!("{size} B, batch {batch}{connections}, {ack}, {channel}")
    }
}
