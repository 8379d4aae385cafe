//! The log: puts become safe, are read in order, and are settled.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::disk::Disk;
use crate::error::LogError;
use crate::frame::Draft;
use crate::reader::Reader;
use crate::recovery;
use crate::shared::{Shared, State};
use crate::writer::Writer;

/// How long what is settled waits for a put to ride on. If the process ends meanwhile, the records
/// are read again.
const SETTLE_AFTER: Duration = Duration::from_millis(100);

/// Bytes of puts that share a sync at most. A put waits for the next one otherwise.
const MOST_GROUP: u64 = 64 << 20;

/// The settings of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Bytes of a segment. A larger put gets a segment of its own.
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
        }
    }
}

/// What was found when a log was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records from the oldest that is not settled on; some of them may be settled, or damaged.
    pub waiting: u64,
    /// Records of the last commit that are not there. It was not finished, and nobody was told that they
    /// are safe; or its bytes have changed since: at the end of the log that looks the same.
    pub torn: u64,
}

/// The records of one put, while they are collected: there will be all of them or none.
#[derive(Debug, Clone)]
pub struct Put(Draft);

impl Default for Put {
    fn default() -> Self {
        Self::new()
    }
}

impl Put {
    /// Without records yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Draft::put())
    }

    #[cfg(test)]
    pub(crate) fn draft(&self) -> Draft {
        self.0.clone()
    }

    /// Adds a record of these parts; false if it does not fit ([`crate::MOST_FRAME`]).
    pub fn push(&mut self, parts: &[&[u8]]) -> bool {
        self.0.push(parts)
    }
}

/// Is told the sequence of a put's first record once it is safe, or why it is not.
pub type Done = Box<dyn FnOnce(Result<u64, Arc<LogError>>) + Send>;

/// A durable queue of records.
#[derive(Debug)]
pub struct Log {
    shared: Shared,
    queue: Arc<Queue>,
    committer: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Queue {
    due: Mutex<Due>,
    more: Condvar,
}

/// What the committer has to do.
#[derive(Default)]
struct Due {
    puts: Vec<(Draft, Done)>,
    is_settle_due: bool,
    is_closing: bool,
}

impl std::fmt::Debug for Due {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} puts", self.puts.len())
    }
}

impl Log {
    /// Opens the log of a folder, and starts the thread that commits.
    ///
    /// # Errors
    /// The disk failed. (What is damaged is no error here: a reader tells it.)
    pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<(Self, Recovered), LogError> {
        let (mut writer, shared, recovered) = open(disk, options)?;
        let queue = Arc::new(Queue::default());
        let (waiting, on) = (Arc::clone(&queue), std::thread::Builder::new());
        let committer = on
            .name("log-committer".to_owned())
            .spawn(move || {
                let mut is_behind = false;
                while waiting.serve(&mut writer, &mut is_behind) {}
            })
            .map_err(LogError::disk("start the committer"))?;
        let log = Self {
            shared,
            queue,
            committer: Some(committer),
        };
        Ok((log, recovered))
    }

    /// Has a put made safe, together with all others that wait. `done` is called by the committer,
    /// and must not block it.
    pub fn put(&self, put: Put, done: Done) {
        let mut due = self.queue.due.lock();
        if due.is_closing {
            drop(due);
            return done(Err(Arc::new(LogError::Closed)));
        }
        due.puts.push((put.0, done));
        self.queue.more.notify_one();
    }

    /// Records of these sequences, the end excluded, are not to be read again. This is safe a moment
    /// later; until then they may be read again after a crash.
    pub fn settle(&self, first: u64, end: u64) {
        self.shared.lock().settled.add(first, end);
        self.queue.due.lock().is_settle_due = true;
        self.queue.more.notify_one();
    }

    /// A reader of all records that are not settled, from the oldest on.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// Makes safe what is settled, and ends. Puts that wait are committed first.
    pub fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.queue.due.lock().is_closing = true;
        self.queue.more.notify_one();
        if let Some(committer) = self.committer.take()
            && committer.join().is_err()
        {
            tracing::error!("the committer of a log panicked");
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.end();
    }
}

/// Opens a log without its thread.
pub(crate) fn open(
    disk: Arc<dyn Disk>,
    options: Options,
) -> Result<(Writer, Shared, Recovered), LogError> {
    let found = recovery::recover(disk.as_ref())?;
    let state = State {
        segments: found.segments.into(),
        next: found.next,
        settled: found.settled,
    };
    let shared: Shared = Arc::new(Mutex::new(state));
    let own = Arc::clone(&shared);
    let mut writer = Writer::new(disk, options, own, found.generation, found.spares);
    writer.begin()?;
    Ok((writer, shared, found.recovered))
}

impl Queue {
    /// Waits for something to do, and does it. Returns whether there will be more. `is_behind` is
    /// whether it was said that what was delivered could not be written.
    fn serve(&self, writer: &mut Writer, is_behind: &mut bool) -> bool {
        let (puts, is_last) = self.next();
        if !puts.is_empty() {
            group(writer, puts);
            return !is_last;
        }
        match writer.commit(&[]) {
            Ok(_) if std::mem::take(is_behind) => {
                tracing::info!("what was delivered is on the disk again");
            }
            Ok(_) => {}
            Err(error) if !std::mem::replace(is_behind, true) => {
                let doubled = "after a crash it would be read again";
                tracing::warn!(%error, "what was delivered is not on the disk: {doubled}");
            }
            Err(_) => {}
        }
        !is_last
    }

    /// The puts of the next commit, which share a sync; none if only what is settled is due. And
    /// whether it is the last.
    fn next(&self) -> (Vec<(Draft, Done)>, bool) {
        let mut due = self.due.lock();
        while due.puts.is_empty() && !due.is_closing {
            if !due.is_settle_due {
                self.more.wait(&mut due);
            } else if self.more.wait_for(&mut due, SETTLE_AFTER).timed_out() {
                break;
            }
        }
        due.is_settle_due = false;
        let mut room = 0;
        let fits = |(put, _): &&(Draft, Done)| {
            room += put.room();
            room <= MOST_GROUP
        };
        let count = due.puts.iter().take_while(fits).count().max(1);
        let count = count.min(due.puts.len());
        let puts = due.puts.drain(..count).collect();
        (puts, due.is_closing && due.puts.is_empty())
    }
}

/// Commits puts together, and tells each of them.
fn group(writer: &mut Writer, puts: Vec<(Draft, Done)>) {
    let (drafts, tell): (Vec<Draft>, Vec<Done>) = puts.into_iter().unzip();
    match writer.commit(&drafts) {
        Ok(mut first) => {
            for (draft, done) in drafts.iter().zip(tell) {
                done(Ok(first));
                first += u64::from(draft.count());
            }
        }
        Err(error) => {
            let error = Arc::new(error);
            tell.into_iter()
                .for_each(|done| done(Err(Arc::clone(&error))));
        }
    }
}
