//! Hot load: another version comes in the file or over the admin port, while events flow.
//!
//! | way | what it does |
//! |---|---|
//! | [`watch`](Policies::watch) | a look at each file twice a second |
//! | [`look_again`](Policies::look_again) | a look now, at files that are known to be complete |
//! | [`ChangeTurn::replace`] | a version from the admin port, until the file changes |
//! | [`restore`](Policies::restore) | the version that the file last had |
//! | [`roll_back`](Policies::roll_back) | the previous version |
//!
//! Uploads of a file take turns: one is at work, and one may wait. The last two compile nothing and
//! wait for nobody; an upload that began before one of them is void.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flume_policy::{Artifact, PolicyError, RollBack, behind};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Policies;
use super::change::{Action as Step, ReadOutcome};
use super::file::WatchedFile;
use super::read;
use super::report::Origin;
use super::rooms::Room;
use crate::audit::{Action, By, Entry, Outcome, Way};

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
    /// The version is not a policy, or a place does not accept it.
    #[error(transparent)]
    Refused(#[from] PolicyError),
    /// It was recalled while it was compiled or tried out.
    #[error(
        "{0} was rolled back, or returned to its file, while this version was prepared: it is not used"
    )]
    Overtaken(String),
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
    /// How often the policy had been recalled when the change was asked for.
    recalls: u64,
    queued: OwnedSemaphorePermit,
}

impl Policies {
    /// Looks at the policy files until `stop` is cancelled, and loads what has changed. An agent
    /// whose files take long holds up no other.
    pub(crate) async fn watch(self, stop: CancellationToken) {
        let mut looks = Looks::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.0.asked.notified() => {}
            }
            let asked = std::mem::take(&mut *self.0.again.lock());
            looks.settle().await;
            let files = self.files();
            let agents: BTreeSet<&str> = files.iter().map(|file| file.agent()).collect();
            for agent in agents {
                looks.begin(&self, agent, asked.get(agent).copied());
            }
        }
    }

    /// Has [`watch`](Self::watch) look now, and read every file of an agent whose content is not
    /// known. `way` says what it is asked for by.
    pub(crate) fn look_again(&self, agent: &str, way: Way) {
        self.0.again.lock().insert(agent.to_owned(), way);
        self.0.asked.notify_one();
    }

    /// Room for a module of this size for an agent, until it is dropped; `None` while too many are on
    /// their way.
    pub(crate) fn room(&self, agent: &str, bytes: usize) -> Option<Room> {
        self.0.rooms.take(agent, bytes)
    }

    /// Takes a turn to change the policy of this name.
    ///
    /// # Errors
    /// There is no such policy, or another change waits already.
    pub(crate) fn turn(&self, name: &str) -> Result<ChangeTurn, ChangeError> {
        let file = self.named(name)?;
        let queued = Arc::clone(&file.queue).try_acquire_owned();
        let queued = queued.map_err(|_| ChangeError::Busy(name.to_owned()))?;
        Ok(ChangeTurn {
            policies: self.clone(),
            recalls: file.recalls(),
            file,
            queued,
        })
    }

    /// Brings back the version that the file last had, of those that were accepted, into all places
    /// of the policy of this name.
    ///
    /// # Errors
    /// There is no such policy, or a place does not accept it any more; what ran goes on.
    pub(crate) async fn restore(&self, name: &str, by: &By) -> Result<Changed, ChangeError> {
        self.recall(name, Action::Restore, by, |file| {
            let from = file.running().digest().to_owned();
            // It is tried out again, and a tenant may ask for that again and again.
            let restored = behind(|| file.restore()).map_err(|_| ChangeError::Interrupted)?;
            let (artifact, differences) =
                restored.inspect_err(|error| file.failed(Origin::File, error.to_string()))?;
            Ok(Changed {
                name: file.name().to_owned(),
                path: file.path().to_owned(),
                from,
                to: artifact.digest().to_owned(),
                differences,
            })
        })
        .await
    }

    /// Brings the previous version back into all places of the policy of this name.
    ///
    /// # Errors
    /// There is no such policy, or no previous version.
    pub(crate) async fn roll_back(&self, name: &str, by: &By) -> Result<Changed, ChangeError> {
        self.recall(name, Action::RollBack, by, |file| {
            let name = file.name().to_owned();
            let Some(roll_back) = file.roll_back() else {
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

    /// Works on a thread that may block: a place may have to be tried out.
    async fn recall(
        &self,
        name: &str,
        action: Action,
        by: &By,
        work: impl FnOnce(&WatchedFile) -> Result<Changed, ChangeError> + Send + 'static,
    ) -> Result<Changed, ChangeError> {
        let file = self.named(name)?;
        let (policies, by) = (self.clone(), by.clone());
        let done = tokio::task::spawn_blocking(move || {
            let from = file.running().digest().to_owned();
            let changed = work(&file);
            policies.note(&file, (&by, action), (&from, None), &changed);
            changed
        });
        done.await.unwrap_or(Err(ChangeError::Interrupted))
    }

    /// Notes what became of a change over the admin port.
    fn note(
        &self,
        file: &WatchedFile,
        (by, action): (&By, Action),
        (from, to): (&str, Option<&str>),
        changed: &Result<Changed, ChangeError>,
    ) {
        let why = changed.as_ref().err().map(ToString::to_string);
        let (from, to) = match changed {
            Ok(changed) => (changed.from.as_str(), Some(changed.to.as_str())),
            Err(_) => (from, to),
        };
        self.audit().record(&Entry {
            by,
            action,
            policy: file.name(),
            // Empty before the first version.
            from: Some(from).filter(|from| !from.is_empty()),
            to,
            outcome: why.as_deref().map_or(Outcome::Done, Outcome::Failed),
        });
    }

    /// Notes that a version has spent its error budget.
    fn note_budget(&self, file: &WatchedFile, roll_back: &RollBack) {
        self.audit().record(&Entry {
            by: &By {
                who: "error budget".to_owned(),
                way: Way::Budget,
            },
            action: Action::RollBack,
            policy: file.name(),
            from: Some(roll_back.from().digest()),
            to: Some(roll_back.to().digest()),
            outcome: Outcome::Done,
        });
    }

    fn named(&self, name: &str) -> Result<Arc<WatchedFile>, ChangeError> {
        let mut files = self.files().into_iter();
        let file = files.find(|file| file.name() == name);
        file.ok_or_else(|| ChangeError::Unknown(name.to_owned()))
    }

    /// One look at each file of every agent. Blocks while a version is compiled and tried out.
    #[cfg(test)]
    pub(super) fn look(&self, asked: bool) {
        self.look_at(&self.files(), asked.then_some(Way::Sighup));
    }

    /// One look at each of these files; `asked` if they are to be read now.
    fn look_at(&self, files: &[Arc<WatchedFile>], asked: Option<Way>) {
        for file in files {
            if let Some(roll_back) = file.finish_roll_back() {
                self.note_budget(file, &roll_back);
            }
        }
        let way = asked.unwrap_or(Way::File);
        for file in files {
            match file.look(asked.is_some()) {
                Step::Rest => {}
                Step::Report(error) => {
                    self.note_bad(file, way, &error);
                    file.failed(Origin::File, error);
                }
                Step::Read => {
                    let outcome = behind(|| self.take_from_disk(file, way))
                        .unwrap_or_else(|error| ReadOutcome::Bad(error.to_string()));
                    if let (ReadOutcome::Bad(error), Some(_)) = (&outcome, asked) {
                        self.note_bad(file, way, error);
                    }
                    file.outcome(outcome, asked.is_some());
                }
            }
        }
    }

    /// Notes that the content of a file would not start, if that is why it is not used.
    fn note_bad(&self, file: &WatchedFile, way: Way, error: &str) {
        if let Some(bad) = file.bad() {
            let running = file.running();
            self.note_load(file, way, (Some(running.digest()), &bad), Err(error));
        }
    }

    fn take_from_disk(&self, file: &WatchedFile, way: Way) -> ReadOutcome {
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
        match self.put(file, (&content.bytes, &digest), None) {
            Ok(Changed { from, to, .. }) => {
                file.accepted(&digest);
                if from != to {
                    self.note_load(file, way, (Some(&from), &to), Ok(()));
                }
                ReadOutcome::Good
            }
            Err(error) => {
                file.refused(&digest);
                ReadOutcome::Bad(error.to_string())
            }
        }
    }

    /// Makes a module from the admin port the version that runs, and notes what becomes of it.
    fn upload(
        &self,
        file: &WatchedFile,
        bytes: &[u8],
        recalls: u64,
        by: &By,
    ) -> Result<Changed, ChangeError> {
        let from = file.running().digest().to_owned();
        let to = Artifact::digest_of(bytes);
        let changed = self.put(file, (bytes, &to), Some(recalls));
        match &changed {
            Ok(changed) => tracing::info!(
                policy = changed.name,
                version = Artifact::shortened(&changed.to),
                file = %changed.path.display(),
                "came over the admin port; the file is unchanged, and its next change wins"
            ),
            // Nothing is wrong with it.
            Err(ChangeError::Overtaken(_)) => {}
            Err(error) => file.failed(Origin::AdminPort, error.to_string()),
        }
        self.note(file, (by, Action::Upload), (&from, Some(&to)), &changed);
        changed
    }

    /// Makes these bytes the version that runs. An upload says how many recalls there were when it
    /// was asked for.
    fn put(
        &self,
        file: &WatchedFile,
        (bytes, digest): (&[u8], &str),
        upload: Option<u64>,
    ) -> Result<Changed, ChangeError> {
        self.heavy_work(file.agent(), || {
            let module = (bytes, digest.to_owned());
            let artifact = self.load(file.agent(), file.name(), module)?;
            let (from, to) = (
                file.running().digest().to_owned(),
                artifact.digest().to_owned(),
            );
            let differences = match from == to {
                true => Some(Vec::new()),
                false => file.swap(artifact.clone(), upload)?,
            };
            let Some(differences) = differences else {
                return Err(ChangeError::Overtaken(file.name().to_owned()));
            };
            self.store(file.agent(), &artifact);
            if upload.is_none() {
                file.is_of_file(&artifact);
            }
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

/// The looks that are under way: one for each agent at a time.
#[derive(Debug, Default)]
struct Looks {
    under_way: BTreeMap<String, JoinHandle<()>>,
    /// Agents that were asked to look while they looked, and by what.
    asked: BTreeMap<String, Way>,
}

impl Looks {
    /// Forgets those that have ended.
    async fn settle(&mut self) {
        for (agent, look) in self.under_way.extract_if(.., |_, look| look.is_finished()) {
            if let Err(error) = look.await {
                tracing::error!(agent, %error, "a look at the policy files was interrupted");
            }
        }
    }

    /// Begins a look at an agent's files, if none is under way.
    fn begin(&mut self, policies: &Policies, agent: &str, asked: Option<Way>) {
        if self.under_way.contains_key(agent) {
            if let Some(way) = asked {
                self.asked.insert(agent.to_owned(), way);
            }
            return;
        }
        let asked = asked.or(self.asked.remove(agent));
        let (policies, name) = (policies.clone(), agent.to_owned());
        let look = tokio::task::spawn_blocking(move || {
            let files = policies.files().into_iter();
            let files: Vec<_> = files.filter(|file| file.agent() == name).collect();
            policies.look_at(&files, asked);
        });
        self.under_way.insert(agent.to_owned(), look);
    }
}

impl ChangeTurn {
    /// Puts a version from the admin port into all places of the policy. Work that has begun is
    /// finished, even if the client has gone away.
    ///
    /// # Errors
    /// It is not a policy, or a place does not accept it; what ran goes on.
    pub(crate) async fn replace(self, bytes: Vec<u8>, by: &By) -> Result<Changed, ChangeError> {
        let Self {
            policies,
            file,
            recalls,
            queued,
        } = self;
        let by = by.clone();
        let done = tokio::task::spawn_blocking(move || {
            let changed = behind(|| {
                // Giving it back to the system takes its time, too.
                let bytes = bytes;
                policies.upload(&file, &bytes, recalls, &by)
            });
            drop(queued);
            changed.unwrap_or(Err(ChangeError::Interrupted))
        });
        done.await.unwrap_or(Err(ChangeError::Interrupted))
    }
}
