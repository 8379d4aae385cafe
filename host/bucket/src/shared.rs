//! What all buckets of a sink share: the store, the settings, the file numbers, and the files that
//! are still to be closed and renamed.

use std::sync::Arc;
use std::time::Duration;

use flume_core::clock::WallClock;
use flume_core::{FileCounter, SinkCounter};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::escape::{Template, Times};
use crate::format::FileType;
use crate::ledger::Ledger;
use crate::naming::{BucketPath, FileNames, Naming, Numbers};
use crate::pending::PendingEnds;
use crate::roll::RollLimits;
use crate::store::{Durable, Store, StoreError, StoreFile, within};

/// Names tried for one file. If all are taken, something is wrong with the folder.
const MOST_NAMES: usize = 100;

/// What a sink writes, where, and how long it waits.
#[derive(Debug, Clone, PartialEq)]
pub struct BucketSettings {
    /// The folder of an event, with escapes.
    pub folder: Template,
    /// The names of files.
    pub naming: Naming,
    /// The time of an event, for the escapes in both.
    pub times: Times,
    /// The format of a file.
    pub file_type: FileType,
    /// When a file is rolled.
    pub limits: RollLimits,
    /// The most files that are open, and the most that are still to be closed and renamed.
    pub most_open: usize,
    /// How many buckets are written at the same time, and how many files are closed.
    pub at_once: usize,
    /// How long one call of the store may take.
    pub call_timeout: Duration,
    /// Attempts to close and rename a file; `None` is no limit.
    pub close_tries: Option<u32>,
    /// The pause between those attempts.
    pub retry_interval: Duration,
    /// What to do with files that a killed agent left.
    pub leftovers: Leftovers,
}

/// What to do with the files that a killed agent left in use (`hdfs.leftovers`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftovers {
    /// Log them.
    Report,
    /// Give files their final name, and abort uploads.
    Finish,
    /// Do not look for them.
    Ignore,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Box<dyn Store>,
    pub(crate) settings: BucketSettings,
    pub(crate) numbers: Numbers,
    pub(crate) counters: Arc<SinkCounter>,
    pub(crate) wall: WallClock,
    /// Locked for a few instructions, never across an await.
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) endings: Mutex<JoinSet<()>>,
    /// Counts the files that `endings` is about.
    pub(crate) pending: PendingEnds,
    /// A task holds one while it closes a synced file.
    pub(crate) close_permits: Semaphore,
}

impl Shared {
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

    /// Creates the next file of a bucket, and moves `last` on to its number.
    pub(crate) async fn create(
        self: &Arc<Self>,
        path: &BucketPath,
        last: &mut Option<u64>,
    ) -> Result<(Box<dyn StoreFile>, FileNames), StoreError> {
        self.pending.room(self.settings.most_open).await?;
        let mut taken = None;
        for _ in 0..MOST_NAMES {
            let number = self.numbers.after(*last, self.wall.millis());
            *last = Some(number);
            let naming = &self.settings.naming;
            let names = naming.names(&path.folder, &path.prefix, number);
            tracing::debug!("Creating {}", names.in_use);
            match self.call("create", self.store.create(&names)).await {
                Ok(file) => {
                    self.counters.connection_created.increment();
                    return Ok((file, names));
                }
                Err(StoreError::Exists(name)) => {
                    // Another writer uses this number, and probably the ones after it.
                    taken = Some(name);
                    *last = None;
                }
                Err(error) => {
                    self.counters.connection_failed.increment();
                    if matches!(error, StoreError::TimedOut(..)) {
                        // The store may have created it all the same: it is removed later.
                        self.end_later(names);
                    }
                    return Err(error);
                }
            }
        }
        Err(StoreError::Exists(taken.unwrap_or_default()))
    }

    /// Gives a closed file its final name, or a name with a new number if that is taken.
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
