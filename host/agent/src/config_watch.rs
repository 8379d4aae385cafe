//! Watches the configuration file: every 30 s as in Flume, or at once on SIGHUP.
//!
//! Flume goes by the modification time, so it misses an older file that is put back, and it loads a
//! half-written file. Here the text itself is compared, and a changed text counts only once it has
//! stayed the same for a second.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

use crate::load::{self, Loaded, Options};
use crate::logging::LogFormat;
use crate::plan::AgentPlan;
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
    pub(crate) fn load(&self, services: &Services) -> io::Result<Loaded> {
        load::load(&self.path, &self.options, services)
    }

    /// Waits for a change that can run. A change that cannot run is logged, and the wait goes on.
    pub(crate) async fn changed(&mut self, services: &Services) -> Vec<AgentPlan> {
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
                && let Some(plans) = self.read_again(services).await
            {
                return plans;
            }
        }
    }

    /// Loads the file now. A file that is refused is logged, and the agents stay as they are.
    ///
    /// A policy in it may take many seconds to compile, so this runs on a thread without events.
    pub(crate) async fn read_again(&mut self, services: &Services) -> Option<Vec<AgentPlan>> {
        self.text = self.read().await;
        let (path, options) = (self.path.clone(), self.options.clone());
        let services = services.clone();
        let (reloads, wall) = (services.reloads.clone(), services.components.wall.clone());
        let loading = tokio::task::spawn_blocking(move || load::load(&path, &options, &services));
        let file = self.path.display();
        let loaded = loading.await.map_err(io::Error::other).flatten();
        if !loaded.as_ref().is_ok_and(|loaded| self.runs(loaded)) {
            reloads.note(false, &wall);
        }
        match loaded {
            Err(error) => {
                tracing::error!(%file, %error, "the file cannot be read; the agents keep running");
                None
            }
            Ok(loaded) if self.runs(&loaded) => {
                loaded.log(LogFormat::Json);
                Some(loaded.plans)
            }
            Ok(loaded) => {
                loaded.log(LogFormat::Json);
                tracing::error!(%file, "the changed file is refused; the agents keep running");
                None
            }
        }
    }

    /// Whether the loaded file may run, in the requested mode.
    pub(crate) fn runs(&self, loaded: &Loaded) -> bool {
        !loaded.plans.is_empty() && !loaded.has_errors()
    }

    async fn read(&self) -> Option<Vec<u8>> {
        tokio::fs::read(&self.path).await.ok()
    }
}

#[cfg(test)]
mod tests;
