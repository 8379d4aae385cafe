//! Real Flume, both releases that people still run, resolved with Maven.
//!
//! JVMs are heavy for a small machine, so a scenario enters a [`Stage`] with the number of JVMs
//! that it will have at once. The places are files with locks, because scenarios may run in
//! several processes; all places of one scenario are taken in one go, so that two scenarios never
//! wait for each other's.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{FETCH, cached, complaint, lock};
use crate::agent_file::AgentFile;
use crate::eventually::within;
use crate::process::{self, Finished, Process};
use crate::scratch::Scratch;
use crate::skip::Availability;
use crate::{ports, target};

/// JVMs that may run at once, in all scenarios together.
const PLACES: usize = 2;

/// How long a scenario may wait for its places: until all that are before it have ended.
const TURN: Duration = Duration::from_secs(1_800);

/// How long a JVM may take until its sources listen.
const START: Duration = Duration::from_secs(60);

/// How long Flume's avro-client may take.
const CLIENT: Duration = Duration::from_secs(60);

/// A release of Flume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// 1.8.0 of 2017: avro 1.7.4, netty 3.
    V1_8,
    /// 1.11.0 of 2022, the last but for security fixes: avro 1.11, netty 4.
    V1_11,
}

impl Release {
    fn version(self) -> &'static str {
        match self {
            Self::V1_8 => "1.8.0",
            Self::V1_11 => "1.11.0",
        }
    }

    /// What its pom names, as group, artifact and version.
    fn dependencies(self) -> &'static [(&'static str, &'static str, &'static str)] {
        match self {
            Self::V1_8 => &[("org.apache.flume", "flume-ng-node", "1.8.0")],
            // Without a logging backend 1.11 says nothing at all.
            Self::V1_11 => &[
                ("org.apache.flume", "flume-ng-node", "1.11.0"),
                ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.17.1"),
                ("org.apache.logging.log4j", "log4j-core", "2.17.1"),
            ],
        }
    }

    /// The system property that names the logging configuration.
    fn logging(self, folder: &Path) -> String {
        match self {
            Self::V1_8 => format!(
                "-Dlog4j.configuration=file:{}/log4j.properties",
                folder.display()
            ),
            Self::V1_11 => format!("-Dlog4j2.configurationFile={}/log4j2.xml", folder.display()),
        }
    }

    /// The jars, fetched by Maven if they were not before.
    fn resolve(self) -> Availability<PathBuf> {
        let version = self.version();
        cached(&format!("flume-{version}"), "java", |folder| {
            let write = |name: &str, text: &str| {
                std::fs::write(folder.join(name), text).map_err(|err| err.to_string())
            };
            write("pom.xml", &self.pom())?;
            write("log4j.properties", LOG4J)?;
            write("log4j2.xml", LOG4J2)?;
            let mut maven = Command::new("mvn");
            maven
                .current_dir(folder)
                .args(["-q", "-B", "dependency:copy-dependencies"]);
            maven.args(["-DoutputDirectory=lib", "-DincludeScope=runtime"]);
            let resolved = process::run(&mut maven, "", FETCH)?;
            match resolved.status.success() {
                true => Ok(()),
                false => Err(complaint("mvn", &(resolved.stdout + &resolved.stderr))),
            }
        })
    }

    fn pom(self) -> String {
        let dependency = |(group, artifact, version): &(&str, &str, &str)| {
            format!(
                "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
                 <version>{version}</version></dependency>\n"
            )
        };
        let dependencies: String = self.dependencies().iter().map(dependency).collect();
        format!(
            "<project><modelVersion>4.0.0</modelVersion>\n<groupId>peers</groupId>\
             <artifactId>flume</artifactId><version>1</version><packaging>pom</packaging>\n\
             <dependencies>\n{dependencies}</dependencies></project>\n"
        )
    }
}

const LOG4J: &str = "log4j.rootLogger = INFO, out\n\
    log4j.appender.out = org.apache.log4j.ConsoleAppender\n\
    log4j.appender.out.layout = org.apache.log4j.PatternLayout\n\
    log4j.appender.out.layout.ConversionPattern = %d{HH:mm:ss.SSS} %p %c{1}: %m%n\n";

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
    /// Small and quickly up: scenarios count events, and the machine has other things to do.
    Small,
    /// As for a busy agent: a heap of 512 MiB, and Java's own choice of collector and compilers.
    /// Whatever is measured beside us must not be held back.
    Measured,
}

impl Jvm {
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Small => &["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
            Self::Measured => &["-Xmx512m"],
        }
    }
}

/// A release that is ready to run, and places for its JVMs until this is dropped.
pub struct Stage {
    release: Release,
    folder: PathBuf,
    jvm: Jvm,
    _places: Vec<File>,
}

impl Stage {
    /// Resolves a release and waits for places for `jvms` at once. A scenario enters once: one
    /// that waits for a second stage with a first in hand may wait for ever.
    ///
    /// # Panics
    /// When it asks for more places than there are, or its turn does not come.
    #[must_use]
    pub fn enter(release: Release, jvms: usize) -> Availability<Self> {
        assert!(jvms <= PLACES, "{jvms} JVMs at once, {PLACES} are allowed");
        release.resolve().map(|folder| Self {
            release,
            folder,
            jvm: Jvm::Small,
            _places: places(jvms),
        })
    }

    /// The same with JVMs that are started in another way.
    #[must_use]
    pub fn jvm(self, jvm: Jvm) -> Self {
        Self { jvm, ..self }
    }

    /// The same places with the jars of another release, for a chain of both. The stage that it is
    /// made from keeps the places, and so must live as long.
    #[must_use]
    pub fn with(&self, release: Release) -> Availability<Self> {
        release.resolve().map(|folder| Self {
            release,
            folder,
            jvm: self.jvm,
            _places: Vec::new(),
        })
    }

    /// Starts an agent and waits until each of `ports` is listened on.
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
    /// When it has no end.
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
        let mut command = Command::new("java");
        command.args(self.jvm.options());
        // Flume decodes its files, and 1.8 some bodies, in the platform's encoding.
        command
            .arg("-Dfile.encoding=UTF-8")
            .arg(self.release.logging(&self.folder));
        command.arg("-cp").arg(self.folder.join("lib").join("*"));
        command
    }
}

/// Takes `count` places, all or none.
fn places(count: usize) -> Vec<File> {
    let folder = target::peers();
    // Who holds the door is the only one that collects places, so nobody holds some and waits.
    let door = lock(&folder.join("jvm-door.lock"), TURN).expect("the turn of this scenario comes");
    let mut taken: Vec<(usize, File)> = Vec::new();
    let all = within(TURN, || {
        for number in 0..PLACES {
            let held = taken.iter().any(|(place, _)| *place == number);
            let path = folder.join(format!("jvm-{number}.lock"));
            if taken.len() < count && !held {
                taken.extend(lock(&path, Duration::ZERO).map(|file| (number, file)));
            }
        }
        (taken.len() == count).then_some(())
    });
    drop(door);
    assert!(all.is_some(), "no place for {count} JVMs within {TURN:?}");
    taken.into_iter().map(|(_, file)| file).collect()
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
    /// The process: its log, how it ended.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.process.kill();
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
