//! Files in use that no running agent writes: what a killed one left behind.
//!
//! They are looked for once, on the side, below the part of the path that has no escapes. Only
//! names that this sink would give, with a number from before its start, are taken for leftovers.
//! Agents that write to one folder cannot be told apart by that: an agent that finishes leftovers
//! needs a `filePrefix` of its own, with `%[FQDN]` for example. A writer whose file is taken from
//! it loses nothing, since it begins another one and gives its batch back.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::naming::FileNames;
use crate::store::{Finished, StoreError, within};
use crate::works::{Leftovers, Works};

/// Entries of folders that are looked at.
const MOST_ENTRIES: usize = 100_000;

/// Calls of the store that listing may take as long as.
const LISTING_CALLS: u32 = 6;

/// The longest pause before a store that cannot be listed is asked again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Looks whether a lease is recovered, and the pause between them.
const LOOKS: u32 = 30;
const LOOK_PAUSE: Duration = Duration::from_secs(2);

impl Works {
    /// Begins to look, if that is wanted.
    pub(crate) fn look_for_leftovers(self: &Arc<Self>) -> Option<AbortHandle> {
        if self.settings.leftovers == Leftovers::Ignore {
            return None;
        }
        // Files of this run have this number or a later one.
        let start = self.numbers.next(self.wall.millis());
        let works = Arc::clone(self);
        let task = tokio::spawn(async move { works.treat_leftovers(start).await });
        Some(task.abort_handle())
    }

    async fn treat_leftovers(&self, start: u64) {
        let folder = fixed_folder(
            &self.settings.folder.fixed(),
            self.settings.folder.is_constant(),
        );
        let pause = self.settings.retry_interval.min(LONGEST_PAUSE);
        let mut told = false;
        let found = loop {
            match self.leftovers(&folder, start).await {
                Ok(found) => break found,
                Err(error) if told => tracing::debug!(folder, %error, "cannot look for leftovers"),
                Err(error) => {
                    told = true;
                    tracing::warn!(folder, %error, "cannot look for leftovers, will retry");
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
                    "leftover of another run: `hdfs.leftovers = finish` gives it its name"
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
                "too many entries to look for leftovers \
                in all of them"
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
                    tracing::warn!(file = names.in_use, %error, "cannot finish a leftover");
                    return;
                }
            }
        }
        tracing::warn!(
            file = names.in_use,
            "the lease of a leftover is not recovered"
        );
    }
}

/// The folder in which all files lie.
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
