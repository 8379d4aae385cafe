//! One policy file in one agent: its content, what runs, and the swap between the two.
//!
//! Its [`Policy`] knows which versions there are, and where they run. This file knows what was last
//! tried of the content on disk, and whether it was refused.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flume_core::clock::{self, WallClock};
use flume_policy::{Artifact, LoadError, Policy, PolicyError, RollBack};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::change::{Action, Change, Look, ReadOutcome};
use super::read::Mark;
use super::report::{Failure, Origin, PolicyFileReport, Totals};
use super::{PolicyUse, Vacancy};

/// The most changes over the admin port of a file at a time: one at work, and one that waits.
const MOST_CHANGES: usize = 2;

/// A file in use.
pub(super) struct WatchedFile {
    name: String,
    agent: String,
    path: PathBuf,
    key: PathBuf,
    /// Room in the queue of changes over the admin port.
    pub(super) queue: Arc<Semaphore>,
    policy: Arc<Policy>,
    wall: WallClock,
    state: Mutex<FileState>,
}

struct FileState {
    /// The digest of the content that was last tried.
    seen: String,
    /// Whether that was refused.
    refused: bool,
    /// The digest of a content that was refused, for as long as the file has one.
    bad: Option<String>,
    directory: Option<PathBuf>,
    last_error: Option<String>,
    /// When the last new version was loaded, or was not, in milliseconds since 1970; 0 if there was
    /// none.
    last_time: u64,
    /// What the last error is about, for as long as there is one.
    failure: Option<Failure>,
    /// New versions that were not loaded.
    refusals: u64,
    /// The version that the file last had, of those that were accepted.
    of_file: Artifact,
    /// Roll-backs and returns to the file so far: an upload that began before one is void.
    recalls: u64,
    change: Change,
}

impl WatchedFile {
    /// A file that no place uses yet.
    pub(super) fn new(
        wanted: &PolicyUse,
        policy: Arc<Policy>,
        mark: Option<Mark>,
        wall: WallClock,
    ) -> Self {
        let look = mark.map_or(Look::Gone, Look::There);
        let artifact = policy.artifact();
        Self {
            name: artifact.name().to_owned(),
            agent: wanted.agent.clone(),
            path: wanted.path.clone(),
            key: key(&wanted.path),
            queue: Arc::new(Semaphore::new(MOST_CHANGES)),
            policy,
            wall,
            state: Mutex::new(FileState {
                seen: artifact.digest().to_owned(),
                refused: false,
                bad: None,
                directory: wanted.directory.clone(),
                last_error: None,
                last_time: 0,
                failure: None,
                refusals: 0,
                of_file: artifact.clone(),
                recalls: 0,
                change: Change::new(look),
            }),
        }
    }

    /// A file of which no version could be loaded. It is tried again when it looks otherwise, or on
    /// request.
    pub(super) fn vacant(
        wanted: &PolicyUse,
        policy: Arc<Policy>,
        vacancy: &Vacancy,
        wall: WallClock,
    ) -> Self {
        let file = Self::new(wanted, policy, vacancy.mark, wall);
        file.ended(Some((Origin::File, vacancy.why.clone())));
        {
            let mut state = file.state.lock();
            state.refused = true;
            state.refusals = 1;
        }
        file
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The agent that uses it.
    pub(super) fn agent(&self) -> &str {
        &self.agent
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The user to whom the file belongs now, for the audit log.
    pub(super) fn owner(&self) -> String {
        match std::fs::metadata(&self.path) {
            Ok(metadata) => format!("owner uid {}", metadata.uid()),
            Err(_) => "unknown".to_owned(),
        }
    }

    /// Its policy, which has a seat in each place that uses the file.
    pub(super) fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The folder that it has to be in.
    pub(super) fn directory(&self) -> Option<PathBuf> {
        self.state.lock().directory.clone()
    }

    /// Whether this is the file that a place asks for.
    pub(super) fn is(&self, wanted: &PolicyUse) -> bool {
        self.agent == wanted.agent && self.key == key(&wanted.path)
    }

    /// The version that is to run.
    pub(super) fn running(&self) -> Artifact {
        self.policy.artifact()
    }

    /// Whether this content was tried last, and was not refused. Then it is not tried again: what
    /// runs may have come over the admin port, or this content may have been rolled back.
    pub(super) fn knows(&self, digest: &str) -> bool {
        let state = self.state.lock();
        state.seen == digest && !state.refused
    }

    /// One more place uses the file: from now on it has to be in that place's folder.
    pub(super) fn stay_in_folder_of(&self, wanted: &PolicyUse) {
        let directory = &mut self.state.lock().directory;
        directory.clone_from(&wanted.directory);
    }

    /// Makes the content of the file run, for a new place that accepts it. Places that do not
    /// accept it keep what they have, and the log says so: most likely the configuration has
    /// changed with the file, and they are about to go.
    pub(super) fn take_in(&self, artifact: &Artifact) {
        if let Err(error) = self.swap(artifact.clone(), None) {
            let (policy, version) = (&self.name, artifact.short_digest());
            tracing::warn!(policy, version, %error, "other places keep the previous version");
            self.policy.install_for_new_seats(artifact.clone());
        }
        self.is_of_file(artifact);
        self.accepted(artifact.digest());
    }

    /// How often the policy was rolled back, or returned to its file.
    pub(super) fn recalls(&self) -> u64 {
        self.state.lock().recalls
    }

    /// This is what the file has, and it was accepted.
    pub(super) fn is_of_file(&self, artifact: &Artifact) {
        self.state.lock().of_file = artifact.clone();
    }

    /// Tries a version out in all places, then puts it into all. Returns how it differs. An upload
    /// says how many recalls there were when it began; if there was one since, `None` is returned,
    /// and nothing has changed.
    pub(super) fn swap(
        &self,
        artifact: Artifact,
        upload: Option<u64>,
    ) -> Result<Option<Vec<String>>, PolicyError> {
        let mut candidate = self.policy.prepare(artifact)?;
        let (policy, differences) = (&self.name, candidate.differences().to_vec());
        if upload.is_some() {
            candidate = candidate.uploaded();
        }
        let artifact = candidate.artifact().clone();
        {
            // Held for the moment in which nothing else may be recalled.
            let state = self.state.lock();
            if upload.is_some_and(|recalls| recalls != state.recalls) {
                return Ok(None);
            }
            self.policy.install(candidate);
        }
        self.ended(None);
        for difference in &differences {
            tracing::info!(policy, difference, "the new version differs");
        }
        let version = artifact.short_digest();
        tracing::info!(policy, version, "a new version is in all places");
        Ok(Some(differences))
    }

    /// Brings the previous version back, in all places; `None` if there is no previous version.
    pub(super) fn roll_back(&self) -> Option<RollBack> {
        self.state.lock().recalls += 1;
        let roll_back = self.policy.roll_back().ok()?;
        self.ended(None);
        Some(roll_back)
    }

    /// Brings back the version that the file last had, of those that were accepted. Returns it, and
    /// how it differs. Nothing is compiled for that.
    pub(super) fn restore(&self) -> Result<(Artifact, Vec<String>), PolicyError> {
        let artifact = {
            let mut state = self.state.lock();
            state.recalls += 1;
            state.of_file.clone()
        };
        if artifact.is_none() {
            return Err(LoadError::NoVersion.into());
        }
        let differences = match self.running().digest() == artifact.digest() {
            true => None,
            false => self.swap(artifact.clone(), None)?,
        };
        self.is_back();
        Ok((artifact, differences.unwrap_or_default()))
    }

    /// Takes a version that has spent its error budget in one place out of the others too.
    pub(super) fn finish_roll_back(&self) -> Option<RollBack> {
        let roll_back = self.policy.finish_roll_back()?;
        let (policy, version) = (&self.name, roll_back.from().short_digest());
        tracing::error!(
            policy,
            version,
            "rolled back in all places; this version is not loaded again until the file changes"
        );
        let error = format!("version {version} spent its error budget and was rolled back");
        self.ended(Some((Origin::Budget, error)));
        Some(roll_back)
    }

    /// A look at the file; `asked` if it is to be read now.
    pub(super) fn look(&self, asked: bool) -> Action {
        let look = match Mark::of(&self.path) {
            Ok(mark) => Look::There(mark),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Look::Gone,
            Err(error) => Look::Hidden(error.to_string()),
        };
        let mut state = self.state.lock();
        if !matches!(look, Look::There(_)) {
            state.bad = None;
        }
        match asked {
            true => state.change.look_now(look),
            false => state.change.look(look, clock::now()),
        }
    }

    /// The digest of the file's content, if that was refused.
    pub(super) fn bad(&self) -> Option<String> {
        self.state.lock().bad.clone()
    }

    /// The result of the reading that a look asked for.
    pub(super) fn outcome(&self, outcome: ReadOutcome, asked: bool) {
        let failed = {
            let change = &mut self.state.lock().change;
            match (outcome, asked) {
                (outcome, false) => {
                    change.outcome(outcome);
                    None
                }
                (ReadOutcome::Bad(error), true) => Some(error),
                (ReadOutcome::Moved, true) => {
                    change.unsettle();
                    None
                }
                (ReadOutcome::Good, true) => None,
            }
        };
        if let Some(error) = failed {
            self.failed(Origin::File, error);
        }
    }

    /// Logs why a version was not loaded, and keeps it as the last error.
    pub(super) fn failed(&self, origin: Origin, error: String) {
        let (policy, file) = (&self.name, self.path.display());
        tracing::error!(policy, %file, error, "the policy stays as it is");
        self.ended(Some((origin, error)));
        self.state.lock().refusals += 1;
    }

    /// This is the content of the file now, and it runs or has run.
    pub(super) fn accepted(&self, digest: &str) {
        self.ended(None);
        self.state.lock().saw(digest, false);
    }

    /// This is the content of the file now, and it cannot run.
    pub(super) fn refused(&self, digest: &str) {
        self.state.lock().saw(digest, true);
    }

    /// The file is as it was, after it was gone or unreadable.
    pub(super) fn is_back(&self) {
        let running = self.running();
        let is_well = {
            let state = self.state.lock();
            running.digest() == state.seen && state.last_error.is_some()
        };
        if is_well {
            self.ended(None);
        }
    }

    /// Notes how the last change ended, and when. A file that would not start is worse than a refused
    /// upload, and is not forgotten over it.
    fn ended(&self, failed: Option<(Origin, String)>) {
        let mut state = self.state.lock();
        state.last_time = self.wall.millis();
        let Some((origin, error)) = failed else {
            state.last_error = None;
            return;
        };
        let is_of_file = |now: Failure| now.origin == Origin::File;
        if origin != Origin::AdminPort || !state.failing().is_some_and(is_of_file) {
            state.fails(origin);
            state.last_error = Some(error);
        }
    }

    pub(super) fn report(&self) -> PolicyFileReport {
        let report = self.policy.report();
        let (last_error, failure, last_time, refusals) = {
            let state = self.state.lock();
            let last_error = state.last_error.clone();
            (last_error, state.failing(), state.last_time, state.refusals)
        };
        PolicyFileReport {
            name: self.name.clone(),
            agent: self.agent.clone(),
            path: self.path.clone(),
            digest: report.digest,
            world: report.world,
            generation: report.generation,
            previous: report.previous,
            uploaded: report.uploaded,
            seats: report.seats,
            totals: Totals::of(self.policy.stats()),
            last_error,
            last_time,
            failure,
            refusals,
        }
    }
}

impl FileState {
    fn saw(&mut self, digest: &str, refused: bool) {
        digest.clone_into(&mut self.seen);
        self.refused = refused;
        self.bad = refused.then(|| digest.to_owned());
    }

    /// What the last error is about, if there is one.
    fn failing(&self) -> Option<Failure> {
        self.failure.filter(|_| self.last_error.is_some())
    }

    /// Notes what fails, from the first moment on. The error itself is to follow.
    fn fails(&mut self, origin: Origin) {
        let before = self.failing().filter(|before| before.origin == origin);
        let since = before.map_or_else(clock::now, |before| before.since);
        self.failure = Some(Failure { origin, since });
    }
}

/// The absolute path; links are not resolved.
fn key(path: &Path) -> PathBuf {
    // This fails only for an empty path, or without a working directory.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

impl std::fmt::Debug for WatchedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WatchedFile").field(&self.name).finish()
    }
}
