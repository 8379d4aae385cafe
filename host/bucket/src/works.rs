//! What all buckets of a sink share: the store, the settings, the numbers, and the files that wait
//! for their end.

use std::sync::Arc;
use std::time::Duration;

use flume_core::clock::WallClock;
use flume_core::{FileCounter, SinkCounter};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::bucket::Place;
use crate::escape::{Template, Times};
use crate::format::FileType;
use crate::ledger::Ledger;
use crate::naming::{FileNames, Naming, Numbers};
use crate::roll::RollLimits;
use crate::store::{Durable, Store, StoreError, StoreFile, within};
use crate::waits::Waits;

/// Names tried for one file, before something must be wrong with the folder.
const MOST_NAMES: usize = 100;

/// What a sink writes, and how long it waits for what.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder of an event.
    pub folder: Template,
    /// The names of files.
    pub naming: Naming,
    /// The time of an event, for both.
    pub times: Times,
    /// What the bytes are.
    pub file_type: FileType,
    /// When a file ends.
    pub limits: RollLimits,
    /// The most files that are open, and the most that wait for their end.
    pub most_open: usize,
    /// Buckets that are written at once, and files that are closed at once.
    pub at_once: usize,
    /// How long one call of the store may take.
    pub call_timeout: Duration,
    /// How often closing and renaming is tried; `None` is for ever.
    pub close_tries: Option<u32>,
    /// The pause between those tries.
    pub retry_interval: Duration,
    /// What becomes of files of another run.
    pub leftovers: Leftovers,
}

/// What becomes of the files that a killed agent left in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftovers {
    /// The log tells of them.
    Report,
    /// They get their names for good, or are aborted.
    Finish,
    /// Nobody looks for them.
    Ignore,
}

#[derive(Debug)]
pub(crate) struct Works {
    pub(crate) store: Box<dyn Store>,
    pub(crate) settings: Settings,
    pub(crate) numbers: Numbers,
    pub(crate) counters: Arc<SinkCounter>,
    pub(crate) wall: WallClock,
    /// Locked for a few instructions, never across a wait.
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) endings: Mutex<JoinSet<()>>,
    /// The files of `endings`.
    pub(crate) waits: Waits,
    /// Whoever closes a synced file holds one of them.
    pub(crate) turns: Semaphore,
}

impl Works {
    pub(crate) fn files(&self) -> &FileCounter {
        self.counters.files.get_or_init(FileCounter::default)
    }

    pub(crate) fn durable(&self) -> Durable {
        self.store.durable()
    }

    pub(crate) async fn call<T>(
        &self,
        what: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        within(self.settings.call_timeout, what, call).await
    }

    /// Creates the next file of a bucket whose last one had this number.
    pub(crate) async fn create(
        self: &Arc<Self>,
        place: &Place,
        last: &mut Option<u64>,
    ) -> Result<(Box<dyn StoreFile>, FileNames), StoreError> {
        self.waits.room(self.settings.most_open).await?;
        let mut taken = None;
        for _ in 0..MOST_NAMES {
            let number = self.numbers.after(*last, self.wall.millis());
            *last = Some(number);
            let naming = &self.settings.naming;
            let names = naming.names(&place.folder, &place.prefix, number);
            tracing::debug!("Creating {}", names.in_use);
            match self.call("create", self.store.create(&names)).await {
                Ok(file) => {
                    self.counters.connection_created.increment();
                    return Ok((file, names));
                }
                Err(StoreError::Exists(path)) => {
                    // Another writer's: away from its numbers.
                    taken = Some(path);
                    *last = None;
                }
                Err(error) => {
                    self.counters.connection_failed.increment();
                    if matches!(error, StoreError::TimedOut(..)) {
                        // It may be there all the same, empty.
                        self.end_later(names);
                    }
                    return Err(error);
                }
            }
        }
        Err(StoreError::Exists(taken.unwrap_or_default()))
    }

    /// Gives a closed file its name for good; another one if that is taken.
    pub(crate) async fn rename(&self, names: &FileNames) -> Result<(), StoreError> {
        let mut names = names.clone();
        let mut tries = 0;
        loop {
            tracing::debug!("Renaming {} to {}", names.in_use, names.done);
            match self.call("rename", self.store.rename(&names)).await {
                Err(StoreError::Exists(_)) if tries < MOST_NAMES => {
                    tries += 1;
                    let number = self.numbers.next(self.wall.millis());
                    names.done = self.settings.naming.renumbered(&names.done, number);
                }
                result => return result,
            }
        }
    }
}
