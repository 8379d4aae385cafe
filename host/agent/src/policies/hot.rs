//! Hot load: another version comes by its file or over the admin port, while events flow.
//!
//! | way | what it does |
//! |---|---|
//! | [`watch`](Policies::watch) | a look at each file twice a second |
//! | [`look_again`](Policies::look_again) | a look now, at a file that is known to be finished |
//! | [`Turn::replace`] | a version from elsewhere; the file stays, and its next change wins |
//! | [`Turn::restore`] | what the file says, whatever came from elsewhere |
//! | [`Turn::roll_back`] | the version before |
//!
//! Each asks for a turn: one change is at work in the process, and one more may wait for each file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flume_policy::{Artifact, PolicyError};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::Policies;
use super::change::{Outcome, Step};
use super::file::{PolicyFile, Version};
use super::read::{self, FileError};

/// The pause between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A change that somebody asked for was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// No file in use has this name.
    #[error("no policy is called {0}")]
    Unknown(String),
    /// One change of this file is at work, and another one waits.
    #[error("{0} is being changed; ask again")]
    Busy(String),
    /// The file cannot be read, or may not be.
    #[error(transparent)]
    File(#[from] FileError),
    /// The version is no policy, or a place does not accept it.
    #[error(transparent)]
    Refused(#[from] PolicyError),
    /// Nothing to go back to.
    #[error("there is no version of {0} before the one that runs")]
    NothingBefore(String),
    /// The work ended early; what ran goes on.
    #[error("the change was cut off")]
    CutOff,
}

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The policy.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// The digest of the version that ran.
    pub from: String,
    /// The digest of the version that runs; the same, if it was there already.
    pub to: String,
    /// What is different about it, a line each.
    pub differences: Vec<String>,
}

/// Leave to change a policy, or a place in the queue for it.
#[derive(Debug)]
pub struct Turn {
    policies: Policies,
    file: Arc<PolicyFile>,
    place: OwnedSemaphorePermit,
}

impl Policies {
    /// Looks at the files of policies, until `stop` is cancelled. What has changed is taken in.
    pub async fn watch(self, stop: CancellationToken) {
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
                tracing::error!(%error, "a look at the files of policies was cut off");
            }
        }
    }

    /// Has [`watch`](Self::watch) look now, and read every file whose content is not known.
    pub fn look_again(&self) {
        self.0.again.notify_one();
    }

    /// Asks for leave to change the policy of this name.
    ///
    /// # Errors
    /// There is none, or too many ask.
    pub fn turn(&self, name: &str) -> Result<Turn, ChangeError> {
        let files = self.files();
        let file = files.into_iter().find(|file| file.name() == name);
        let file = file.ok_or_else(|| ChangeError::Unknown(name.to_owned()))?;
        let place = Arc::clone(&file.queue).try_acquire_owned();
        let place = place.map_err(|_| ChangeError::Busy(name.to_owned()))?;
        Ok(Turn {
            policies: self.clone(),
            file,
            place,
        })
    }

    /// One look at each file. Blocks while a version is compiled and tried out.
    pub(super) fn look(&self, asked: bool) {
        for file in self.files() {
            self.in_workshop(|| file.notice_retreat());
            match file.look(asked) {
                Step::Rest => {}
                Step::Tell(error) => file.tell(error),
                Step::Read => file.outcome(self.take_from_disk(&file), asked),
            }
        }
    }

    fn take_from_disk(&self, file: &PolicyFile) -> Outcome {
        let content = match read::read(file.path(), file.directory().as_deref()) {
            Ok(content) => content,
            Err(error) => return Outcome::Bad(error.to_string()),
        };
        if content.mark.is_none() {
            return Outcome::Moved;
        }
        let digest = Artifact::digest_of(&content.bytes);
        if file.knows(&digest) {
            file.is_back();
            return Outcome::Good;
        }
        match self.put(file, &content.bytes, false) {
            Ok(_) => {
                file.accepted(&digest);
                Outcome::Good
            }
            Err(error) => {
                file.refused(&digest);
                Outcome::Bad(error.to_string())
            }
        }
    }

    /// Makes these bytes the version that runs.
    fn put(&self, file: &PolicyFile, bytes: &[u8], uploaded: bool) -> Result<Changed, PolicyError> {
        self.in_workshop(|| {
            let artifact = self.load(file.name(), bytes)?;
            let (from, to) = (
                file.running().digest().to_owned(),
                artifact.digest().to_owned(),
            );
            let differences = match from == to {
                true => Vec::new(),
                false => file.swap(&Version { artifact, uploaded })?,
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

impl Turn {
    /// Puts a version from elsewhere into all places of the policy.
    ///
    /// # Errors
    /// It is no policy, or a place does not accept it; what ran goes on.
    pub async fn replace(self, bytes: Vec<u8>) -> Result<Changed, ChangeError> {
        self.work(move |policies, file| {
            let changed = policies.put(file, &bytes, true)?;
            tracing::info!(
                policy = changed.name,
                version = super::file::short(&changed.to),
                file = %changed.path.display(),
                "came over the admin port; the file is unchanged, and its next change wins"
            );
            Ok(changed)
        })
        .await
    }

    /// Puts what the file says into all places of the policy.
    ///
    /// # Errors
    /// It cannot be read, is no policy, or a place does not accept it; what ran goes on.
    pub async fn restore(self) -> Result<Changed, ChangeError> {
        self.work(|policies, file| {
            let content = read::read(file.path(), file.directory().as_deref())?;
            let changed = policies.put(file, &content.bytes, false)?;
            file.accepted(&changed.to);
            Ok(changed)
        })
        .await
    }

    /// Brings the version before back into all places of the policy.
    ///
    /// # Errors
    /// There is none.
    pub async fn roll_back(self) -> Result<Changed, ChangeError> {
        self.work(|policies, file| {
            let retreat = policies.in_workshop(|| file.roll_back());
            let name = file.name().to_owned();
            let Some(retreat) = retreat else {
                return Err(ChangeError::NothingBefore(name));
            };
            let version = super::file::short(&retreat.to);
            tracing::warn!(policy = name, version, "rolled back over the admin port");
            Ok(Changed {
                name,
                path: file.path().to_owned(),
                from: retreat.from,
                to: retreat.to,
                differences: Vec::new(),
            })
        })
        .await
    }

    /// Waits for the change that is at work, then works where nobody waits. Once begun the work is
    /// done, also if the one who asked has gone away.
    async fn work(
        self,
        work: impl FnOnce(&Policies, &PolicyFile) -> Result<Changed, ChangeError> + Send + 'static,
    ) -> Result<Changed, ChangeError> {
        let Self {
            policies,
            file,
            place,
        } = self;
        let Ok(turn) = Arc::clone(&policies.0.turn).acquire_owned().await else {
            return Err(ChangeError::CutOff);
        };
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&policies, &file);
            if let Err(error) = &result {
                file.tell(error.to_string());
            }
            drop((turn, place));
            result
        });
        done.await.unwrap_or(Err(ChangeError::CutOff))
    }
}
