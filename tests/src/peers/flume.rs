//! Real Flume, in two releases that people still run, resolved with Maven.
//!
//! A scenario enters a [`Stage`] with the number of JVMs that it will have at once; see `jvm`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::jvm::{self, LOG4J, Places};
use super::maven::{self, Coordinates};
use crate::agent_file::AgentFile;
use crate::eventually::within;
use crate::ports;
use crate::process::{self, Finished, Process};
use crate::scratch::Scratch;
use crate::skip::Availability;

/// The heap of an agent, in MiB.
const HEAP: u32 = 256;

/// The heap of a measured agent, in MiB.
const MEASURED_HEAP: u32 = 512;

/// How long a JVM may take until its sources listen.
const START: Duration = Duration::from_secs(180);

/// How long Flume's avro-client may take.
const CLIENT: Duration = Duration::from_secs(60);

/// The groups of its modules.
const SOURCES: &str = "org.apache.flume.flume-ng-sources";
const CHANNELS: &str = "org.apache.flume.flume-ng-channels";
const SINKS: &str = "org.apache.flume.flume-ng-sinks";

/// A release of Flume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// 1.8.0 of 2017: avro 1.7.4, netty 3.
    V1_8,
    /// 1.11.0 of 2022, the last release apart from security fixes: avro 1.11, netty 4.
    V1_11,
    /// 1.8.0 with its hdfs sink, which takes its HDFS client from the class path. The client of
    /// Hadoop 3.4.1 works with Flume's guava 11 and protobuf 2.5, because it has its own copies of
    /// both under other names. Only for jackson-core does Maven choose a version that is too old
    /// for the Avro serializer.
    V1_8Hdfs,
    /// 1.8.0 with its Kafka source, channel and sink, whose client is from 2016: 0.9.0.1.
    V1_8Kafka,
    /// 1.11.0 with its Kafka source, channel and sink, whose client is 2.7.2.
    V1_11Kafka,
}

impl Release {
    fn version(self) -> &'static str {
        match self {
            Self::V1_8 => "1.8.0",
            Self::V1_11 => "1.11.0",
            Self::V1_8Hdfs => "1.8.0-hdfs",
            Self::V1_8Kafka => "1.8.0-kafka",
            Self::V1_11Kafka => "1.11.0-kafka",
        }
    }

    /// Its dependencies in the pom, as group, artifact and version.
    fn dependencies(self) -> &'static [Coordinates] {
        match self {
            Self::V1_8 => &[("org.apache.flume", "flume-ng-node", "1.8.0")],
            // Without a logging backend, 1.11 logs nothing.
            Self::V1_11 => &[
                ("org.apache.flume", "flume-ng-node", "1.11.0"),
                ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.17.1"),
                ("org.apache.logging.log4j", "log4j-core", "2.17.1"),
            ],
            Self::V1_8Hdfs => &[
                ("org.apache.flume", "flume-ng-node", "1.8.0"),
                (SINKS, "flume-hdfs-sink", "1.8.0"),
                ("org.apache.hadoop", "hadoop-common", "3.4.1"),
                ("org.apache.hadoop", "hadoop-hdfs-client", "3.4.1"),
                ("com.fasterxml.jackson.core", "jackson-core", "2.12.7"),
            ],
            Self::V1_8Kafka => &[
                ("org.apache.flume", "flume-ng-node", "1.8.0"),
                (SOURCES, "flume-kafka-source", "1.8.0"),
                (CHANNELS, "flume-kafka-channel", "1.8.0"),
                (SINKS, "flume-ng-kafka-sink", "1.8.0"),
            ],
            Self::V1_11Kafka => &[
                ("org.apache.flume", "flume-ng-node", "1.11.0"),
                (SOURCES, "flume-kafka-source", "1.11.0"),
                (CHANNELS, "flume-kafka-channel", "1.11.0"),
                (SINKS, "flume-ng-kafka-sink", "1.11.0"),
                ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.17.1"),
                ("org.apache.logging.log4j", "log4j-core", "2.17.1"),
            ],
        }
    }

    /// The system property that names the logging configuration.
    fn logging(self, folder: &Path) -> String {
        match self {
            Self::V1_8 | Self::V1_8Hdfs | Self::V1_8Kafka => format!(
                "-Dlog4j.configuration=file:{}/log4j.properties",
                folder.display()
            ),
            Self::V1_11 | Self::V1_11Kafka => {
                format!("-Dlog4j2.configurationFile={}/log4j2.xml", folder.display())
            }
        }
    }

    /// The jars, fetched by Maven unless that was already done.
    fn resolve(self) -> Availability<PathBuf> {
        let name = format!("flume-{}", self.version());
        let files = [("log4j.properties", LOG4J), ("log4j2.xml", LOG4J2)];
        maven::resolve(&name, self.dependencies(), &files)
    }
}

const LOG4J2: &str = r#"<Configuration status="WARN">
<Appenders><Console name="out">
<PatternLayout pattern="%d{HH:mm:ss.SSS} %p %c{1}: %m%n"/>
</Console></Appenders>
<Loggers><Root level="INFO"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"#;

/// How the JVMs of a stage are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jvm {
    /// Small and quick to start: scenarios count events, and the machine has other work.
    Small,
    /// As for a busy agent: a heap of 512 MiB, and Java's default garbage collector and compilers.
    /// A peer in a benchmark must not be slowed down.
    Measured,
}

impl Jvm {
    fn command(self) -> Command {
        match self {
            Self::Small => jvm::java(HEAP),
            Self::Measured => jvm::tuned(MEASURED_HEAP),
        }
    }
}

/// A release that is ready to run, and places for its JVMs, held until this is dropped.
pub struct Stage {
    release: Release,
    folder: PathBuf,
    jvm: Jvm,
    _places: Places,
}

impl Stage {
    /// Resolves a release and waits for places for `jvms` at once. A scenario enters only once:
    /// waiting for a second stage while holding a first may deadlock.
    ///
    /// # Panics
    /// When it asks for more places than exist, or its turn does not come.
    #[must_use]
    pub fn enter(release: Release, jvms: usize) -> Availability<Self> {
        release.resolve().map(|folder| Self {
            release,
            folder,
            jvm: Jvm::Small,
            _places: Places::take(jvms),
        })
    }

    /// The same, with another way to start the JVMs.
    #[must_use]
    pub fn jvm(self, jvm: Jvm) -> Self {
        Self { jvm, ..self }
    }

    /// The same places with the jars of another release, for a chain of both. The original stage
    /// holds the places, and so must live as long.
    #[must_use]
    pub fn with(&self, release: Release) -> Availability<Self> {
        Self::with_reserved_place(release, self.jvm)
    }

    /// A release that uses the last of the places that an HDFS or a Kafka has taken.
    pub(super) fn with_reserved_place(release: Release, jvm: Jvm) -> Availability<Self> {
        release.resolve().map(|folder| Self {
            release,
            folder,
            jvm,
            _places: Places::none(),
        })
    }

    /// Starts an agent and waits until it listens on each of `ports`.
    ///
    /// # Panics
    /// When they are not in time.
    #[must_use]
    pub fn start(&self, scratch: &Scratch, name: &str, file: &AgentFile, ports: &[u16]) -> Flume {
        let path = scratch.file(&format!("{name}.properties"), &file.text());
        let mut command = self.java();
        command
            .arg("org.apache.flume.node.Application")
            .args(["-n", file.agent(), "-f"]);
        command.arg(path).arg("--no-reload-conf");
        let (name, logs) = (name.to_owned(), scratch.root().to_path_buf());
        let process = Process::start(&name, &mut command, logs.join(format!("{name}.1.log")));
        let mut flume = Flume {
            name,
            command,
            logs,
            starts: 1,
            ports: ports.to_vec(),
            process,
        };
        flume.await_listening();
        flume
    }

    /// Runs Flume's avro-client on a file of lines.
    ///
    /// # Panics
    /// When it does not end in time.
    #[must_use]
    pub fn avro_client(&self, port: u16, file: &Path, more: &[&str]) -> Finished {
        let mut command = self.java();
        command
            .arg("org.apache.flume.client.avro.AvroCLIClient")
            .args(["-H", "127.0.0.1", "-p"]);
        command.arg(port.to_string()).arg("-F").arg(file).args(more);
        process::run(&mut command, "", CLIENT).expect("Flume's avro-client ends")
    }

    fn java(&self) -> Command {
        let mut command = self.jvm.command();
        command.arg(self.release.logging(&self.folder));
        command.arg("-cp").arg(self.folder.join("lib").join("*"));
        command
    }
}

/// A running Flume agent.
pub struct Flume {
    name: String,
    command: Command,
    logs: PathBuf,
    starts: u32,
    ports: Vec<u16>,
    process: Process,
}

impl Flume {
    /// The process: its log and exit status.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Sends SIGTERM, and waits until it has ended.
    ///
    /// # Panics
    /// When it has not within `patience`.
    pub fn term(&mut self, patience: Duration) {
        self.process.term();
        // Java says 143, whatever was lost.
        self.process.wait(patience);
    }

    /// Starts it again, as it was started, after it has ended.
    ///
    /// # Panics
    /// When it still runs, or does not listen in time.
    pub fn restart(&mut self) {
        assert!(self.process.ended().is_some(), "{} still runs", self.name);
        self.starts += 1;
        let log = self.logs.join(format!("{}.{}.log", self.name, self.starts));
        self.process = Process::start(&self.name, &mut self.command, log);
        self.await_listening();
    }

    fn await_listening(&mut self) {
        for index in 0..self.ports.len() {
            let port = self.ports[index];
            let listens = within(START, || {
                if ports::listening(port) {
                    return Some(true);
                }
                self.process.ended().map(|_| false)
            });
            assert_eq!(
                listens,
                Some(true),
                "{} does not listen on {port}",
                self.name
            );
        }
    }
}
