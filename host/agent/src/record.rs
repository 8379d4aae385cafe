//! Traces in files: what the selector of a group is told and answers, written by a thread of its
//! own (`processor.record`).
//!
//! | file | what |
//! |---|---|
//! | `trace` | the one that is written |
//! | `trace.1`, `trace.2`, … | the ones before it; the oldest goes when there are too many |
//!
//! A start never writes on in a file that is there: that one becomes `trace.1`. A disk that is full
//! or slow costs entries, which are counted, and never a batch its time.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use flume_core::SinkSelector;
use flume_core::clock::{self, Instant, WallClock};
use flume_core::counters::Counter;
use flume_policy::trace::{Chunk, Recorder, TraceHeader, TraceQueue};

/// Bytes that wait to be written at most.
const QUEUE: usize = 4 << 20;

/// How often they are written, unless half of the room is taken.
const WRITE: Duration = Duration::from_millis(200);

/// How long a file that could not be written is left alone.
const RETRY: Duration = Duration::from_secs(5);

/// What is to be recorded, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPlan {
    /// The file that is written.
    pub path: PathBuf,
    /// Bytes of one file at most; a single write may be longer.
    pub most_bytes: u64,
    /// Files at most, that one included; 1 at least.
    pub files: usize,
    /// Headers that are recorded; empty: those that the policy asks for.
    pub headers: Vec<String>,
}

/// How a recording stands, for operators.
#[derive(Debug)]
pub struct RecordStats {
    /// The file.
    pub path: PathBuf,
    queue: Arc<TraceQueue>,
    written: Counter,
    failures: Counter,
}

impl RecordStats {
    /// Entries taken in, and dropped since the queue was full.
    pub fn entries(&self) -> (u64, u64) {
        (self.queue.entries.get(), self.queue.dropped.get())
    }

    /// Bytes written.
    pub fn written(&self) -> u64 {
        self.written.get()
    }

    /// Writes that failed, with all that was in them.
    pub fn failures(&self) -> u64 {
        self.failures.get()
    }
}

/// A recording that has begun, and is to be put around a selector.
pub struct Recording {
    headers: Vec<String>,
    wall: WallClock,
    stats: Arc<RecordStats>,
}

impl Recording {
    /// Makes the file, and the thread that writes it. `header` says what is recorded; which run
    /// this is, and which file of it, is filled in.
    ///
    /// # Errors
    /// The file cannot be made, or there is no thread to spare.
    pub fn begin(plan: &RecordPlan, group: &str, mut header: TraceHeader) -> io::Result<Self> {
        let wall = WallClock::system();
        header.began_unix_ms = wall.millis();
        header.run = header.began_unix_ms;
        let headers = header.headers.clone();
        let stats = Arc::new(RecordStats {
            path: plan.path.clone(),
            queue: Arc::new(TraceQueue::new(QUEUE)),
            written: Counter::default(),
            failures: Counter::default(),
        });
        let writer = Writer {
            files: Files::open(plan, header, wall.clone())?,
            stats: Arc::clone(&stats),
            rest_until: None,
        };
        let thread = thread::Builder::new().name(format!("record-{group}"));
        let handle = thread.spawn(move || writer.run())?;
        stats.queue.serve(handle.thread().clone());
        Ok(Self {
            headers,
            wall,
            stats,
        })
    }

    /// How it stands.
    pub fn stats(&self) -> Arc<RecordStats> {
        Arc::clone(&self.stats)
    }

    /// Records this selector, whose time begins at `zero`.
    pub fn of(self, selector: Box<dyn SinkSelector>, zero: Instant) -> Recorder {
        let queue = Arc::clone(&self.stats.queue);
        Recorder::new(selector, queue, zero, self.wall, self.headers)
    }
}

/// The name of the `number`th file before this one.
pub fn older(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

struct Writer {
    files: Files,
    stats: Arc<RecordStats>,
    rest_until: Option<Instant>,
}

impl Writer {
    fn run(mut self) {
        let queue = Arc::clone(&self.stats.queue);
        loop {
            // Looked at first: what came before the end is taken below.
            let is_closed = queue.is_closed();
            if let Some(chunk) = queue.take() {
                self.write(&chunk);
            }
            if is_closed {
                break;
            }
            thread::park_timeout(WRITE);
        }
        queue.finish();
    }

    fn write(&mut self, chunk: &Chunk) {
        let Chunk(bytes) = chunk;
        let now = clock::now();
        if self.rest_until.is_some_and(|until| now < until) {
            self.stats.failures.increment();
            return;
        }
        self.rest_until = None;
        match self.files.write(bytes) {
            Ok(()) => self.stats.written.add(bytes.len()),
            Err(error) => {
                let path = self.files.path.display();
                tracing::warn!(%path, %error, "the record of a group cannot be written");
                self.stats.failures.increment();
                self.rest_until = Some(now + RETRY);
                self.files.give_up();
            }
        }
    }
}

/// The files of one recording.
struct Files {
    path: PathBuf,
    most_bytes: u64,
    most_files: usize,
    /// Of the next file.
    header: TraceHeader,
    wall: WallClock,
    /// The file that is written, and its size. `None` after a failure.
    file: Option<(File, u64)>,
}

impl Files {
    fn open(plan: &RecordPlan, header: TraceHeader, wall: WallClock) -> io::Result<Self> {
        let mut files = Self {
            path: plan.path.clone(),
            most_bytes: plan.most_bytes,
            most_files: plan.files.max(1),
            header,
            wall,
            file: None,
        };
        files.next()?;
        Ok(files)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let is_full = |(_, size): &(File, u64)| size.saturating_add(length) > self.most_bytes;
        if self.file.as_ref().is_none_or(is_full) {
            self.next()?;
        }
        let Some((file, size)) = &mut self.file else {
            return Ok(());
        };
        file.write_all(bytes)?;
        *size += length;
        Ok(())
    }

    /// After a failure: the next file does not go on where this one ends.
    fn give_up(&mut self) {
        self.file = None;
        self.header.part += 1;
    }

    /// Moves the files that are there one further, and begins another.
    fn next(&mut self) -> io::Result<()> {
        self.file = None;
        for number in (0..self.most_files.saturating_sub(1)).rev() {
            let from = match number {
                0 => self.path.clone(),
                number => older(&self.path, number),
            };
            match fs::rename(&from, older(&self.path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        // A file of its own: whoever still writes to, or reads, one of this name is not disturbed.
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = File::create_new(&self.path)?;
        self.header.began_unix_ms = self.wall.millis();
        let head = self.header.encode();
        file.write_all(&head)?;
        self.header.part += 1;
        self.file = Some((file, u64::try_from(head.len()).unwrap_or(u64::MAX)));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
