//! The thread that commits: what waits shares a write and a sync.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::error::LogError;
use crate::frame::Sealed;
use crate::teller::{Answers, Teller};
use crate::terms::{Done, Flushed, Sync};
use crate::writer::Writer;

/// How long what is settled waits for a put to ride on. If the process ends meanwhile, the records
/// are read again.
const SETTLE_AFTER: Duration = Duration::from_millis(100);

/// Bytes of puts that share a sync at most. A put waits for the next one otherwise.
const MOST_GROUP: u64 = 64 << 20;

/// What waits for the committer.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    due: Mutex<Due>,
    more: Condvar,
}

#[derive(Default)]
struct Due {
    puts: Vec<(Sealed, Done)>,
    flushes: Vec<Flushed>,
    /// By when what is settled is to be written.
    settle: Option<Instant>,
    is_closing: bool,
}

impl std::fmt::Debug for Due {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} puts", self.puts.len())
    }
}

/// What is to be done at once.
struct Work {
    puts: Vec<(Sealed, Done)>,
    flushes: Vec<Flushed>,
    is_settle_due: bool,
    is_last: bool,
}

impl Queue {
    /// Adds a put, or says that the log is closed.
    pub(crate) fn put(&self, put: Sealed, done: Done) {
        let mut due = self.due.lock();
        if due.is_closing {
            drop(due);
            return done(Err(Arc::new(LogError::Closed)));
        }
        due.puts.push((put, done));
        drop(due);
        self.more.notify_one();
    }

    /// Has what is settled made safe now.
    pub(crate) fn flush(&self, done: Flushed) {
        let mut due = self.due.lock();
        if due.is_closing {
            drop(due);
            return done(Err(Arc::new(LogError::Closed)));
        }
        due.flushes.push(done);
        drop(due);
        self.more.notify_one();
    }

    /// Something was settled.
    pub(crate) fn settled(&self) {
        let mut due = self.due.lock();
        if due.settle.is_none() {
            due.settle = Some(now() + SETTLE_AFTER);
            self.more.notify_one();
        }
    }

    /// The committer ends when all is done that waits.
    pub(crate) fn close(&self) {
        self.due.lock().is_closing = true;
        self.more.notify_one();
    }

    /// Waits for something to do. `sync` is when a sync is due.
    fn next(&self, sync: Option<Instant>) -> Work {
        let mut due = self.due.lock();
        let is_over = |at: Option<Instant>| at.is_some_and(|at| at <= now());
        while due.puts.is_empty() && due.flushes.is_empty() && !due.is_closing {
            match due.settle.into_iter().chain(sync).min() {
                None => self.more.wait(&mut due),
                at if is_over(at) => break,
                Some(at) => drop(self.more.wait_until(&mut due, at)),
            }
        }
        let mut room = 0;
        let fits = |(put, _): &&(Sealed, Done)| {
            room += put.room();
            room <= MOST_GROUP
        };
        let count = due.puts.iter().take_while(fits).count().max(1);
        let count = count.min(due.puts.len());
        let puts: Vec<_> = due.puts.drain(..count).collect();
        let flushes = std::mem::take(&mut due.flushes);
        let is_last = due.is_closing && due.puts.is_empty();
        let is_settle_due = is_last || is_over(due.settle);
        if is_settle_due || !puts.is_empty() || !flushes.is_empty() {
            due.settle = None;
        }
        Work {
            puts,
            flushes,
            is_settle_due,
            is_last,
        }
    }
}

/// Nothing waits for a committer that has ended, however that was.
struct Ended<'a>(&'a Queue);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let mut due = self.0.due.lock();
        due.is_closing = true;
        let (puts, flushes) = (
            std::mem::take(&mut due.puts),
            std::mem::take(&mut due.flushes),
        );
        drop(due);
        let closed = || Arc::new(LogError::Closed);
        puts.into_iter().for_each(|(_, done)| done(Err(closed())));
        flushes.into_iter().for_each(|done| done(Err(closed())));
    }
}

/// Commits until the log is closed.
pub(crate) fn run(queue: &Queue, teller: &Teller, writer: &mut Writer, sync: Sync) {
    let _ended = Ended(queue);
    let mut sync_at = None;
    let mut is_behind = false;
    loop {
        let work = queue.next(sync_at);
        let is_sync_due = work.is_last
            || !work.flushes.is_empty()
            || sync_at.is_some_and(|at: Instant| at <= now());
        let mut answers = Answers::default();
        let mut done = match work.puts.is_empty() {
            false => puts(writer, work.puts, &mut answers),
            true if work.is_settle_due || !work.flushes.is_empty() => {
                let done = writer.commit(&mut []).map(drop);
                note(&done, &mut is_behind);
                done.map_err(Arc::new)
            }
            true => Ok(()),
        };
        if is_sync_due {
            done = done.and(late_sync(writer));
        }
        let flushes = work.flushes.into_iter();
        answers.flushes = flushes.map(|flushed| (flushed, done.clone())).collect();
        teller.tell(answers);
        sync_at = match (writer.is_behind(), sync) {
            (true, Sync::Interval(interval)) => sync_at.or_else(|| Some(now() + interval)),
            _ => None,
        };
        if work.is_last {
            return;
        }
    }
}

/// Commits puts together.
fn puts(
    writer: &mut Writer,
    puts: Vec<(Sealed, Done)>,
    answers: &mut Answers,
) -> Result<(), Arc<LogError>> {
    let (mut frames, tell): (Vec<Sealed>, Vec<Done>) = puts.into_iter().unzip();
    let committed = writer.commit(&mut frames).map_err(Arc::new);
    answers.frames = frames;
    match committed {
        Ok(committed) => {
            let told = tell.into_iter().zip(committed.into_iter().map(Ok));
            answers.puts = told.collect();
            Ok(())
        }
        Err(error) => {
            let refused = || Err(Arc::clone(&error));
            answers.puts = tell.into_iter().map(|done| (done, refused())).collect();
            Err(error)
        }
    }
}

fn late_sync(writer: &mut Writer) -> Result<(), Arc<LogError>> {
    writer.sync().map_err(|error| {
        tracing::error!(%error, "what was acknowledged since the last sync may be lost at a crash");
        Arc::new(error)
    })
}

/// Says once that what was delivered cannot be written, and once that it can.
fn note(done: &Result<(), LogError>, is_behind: &mut bool) {
    match done {
        Ok(()) if std::mem::take(is_behind) => {
            tracing::info!("what was delivered is on the disk again");
        }
        Ok(()) => {}
        Err(error) if !std::mem::replace(is_behind, true) => {
            let doubled = "after a crash it would be read again";
            tracing::warn!(%error, "what was delivered is not on the disk: {doubled}");
        }
        Err(_) => {}
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the thread of the log waits in real time; its tests drive the writer without it"
)]
fn now() -> Instant {
    Instant::now()
}
