//! Reading a channel: one pass for the index, and one over the bodies, in order.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use crate::found::Found;
use crate::index::TooMany;
use crate::record::{self, Event, Pointer, Says};
use crate::refusal::Refusal;
use crate::replay::{self, Replayed, Stopped};
use crate::report::{Report, Start};
use crate::scan;
use crate::window::Window;

/// Logs that are open at once for reading bodies. Each has a buffer.
const MOST_OPEN: usize = 32;

/// Why a channel could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError<E> {
    /// A file cannot be read.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is more than can be handled.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// Somebody writes.
    #[error("{} has changed meanwhile: somebody uses it", .0.display())]
    Changed(PathBuf),
    /// The directories can no longer be listed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Whoever took the events failed.
    #[error("{0}")]
    Taker(E),
}

impl Found {
    /// Gives the events that are not delivered, in order, without the first ones, which a former
    /// attempt has made safe. The same files give the same events in the same order.
    ///
    /// # Errors
    /// A file cannot be read, something is too large, or `each` failed.
    pub fn read<E>(
        &self,
        skip: u64,
        mut each: impl FnMut(Event) -> Result<(), E>,
    ) -> Result<Report, ReadError<E>> {
        let mut replayed = self.replay()?;
        let mut reader = Reader::new(self);
        for pointer in std::mem::take(&mut replayed.outcome.events) {
            let Some((event, order, is_repaired)) = reader.read(pointer)? else {
                replayed.report.unreadable += 1;
                continue;
            };
            let report = &mut replayed.report;
            report.events += 1;
            report.body_bytes += u64::try_from(event.body.len()).unwrap_or(u64::MAX);
            report.repaired_headers += u64::from(is_repaired);
            report.doubles.taken_in_deleted += u64::from(order < replayed.doubted_below);
            if report.events > skip {
                each(event).map_err(ReadError::Taker)?;
            }
        }
        if let Some(path) = self.changed()? {
            return Err(ReadError::Changed(path));
        }
        let mut report = replayed.report;
        let taken = &mut report.doubles.taken_in_damage;
        *taken = (*taken).min(report.events);
        report.is_running_unknown = self.is_running_unknown;
        Ok(report)
    }

    /// The first pass, from the newest state that agrees with the logs.
    fn replay<E>(&self) -> Result<Replayed, ReadError<E>> {
        let mut unused = self.unused.clone();
        let starts = self.starts.iter().map(Some).chain([None]);
        for start in starts {
            let checkpoint = start.map(|(_, _, checkpoint)| checkpoint);
            match replay::replay(&self.logs, checkpoint, self.limits) {
                Ok(mut replayed) => {
                    replayed.report.start = start.map_or(Start::Logs, |(start, ..)| *start);
                    replayed.report.unused = unused;
                    return Ok(replayed);
                }
                Err(Stopped::Disk(failed)) => {
                    let (path, source) = (failed.path, failed.source);
                    return Err(ReadError::Io { path, source });
                }
                Err(Stopped::TooMany(error)) => return Err(error.into()),
                Err(Stopped::WrongCheckpoint) => {
                    let why = "it points to places where no event is".to_owned();
                    unused.extend(start.map(|(_, path, _)| (path.clone(), why)));
                }
            }
        }
        // The last start has no checkpoint that could be wrong.
        Ok(Replayed::default())
    }
}

/// Reads events where pointers say.
struct Reader<'a> {
    found: &'a Found,
    windows: HashMap<u32, Window>,
}

impl<'a> Reader<'a> {
    fn new(found: &'a Found) -> Self {
        let windows = HashMap::new();
        Self { found, windows }
    }

    /// The event at a place, its order, and whether its headers were repaired.
    fn read<E>(&mut self, pointer: Pointer) -> Result<Option<(Event, u64, bool)>, ReadError<E>> {
        let logs = &self.found.logs;
        let at = logs.binary_search_by_key(&pointer.log(), |log| log.number);
        let Some(log) = at.ok().and_then(|at| logs.get(at)) else {
            return Ok(None);
        };
        let failed = |source| ReadError::Io {
            path: log.path.clone(),
            source,
        };
        if self.windows.len() >= MOST_OPEN && !self.windows.contains_key(&log.number) {
            self.windows.clear();
        }
        let window = match self.windows.entry(log.number) {
            std::collections::hash_map::Entry::Occupied(window) => window.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(Window::open(&log.path).map_err(failed)?)
            }
        };
        let most = self.found.limits.record;
        let payload = scan::payload(window, pointer.offset(), most).map_err(failed)?;
        let Some(payload) = payload else {
            return Ok(None);
        };
        let Some((head, Says::Put { headers, body })) = record::read(&payload) else {
            return Ok(None);
        };
        let (event, is_repaired) = Event::of(&payload, headers, body);
        Ok(Some((event, head.order, is_repaired)))
    }
}
