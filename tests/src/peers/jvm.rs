//! The JVMs of peers: how many may run at once, and how each is started.
//!
//! JVMs are heavy for a small machine, so a scenario takes one place for each JVM that it runs at
//! the same time. The places are files with locks, because scenarios may run in several processes.
//! A scenario takes all of its places at once, so that two scenarios never wait for each other's.

use std::fs::File;
use std::process::Command;
use std::time::Duration;

use super::lock;
use crate::eventually::within;
use crate::target;

/// The most JVMs that run at once, in all scenarios together: a fleet of two senders and two
/// collectors. The HDFS that scenarios share is not included.
pub(super) const PLACES: usize = 4;

/// How long a scenario may wait for its places: all earlier ones may have to end first.
const TURN: Duration = Duration::from_secs(1_800);

/// The log configuration of each JVM: to standard error, because the standard output of some is
/// read.
pub(super) const LOG4J: &str = "log4j.rootLogger = INFO, out\n\
    log4j.appender.out = org.apache.log4j.ConsoleAppender\n\
    log4j.appender.out.target = System.err\n\
    log4j.appender.out.layout = org.apache.log4j.PatternLayout\n\
    log4j.appender.out.layout.ConversionPattern = %d{HH:mm:ss.SSS} %p %c{1}: %m%n\n";

/// Places for JVMs, held until this is dropped.
pub(super) struct Places(#[expect(dead_code, reason = "held, never read")] Vec<File>);

impl Places {
    /// No places, for a process that uses the places of another.
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    /// Takes `count` places, all or none. A scenario takes its places only once: waiting for more
    /// while holding some could last for ever.
    pub(super) fn take(count: usize) -> Self {
        assert!(
            count <= PLACES,
            "{count} JVMs at once, {PLACES} are allowed"
        );
        let folder = target::peers();
        // Only the holder of the door lock collects places, so no two scenarios each hold some and
        // wait.
        let door =
            lock(&folder.join("jvm-door.lock"), TURN).expect("the turn of this scenario comes");
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
        Self(taken.into_iter().map(|(_, file)| file).collect())
    }
}

/// `java` with a bound on its memory, and without the compiler that pays off only after minutes.
pub(super) fn java(heap_mib: u32) -> Command {
    let mut command = tuned(heap_mib);
    command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    command
}

/// `java` with the options for measurements.
pub(super) fn tuned(heap_mib: u32) -> Command {
    let mut command = Command::new("java");
    command.arg(format!("-Xmx{heap_mib}m"));
    // Files and some bodies are decoded in the platform's encoding.
    command.arg("-Dfile.encoding=UTF-8");
    command
}
