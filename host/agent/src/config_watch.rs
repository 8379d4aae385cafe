//! Watches the configuration file: every 30 s as in Flume, or at once on SIGHUP.
//!
//! Flume goes by the modification time, so it misses an older file that is put back, and it loads a
//! half-written file. Here the text itself is compared, and a changed text counts only once it has
//! stayed the same for a second.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

use crate::load::{self, Draft, Options};
use crate::logging::LogFormat;
use crate::services::Services;

/// Flume's pause between two checks of the file.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// If the text is the same after this time, the writer has finished.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// The file that the agents run from.
#[derive(Debug)]
pub(crate) struct ConfigWatch {
    path: PathBuf,
    options: Options,
    polls: bool,
    /// The text that was loaded last, whether it was accepted or not.
    text: Option<Vec<u8>>,
}

impl ConfigWatch {
    /// Watches a file from its current text. Without `polls`, only SIGHUP reads it again.
    pub(crate) fn new(path: PathBuf, options: Options, polls: bool) -> Self {
        let text = std::fs::read(&path).ok();
        Self {
            path,
            options,
            polls,
            text,
        }
    }

    /// Loads the file without comparing it to what ran before.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn load(&self, services: &Services) -> io::Result<Draft> {
        load::draft(&self.path, &self.options, services)
    }

    /// Waits for a change that can run, as far as that is known without its policies. A change that
    /// cannot run is logged, and the wait goes on.
    pub(crate) async fn changed(&mut self, services: &Services) -> Draft {
        loop {
            if !self.polls {
                std::future::pending::<()>().await;
            }
            sleep(LOOK_EVERY).await;
            let Some(text) = self.read().await else {
                continue;
            };
            if Some(&text) == self.text.as_ref() {
                continue;
            }
            sleep(SETTLED_AFTER).await;
            if self.read().await.as_ref() == Some(&text)
                && let Some(draft) = self.read_again(services).await
            {
                return draft;
            }
        }
    }

    /// Loads the file now. A file that is refused is logged, and the agents stay as they are.
    ///
    /// It may be on a slow disk, so this runs on a thread without events.
    pub(crate) async fn read_again(&mut self, services: &Services) -> Option<Draft> {
        self.text = self.read().await;
        let (path, options) = (self.path.clone(), self.options.clone());
        let services = services.clone();
        let (reloads, wall) = (services.reloads.clone(), services.components.wall.clone());
        let loading = tokio::task::spawn_blocking(move || load::draft(&path, &options, &services));
        let file = self.path.display();
        let draft = match loading.await.map_err(io::Error::other).flatten() {
            Ok(draft) => draft,
            Err(error) => {
                reloads.note(false, &wall);
                tracing::error!(%file, %error, "the file cannot be read; the agents keep running");
                return None;
            }
        };
        load::log(&draft.diagnostics, &draft.file, LogFormat::Json);
        if draft.has_errors() {
            reloads.note(false, &wall);
            tracing::error!(%file, "the changed file is refused; the agents keep running");
            return None;
        }
        Some(draft)
    }

    async fn read(&self) -> Option<Vec<u8>> {
        tokio::fs::read(&self.path).await.ok()
    }
}

#[cfg(test)]
mod tests;
