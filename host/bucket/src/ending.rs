//! The ends of files that are synced, and of those that failed: each is ended by a task of its own,
//! so that no batch waits for it. HDFS may take half a second to close a file.
//!
//! | a file that | is |
//! |---|---|
//! | is synced and full, or whose time is over | closed and renamed, when it is its turn: `at_once` are at a time |
//! | failed while it was written, in a store that appends | cut where it was last synced if that can be done, closed, renamed; deleted if it is empty |
//! | failed in an object store | aborted |
//! | could not be closed or renamed | asked again every `retryInterval`, up to `closeTries` times |
//!
//! What a file holds up to its last sync is delivered, so its end is never a reason to give events
//! back. Their number is bounded: where too many wait, whoever wants to create a file waits until
//! one has ended, and is refused when all of them failed.

use std::sync::Arc;
use std::time::Duration;

use crate::naming::FileNames;
use crate::store::{Durable, Finished, StoreError, StoreFile, within};
use crate::waits::Waiting;
use crate::works::Works;

/// What lease recovery may take beyond the limit of one call.
const RECOVERY_TIME: Duration = Duration::from_secs(10);

/// The pause while a store has not let go of a file.
const NOT_YET_PAUSE: Duration = Duration::from_secs(2);

impl Works {
    /// Ends a file that is synced to its last byte.
    pub(crate) fn end_synced(self: &Arc<Self>, file: Box<dyn StoreFile>, names: FileNames) {
        let (works, waiting) = (Arc::clone(self), self.waits.first());
        self.spawn(async move { works.close_and_rename(file, names, waiting).await });
    }

    /// Ends a file after a failure.
    pub(crate) fn end_failed(self: &Arc<Self>, file: Box<dyn StoreFile>, names: FileNames) {
        self.counters.connection_failed.increment();
        let (works, waiting) = (Arc::clone(self), self.waits.failed());
        self.spawn(async move {
            works.let_go_and_end(file, names).await;
            drop(waiting);
        });
    }

    /// Ends a file that may be there, though nobody told that it was created.
    pub(crate) fn end_later(self: &Arc<Self>, names: FileNames) {
        let (works, waiting) = (Arc::clone(self), self.waits.failed());
        let pause = self.settings.retry_interval;
        self.spawn(async move {
            works.keep_ending(names, pause).await;
            drop(waiting);
        });
    }

    /// Begins a task, and lets go of those that are done.
    fn spawn(&self, ending: impl Future<Output = ()> + Send + 'static) {
        let mut endings = self.endings.lock();
        while let Some(ended) = endings.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "the end of a file panicked");
            }
        }
        endings.spawn(ending);
    }

    async fn close_and_rename(
        &self,
        mut file: Box<dyn StoreFile>,
        names: FileNames,
        mut waiting: Waiting,
    ) {
        // Nobody closes the semaphore.
        let turn = self.turns.acquire().await.ok();
        if let Err(error) = self.call("close", file.close()).await {
            self.files().close_fail.increment();
            self.counters.connection_failed.increment();
            tracing::warn!(file = names.in_use, %error, "failed to close a file, its lease will be \
                recovered");
            waiting.fail();
            drop(turn);
            self.let_go_and_end(file, names).await;
            return;
        }
        match self.rename(&names).await {
            Ok(()) => self.counters.connection_closed.increment(),
            Err(error) => {
                self.files().rename_fail.increment();
                let pause = self.settings.retry_interval;
                tracing::warn!(file = names.in_use, ?pause, %error, "failed to rename a file, \
                    will retry");
                waiting.fail();
                drop(turn);
                self.keep_ending(names, pause).await;
            }
        }
    }

    async fn let_go_and_end(&self, file: Box<dyn StoreFile>, names: FileNames) {
        if !self.let_go(file, &names).await {
            self.keep_ending(names, Duration::ZERO).await;
        }
    }

    /// Closes a file that failed; says whether nothing is left to do.
    async fn let_go(&self, mut file: Box<dyn StoreFile>, names: &FileNames) -> bool {
        let aborted = self.call("abort", file.abort()).await;
        if let Err(error) = &aborted {
            tracing::debug!(file = names.in_use, %error, "a failed file cannot be cut");
        }
        if self.durable() == Durable::AtClose {
            return aborted.is_ok();
        }
        if let Err(error) = self.call("close", file.close()).await {
            self.files().close_fail.increment();
            tracing::warn!(file = names.in_use, %error, "failed to close a file, its lease will be \
                recovered");
        }
        false
    }

    /// Tries to end a file until it succeeds or there were enough tries.
    async fn keep_ending(&self, names: FileNames, first_pause: Duration) {
        let mut pause = first_pause;
        let mut tries = 0_u32;
        loop {
            tokio::time::sleep(pause).await;
            match self.finish(&names).await {
                Ok(Finished::NotYet) => {
                    pause = NOT_YET_PAUSE;
                    continue;
                }
                Ok(_) => {
                    self.counters.connection_closed.increment();
                    return;
                }
                Err(error) => {
                    self.files().rename_fail.increment();
                    tries = tries.saturating_add(1);
                    if self.settings.close_tries.is_some_and(|most| tries >= most) {
                        tracing::error!(file = names.in_use, tries, %error, "failed to rename a \
                            file, it keeps its name");
                        return;
                    }
                    pause = self.settings.retry_interval;
                    tracing::warn!(file = names.in_use, tries, ?pause, %error, "failed to rename a \
                        file, will retry");
                }
            }
        }
    }

    /// Ends a file that nobody writes any more; under another name if its own is taken.
    pub(crate) async fn finish(&self, names: &FileNames) -> Result<Finished, StoreError> {
        let limit = self.settings.call_timeout.saturating_add(RECOVERY_TIME);
        match within(limit, "finish", self.store.finish(names)).await {
            Err(StoreError::Exists(_)) => {
                self.rename(names).await?;
                Ok(Finished::Renamed)
            }
            result => result,
        }
    }
}
