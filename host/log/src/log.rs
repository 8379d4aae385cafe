//! The log: puts become safe, are read in order, and are settled.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use crate::aside::{Aside, SetAside};
use crate::committer::{self, Queue};
use crate::disk::Disk;
use crate::error::LogError;
use crate::frame::Draft;
use crate::reader::Reader;
use crate::recovery;
use crate::shared::{Shared, State};
use crate::teller::Teller;
use crate::terms::{Done, Flushed, Options, Recovered};
use crate::writer::Writer;

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
        Self::with_room(0)
    }

    /// Without records yet, and with room for these bytes. (Each record takes four more.)
    #[must_use]
    pub fn with_room(bytes: usize) -> Self {
        Self(Draft::put(bytes))
    }

    #[cfg(test)]
    pub(crate) fn draft(&self) -> crate::frame::Sealed {
        self.0.clone().seal()
    }

    /// Adds a record of these parts; false if it does not fit ([`crate::MOST_FRAME`]).
    pub fn push(&mut self, parts: &[&[u8]]) -> bool {
        self.0.push(parts)
    }
}

/// A durable queue of records.
pub struct Log {
    shared: Shared,
    disk: Arc<dyn Disk>,
    options: Options,
    queue: Arc<Queue>,
    committer: Option<JoinHandle<()>>,
    teller: Arc<Teller>,
    tells: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a log on {:?}", self.disk)
    }
}

/// Starts a thread.
fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, LogError> {
    let on = std::thread::Builder::new().name(name.to_owned());
    on.spawn(run)
        .map_err(LogError::disk(format!("start {name}")))
}

/// Waits for a thread, unless it is this one: who is told of a put may be the last one who has the log.
fn join(thread: Option<JoinHandle<()>>) {
    let Some(thread) = thread else { return };
    let is_this = thread.thread().id() == std::thread::current().id();
    if !is_this && thread.join().is_err() {
        tracing::error!("a thread of a log panicked");
    }
}

impl Log {
    /// Opens the log of a folder, and starts the thread that commits.
    ///
    /// # Errors
    /// The disk failed. (What is damaged is no error here: a reader tells it. Nor is a disk that is
    /// full: what is there can be read, and puts are refused.)
    pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<(Self, Recovered), LogError> {
        let (mut writer, shared, recovered) = open(Arc::clone(&disk), options)?;
        let (queue, teller) = (Arc::<Queue>::default(), Arc::<Teller>::default());
        let telling = Arc::clone(&teller);
        let tells = thread("log-teller", move || telling.run())?;
        let mut log = Self {
            shared,
            disk,
            options,
            queue: Arc::clone(&queue),
            committer: None,
            teller: Arc::clone(&teller),
            tells: Some(tells),
        };
        log.committer = Some(thread("log-committer", move || {
            committer::run(&queue, &teller, &mut writer, options.sync);
        })?);
        Ok((log, recovered))
    }

    /// Has a put committed, together with all others that wait. `done` is called by a thread of the log,
    /// in the order of the puts, and must not block it.
    pub fn put(&self, put: Put, done: Done) {
        self.queue.put(put.0.seal(), done);
    }

    /// Records of these sequences, the end excluded, are not to be read again. This is safe a moment
    /// later; until then they may be read again after a crash.
    pub fn settle(&self, first: u64, end: u64) {
        self.shared.lock().settled.add(first, end);
        self.queue.settled();
    }

    /// Has all that was settled before made safe now, with a sync that it shares with puts that wait.
    /// `done` is called by a thread of the log, and must not block it.
    pub fn flush(&self, done: Flushed) {
        self.queue.flush(done);
    }

    /// The sequence of the record after the last one that was committed.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.shared.lock().next
    }

    /// A reader of all records that are not settled, from the oldest on.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// How many files hold records, or what says that they are settled.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.shared.lock().segments.len()
    }

    /// Bytes of all files, those included that are kept to be used again.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        let state = self.shared.lock();
        let used = state.segments.iter().map(|segment| segment.length);
        used.sum::<u64>() + self.options.segment_bytes * state.spares.len() as u64
    }

    /// Bytes for which the disk has room yet, beside those that the log uses.
    ///
    /// # Errors
    /// The disk does not say.
    pub fn room(&self) -> io::Result<u64> {
        self.disk.room()
    }

    /// What was damaged and is kept beside the log, by this life and those before.
    #[must_use]
    pub fn set_aside(&self) -> SetAside {
        let aside = Arc::clone(&self.shared.lock().aside);
        aside.counts()
    }

    /// Makes safe what is settled, and ends. Puts that wait are committed first.
    pub fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.queue.close();
        join(self.committer.take());
        self.teller.end();
        join(self.tells.take());
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
        spares: found.spares.into(),
        aside: Arc::new(Aside::new(Arc::clone(&disk))?),
    };
    let shared: Shared = Arc::new(Mutex::new(state));
    let own = Arc::clone(&shared);
    let mut writer = Writer::new(disk, options, own, found.generation);
    writer.begin()?;
    Ok((writer, shared, found.recovered))
}
