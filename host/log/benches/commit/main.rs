//! What a durable put costs: producers that wait for each put of theirs, on the log; on a bare group
//! commit, which writes and syncs what waits and does nothing else; and a loop that appends the same
//! bytes and syncs. All three in turns, in one folder.
//!
//! ```text
//! cargo bench -p flume-log             # may follow `--`: FOLDER SECONDS POINTS, as . 1 64x1,4x100
//! ```
//!
//! The loop and the bare group commit write over a file that was written before, as the log does once
//! segments are used again. The loop writes as many bytes at once as the log did in the round before.
//! Where many producers have one event each, waking them takes longer than the disk, and the bare group
//! commit is what to compare with. Figures are medians of the rounds.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a benchmark prints, measures real time, and panics on the unexpected"
)]

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flume_log::disk::{Disk, Folder};
use flume_log::{Committed, Log, Options, Put};

mod bare;
mod counting;

use bare::{Bare, Slot, written};
use counting::Counting;

const BODY: usize = 500;
const ROUNDS: usize = 5;
const SEGMENT: u64 = 64 << 20;
const POINTS: [(usize, usize); 5] = [(1, 1), (64, 1), (1, 100), (4, 100), (4, 1000)];

fn main() {
    let given: Vec<String> = std::env::args().filter(|arg| arg != "--bench").collect();
    let within = Path::new(given.get(1).map_or(".", String::as_str));
    let seconds = given.get(2).map_or(1.0, |given| given.parse().unwrap());
    let folder = tempfile::tempdir_in(within).unwrap();
    println!("{BODY} bytes an event; medians of {ROUNDS} rounds of {seconds} s");
    let of_log = "ev/s | syncs/s | CPU-s a million";
    println!(
        "| producers x batch | {of_log} | bare ev/s | its CPU-s | loop ev/s | of bare | of loop |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (producers, batch) in POINTS {
        let is_wanted = |points: &String| points.contains(&format!("{producers}x{batch}"));
        if !given.get(3).is_none_or(is_wanted) {
            continue;
        }
        let bench = Bench::new(folder.path(), producers, batch);
        bench.log(seconds);
        let bare = Bare::new(folder.path(), SEGMENT);
        let rounds: Vec<_> = (0..ROUNDS)
            .map(|_| {
                let log = bench.log(seconds);
                let bare = bench.bare(&bare, seconds);
                let floor = floor(folder.path(), &log, seconds);
                (log, bare, floor)
            })
            .collect();
        bare.close();
        let of =
            |each: &dyn Fn(&(Round, Round, f64)) -> f64| median(rounds.iter().map(each).collect());
        let log = format!(
            "{:.0} | {:.0} | {:.2}",
            of(&|(log, ..)| log.events),
            of(&|(log, ..)| log.syncs),
            of(&|(log, ..)| log.cpu * 1e6 / log.events),
        );
        println!(
            "| {producers} x {batch} | {log} | {:.0} | {:.2} | {:.0} | {:.0} % | {:.0} % |",
            of(&|(_, bare, _)| bare.events),
            of(&|(_, bare, _)| bare.cpu * 1e6 / bare.events),
            of(&|(.., floor)| *floor),
            of(&|(log, bare, _)| 100.0 * log.events / bare.events),
            of(&|(log, _, floor)| 100.0 * log.events / floor),
        );
    }
}

/// What happened in a second.
struct Round {
    events: f64,
    syncs: f64,
    bytes: f64,
    cpu: f64,
    /// Seconds that it took.
    taken: f64,
}

struct Bench {
    log: Log,
    disk: Arc<Counting>,
    producers: usize,
    batch: usize,
}

impl Bench {
    fn new(folder: &Path, producers: usize, batch: usize) -> Self {
        let path = folder.join(format!("{producers}x{batch}"));
        let disk = Arc::new(Counting {
            folder: Folder::own(&path).unwrap(),
            counts: Arc::default(),
        });
        let options = Options {
            segment_bytes: SEGMENT,
            ..Options::default()
        };
        let on: Arc<dyn Disk> = disk.clone();
        let (log, _) = Log::open(on, options).unwrap();
        Self {
            log,
            disk,
            producers,
            batch,
        }
    }

    /// Producers on the log, which settle what they put.
    fn log(&self, seconds: f64) -> Round {
        let counts = &self.disk.counts;
        let before = (counts.syncs(), counts.bytes());
        let mut round = self.producers(seconds, |slot| {
            let mut put = Put::with_room(self.batch * (BODY + 4));
            for _ in 0..self.batch {
                assert!(put.push(&[&[b'x'; BODY]]));
            }
            let told = Arc::clone(slot);
            let done = move |put: Result<Committed, _>| told.tell(put.unwrap().first);
            self.log.put(put, Box::new(done));
            let first = slot.wait();
            self.log.settle(first, first + self.batch as u64);
        });
        round.syncs = (counts.syncs() - before.0) as f64 / round.taken;
        round.bytes = (counts.bytes() - before.1) as f64 / round.taken;
        round
    }

    /// The same producers on a bare group commit.
    fn bare(&self, bare: &Bare, seconds: f64) -> Round {
        self.producers(seconds, |slot| {
            let mut bytes = Vec::with_capacity(self.batch * BODY);
            for _ in 0..self.batch {
                bytes.extend([b'x'; BODY]);
            }
            bare.put(bytes, Arc::clone(slot));
            slot.wait();
        })
    }

    fn producers(&self, seconds: f64, put: impl Fn(&Arc<Slot>) + Sync) -> Round {
        let (is_over, puts) = (AtomicBool::new(false), AtomicU64::new(0));
        let (before, begun) = (cpu(), Instant::now());
        std::thread::scope(|threads| {
            for _ in 0..self.producers {
                threads.spawn(|| {
                    let slot = Arc::default();
                    while !is_over.load(Ordering::Relaxed) {
                        put(&slot);
                        puts.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            std::thread::sleep(Duration::from_secs_f64(seconds));
            is_over.store(true, Ordering::Relaxed);
        });
        let taken = begun.elapsed().as_secs_f64();
        Round {
            taken,
            events: (puts.into_inner() * self.batch as u64) as f64 / taken,
            syncs: 0.0,
            bytes: 0.0,
            cpu: (cpu() - before) / taken,
        }
    }
}

/// A loop that appends as many bytes as the log did with each sync.
fn floor(folder: &Path, log: &Round, seconds: f64) -> f64 {
    let file = written(folder, "loop", SEGMENT);
    let bytes = vec![b'x'; (log.bytes / log.syncs) as usize];
    let begun = Instant::now();
    let (mut at, mut syncs) = (0, 0);
    while begun.elapsed().as_secs_f64() < seconds {
        if at + bytes.len() as u64 > SEGMENT {
            at = 0;
        }
        file.write(at, &[IoSlice::new(&bytes)]).unwrap();
        file.sync().unwrap();
        at += bytes.len() as u64;
        syncs += 1;
    }
    let a_second = f64::from(syncs) / begun.elapsed().as_secs_f64();
    a_second * log.events / log.syncs
}

/// Seconds of the processors that this process has used.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split(' ').collect();
    let ticks: u64 = fields[12..14]
        .iter()
        .map(|field| field.parse::<u64>().unwrap())
        .sum();
    ticks as f64 / 100.0
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}
