//! Leftovers: files in use that a killed agent left.
//!
//! A background task looks for them once, below the part of the path that has no escapes. A file is
//! a leftover if this sink would give it that name, with a number from before its start. This does
//! not tell apart agents that write to the same folder: an agent that finishes leftovers needs a
//! `filePrefix` of its own, with `%[FQDN]` for example. A running agent whose file is taken this way
//! loses no event: its batch fails, is rolled back, and goes into a new file.

use std::sync::Arc;
use std::time::Duration;

use flume_core::chain;
use tokio::task::AbortHandle;

use crate::naming::FileNames;
use crate::shared::{Leftovers, Shared};
use crate::store::{Finished, StoreError, within};

/// The most directory entries that are looked at.
const MOST_ENTRIES: usize = 100_000;

/// Listing may take this many times `callTimeout`.
const LISTING_CALLS: u32 = 6;

/// The longest pause before a failed listing is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often, and with which pause, the store is asked whether a lease is recovered.
const LOOKS: u32 = 30;
const LOOK_PAUSE: Duration = Duration::from_secs(2);

impl Shared {
    /// Starts the task, unless leftovers are ignored.
    pub(crate) fn look_for_leftovers(self: &Arc<Self>) -> Option<AbortHandle> {
        if self.settings.leftovers == Leftovers::Ignore {
            return None;
        }
        // Files of this run have this number or a higher one.
        let start = self.numbers.next(self.wall.millis());
        let shared = Arc::clone(self);
        let task = tokio::spawn(async move { shared.treat_leftovers(start).await });
        Some(task.abort_handle())
    }

    async fn treat_leftovers(&self, start: u64) {
        let folder = fixed_folder(
            &self.settings.folder.fixed(),
            self.settings.folder.is_constant(),
        );
        let pause = self.settings.retry_interval.min(LONGEST_PAUSE);
        let mut has_warned = false;
        let found = loop {
            match self.leftovers(&folder, start).await {
                Ok(found) => break found,
                Err(error) if has_warned => {
                    tracing::debug!(folder, error = chain(&error), "cannot look for leftovers")
                }
                Err(error) => {
                    has_warned = true;
                    tracing::warn!(
                        folder,
                        error = chain(&error),
                        "cannot look for leftovers, will retry"
                    );
                }
            }
            tokio::time::sleep(pause).await;
        };
        for names in found {
            self.files().leftover.increment();
            match self.settings.leftovers {
                Leftovers::Finish => self.finish_leftover(&names).await,
                _ => tracing::warn!(
                    file = names.in_use,
                    "a leftover of an earlier run: `hdfs.leftovers = finish` would rename it"
                ),
            }
        }
    }

    async fn leftovers(&self, folder: &str, start: u64) -> Result<Vec<FileNames>, StoreError> {
        let limit = self.settings.call_timeout.saturating_mul(LISTING_CALLS);
        let listing = within(limit, "list", self.store.list(folder, MOST_ENTRIES)).await?;
        if listing.cut {
            tracing::warn!(
                folder,
                entries = MOST_ENTRIES,
                "too many entries: only some were checked for leftovers"
            );
        }
        let naming = &self.settings.naming;
        let paths = listing.paths.iter();
        Ok(paths
            .filter_map(|path| naming.leftover(path, start))
            .collect())
    }

    async fn finish_leftover(&self, names: &FileNames) {
        for _ in 0..LOOKS {
            match self.finish(names).await {
                Ok(Finished::NotYet) => tokio::time::sleep(LOOK_PAUSE).await,
                Ok(finished) => {
                    let file = names.in_use.as_str();
                    match finished {
                        Finished::Deleted => tracing::info!(file, "empty leftover deleted"),
                        Finished::Aborted => tracing::info!(file, "leftover upload aborted"),
                        _ => tracing::info!(file, to = names.done, "leftover finished"),
                    }
                    return;
                }
                Err(error) => {
                    tracing::warn!(
                        file = names.in_use,
                        error = chain(&error),
                        "cannot finish a leftover"
                    );
                    return;
                }
            }
        }
        tracing::warn!(
            file = names.in_use,
            "the lease of a leftover was not recovered"
        );
    }
}

/// The deepest folder that holds all files of the sink.
fn fixed_folder(fixed: &str, whole: bool) -> String {
    let folder = match fixed.rsplit_once('/') {
        Some((folder, _)) if !whole => folder,
        _ => fixed,
    };
    match folder.trim_end_matches('/') {
        "" => "/".to_owned(),
        folder => folder.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_all_files_has_no_escapes() {
        for (fixed, whole, expected) in [
            ("/flume/", false, "/flume"),
            ("/flume/day-", false, "/flume"),
            ("/flume/events", true, "/flume/events"),
            ("/flume/events/", true, "/flume/events"),
            ("/", false, "/"),
            ("", false, "/"),
        ] {
            assert_eq!(fixed_folder(fixed, whole), expected, "{fixed}");
        }
    }
}
