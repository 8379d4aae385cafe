//! What a Flume has left in the folders of a file channel is taken over when the channel is opened.
//!
//! Its undelivered events go into our log, in order; then its files are moved away, so that a Flume that is
//! started there by mistake finds an empty channel. How a kill in the middle is made good:
//! [`flume_adopt`].

use std::sync::{Arc, mpsc};

use flume_adopt::{Directories, Found, Holds, Limits, ReadError, Report, find};
use flume_core::{ComponentError, Event, Headers};
use flume_log::{Log, LogError, Put};

use super::keys::Place;
use super::record;

/// Events that are made safe together. One put at a time is under way, so what is safe is always the
/// first part of the events.
const MOST_TOGETHER: usize = 10_000;

/// Bytes of bodies that are made safe together.
const MOST_BYTES: usize = 8 << 20;

/// Takes over what is there; returns how many events were put into the log.
///
/// # Errors
/// What is there cannot be taken over, or may not be.
pub(super) fn adopt(channel: &str, place: &Place, log: &Log) -> Result<u64, ComponentError> {
    let directories = Directories {
        checkpoint: place.checkpoint.clone(),
        data: place.data.clone(),
        backup: place.backup.clone(),
    };
    let refused = |error| {
        ComponentError::caused_by(
            "what Flume has left in its folders cannot be adopted",
            error,
        )
    };
    let mut adopted = 0;
    loop {
        match find(&directories, Limits::default()).map_err(refused)? {
            Holds::Nothing => return Ok(adopted),
            Holds::Adopted(aside) => {
                say_moved(channel, &aside.move_files().map_err(refused)?);
            }
            Holds::Channel(_) if !place.adopts => {
                let text = "its folders hold a channel of Flume, and `adopt` is `refuse`";
                return Err(ComponentError::new(text));
            }
            Holds::Channel(mut found) => {
                let first = found.begin(log.next()).map_err(refused)?;
                let safe = log.next().saturating_sub(first);
                let report = copy(&found, safe, log)?;
                adopted += report.events.saturating_sub(safe);
                tracing::info!(channel, "Flume's channel is adopted: {report}");
                let aside = found.mark_safe().map_err(refused)?;
                say_moved(channel, &aside.move_files().map_err(refused)?);
            }
        }
    }
}

fn say_moved(channel: &str, into: &[std::path::PathBuf]) {
    for folder in into {
        let folder = folder.display().to_string();
        tracing::info!(
            channel,
            folder,
            "Flume's files are here now; nothing needs them any more"
        );
    }
}

/// Puts the events into the log, without the first ones, which are safe.
fn copy(found: &Found, safe: u64, log: &Log) -> Result<Report, ComponentError> {
    let failed = |error: ReadError<Arc<LogError>>| {
        ComponentError::caused_by("Flume's events could not be copied", error)
    };
    let mut batch = Batch::new(log);
    let report = found.read(safe, |event| batch.push(event));
    let report = report.map_err(failed)?;
    let flushed = batch.flush().and_then(|()| synced(log));
    flushed.map_err(|error| failed(ReadError::Taker(error)))?;
    Ok(report)
}

/// With `sync = interval`, what was put may not be safe yet.
fn synced(log: &Log) -> Result<(), Arc<LogError>> {
    let (tell, told) = mpsc::channel();
    // Whoever waits is below.
    log.flush(Box::new(move |done| {
        tell.send(done).ok();
    }));
    told.recv()
        .unwrap_or_else(|_| Err(Arc::new(LogError::Closed)))
}

/// Events that become safe together.
struct Batch<'a> {
    log: &'a Log,
    put: Put,
    head: Vec<u8>,
    events: usize,
    bytes: usize,
}

impl<'a> Batch<'a> {
    fn new(log: &'a Log) -> Self {
        Self {
            log,
            put: Put::new(),
            head: Vec::new(),
            events: 0,
            bytes: 0,
        }
    }

    fn push(&mut self, event: flume_adopt::Event) -> Result<(), Arc<LogError>> {
        let event = Event {
            headers: Headers::from_pairs(event.headers),
            body: event.body,
        };
        if !record::write(&mut self.put, &event, &mut self.head) {
            self.flush()?;
            let fits = record::write(&mut self.put, &event, &mut self.head);
            debug_assert!(
                fits,
                "the largest record of Flume is half of the largest put"
            );
        }
        self.bytes += event.body.len() + event.headers.bytes();
        self.events += 1;
        match self.events >= MOST_TOGETHER || self.bytes >= MOST_BYTES {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Makes safe what was collected, and waits for it.
    fn flush(&mut self) -> Result<(), Arc<LogError>> {
        if self.events == 0 {
            return Ok(());
        }
        let put = std::mem::take(&mut self.put);
        (self.events, self.bytes) = (0, 0);
        let (tell, told) = mpsc::channel();
        self.log.put(
            put,
            Box::new(move |done| {
                // Whoever waits is below.
                tell.send(done.map(|_| ())).ok();
            }),
        );
        told.recv()
            .unwrap_or_else(|_| Err(Arc::new(LogError::Closed)))
    }
}
