//! All buckets of a sink: events find theirs, files are opened and closed, and the sink learns
//! which batches cannot be lost any more.

use std::collections::HashMap;
use std::sync::Arc;

use flume_core::clock::{self, Instant, WallClock};
use flume_core::{Event, SinkCounter};
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use crate::bucket::{Bucket, Place};
use crate::escape::TimeError;
use crate::ledger::{BatchId, Ledger};
use crate::naming::Numbers;
use crate::store::{Durable, Store, StoreError};
use crate::waits::Waits;
use crate::works::{Settings, Works};

mod route;

/// Why a batch was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// An event has no path.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The buckets of a sink.
///
/// In a store that appends, a batch is delivered when [`write`](Self::write) returns. In an object
/// store it is delivered when every object with a part of it is complete; how many are is told by
/// [`delivered`](Self::delivered). After a failure of any method all batches that were not told of
/// are undelivered, and forgotten here.
#[derive(Debug)]
pub struct Buckets {
    works: Arc<Works>,
    open: HashMap<Place, Bucket>,
    /// The numbers of files that were closed because they were full: the next one of the same
    /// bucket counts on. As many as there may be open files.
    last: HashMap<Place, u64>,
    /// Whether the last thing that happened was a failure. Then the next batch does not wait for
    /// its objects to fill, so that whoever sends it learns whether the store is well again.
    failed: bool,
    /// Looks for leftovers.
    lookout: Option<AbortHandle>,
}

impl Buckets {
    pub(crate) fn over(
        store: Box<dyn Store>,
        settings: Settings,
        counters: Arc<SinkCounter>,
        wall: WallClock,
    ) -> Self {
        let works = Arc::new(Works {
            waits: Waits::default(),
            turns: Semaphore::new(settings.at_once.max(1)),
            store,
            settings,
            numbers: Numbers::default(),
            counters,
            wall,
            ledger: Mutex::new(Ledger::default()),
            endings: Mutex::new(JoinSet::new()),
        });
        // The counters are there from the start.
        works.files();
        let lookout = works.look_for_leftovers();
        Self {
            works,
            open: HashMap::new(),
            last: HashMap::new(),
            failed: false,
            lookout,
        }
    }

    /// Writes a batch.
    ///
    /// # Errors
    /// The batch is not delivered, though a part of it may be in files.
    pub async fn write(&mut self, batch: &[Event]) -> Result<(), WriteError> {
        let written = self.try_write(batch).await;
        self.conclude(written)
    }

    /// How many batches more are delivered, the oldest first.
    pub fn delivered(&mut self) -> usize {
        self.works.ledger.lock().delivered()
    }

    /// Closes all files, so that every batch is delivered.
    ///
    /// # Errors
    /// A store that is durable at close did not complete an object.
    pub async fn complete(&mut self) -> Result<(), WriteError> {
        let closed = self.close(|_| true).await;
        self.conclude(closed)
    }

    /// When a file has to be closed.
    pub fn next_due(&self) -> Option<Instant> {
        let limits = &self.works.settings.limits;
        let fills = self.open.values().filter_map(Bucket::fill);
        fills.filter_map(|fill| fill.due(limits)).min()
    }

    /// Closes the files whose time is over.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub async fn close_due(&mut self) -> Result<(), WriteError> {
        let closed = self.close_those_due().await;
        self.conclude(closed)
    }

    /// Closes all files, and waits until each has its name for good or was tried once. Those that
    /// failed have the time of one more call.
    pub async fn stop(&mut self) {
        if let Err(error) = self.complete().await {
            tracing::error!(%error, "unable to close all files");
        }
        let waits = &self.works.waits;
        waits.tried().await;
        let limit = self.works.settings.call_timeout;
        if tokio::time::timeout(limit, waits.ended()).await.is_err() {
            let files = waits.count();
            tracing::warn!(
                files,
                "files keep their names in use: they could not be renamed"
            );
        }
        self.let_go();
    }

    fn let_go(&self) {
        self.works.endings.lock().abort_all();
        if let Some(lookout) = &self.lookout {
            lookout.abort();
        }
    }

    async fn try_write(&mut self, batch: &[Event]) -> Result<(), WriteError> {
        self.close_those_due().await?;
        let (places, groups) = self.route(batch)?;
        let id = self.works.ledger.lock().begin();
        if let [place] = places.as_slice() {
            self.make_room(std::slice::from_ref(place)).await?;
            let mut bucket = self.bucket(place);
            let written = bucket.write(&self.works, batch, id).await;
            self.put_back(bucket);
            written?;
        } else {
            let mut groups = groups.into_iter();
            for places in places.chunks(self.works.settings.most_open.max(1)) {
                self.make_room(places).await?;
                let groups = groups.by_ref().take(places.len());
                let jobs = places.iter().zip(groups);
                let jobs = jobs
                    .map(|(place, events)| (self.bucket(place), events))
                    .collect();
                self.write_groups(jobs, id).await?;
            }
        }
        self.works.ledger.lock().leave(id);
        if self.failed && self.durable() == Durable::AtClose {
            self.close(|_| true).await?;
        }
        Ok(())
    }

    /// Writes to several buckets at once. All that began end, whatever becomes of the others.
    async fn write_groups(
        &mut self,
        jobs: Vec<(Bucket, Vec<Event>)>,
        id: BatchId,
    ) -> Result<(), WriteError> {
        let works = &self.works;
        let jobs = jobs.into_iter().map(|(mut bucket, events)| {
            let works = Arc::clone(works);
            async move {
                let written = bucket.write(&works, &events, id).await;
                (bucket, written)
            }
        });
        let results = futures_util::stream::iter(jobs).buffer_unordered(works.settings.at_once);
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
        let limits = self.works.settings.limits;
        let is_due = |bucket: &Bucket| {
            let due = bucket.fill().and_then(|fill| fill.due(&limits));
            due.is_some_and(|due| due <= now)
        };
        self.close(is_due).await
    }

    /// Closes some files.
    async fn close(&mut self, which: impl Fn(&Bucket) -> bool) -> Result<(), WriteError> {
        let chosen: Vec<Place> = {
            let open = self.open.iter().filter(|(_, bucket)| which(bucket));
            open.map(|(place, _)| place.clone()).collect()
        };
        let buckets: Vec<Bucket> = chosen
            .iter()
            .filter_map(|place| self.open.remove(place))
            .collect();
        let works = &self.works;
        let jobs = buckets.into_iter().map(|mut bucket| {
            let works = Arc::clone(works);
            async move { bucket.close(&works).await }
        });
        let results = futures_util::stream::iter(jobs).buffer_unordered(works.settings.at_once);
        let results: Vec<_> = results.collect().await;
        self.count_open();
        let outcome = results.into_iter().fold(Ok(()), Result::and);
        Ok(outcome?)
    }

    /// Closes the files that were idle longest, until there is room for these.
    async fn make_room(&mut self, places: &[Place]) -> Result<(), WriteError> {
        let new = places
            .iter()
            .filter(|place| !self.open.contains_key(place))
            .count();
        let most = self.works.settings.most_open.max(1);
        while self.open.len() + new > most {
            let others = self
                .open
                .values()
                .filter(|bucket| !places.contains(bucket.place()));
            let oldest = others.min_by_key(|bucket| bucket.fill().map(|fill| fill.touched()));
            let Some(oldest) = oldest.map(|bucket| bucket.place().clone()) else {
                break;
            };
            self.close(|bucket| *bucket.place() == oldest).await?;
        }
        Ok(())
    }

    fn bucket(&mut self, place: &Place) -> Bucket {
        let last = self.last.remove(place);
        self.open
            .remove(place)
            .unwrap_or_else(|| Bucket::new(place.clone(), last))
    }

    fn put_back(&mut self, bucket: Bucket) {
        if bucket.fill().is_some() {
            self.open.insert(bucket.place().clone(), bucket);
        } else if let Some(last) = bucket.last() {
            if self.last.len() >= self.works.settings.most_open {
                // Those that are forgotten begin with the time again.
                self.last.clear();
            }
            self.last.insert(bucket.place().clone(), last);
        }
        self.count_open();
    }

    fn count_open(&self) {
        self.works.files().open_bucket.set(self.open.len() as u64);
    }

    /// What the store's files have to do to count.
    pub fn durable(&self) -> Durable {
        self.works.durable()
    }

    fn conclude(&mut self, result: Result<(), WriteError>) -> Result<(), WriteError> {
        self.failed = result.is_err();
        if self.failed {
            self.works.ledger.lock().forget();
            if self.durable() == Durable::AtClose {
                for (_, mut bucket) in self.open.drain() {
                    bucket.abandon(&self.works);
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
