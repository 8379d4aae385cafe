//! What a durable put costs beside what the disk can do: producers that wait for each put, and a loop
//! that appends the same bytes and syncs, in turns, in one folder.
//!
//! ```text
//! cargo bench -p flume-log             # FOLDER and SECONDS may follow `--`: . 1
//! ```
//!
//! The floor writes over a file that was written before, as the log does once segments are used
//! again; each of its writes has as many bytes as the log's had in the round before. Figures are
//! medians of the rounds.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a benchmark prints, measures real time, and panics on the unexpected"
)]

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use flume_log::disk::{Disk, DiskFile, Folder};
use flume_log::{Log, Options, Put};

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
    println!(
        "| producers x batch | ev/s | syncs/s | CPU-s a million | floor ev/s | of the floor |"
    );
    println!("|---|---|---|---|---|---|");
    for (producers, batch) in POINTS {
        let mut bench = Bench::new(folder.path(), producers, batch);
        bench.log(seconds);
        let rounds: Vec<_> = (0..ROUNDS)
            .map(|_| {
                let log = bench.log(seconds);
                let floor = floor(folder.path(), &log, seconds);
                (log, floor)
            })
            .collect();
        let of = |each: &dyn Fn(&(Round, f64)) -> f64| median(rounds.iter().map(each).collect());
        println!(
            "| {producers} x {batch} | {:.0} | {:.0} | {:.2} | {:.0} | {:.0} % |",
            of(&|(log, _)| log.events),
            of(&|(log, _)| log.syncs),
            of(&|(log, _)| log.cpu * 1e6 / log.events),
            of(&|(_, floor)| *floor),
            of(&|(log, floor)| 100.0 * log.events / floor),
        );
    }
}

/// What happened in a second.
struct Round {
    events: f64,
    syncs: f64,
    bytes: f64,
    cpu: f64,
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

    /// Producers that wait for each put, and settle it.
    fn log(&mut self, seconds: f64) -> Round {
        let (is_over, events) = (AtomicBool::new(false), AtomicU64::new(0));
        let counts = &self.disk.counts;
        let before = (counts.syncs(), counts.bytes(), cpu());
        let begun = Instant::now();
        std::thread::scope(|threads| {
            for _ in 0..self.producers {
                threads.spawn(|| self.produce(&is_over, &events));
            }
            std::thread::sleep(Duration::from_secs_f64(seconds));
            is_over.store(true, Ordering::Relaxed);
        });
        let taken = begun.elapsed().as_secs_f64();
        Round {
            events: events.into_inner() as f64 / taken,
            syncs: (counts.syncs() - before.0) as f64 / taken,
            bytes: (counts.bytes() - before.1) as f64 / taken,
            cpu: (cpu() - before.2) / taken,
        }
    }

    fn produce(&self, is_over: &AtomicBool, events: &AtomicU64) {
        let body = vec![b'x'; BODY];
        let (done, told) = mpsc::sync_channel(1);
        while !is_over.load(Ordering::Relaxed) {
            let mut put = Put::with_room(self.batch * (BODY + 4));
            for _ in 0..self.batch {
                assert!(put.push(&[&body]));
            }
            let done = done.clone();
            let tell = move |first: Result<flume_log::Committed, _>| done.send(first).unwrap();
            self.log.put(put, Box::new(tell));
            let first = told.recv().unwrap().unwrap().first;
            self.log.settle(first, first + self.batch as u64);
            events.fetch_add(self.batch as u64, Ordering::Relaxed);
        }
    }
}

/// A loop that appends as many bytes as the log did with each sync.
fn floor(folder: &Path, log: &Round, seconds: f64) -> f64 {
    let path = folder.join("floor");
    let folder = Folder::own(&path).unwrap();
    let file = match folder.open("floor") {
        Ok(file) => file,
        Err(_) => {
            let file = folder.create("floor", SEGMENT).unwrap();
            file.write(0, &[IoSlice::new(&vec![1; SEGMENT as usize])])
                .unwrap();
            file
        }
    };
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

/// A folder that counts.
#[derive(Debug)]
struct Counting {
    folder: Folder,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    syncs: AtomicU64,
    bytes: AtomicU64,
}

impl Counts {
    fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Counted(Arc<dyn DiskFile>, Arc<Counts>);

impl Counting {
    fn counted(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(Counted(file, Arc::clone(&self.counts)))
    }
}

impl Disk for Counting {
    fn list(&self) -> io::Result<Vec<String>> {
        self.folder.list()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.counted(self.folder.open(name)?))
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.counted(self.folder.create(name, bytes)?))
    }

    fn keep(&self, beside: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.folder.keep(beside, name, bytes)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.folder.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }

    fn sync_name(&self, name: &str) -> io::Result<()> {
        self.folder.sync_name(name)
    }

    fn room(&self) -> io::Result<u64> {
        self.folder.room()
    }
}

impl DiskFile for Counted {
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, into)
    }

    fn write(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let bytes = parts.iter().map(|part| part.len() as u64).sum();
        self.1.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.0.write(offset, parts)
    }

    fn sync(&self) -> io::Result<()> {
        self.1.syncs.fetch_add(1, Ordering::Relaxed);
        self.0.sync()
    }

    fn refresh(&self) -> io::Result<()> {
        self.0.refresh()
    }
}
