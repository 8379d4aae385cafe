//! Real Kafka brokers from Maven: 4.4.0, one node or three, and 3.9.1, to which old clients speak.
//!
//! Each node is broker and controller. The clients of a scenario have a listener of their own, which
//! may want TLS or a password (`kafka/setup.rs`); the brokers among themselves and the tools of the
//! harness have a plain one. Records are read back by `kcat` and by kafka-python
//! (`kafka/records.rs`), which shares no code with the client of our agent.

mod cluster;
mod kcat;
mod records;
mod setup;
mod tools;

use std::path::{Path, PathBuf};
use std::process::Command;

use super::flume::{Jvm, Release, Stage};
use super::jvm::{self, Places};
use super::maven::{self, Coordinates};
use crate::scratch::Scratch;
use crate::skip::Availability;

pub use cluster::Cluster;
pub use records::{Isolation, Record};
pub use setup::{Login, Setup};
pub use tools::Progress;

use kcat::Kcat;
use records::KafkaPython;

/// A release of Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brokers {
    /// 3.9.1, the last line that still answers clients from before 2018.
    V3_9,
    /// 4.4.0.
    V4_4,
}

/// The heap of a node or tool that is measured, in MiB.
const MEASURED_HEAP: u32 = 512;

const LOG4J2: &str = "status = warn\n\
    appender.out.type = Console\n\
    appender.out.name = out\n\
    appender.out.target = SYSTEM_ERR\n\
    appender.out.layout.type = PatternLayout\n\
    appender.out.layout.pattern = %d{HH:mm:ss.SSS} %p %c{1}: %m%n\n\
    rootLogger.level = info\n\
    rootLogger.appenderRef.out.ref = out\n\
    logger.config.name = org.apache.kafka.common.config.AbstractConfig\n\
    logger.config.level = warn\n";

/// The last logger lists each of hundreds of settings.
const LOG4J: &str = "log4j.rootLogger = INFO, out\n\
    log4j.appender.out = org.apache.log4j.ConsoleAppender\n\
    log4j.appender.out.target = System.err\n\
    log4j.appender.out.layout = org.apache.log4j.PatternLayout\n\
    log4j.appender.out.layout.ConversionPattern = %d{HH:mm:ss.SSS} %p %c{1}: %m%n\n\
    log4j.logger.kafka.server.KafkaConfig = WARN\n\
    log4j.logger.org.apache.kafka.common.config.AbstractConfig = WARN\n";

impl Brokers {
    fn version(self) -> &'static str {
        match self {
            Self::V3_9 => "3.9.1",
            Self::V4_4 => "4.4.0",
        }
    }

    fn dependencies(self) -> &'static [Coordinates] {
        match self {
            Self::V3_9 => &[
                ("org.apache.kafka", "kafka_2.13", "3.9.1"),
                ("org.apache.kafka", "kafka-tools", "3.9.1"),
            ],
            // It comes without a logging backend, and with version 1.7 of what that implements.
            Self::V4_4 => &[
                ("org.apache.kafka", "kafka_2.13", "4.4.0"),
                ("org.apache.kafka", "kafka-tools", "4.4.0"),
                ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3"),
                ("org.apache.logging.log4j", "log4j-core", "2.24.3"),
            ],
        }
    }

    fn resolve(self) -> Availability<PathBuf> {
        let files = [("log4j.properties", LOG4J), ("log4j2.properties", LOG4J2)];
        maven::resolve(
            &format!("kafka-{}", self.version()),
            self.dependencies(),
            &files,
        )
    }

    /// The system property that names the logging configuration.
    fn logging(self, folder: &Path) -> String {
        let folder = folder.display();
        match self {
            Self::V3_9 => format!("-Dlog4j.configuration=file:{folder}/log4j.properties"),
            Self::V4_4 => format!("-Dlog4j2.configurationFile={folder}/log4j2.properties"),
        }
    }
}

/// The jars of a release: how its programs are run.
#[derive(Clone)]
struct Jars {
    release: Brokers,
    folder: PathBuf,
    jvm: Jvm,
}

impl Jars {
    /// A class of Kafka, with a heap of so many MiB, or more where it is measured.
    fn java(&self, heap_mib: u32, class: &str) -> Command {
        let mut command = match self.jvm {
            Jvm::Small => jvm::java(heap_mib),
            Jvm::Measured => jvm::tuned(heap_mib.max(MEASURED_HEAP)),
        };
        command.arg(self.release.logging(&self.folder));
        command.arg("-cp").arg(self.folder.join("lib").join("*"));
        command.arg(class);
        command
    }
}

/// Kafka, ready to run, and places for its JVMs, held until this is dropped.
pub struct Kafka {
    jars: Jars,
    kcat: Kcat,
    python: KafkaPython,
    nodes: usize,
    _places: Places,
}

impl Kafka {
    /// Resolves Kafka and its other clients, and waits for the places of so many nodes and of one more
    /// JVM: a tool or a Flume.
    #[must_use]
    pub fn enter(release: Brokers, nodes: usize) -> Availability<Self> {
        match Self::look(release, nodes) {
            Ok(kafka) => Availability::Ready(kafka),
            Err(why) => Availability::Missing(why),
        }
    }

    fn look(release: Brokers, nodes: usize) -> Result<Self, String> {
        let folder = there(release.resolve())?;
        Ok(Self {
            jars: Jars {
                release,
                folder,
                jvm: Jvm::Small,
            },
            kcat: there(Kcat::resolve())?,
            python: there(KafkaPython::resolve())?,
            nodes,
            _places: Places::take(nodes + 1),
        })
    }

    /// The same, with another way to start all JVMs.
    #[must_use]
    pub fn jvm(mut self, jvm: Jvm) -> Self {
        self.jars.jvm = jvm;
        self
    }

    /// Real Flume with its Kafka parts, for the place next to the brokers. One agent at a time.
    #[must_use]
    pub fn flume(&self, release: Release) -> Availability<Stage> {
        Stage::with_reserved_place(release, self.jars.jvm)
    }

    /// Formats and starts the nodes, and waits until each says that it has started.
    ///
    /// # Panics
    /// When one does not in time.
    #[must_use]
    pub fn start(&self, scratch: &Scratch, setup: &Setup) -> Cluster {
        cluster::start(self, scratch, setup)
    }
}

fn there<T>(peer: Availability<T>) -> Result<T, String> {
    match peer {
        Availability::Ready(peer) => Ok(peer),
        Availability::Missing(why) => Err(why),
    }
}
