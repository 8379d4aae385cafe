//! Writes an agent's properties file: the same text for Flume and for the host.
//!
//! Has only what the scenarios share: every source feeds all channels, and a sink drains the first
//! channel, unless set otherwise. Files whose wording matters are data (`tests/data`), not built
//! here.

use std::fmt::Write as _;
use std::path::Path;

/// What Flume calls its Kafka types: by their classes alone.
const KAFKA_SOURCE: &str = "org.apache.flume.source.kafka.KafkaSource";
const KAFKA_CHANNEL: &str = "org.apache.flume.channel.kafka.KafkaChannel";
const KAFKA_SINK: &str = "org.apache.flume.sink.kafka.KafkaSink";

/// A builder for a properties file.
pub struct AgentFile {
    agent: String,
    sources: Vec<String>,
    channels: Vec<String>,
    sinks: Vec<String>,
    text: String,
}

impl AgentFile {
    /// An agent without components.
    #[must_use]
    pub fn new(agent: &str) -> Self {
        Self {
            agent: agent.to_owned(),
            sources: Vec::new(),
            channels: Vec::new(),
            sinks: Vec::new(),
            text: String::new(),
        }
    }

    /// The agent's name, for `-n`.
    #[must_use]
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// One key below the agent's name.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        writeln!(self.text, "{}.{key} = {value}", self.agent).expect("a string takes any text");
        self
    }

    /// A memory channel with a keep-alive of one second.
    #[must_use]
    pub fn memory(mut self, name: &str, capacity: u32, transaction: u32) -> Self {
        self.channels.push(name.to_owned());
        self.set(&format!("channels.{name}.type"), "memory")
            .set(&format!("channels.{name}.capacity"), capacity)
            .set(&format!("channels.{name}.transactionCapacity"), transaction)
            .set(&format!("channels.{name}.keep-alive"), 1)
    }

    /// A file channel in this folder, with Flume's default capacities and a keep-alive of one second.
    #[must_use]
    pub fn file_channel(self, name: &str, folder: &Path) -> Self {
        let data = folder.join("data").display().to_string();
        self.file_channel_in(name, &folder.join("checkpoint"), &data)
    }

    /// The same with these `dataDirs`.
    #[must_use]
    pub fn file_channel_in(mut self, name: &str, checkpoint: &Path, data: &str) -> Self {
        self.channels.push(name.to_owned());
        let checkpoint = checkpoint.display();
        self.set(&format!("channels.{name}.type"), "file")
            .set(&format!("channels.{name}.checkpointDir"), checkpoint)
            .set(&format!("channels.{name}.dataDirs"), data)
            .set(&format!("channels.{name}.minimumRequiredSpace"), 1 << 20)
            .set(&format!("channels.{name}.keep-alive"), 1)
    }

    /// A spillable channel in this folder, with so many events in memory, that waits so many seconds before
    /// it spills.
    #[must_use]
    pub fn spillable(mut self, name: &str, folder: &Path, memory: u32, timeout: u32) -> Self {
        self.channels.push(name.to_owned());
        let [checkpoint, data] = ["checkpoint", "data"].map(|part| folder.join(part));
        self.set(&format!("channels.{name}.type"), "SPILLABLEMEMORY")
            .set(
                &format!("channels.{name}.checkpointDir"),
                checkpoint.display(),
            )
            .set(&format!("channels.{name}.dataDirs"), data.display())
            .set(&format!("channels.{name}.minimumRequiredSpace"), 1 << 20)
            .set(&format!("channels.{name}.memoryCapacity"), memory)
            .set(&format!("channels.{name}.overflowTimeout"), timeout)
    }

    /// A memory channel with Flume's defaults: places for 100 events, 100 in a transaction.
    #[must_use]
    pub fn plain_memory(mut self, name: &str) -> Self {
        self.channels.push(name.to_owned());
        self.set(&format!("channels.{name}.type"), "memory")
    }

    /// A netcat source on the loopback interface.
    #[must_use]
    pub fn netcat(self, name: &str, port: u16) -> Self {
        self.source(name, "netcat", port)
    }

    /// An avro source on the loopback interface.
    #[must_use]
    pub fn avro_source(self, name: &str, port: u16) -> Self {
        self.source(name, "avro", port)
    }

    /// An avro sink to a loopback port.
    #[must_use]
    pub fn avro_sink(self, name: &str, port: u16, batch: u32) -> Self {
        self.sink(name, "avro")
            .set(&format!("sinks.{name}.hostname"), "127.0.0.1")
            .set(&format!("sinks.{name}.port"), port)
            .set(&format!("sinks.{name}.batch-size"), batch)
    }

    /// A sink that writes each body as a line to one file in an existing folder.
    #[must_use]
    pub fn file_roll(self, name: &str, folder: &Path, batch: u32) -> Self {
        self.sink(name, "file_roll")
            .set(&format!("sinks.{name}.sink.directory"), folder.display())
            .set(&format!("sinks.{name}.sink.rollInterval"), 0)
            .set(&format!("sinks.{name}.sink.batchSize"), batch)
    }

    /// A bucket writer of plain lines below an address. The scenario sets when a file ends:
    /// [`Self::rolls`].
    #[must_use]
    pub fn lines_in(self, name: &str, path: &str, batch: u32) -> Self {
        self.bucket(name, path, batch)
            .set(&format!("sinks.{name}.hdfs.fileType"), "DataStream")
    }

    /// A bucket writer in Flume's default format: sequence files.
    #[must_use]
    pub fn bucket(self, name: &str, path: &str, batch: u32) -> Self {
        self.sink(name, "hdfs")
            .set(&format!("sinks.{name}.hdfs.path"), path)
            .set(&format!("sinks.{name}.hdfs.batchSize"), batch)
    }

    /// When a file of a bucket writer ends: after these seconds, bytes and events; 0 is never.
    #[must_use]
    pub fn rolls(self, name: &str, seconds: u32, bytes: u64, events: u64) -> Self {
        self.set(&format!("sinks.{name}.hdfs.rollInterval"), seconds)
            .set(&format!("sinks.{name}.hdfs.rollSize"), bytes)
            .set(&format!("sinks.{name}.hdfs.rollCount"), events)
    }

    /// Several keys below a sink.
    #[must_use]
    pub fn sink_keys(mut self, name: &str, keys: &[(&str, &str)]) -> Self {
        for (key, value) in keys {
            self = self.set(&format!("sinks.{name}.{key}"), value);
        }
        self
    }

    /// A stress source: equal events, as fast as possible.
    #[must_use]
    pub fn stress(mut self, name: &str, size: u32, batch: u32) -> Self {
        self.sources.push(name.to_owned());
        self.set(&format!("sources.{name}.type"), "stress")
            .set(&format!("sources.{name}.size"), size)
            .set(&format!("sources.{name}.batchSize"), batch)
    }

    /// Gives the events of a source the header that hostile guests wait for, since no trial makes it
    /// up, before these interceptors.
    #[must_use]
    pub fn attacking(self, source: &str, interceptors: &str) -> Self {
        let key = format!("sources.{source}.interceptors");
        self.set(&key, format!("attack {interceptors}").trim_end())
            .set(&format!("{key}.attack.type"), "static")
            .set(&format!("{key}.attack.key"), "attack")
            .set(&format!("{key}.attack.value"), "now!")
    }

    /// A null sink.
    #[must_use]
    pub fn null(self, name: &str, batch: u32) -> Self {
        self.sink(name, "null")
            .set(&format!("sinks.{name}.batchSize"), batch)
            // Flume reads an int, and leaves out a sink whose number does not fit.
            .set(&format!("sinks.{name}.logEveryNEvents"), i32::MAX)
    }

    /// A logger sink.
    #[must_use]
    pub fn logger(self, name: &str) -> Self {
        self.sink(name, "logger")
    }

    /// A Kafka sink, by the name that Flume has for it, which ours knows too. A record is acknowledged
    /// when all replicas that are in step have it.
    #[must_use]
    pub fn kafka_sink(self, name: &str, brokers: &str, topic: &str, batch: u32) -> Self {
        self.sink(name, KAFKA_SINK)
            .set(&format!("sinks.{name}.kafka.bootstrap.servers"), brokers)
            .set(&format!("sinks.{name}.kafka.topic"), topic)
            .set(&format!("sinks.{name}.kafka.producer.acks"), "all")
            .set(&format!("sinks.{name}.flumeBatchSize"), batch)
    }

    /// A Kafka source, by Flume's name, that reads topics from their beginning as a member of a group.
    #[must_use]
    pub fn kafka_source(mut self, name: &str, brokers: &str, topics: &str, group: &str) -> Self {
        self.sources.push(name.to_owned());
        let key = format!("sources.{name}");
        self.set(&format!("{key}.type"), KAFKA_SOURCE)
            .set(&format!("{key}.kafka.bootstrap.servers"), brokers)
            .set(&format!("{key}.kafka.topics"), topics)
            .set(&format!("{key}.kafka.consumer.group.id"), group)
            .set(
                &format!("{key}.kafka.consumer.auto.offset.reset"),
                "earliest",
            )
            .set(&format!("{key}.batchDurationMillis"), 200)
    }

    /// A Kafka channel, by Flume's name, in a topic that a group reads.
    #[must_use]
    pub fn kafka_channel(mut self, name: &str, brokers: &str, topic: &str, group: &str) -> Self {
        self.channels.push(name.to_owned());
        let key = format!("channels.{name}");
        self.set(&format!("{key}.type"), KAFKA_CHANNEL)
            .set(&format!("{key}.kafka.bootstrap.servers"), brokers)
            .set(&format!("{key}.kafka.topic"), topic)
            .set(&format!("{key}.kafka.consumer.group.id"), group)
    }

    /// The same file without the keys that begin so.
    #[must_use]
    pub fn without(mut self, begin: &str) -> Self {
        let begin = format!("{}.{begin}", self.agent);
        let kept = self.text.lines().filter(|line| !line.starts_with(&begin));
        self.text = kept.map(|line| format!("{line}\n")).collect();
        self
    }

    /// The same file with the short names of the Kafka types, which Flume does not know.
    #[must_use]
    pub fn with_short_names(mut self) -> Self {
        for name in [KAFKA_SOURCE, KAFKA_CHANNEL, KAFKA_SINK] {
            self.text = self.text.replace(name, "kafka");
        }
        self
    }

    /// A sink that puts its events into this channel: the spare of a group.
    #[must_use]
    pub fn spare(self, name: &str, spill: &str) -> Self {
        self.sink(name, "channel")
            .set(&format!("sinks.{name}.to"), spill)
    }

    /// A group `g1` of these sinks, with keys of its processor.
    #[must_use]
    pub fn group(self, sinks: &str, keys: &[(&str, &str)]) -> Self {
        let file = self
            .set("sinkgroups", "g1")
            .set("sinkgroups.g1.sinks", sinks);
        keys.iter().fold(file, |file, (key, value)| {
            file.set(&format!("sinkgroups.g1.processor.{key}"), value)
        })
    }

    /// A balanced group `g1` of two null sinks, `k1` and `k2`, with weights 3 and 1 for its policy.
    #[must_use]
    pub fn weighted_group(self, selector: &str) -> Self {
        let mut file = self;
        for (name, weight) in [("k1", 3), ("k2", 1)] {
            file = file
                .sink(name, "null")
                .set(&format!("sinks.{name}.batchSize"), 1)
                .set(&format!("sinks.{name}.weight"), weight);
        }
        file.set("sinkgroups", "g1")
            .set("sinkgroups.g1.sinks", "k1 k2")
            .set("sinkgroups.g1.processor.type", "load_balance")
            .set("sinkgroups.g1.processor.selector", selector)
    }

    /// The channel that a sink drains, in place of the first.
    #[must_use]
    pub fn drains(self, sink: &str, channel: &str) -> Self {
        self.set(&format!("sinks.{sink}.channel"), channel)
    }

    /// The channels that a source feeds, in place of all.
    #[must_use]
    pub fn feeds(self, source: &str, channels: &str) -> Self {
        self.set(&format!("sources.{source}.channels"), channels)
    }

    /// The whole file.
    #[must_use]
    pub fn text(&self) -> String {
        let agent = &self.agent;
        let mut text = format!(
            "{agent}.sources = {}\n{agent}.channels = {}\n{agent}.sinks = {}\n{}",
            self.sources.join(" "),
            self.channels.join(" "),
            self.sinks.join(" "),
            self.text
        );
        let first = self.channels.first().map_or("", String::as_str);
        let sources = self
            .sources
            .iter()
            .map(|name| (format!("sources.{name}.channels"), true));
        let sinks = self
            .sinks
            .iter()
            .map(|name| (format!("sinks.{name}.channel"), false));
        for (key, all) in sources.chain(sinks) {
            if !self.text.contains(&format!("{agent}.{key} = ")) {
                let value = if all {
                    self.channels.join(" ")
                } else {
                    first.to_owned()
                };
                writeln!(text, "{agent}.{key} = {value}").expect("a string takes any text");
            }
        }
        text
    }

    fn source(mut self, name: &str, kind: &str, port: u16) -> Self {
        self.sources.push(name.to_owned());
        self.set(&format!("sources.{name}.type"), kind)
            .set(&format!("sources.{name}.bind"), "127.0.0.1")
            .set(&format!("sources.{name}.port"), port)
    }

    fn sink(mut self, name: &str, kind: &str) -> Self {
        self.sinks.push(name.to_owned());
        self.set(&format!("sinks.{name}.type"), kind)
    }
}
