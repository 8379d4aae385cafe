//! Traces in files: the input and answers of a group's selector, written by a separate thread
//! (`processor.record`).
//!
//! | file | what |
//! |---|---|
//! | `trace` | the current one |
//! | `trace.1`, `trace.2`, … | earlier ones; the oldest is removed when there are too many |
//!
//! A start never appends to an existing file: that one becomes `trace.1`. A file is begun as
//! `trace.new`. A full or slow disk costs entries, which are counted, and never delays a batch or
//! costs an earlier file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use flume_core::SinkSelector;
use flume_core::clock::{self, Instant, WallClock};
use flume_core::counters::Counter;
use flume_core::sink_processor::RecordPlan;
use flume_policy::trace::{Chunk, Recorder, TraceHeader, TraceQueue, older};

/// The most bytes that wait to be written.
const QUEUE: usize = 4 << 20;

/// How often they are written, unless the queue is half full.
const WRITE: Duration = Duration::from_millis(200);

/// The pause after a file could not be written.
const RETRY: Duration = Duration::from_secs(5);

/// The state of a recording, for operators.
#[derive(Debug)]
pub(crate) struct RecordStats {
    /// The file.
    pub path: PathBuf,
    queue: Arc<TraceQueue>,
    written: Counter,
    failures: Counter,
}

impl RecordStats {
    /// Entries recorded, and entries dropped because the queue was full.
    pub(crate) fn entries(&self) -> (u64, u64) {
        (self.queue.entries.get(), self.queue.dropped.get())
    }

    /// Bytes written.
    pub(crate) fn written(&self) -> u64 {
        self.written.get()
    }

    /// Writes that failed, with all entries in them.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.get()
    }
}

/// A recording that has begun and is still to be put around a selector.
pub(crate) struct Recording {
    headers: Vec<String>,
    wall: WallClock,
    stats: Arc<RecordStats>,
}

impl Recording {
    /// Creates the file and the thread that writes it. `header` says what is recorded; the run and
    /// the number of the file are filled in.
    ///
    /// # Errors
    /// The file or the thread cannot be created.
    pub(crate) fn begin(
        plan: &RecordPlan,
        group: &str,
        mut header: TraceHeader,
    ) -> io::Result<Self> {
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
        let writer = TraceWriter {
            files: TraceFiles::open(plan, header, wall.clone())?,
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

    /// The state of the recording.
    pub(crate) fn stats(&self) -> Arc<RecordStats> {
        Arc::clone(&self.stats)
    }

    /// Records this selector, whose time begins at `zero`.
    pub(crate) fn of(self, selector: Box<dyn SinkSelector>, zero: Instant) -> Recorder {
        let queue = Arc::clone(&self.stats.queue);
        Recorder::new(selector, queue, zero, self.wall, self.headers)
    }
}

struct TraceWriter {
    files: TraceFiles,
    stats: Arc<RecordStats>,
    rest_until: Option<Instant>,
}

impl TraceWriter {
    fn run(mut self) {
        let queue = Arc::clone(&self.stats.queue);
        loop {
            // Checked first, so that entries from before the end are still taken below.
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
struct TraceFiles {
    path: PathBuf,
    most_bytes: u64,
    most_files: usize,
    /// The number of the next file.
    header: TraceHeader,
    wall: WallClock,
    /// The current file and its size. `None` after a failure.
    file: Option<(File, u64)>,
}

impl TraceFiles {
    fn open(plan: &RecordPlan, header: TraceHeader, wall: WallClock) -> io::Result<Self> {
        let mut files = Self {
            path: plan.path.clone(),
            most_bytes: plan.most_bytes,
            most_files: plan.files.max(1),
            header,
            wall,
            file: None,
        };
        files.next(&[])?;
        Ok(files)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match &mut self.file {
            Some((file, size)) if size.saturating_add(length) <= self.most_bytes => {
                file.write_all(bytes)?;
                *size += length;
                Ok(())
            }
            _ => self.next(bytes),
        }
    }

    /// After a failure: the next file does not continue where this one ends.
    fn give_up(&mut self) {
        self.file = None;
        self.header.part += 1;
    }

    /// Begins a file with these bytes, and renames the existing ones by one number. They stay as they
    /// are if it cannot be written: a disk that is full for long does not push them out.
    fn next(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file = None;
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        let begun = self.begin(Path::new(&new), bytes).and_then(|file| {
            self.move_others()?;
            fs::rename(&new, &self.path)?;
            Ok(file)
        });
        if begun.is_err() {
            // The disk is probably full; the first error is the one to report.
            fs::remove_file(&new).ok();
        }
        self.file = Some(begun?);
        self.header.part += 1;
        Ok(())
    }

    /// Always a new file, so that a process that still writes or reads one of this name is not
    /// disturbed.
    fn begin(&mut self, new: &Path, bytes: &[u8]) -> io::Result<(File, u64)> {
        absent_is_fine(fs::remove_file(new))?;
        let mut file = File::create_new(new)?;
        self.header.began_unix_ms = self.wall.millis();
        let mut text = self.header.encode();
        text.extend_from_slice(bytes);
        file.write_all(&text)?;
        Ok((file, u64::try_from(text.len()).unwrap_or(u64::MAX)))
    }

    fn move_others(&self) -> io::Result<()> {
        for number in (0..self.most_files.saturating_sub(1)).rev() {
            let from = match number {
                0 => self.path.clone(),
                number => older(&self.path, number),
            };
            absent_is_fine(fs::rename(&from, older(&self.path, number + 1)))?;
        }
        Ok(())
    }
}

fn absent_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests;
