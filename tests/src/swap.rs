//! What a hot swap adds to latency: events through an agent whose policy's file is overwritten
//! repeatedly.
//!
//! netcat → memory → a group of two `file_roll` sinks, ordered by the policy. Every event has a
//! number. Lines are due at a fixed rate, whether or not the agent keeps up, and a wait is the time
//! from when a line was due to when it could be read in a sink's file: so a pause delays all lines
//! that fall into it, and is not hidden by a sender that pauses too. The first half is without
//! swaps, the second with them. How long the group itself paused for a swap is taken
//! from the agent's log.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::figures::Waits;
use crate::host::Host;
use crate::tally::{self, Tally};
use crate::{AgentFile, Scratch, ports};

/// Lines that are written at once.
const CHUNK: u64 = 100;

/// The log's text about a swap, before its duration.
const SWAPPED: &str = "policy swapped";

/// How long to wait for lines that were sent.
const PATIENCE: Duration = Duration::from_secs(30);

/// The settings of a measurement.
#[derive(Clone, Debug)]
pub struct Load {
    /// Lines per second.
    pub rate: u64,
    /// Seconds without swaps, and with.
    pub seconds: u64,
    /// The least time between two writes of the file: the agent checks it twice a second.
    pub between: Duration,
    /// The policies that are swapped in turn; the first one begins.
    pub policies: [PathBuf; 2],
}

/// The result.
#[derive(Debug)]
pub struct Outcome {
    /// Each event's arrivals.
    pub tally: Tally,
    /// Waits before the first swap.
    pub quiet: Waits,
    /// Waits after that.
    pub swapped: Waits,
    /// How long the group paused for each swap.
    pub stood_still: Waits,
}

/// Runs an agent and measures.
///
/// # Panics
/// When the agent does not start, or a file cannot be written.
#[must_use]
pub fn run(load: &Load) -> Outcome {
    let scratch = Scratch::new();
    let (input, landed) = (ports::free(), scratch.folder("landed"));
    let policy = scratch.path("policy.wasm");
    put(&load.policies[0], &policy);
    let file = AgentFile::new("a1")
        .memory("c1", 200_000, 1_000)
        .netcat("r1", input)
        .file_roll("k1", &landed, 100)
        .file_roll("k2", &landed, 100)
        .set("sinkgroups", "g1")
        .set("sinkgroups.g1.sinks", "k1 k2")
        .set("sinkgroups.g1.processor.type", "load_balance");
    let file = scratch.file("a1.properties", &file.text());
    let words = ["--policy", &policy.display().to_string()];
    let mut host = Host::run(&scratch, "agent", &file, &words);
    let (half, begun) = (load.rate * load.seconds, Instant::now());
    let over = AtomicBool::new(false);
    let arrivals = thread::scope(|scope| {
        let reader = scope.spawn(|| arrivals(&landed, half * 2, &over));
        let sender = scope.spawn(|| send(input, load.rate, half * 2, begun));
        sleep_until(begun + Duration::from_secs(load.seconds));
        let end = begun + Duration::from_secs(load.seconds * 2);
        for turn in 1.. {
            put(&load.policies[turn % 2], &policy);
            sleep_until((Instant::now() + load.between).min(end));
            // Otherwise the next version could replace one that is not loaded yet.
            while swaps(&mut host) < turn && Instant::now() < end {
                thread::sleep(Duration::from_millis(50));
            }
            if Instant::now() >= end {
                break;
            }
        }
        drop(sender.join().expect("the sender"));
        let patience = Instant::now() + PATIENCE;
        while !reader.is_finished() && Instant::now() < patience {
            thread::sleep(Duration::from_millis(20));
        }
        // A moment longer, for lines that come twice.
        thread::sleep(Duration::from_millis(500));
        over.store(true, Ordering::Relaxed);
        reader.join().expect("the reader")
    });
    let log = host.process().log();
    Outcome {
        quiet: waits(&arrivals, load.rate, 0..half, begun),
        swapped: waits(&arrivals, load.rate, half..half * 2, begun),
        stood_still: Waits::new(log.lines().filter_map(stood_still).collect()),
        tally: count(&landed, half * 2),
    }
}

/// Replaces a file in one step.
fn put(from: &Path, to: &Path) {
    let new = to.with_extension("new");
    std::fs::copy(from, &new).expect("a policy to copy");
    std::fs::rename(&new, to).expect("a file in the scratch folder");
}

/// When a line is due.
fn due(number: u64, rate: u64, begun: Instant) -> Instant {
    let chunk = number / CHUNK * CHUNK;
    begun + Duration::from_nanos(chunk * 1_000_000_000 / rate)
}

fn send(port: u16, rate: u64, count: u64, begun: Instant) -> TcpStream {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a netcat source");
    stream.set_nodelay(true).expect("a TCP socket");
    let mut replies = stream.try_clone().expect("a second handle on the socket");
    // Unread answers would block the source.
    thread::spawn(move || {
        let mut waste = [0; 1 << 16];
        while replies.read(&mut waste).is_ok_and(|read| read > 0) {}
    });
    for first in (0..count).step_by(usize::try_from(CHUNK).expect("a small number")) {
        let lines: String = (first..count.min(first + CHUNK))
            .map(|number| tally::body("s", number) + "\n")
            .collect();
        sleep_until(due(first, rate, begun));
        stream.write_all(lines.as_bytes()).expect("the agent reads");
    }
    stream
}

fn sleep_until(then: Instant) {
    thread::sleep(then.saturating_duration_since(Instant::now()));
}

/// When each line could first be read.
fn arrivals(folder: &Path, count: u64, over: &AtomicBool) -> Vec<Option<Instant>> {
    let mut arrivals = vec![None; usize::try_from(count).expect("events fit into memory")];
    let mut missing = arrivals.len();
    let mut files: BTreeMap<PathBuf, (File, Vec<u8>)> = BTreeMap::new();
    let mut listed = None;
    while missing > 0 && !over.load(Ordering::Relaxed) {
        if listed.is_none_or(|at: Instant| at.elapsed() > Duration::from_millis(100)) {
            listed = Some(Instant::now());
            for entry in std::fs::read_dir(folder).expect("the folder").flatten() {
                files.entry(entry.path()).or_insert_with_key(|path| {
                    (File::open(path).expect("a file of a sink"), Vec::new())
                });
            }
        }
        let mut read = 0;
        for (file, rest) in files.values_mut() {
            read += file.read_to_end(rest).expect("a file of a sink");
            let now = Instant::now();
            let whole = rest
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            for line in rest[..whole].split(|byte| *byte == b'\n') {
                let slot = number(line).and_then(|number| arrivals.get_mut(number));
                if let Some(slot @ None) = slot {
                    *slot = Some(now);
                    missing -= 1;
                }
            }
            rest.drain(..whole);
        }
        if read == 0 {
            thread::sleep(Duration::from_micros(100));
        }
    }
    arrivals
}

/// The number in a line. The rest is not checked here; the tally does that.
fn number(line: &[u8]) -> Option<usize> {
    let mut words = line.split(|byte| *byte == b' ').skip(1);
    std::str::from_utf8(words.next()?).ok()?.parse().ok()
}

fn waits(
    arrivals: &[Option<Instant>],
    rate: u64,
    numbers: std::ops::Range<u64>,
    begun: Instant,
) -> Waits {
    let wait = |number: u64| {
        let arrival = arrivals.get(usize::try_from(number).ok()?).copied()??;
        Some(arrival.saturating_duration_since(due(number, rate, begun)))
    };
    Waits::new(numbers.filter_map(wait).collect())
}

fn swaps(host: &mut Host) -> usize {
    let log = host.process().log();
    log.lines().filter_map(stood_still).count()
}

/// How long the group paused, from a line of the log.
fn stood_still(line: &str) -> Option<Duration> {
    let (_, after) = line
        .contains(SWAPPED)
        .then(|| line.split_once("micros="))??;
    let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
    Some(Duration::from_micros(digits.parse().ok()?))
}

fn count(folder: &Path, count: u64) -> Tally {
    let landing = crate::Landing::Folder(folder.to_path_buf());
    crate::landing::count(&[&landing], "s", count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_is_read_from_the_log() {
        let line = "INFO flume_policy::seat: policy swapped policy=w (0a) place=\"g\" micros=12";
        assert_eq!(stood_still(line), Some(Duration::from_micros(12)));
        assert_eq!(stood_still("policy made anew micros=12"), None);
    }

    #[test]
    fn lines_are_due_in_chunks_at_their_rate() {
        let begun = Instant::now();
        assert_eq!(due(99, 1000, begun), begun);
        assert_eq!(due(250, 1000, begun), begun + Duration::from_millis(200));
        assert_eq!(number(tally::body("s", 42).as_bytes()), Some(42));
    }
}
