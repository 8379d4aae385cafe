//! Closing and renaming files in the background: each file has a task of its own, so that no batch
//! waits for it. HDFS may take half a second to close a file.
//!
//! | a file that | is |
//! |---|---|
//! | is synced and full or too old | closed and renamed, at most `at_once` files at a time |
//! | failed while it was written, in a store that appends | cut back to its last sync if the store can do that, closed, renamed; deleted if it is empty |
//! | failed in an object store | aborted |
//! | could not be closed or renamed | tried again every `retryInterval`, up to `closeTries` times |
//!
//! What a file holds up to its last sync is delivered, so a failure here never makes a batch roll
//! back. The number of these files is limited: see [`pending`](crate::pending).

use std::sync::Arc;
use std::time::Duration;

use flume_core::chain;

use crate::naming::FileNames;
use crate::pending::PendingEnd;
use crate::shared::Shared;
use crate::store::{Durable, Finished, StoreError, StoreFile, within};

/// Time for lease recovery, in addition to the limit of one call.
const RECOVERY_TIME: Duration = Duration::from_secs(10);

/// The pause before a store is asked again whether it has released a file.
const NOT_YET_PAUSE: Duration = Duration::from_secs(2);

impl Shared {
    /// Closes and renames a file that is synced to its last byte.
    pub(crate) fn end_synced(self: &Arc<Self>, file: Box<dyn StoreFile>, names: FileNames) {
        let (shared, pending) = (Arc::clone(self), self.pending.first());
        self.spawn(async move { shared.close_and_rename(file, names, pending).await });
    }

    /// Ends a file that could not be written.
    pub(crate) fn end_failed(self: &Arc<Self>, file: Box<dyn StoreFile>, names: FileNames) {
        self.counters.connection_failed.increment();
        let (shared, pending) = (Arc::clone(self), self.pending.failed());
        self.spawn(async move {
            shared.let_go_and_end(file, names).await;
            drop(pending);
        });
    }

    /// Ends a file that may exist although the call that creates it timed out.
    pub(crate) fn end_later(self: &Arc<Self>, names: FileNames) {
        let (shared, pending) = (Arc::clone(self), self.pending.failed());
        let pause = self.settings.retry_interval;
        self.spawn(async move {
            shared.keep_ending(None, names, pause).await;
            drop(pending);
        });
    }

    /// Starts a task, and removes those that are done.
    fn spawn(&self, ending: impl Future<Output = ()> + Send + 'static) {
        let mut endings = self.endings.lock();
        while let Some(ended) = endings.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "the task that closes a file panicked");
            }
        }
        endings.spawn(ending);
    }

    async fn close_and_rename(
        &self,
        mut file: Box<dyn StoreFile>,
        names: FileNames,
        mut pending: PendingEnd,
    ) {
        // `acquire` fails only if the semaphore is closed, and nothing closes it.
        let turn = self.close_permits.acquire().await.ok();
        if let Err(error) = self.call("close", file.close()).await {
            self.files().close_fail.increment();
            self.counters.connection_failed.increment();
            tracing::warn!(
                file = names.in_use,
                error = chain(&error),
                "failed to close a file, its lease will be \
                recovered"
            );
            pending.fail();
            drop(turn);
            self.let_go_and_end(file, names).await;
            return;
        }
        match self.rename(&names).await {
            Ok(()) => self.counters.connection_closed.increment(),
            Err(error) => {
                self.files().rename_fail.increment();
                let pause = self.settings.retry_interval;
                tracing::warn!(
                    file = names.in_use,
                    ?pause,
                    error = chain(&error),
                    "failed to rename a file, \
                    will retry"
                );
                pending.fail();
                drop(turn);
                self.keep_ending(None, names, pause).await;
            }
        }
    }

    async fn let_go_and_end(&self, mut file: Box<dyn StoreFile>, names: FileNames) {
        let aborted = self.call("abort", file.abort()).await;
        if let Err(error) = &aborted {
            tracing::debug!(
                file = names.in_use,
                error = chain(&error),
                "a failed file cannot be cut back"
            );
        }
        match self.durable() {
            Durable::AtClose if aborted.is_ok() => {}
            Durable::AtClose => self.keep_ending(Some(file), names, Duration::ZERO).await,
            Durable::AtSync => {
                if let Err(error) = self.call("close", file.close()).await {
                    self.files().close_fail.increment();
                    tracing::warn!(
                        file = names.in_use,
                        error = chain(&error),
                        "failed to close a file, its lease \
                        will be recovered"
                    );
                }
                self.keep_ending(None, names, Duration::ZERO).await;
            }
        }
    }

    /// Tries to end a file until it succeeds or `closeTries` is reached.
    ///
    /// An upload is aborted through its `upload`, which knows the ID; the store may not have taken
    /// the marker that tells it to others.
    async fn keep_ending(
        &self,
        mut upload: Option<Box<dyn StoreFile>>,
        names: FileNames,
        first_pause: Duration,
    ) {
        let what = match &upload {
            Some(_) => "abort an upload",
            None => "rename a file",
        };
        let mut pause = first_pause;
        let mut tries = 0_u32;
        loop {
            tokio::time::sleep(pause).await;
            let ended = match &mut upload {
                Some(upload) => {
                    let aborted = self.call("abort", upload.abort()).await;
                    aborted.map(|()| Finished::Aborted)
                }
                None => self.finish(&names).await,
            };
            match ended {
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
                        tracing::error!(
                            file = names.in_use,
                            tries,
                            error = chain(&error),
                            "failed to {what}, it \
                            is left as it is"
                        );
                        return;
                    }
                    pause = self.settings.retry_interval;
                    tracing::warn!(
                        file = names.in_use,
                        tries,
                        ?pause,
                        error = chain(&error),
                        "failed to {what}, \
                        will retry"
                    );
                }
            }
        }
    }

    /// Ends a file that nobody writes any more, under another name if its own is taken.
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
