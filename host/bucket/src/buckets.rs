//! All buckets of a sink: routes events to them, opens and closes their files, and says which
//! batches are delivered.

use std::collections::HashMap;
use std::sync::Arc;

use flume_core::clock::{self, Instant, WallClock};
use flume_core::{Event, SinkCounter, chain};
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use crate::bucket::Bucket;
use crate::escape::TimeError;
use crate::ledger::{BatchId, Ledger};
use crate::naming::{BucketPath, Numbers};
use crate::pending::PendingEnds;
use crate::shared::{BucketSettings, Shared};
use crate::store::{Durable, Store, StoreError};

mod route;

/// Why a batch was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Events have no usable time, and the path needs one. Nothing was written or closed.
    #[error("{first}")]
    Untimed {
        /// Their places in the batch.
        places: Vec<usize>,
        /// What is wrong with the first of them.
        first: TimeError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The buckets of a sink.
///
/// In a store that appends, a batch is delivered when [`write`](Self::write) returns. In an object
/// store it is delivered when every object with a part of it is complete, and
/// [`delivered`](Self::delivered) counts it. If any method fails, all batches not counted yet are
/// undelivered, and forgotten here.
#[derive(Debug)]
pub struct Buckets {
    shared: Arc<Shared>,
    open: HashMap<BucketPath, Bucket>,
    /// The last file number of each bucket whose file was closed because it was full: the next file
    /// of the bucket has the number after it. At most as many entries as open files.
    last: HashMap<BucketPath, u64>,
    /// Whether the last call failed. If so, the next batch closes its objects at once, so that the
    /// caller learns whether the store works again.
    failed: bool,
    /// The task that looks for leftovers.
    lookout: Option<AbortHandle>,
}

impl Buckets {
    pub(crate) fn over(
        store: Box<dyn Store>,
        settings: BucketSettings,
        counters: Arc<SinkCounter>,
        wall: WallClock,
    ) -> Self {
        let shared = Arc::new(Shared {
            pending: PendingEnds::default(),
            close_permits: Semaphore::new(settings.at_once.max(1)),
            store,
            settings,
            numbers: Numbers::default(),
            counters,
            wall,
            ledger: Mutex::new(Ledger::default()),
            endings: Mutex::new(JoinSet::new()),
        });
        // Creates the counters, so that metrics show them from the start.
        shared.files();
        let lookout = shared.look_for_leftovers();
        Self {
            shared,
            open: HashMap::new(),
            last: HashMap::new(),
            failed: false,
            lookout,
        }
    }

    /// Writes a batch.
    ///
    /// # Errors
    /// The batch is not delivered, but a part of it may be in files. Only for
    /// [`WriteError::Untimed`] everything is as it was.
    pub async fn write(&mut self, batch: &[Event]) -> Result<(), WriteError> {
        let (paths, groups) = self.route(batch)?;
        let written = self.try_write(batch, paths, groups).await;
        self.conclude(written)
    }

    /// How many more batches are delivered, oldest first, since the last call.
    pub fn delivered(&mut self) -> usize {
        self.shared.ledger.lock().delivered()
    }

    /// Closes all files, so that every batch is delivered.
    ///
    /// # Errors
    /// A store that is durable at close did not complete an object.
    pub async fn complete(&mut self) -> Result<(), WriteError> {
        let closed = self.close(|_| true).await;
        self.conclude(closed)
    }

    /// When the next file must be closed because of its age.
    pub fn next_due(&self) -> Option<Instant> {
        let limits = &self.shared.settings.limits;
        let fills = self.open.values().filter_map(Bucket::fill);
        fills.filter_map(|fill| fill.due(limits)).min()
    }

    /// Closes the files that are too old, or idle for too long.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub async fn close_due(&mut self) -> Result<(), WriteError> {
        let closed = self.close_those_due().await;
        self.conclude(closed)
    }

    /// Closes all files, and waits until each has its final name or one attempt has failed. Failed
    /// ones get one more `callTimeout`.
    pub async fn stop(&mut self) {
        if let Err(error) = self.complete().await {
            tracing::error!(error = chain(&error), "unable to close all files");
        }
        let pending = &self.shared.pending;
        pending.tried().await;
        let limit = self.shared.settings.call_timeout;
        if tokio::time::timeout(limit, pending.ended()).await.is_err() {
            let files = pending.count();
            tracing::warn!(
                files,
                "files could not be renamed and keep their temporary names"
            );
        }
        self.let_go();
    }

    fn let_go(&self) {
        self.shared.endings.lock().abort_all();
        if let Some(lookout) = &self.lookout {
            lookout.abort();
        }
    }

    async fn try_write(
        &mut self,
        batch: &[Event],
        paths: Vec<BucketPath>,
        groups: Vec<Vec<Event>>,
    ) -> Result<(), WriteError> {
        self.close_those_due().await?;
        let id = self.shared.ledger.lock().begin();
        if let [path] = paths.as_slice() {
            self.make_room(std::slice::from_ref(path)).await?;
            let mut bucket = self.bucket(path);
            let written = bucket.write(&self.shared, batch, id).await;
            self.put_back(bucket);
            written?;
        } else {
            let mut groups = groups.into_iter();
            for paths in paths.chunks(self.shared.settings.most_open.max(1)) {
                self.make_room(paths).await?;
                let groups = groups.by_ref().take(paths.len());
                let jobs = paths.iter().zip(groups);
                let jobs = jobs
                    .map(|(path, events)| (self.bucket(path), events))
                    .collect();
                self.write_groups(jobs, id).await?;
            }
        }
        self.shared.ledger.lock().leave(id);
        if self.failed && self.durable() == Durable::AtClose {
            self.close(|_| true).await?;
        }
        Ok(())
    }

    /// Writes to several buckets at once. A failure of one does not stop the others.
    async fn write_groups(
        &mut self,
        jobs: Vec<(Bucket, Vec<Event>)>,
        id: BatchId,
    ) -> Result<(), WriteError> {
        let shared = &self.shared;
        let jobs = jobs.into_iter().map(|(mut bucket, events)| {
            let shared = Arc::clone(shared);
            async move {
                let written = bucket.write(&shared, &events, id).await;
                (bucket, written)
            }
        });
        let results = futures_util::stream::iter(jobs).buffer_unordered(shared.settings.at_once);
        let results: Vec<_> = results.collect().await;
        let mut outcome = Ok(());
        for (bucket, written) in results {
            self.put_back(bucket);
            outcome = outcome.and(written);
        }
        Ok(outcome?)
    }

    async fn close_those_due(&mut self) -> Result<(), WriteError> {
        let now = clock::now();
        if self.next_due().is_none_or(|due| due > now) {
            return Ok(());
        }
        let limits = self.shared.settings.limits;
        let is_due = |bucket: &Bucket| {
            let due = bucket.fill().and_then(|fill| fill.due(&limits));
            due.is_some_and(|due| due <= now)
        };
        self.close(is_due).await
    }

    /// Closes the files of the buckets that `which` chooses.
    async fn close(&mut self, which: impl Fn(&Bucket) -> bool) -> Result<(), WriteError> {
        let chosen: Vec<BucketPath> = {
            let open = self.open.iter().filter(|(_, bucket)| which(bucket));
            open.map(|(path, _)| path.clone()).collect()
        };
        let buckets: Vec<Bucket> = chosen
            .iter()
            .filter_map(|path| self.open.remove(path))
            .collect();
        let shared = &self.shared;
        let jobs = buckets.into_iter().map(|mut bucket| {
            let shared = Arc::clone(shared);
            async move { bucket.close(&shared).await }
        });
        let results = futures_util::stream::iter(jobs).buffer_unordered(shared.settings.at_once);
        let results: Vec<_> = results.collect().await;
        self.count_open();
        let outcome = results.into_iter().fold(Ok(()), Result::and);
        Ok(outcome?)
    }

    /// Closes the files that were idle longest, until the buckets of these paths may open theirs.
    async fn make_room(&mut self, paths: &[BucketPath]) -> Result<(), WriteError> {
        let new = paths
            .iter()
            .filter(|path| !self.open.contains_key(path))
            .count();
        let most = self.shared.settings.most_open.max(1);
        while self.open.len() + new > most {
            let others = self
                .open
                .values()
                .filter(|bucket| !paths.contains(bucket.path()));
            let oldest = others.min_by_key(|bucket| bucket.fill().map(|fill| fill.touched()));
            let Some(oldest) = oldest.map(|bucket| bucket.path().clone()) else {
                break;
            };
            self.close(|bucket| *bucket.path() == oldest).await?;
        }
        Ok(())
    }

    fn bucket(&mut self, path: &BucketPath) -> Bucket {
        let last = self.last.remove(path);
        self.open
            .remove(path)
            .unwrap_or_else(|| Bucket::new(path.clone(), last))
    }

    fn put_back(&mut self, bucket: Bucket) {
        if bucket.fill().is_some() {
            self.open.insert(bucket.path().clone(), bucket);
        } else if let Some(last) = bucket.last() {
            if self.last.len() >= self.shared.settings.most_open {
                // A forgotten bucket starts again with the present time as its number.
                self.last.clear();
            }
            self.last.insert(bucket.path().clone(), last);
        }
        self.count_open();
    }

    fn count_open(&self) {
        self.shared.files().open_bucket.set(self.open.len() as u64);
    }

    /// When the store makes events durable.
    pub fn durable(&self) -> Durable {
        self.shared.durable()
    }

    fn conclude(&mut self, result: Result<(), WriteError>) -> Result<(), WriteError> {
        self.failed = result.is_err();
        if self.failed {
            self.shared.ledger.lock().forget();
            if self.durable() == Durable::AtClose {
                for (_, mut bucket) in self.open.drain() {
                    bucket.abandon(&self.shared);
                }
                self.count_open();
            }
        }
        result
    }
}

impl Drop for Buckets {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[cfg(test)]
mod tests;
