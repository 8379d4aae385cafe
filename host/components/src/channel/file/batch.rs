//! Events on their way into the log that nobody waits for one by one: they become safe in parts.

use std::sync::{Arc, mpsc};

use flume_core::Event;
use flume_log::{Committed, Log, LogError, MOST_FRAME, Put};

use super::record;

/// Events that are made safe together. One put at a time is under way, so what is safe is always the
/// first part of the events.
const MOST_TOGETHER: usize = 10_000;

/// Bytes of bodies that are made safe together.
const MOST_BYTES: usize = 8 << 20;

/// Why an event is not in a batch.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The event alone is larger than a put may be.
    #[error("the event is too large for the log, whose puts have at most {MOST_FRAME} bytes")]
    TooLarge,
    /// What was collected before cannot be written.
    #[error("{0}")]
    Log(#[from] Arc<LogError>),
}

/// Events that become safe together.
pub struct Batch<'a> {
    log: &'a Log,
    put: Put,
    head: Vec<u8>,
    events: usize,
    bytes: usize,
    /// Where the first of all is.
    first: Option<Committed>,
    /// How many are written.
    written: usize,
}

impl<'a> Batch<'a> {
    /// A batch for a log into which nobody else puts anything meanwhile.
    pub fn new(log: &'a Log) -> Self {
        Self {
            log,
            put: Put::new(),
            head: Vec::new(),
            events: 0,
            bytes: 0,
            first: None,
            written: 0,
        }
    }

    /// Adds an event.
    ///
    /// # Errors
    /// It is too large, or what was collected cannot be written.
    pub fn push(&mut self, event: &Event) -> Result<(), BatchError> {
        if !record::write(&mut self.put, event, &mut self.head) {
            self.flush()?;
            if !record::write(&mut self.put, event, &mut self.head) {
                return Err(BatchError::TooLarge);
            }
        }
        self.bytes += event.body.len() + event.headers.bytes();
        self.events += 1;
        if self.events >= MOST_TOGETHER || self.bytes >= MOST_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what was collected, and waits for it.
    ///
    /// # Errors
    /// It cannot be written.
    fn flush(&mut self) -> Result<(), Arc<LogError>> {
        if self.events == 0 {
            return Ok(());
        }
        let put = std::mem::take(&mut self.put);
        let events = std::mem::take(&mut self.events);
        self.bytes = 0;
        let (tell, told) = mpsc::channel();
        // Whoever waits is below.
        let done = Box::new(move |done| {
            tell.send(done).ok();
        });
        self.log.put(put, done);
        let committed = told.recv().unwrap_or_else(|_| Err(closed()))?;
        self.first.get_or_insert(committed);
        self.written += events;
        Ok(())
    }

    /// The same; and what was written is safe then, whenever the log syncs what is put.
    ///
    /// # Errors
    /// It cannot be written, or is not safe.
    pub fn finish(&mut self) -> Result<(), Arc<LogError>> {
        self.flush()?;
        synced(self.log)
    }

    /// How many events are written.
    pub fn written(&self) -> usize {
        self.written
    }

    /// Where the first of them is.
    pub(super) fn first(&self) -> Option<Committed> {
        self.first
    }
}

/// Waits until all that was put before is safe, also with `sync = interval`.
pub(super) fn synced(log: &Log) -> Result<(), Arc<LogError>> {
    let (tell, told) = mpsc::channel();
    // Whoever waits is below.
    log.flush(Box::new(move |done| {
        tell.send(done).ok();
    }));
    told.recv().unwrap_or_else(|_| Err(closed()))
}

fn closed() -> Arc<LogError> {
    Arc::new(LogError::Closed)
}
