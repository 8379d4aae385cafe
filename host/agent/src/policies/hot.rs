//! Hot load: another version comes in the file or over the admin port, while events flow.
//!
//! | way | what it does |
//! |---|---|
//! | [`watch`](Policies::watch) | a look at each file twice a second |
//! | [`look_again`](Policies::look_again) | a look now, at files that are known to be complete |
//! | [`ChangeTurn::replace`] | a version from the admin port, until the file changes |
//! | [`ChangeTurn::restore`] | the version in the file |
//! | [`ChangeTurn::roll_back`] | the previous version |
//!
//! The last three take turns: one change is at work in the process, and one more may wait for each
//! file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flume_policy::{Artifact, PolicyError};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::Policies;
use super::change::{Action, ReadOutcome};
use super::file::WatchedFile;
use super::read::{self, FileError};
use super::report::Origin;

/// The pause between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A requested change was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    /// No file in use has this name.
    #[error("no policy is called {0}")]
    Unknown(String),
    /// One change of this file is at work, and another one waits.
    #[error("{0} is being changed; try again")]
    Busy(String),
    /// The file cannot be read, or may not be.
    #[error(transparent)]
    File(#[from] FileError),
    /// The version is not a policy, or a place does not accept it.
    #[error(transparent)]
    Refused(#[from] PolicyError),
    /// Nothing to go back to.
    #[error("there is no previous version of {0}")]
    NothingBefore(String),
    /// The work ended early; what ran goes on.
    #[error("the change was interrupted")]
    Interrupted,
}

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    /// The policy.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// The digest of the version that ran.
    pub from: String,
    /// The digest of the version that runs now; the same, if it ran already.
    pub to: String,
    /// What is different about it, one line each.
    pub differences: Vec<String>,
}

/// A turn to change a policy, or a position in the queue for it.
#[derive(Debug)]
pub(crate) struct ChangeTurn {
    policies: Policies,
    file: Arc<WatchedFile>,
    queued: OwnedSemaphorePermit,
}

impl Policies {
    /// Looks at the policy files until `stop` is cancelled, and loads what has changed.
    pub(crate) async fn watch(self, stop: CancellationToken) {
        loop {
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => false,
                () = self.0.again.notified() => true,
            };
            if self.files().is_empty() {
                continue;
            }
            let policies = self.clone();
            let looks = tokio::task::spawn_blocking(move || policies.look(asked));
            if let Err(error) = looks.await {
                tracing::error!(%error, "a look at the policy files was interrupted");
            }
        }
    }

    /// Has [`watch`](Self::watch) look now, and read every file whose content is not known.
    pub(crate) fn look_again(&self) {
        self.0.again.notify_one();
    }

    /// Takes a turn to change the policy of this name.
    ///
    /// # Errors
    /// There is no such policy, or another change waits already.
    pub(crate) fn turn(&self, name: &str) -> Result<ChangeTurn, ChangeError> {
        let files = self.files();
        let file = files.into_iter().find(|file| file.name() == name);
        let file = file.ok_or_else(|| ChangeError::Unknown(name.to_owned()))?;
        let queued = Arc::clone(&file.queue).try_acquire_owned();
        let queued = queued.map_err(|_| ChangeError::Busy(name.to_owned()))?;
        Ok(ChangeTurn {
            policies: self.clone(),
            file,
            queued,
        })
    }

    /// One look at each file. Blocks while a version is compiled and tried out.
    pub(super) fn look(&self, asked: bool) {
        for file in self.files() {
            self.heavy_work(|| file.finish_roll_back());
            match file.look(asked) {
                Action::Rest => {}
                Action::Report(error) => file.failed(Origin::File, error),
                Action::Read => file.outcome(self.take_from_disk(&file), asked),
            }
        }
    }

    fn take_from_disk(&self, file: &WatchedFile) -> ReadOutcome {
        let content = match read::read(file.path(), file.directory().as_deref()) {
            Ok(content) => content,
            Err(error) => return ReadOutcome::Bad(error.to_string()),
        };
        if content.mark.is_none() {
            return ReadOutcome::Moved;
        }
        let digest = Artifact::digest_of(&content.bytes);
        if file.knows(&digest) {
            file.is_back();
            return ReadOutcome::Good;
        }
        match self.put(file, &content.bytes, false) {
            Ok(_) => {
                file.accepted(&digest);
                ReadOutcome::Good
            }
            Err(error) => {
                file.refused(&digest);
                ReadOutcome::Bad(error.to_string())
            }
        }
    }

    /// Makes these bytes the version that runs.
    fn put(
        &self,
        file: &WatchedFile,
        bytes: &[u8],
        uploaded: bool,
    ) -> Result<Changed, PolicyError> {
        self.heavy_work(|| {
            let artifact = self.load(file.name(), bytes)?;
            let (from, to) = (
                file.running().digest().to_owned(),
                artifact.digest().to_owned(),
            );
            let differences = match from == to {
                true => Vec::new(),
                false => file.swap(artifact, uploaded)?,
            };
            Ok(Changed {
                name: file.name().to_owned(),
                path: file.path().to_owned(),
                from,
                to,
                differences,
            })
        })
    }
}

impl ChangeTurn {
    /// Puts a version from the admin port into all places of the policy.
    ///
    /// # Errors
    /// It is not a policy, or a place does not accept it; what ran goes on.
    pub(crate) async fn replace(self, bytes: Vec<u8>) -> Result<Changed, ChangeError> {
        self.work(Some(Origin::AdminPort), move |policies, file| {
            let changed = policies.put(file, &bytes, true)?;
            tracing::info!(
                policy = changed.name,
                version = Artifact::shortened(&changed.to),
                file = %changed.path.display(),
                "came over the admin port; the file is unchanged, and its next change wins"
            );
            Ok(changed)
        })
        .await
    }

    /// Puts the version in the file into all places of the policy.
    ///
    /// # Errors
    /// It cannot be read, is not a policy, or a place does not accept it; what ran goes on.
    pub(crate) async fn restore(self) -> Result<Changed, ChangeError> {
        self.work(Some(Origin::File), |policies, file| {
            let content = read::read(file.path(), file.directory().as_deref())?;
            let changed = policies.put(file, &content.bytes, false)?;
            file.accepted(&changed.to);
            Ok(changed)
        })
        .await
    }

    /// Brings the previous version back into all places of the policy.
    ///
    /// # Errors
    /// There is no previous version.
    pub(crate) async fn roll_back(self) -> Result<Changed, ChangeError> {
        self.work(None, |policies, file| {
            let roll_back = policies.heavy_work(|| file.roll_back());
            let name = file.name().to_owned();
            let Some(roll_back) = roll_back else {
                return Err(ChangeError::NothingBefore(name));
            };
            let version = roll_back.to().short_digest();
            tracing::warn!(policy = name, version, "rolled back over the admin port");
            Ok(Changed {
                name,
                path: file.path().to_owned(),
                from: roll_back.from().digest().to_owned(),
                to: roll_back.to().digest().to_owned(),
                differences: Vec::new(),
            })
        })
        .await
    }

    /// Waits for the change that is at work, then works on a thread that may block. Work that has
    /// begun is finished, even if the client has gone away. If it fails, a version of this origin does
    /// not run; without one, nothing is wrong with any.
    async fn work(
        self,
        origin: Option<Origin>,
        work: impl FnOnce(&Policies, &WatchedFile) -> Result<Changed, ChangeError> + Send + 'static,
    ) -> Result<Changed, ChangeError> {
        let Self {
            policies,
            file,
            queued,
        } = self;
        let Ok(turn) = Arc::clone(&policies.0.turn).acquire_owned().await else {
            return Err(ChangeError::Interrupted);
        };
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&policies, &file);
            if let (Err(error), Some(origin)) = (&result, origin) {
                file.failed(origin, error.to_string());
            }
            drop((turn, queued));
            result
        });
        done.await.unwrap_or(Err(ChangeError::Interrupted))
    }
}
