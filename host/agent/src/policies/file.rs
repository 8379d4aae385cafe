//! One file of a policy in one agent: the versions of it, and the places where it runs.
//!
//! Places with the same limits share a [`Policy`]. All of them change together: a version is tried
//! out in every place before it is put into the first, and a version that spends the error budget
//! of one place is taken out of all.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flume_core::clock;
use flume_policy::{Artifact, Limits, Policy, PolicyError};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::PolicyUse;
use super::change::{Change, Look, Outcome, Step};
use super::read::Mark;
use super::report::{PolicyFileReport, Totals};

/// Changes over the admin port that a file has at a time: one at work, and one that waits.
const MOST_CHANGES: usize = 2;

/// A file in use.
pub(super) struct PolicyFile {
    name: String,
    agent: String,
    path: PathBuf,
    key: PathBuf,
    /// Places in the queue of changes over the admin port.
    pub(super) queue: Arc<Semaphore>,
    state: Mutex<State>,
}

struct State {
    /// The version that is to run.
    running: Version,
    /// The one before it, if it can be brought back.
    previous: Option<Version>,
    /// The digest of what the file said when it was last tried.
    seen: String,
    /// Whether that was refused.
    refused: bool,
    directory: Option<PathBuf>,
    generation: u64,
    entries: Vec<Entry>,
    /// What policies did that have no place any more.
    retired: Totals,
    last_error: Option<String>,
    change: Change,
}

/// A version of the policy.
#[derive(Clone)]
pub(super) struct Version {
    pub(super) artifact: Artifact,
    /// Whether it came over the admin port.
    pub(super) uploaded: bool,
}

/// The places with the same limits.
#[derive(Clone)]
struct Entry {
    limits: Limits,
    policy: Arc<Policy>,
    /// The digest of what was put there last. Another one runs if that spent its error budget.
    installed: String,
}

/// A version that made place for the one before it, by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Retreat {
    pub(super) from: String,
    pub(super) to: String,
}

impl PolicyFile {
    /// A file that no place uses yet.
    pub(super) fn new(
        name: String,
        wanted: &PolicyUse,
        artifact: Artifact,
        mark: Option<Mark>,
    ) -> Self {
        let look = mark.map_or(Look::Gone, Look::There);
        let seen = artifact.digest().to_owned();
        Self {
            name,
            agent: wanted.agent.clone(),
            path: wanted.path.clone(),
            key: key(&wanted.path),
            queue: Arc::new(Semaphore::new(MOST_CHANGES)),
            state: Mutex::new(State {
                running: Version {
                    artifact,
                    uploaded: false,
                },
                previous: None,
                seen,
                refused: false,
                directory: wanted.directory.clone(),
                generation: 1,
                entries: Vec::new(),
                retired: Totals::default(),
                last_error: None,
                change: Change::new(look),
            }),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
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
        self.state.lock().running.artifact.clone()
    }

    /// Whether the file said this when it was last tried, and was not refused. Then what runs goes
    /// before it: it may have come over the admin port, or this may have been rolled back.
    pub(super) fn knows(&self, digest: &str) -> bool {
        let state = self.state.lock();
        state.seen == digest && !state.refused
    }

    /// Whether any place is left.
    pub(super) fn is_used(&self) -> bool {
        let mut state = self.state.lock();
        let State {
            entries, retired, ..
        } = &mut *state;
        entries.retain(|entry| {
            let used = !entry.policy.report().seats.is_empty();
            if !used {
                retired.add(entry.policy.stats());
            }
            used
        });
        !entries.is_empty()
    }

    /// The policy with these limits that runs this version.
    pub(super) fn policy(&self, limits: &Limits, artifact: &Artifact) -> Option<Arc<Policy>> {
        let state = self.state.lock();
        let fits = |entry: &&Entry| entry.limits == *limits && entry.installed == artifact.digest();
        Some(Arc::clone(&state.entries.iter().find(fits)?.policy))
    }

    /// Notes that a policy with this version has got a place.
    pub(super) fn adopt(&self, policy: Arc<Policy>, wanted: &PolicyUse, artifact: &Artifact) {
        let mut state = self.state.lock();
        state.directory.clone_from(&wanted.directory);
        let known = |entry: &Entry| Arc::ptr_eq(&entry.policy, &policy);
        if !state.entries.iter().any(known) {
            let installed = artifact.digest().to_owned();
            state.entries.push(Entry {
                limits: wanted.limits.clone(),
                policy,
                installed,
            });
        }
    }

    /// Takes in what the file says, for the sake of a new place that accepts it. A place that does
    /// not is about to go, probably: the configuration has changed with the file. It keeps what it
    /// has, which is told.
    pub(super) fn take_in(&self, artifact: &Artifact) {
        let version = Version {
            artifact: artifact.clone(),
            uploaded: false,
        };
        if let Err(error) = self.swap(&version) {
            let (policy, version) = (&self.name, artifact.short_digest());
            tracing::warn!(policy, version, %error, "other places keep the version before");
            let mut state = self.state.lock();
            state.running = Version {
                artifact: artifact.clone(),
                uploaded: false,
            };
            state.previous = None;
            state.generation += 1;
        }
        self.accepted(artifact.digest());
    }

    /// Tries a version out in all places, then puts it into all. Says in which ways it differs.
    pub(super) fn swap(&self, version: &Version) -> Result<Vec<String>, PolicyError> {
        let entries = self.state.lock().entries.clone();
        let mut differences = Vec::new();
        let mut ready = Vec::new();
        for Entry { policy, .. } in &entries {
            let candidate = policy.prepare(version.artifact.clone())?;
            for difference in candidate.differences() {
                if !differences.contains(difference) {
                    differences.push(difference.clone());
                }
            }
            ready.push((policy, candidate));
        }
        let (policy, digest) = (&self.name, version.artifact.digest());
        for difference in &differences {
            tracing::info!(policy, difference, "the new version differs");
        }
        let mut state = self.state.lock();
        // A version that has just lost its place is none to come back to.
        state.notice_retreat(&self.name);
        for (policy, candidate) in ready {
            policy.install(candidate);
        }
        for entry in &mut state.entries {
            digest.clone_into(&mut entry.installed);
        }
        let before = std::mem::replace(&mut state.running, version.clone());
        state.previous = Some(before);
        state.generation += 1;
        state.last_error = None;
        let version = version.artifact.short_digest();
        tracing::info!(policy, version, "a new version is in all places");
        Ok(differences)
    }

    /// Brings the version before back, in all places; `None` if there is none.
    pub(super) fn roll_back(&self) -> Option<Retreat> {
        let mut state = self.state.lock();
        let retreat = state.retreat()?;
        state.last_error = None;
        drop(state);
        self.align(&retreat);
        Some(retreat)
    }

    /// Looks whether a version has lost a place by its error budget, and takes it out of the others.
    pub(super) fn notice_retreat(&self) {
        let retreat = self.state.lock().notice_retreat(&self.name);
        if let Some(retreat) = retreat {
            self.align(&retreat);
        }
    }

    /// A look at the file; `asked` if somebody wants it read now.
    pub(super) fn look(&self, asked: bool) -> Step {
        let look = match Mark::of(&self.path) {
            Ok(mark) => Look::There(mark),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Look::Gone,
            Err(error) => Look::Hidden(error.to_string()),
        };
        let change = &mut self.state.lock().change;
        match asked {
            true => change.look_now(look),
            false => change.look(look, clock::now()),
        }
    }

    /// What came of the reading that a look asked for.
    pub(super) fn outcome(&self, outcome: Outcome, asked: bool) {
        let tell = {
            let change = &mut self.state.lock().change;
            match (outcome, asked) {
                (outcome, false) => {
                    change.outcome(outcome);
                    None
                }
                (Outcome::Bad(error), true) => Some(error),
                (Outcome::Moved, true) => {
                    change.unsettle();
                    None
                }
                (Outcome::Good, true) => None,
            }
        };
        if let Some(error) = tell {
            self.tell(error);
        }
    }

    /// The one line about a file that does not come to run.
    pub(super) fn tell(&self, error: String) {
        let (policy, file) = (&self.name, self.path.display());
        tracing::error!(policy, %file, error, "the policy stays as it is");
        self.state.lock().last_error = Some(error);
    }

    /// The file says this now, and it runs or has run.
    pub(super) fn accepted(&self, digest: &str) {
        let mut state = self.state.lock();
        state.last_error = None;
        state.saw(digest, false);
    }

    /// The file says this now, and it cannot run.
    pub(super) fn refused(&self, digest: &str) {
        self.state.lock().saw(digest, true);
    }

    /// The file is as it was, after it was gone or unreadable.
    pub(super) fn is_back(&self) {
        let mut state = self.state.lock();
        if state.running.artifact.digest() == state.seen {
            state.last_error = None;
        }
    }

    pub(super) fn report(&self) -> PolicyFileReport {
        let state = self.state.lock();
        let mut totals = state.retired.clone();
        let mut seats = Vec::new();
        for entry in &state.entries {
            totals.add(entry.policy.stats());
            seats.extend(entry.policy.report().seats);
        }
        let Version { artifact, uploaded } = &state.running;
        PolicyFileReport {
            name: self.name.clone(),
            agent: self.agent.clone(),
            path: self.path.clone(),
            digest: artifact.digest().to_owned(),
            world: artifact.world().words(),
            generation: state.generation,
            previous: state
                .previous
                .as_ref()
                .map(|version| version.artifact.digest().to_owned()),
            uploaded: *uploaded,
            seats,
            totals,
            last_error: state.last_error.clone(),
        }
    }

    /// Puts the version that is to run into policies that could not go back to it by themselves:
    /// they were made after it.
    fn align(&self, retreat: &Retreat) {
        let (entries, running) = {
            let state = self.state.lock();
            (state.entries.clone(), state.running.artifact.clone())
        };
        let behind = entries.iter().filter(|e| e.installed == retreat.from);
        for Entry { policy, .. } in behind {
            match policy.prepare(running.clone()) {
                Ok(candidate) => {
                    let mut state = self.state.lock();
                    policy.install(candidate);
                    let found = |entry: &&mut Entry| Arc::ptr_eq(&entry.policy, policy);
                    if let Some(entry) = state.entries.iter_mut().find(found) {
                        retreat.to.clone_into(&mut entry.installed);
                    }
                }
                Err(error) => {
                    let policy = &self.name;
                    tracing::error!(policy, %error, "a place cannot go back to the version before");
                }
            }
        }
    }
}

impl State {
    /// Goes back in all places if a place has gone back by itself.
    fn notice_retreat(&mut self, policy: &str) -> Option<Retreat> {
        let lost = |entry: &Entry| entry.policy.artifact().digest() != entry.installed;
        if !self.entries.iter().any(lost) {
            return None;
        }
        let retreat = self.retreat()?;
        let version = short(&retreat.from);
        tracing::error!(
            policy,
            version,
            "rolled back in all places; this version is not loaded again until the file changes"
        );
        self.last_error = Some(format!(
            "version {version} spent its error budget and was rolled back"
        ));
        Some(retreat)
    }

    /// Makes the version before the one that is to run; `None` if there is none.
    fn retreat(&mut self) -> Option<Retreat> {
        let previous = self.previous.take()?;
        let from = self.running.artifact.digest().to_owned();
        let to = previous.artifact.digest().to_owned();
        for Entry {
            policy, installed, ..
        } in &mut self.entries
        {
            let is_left = *installed != from || policy.artifact().digest() != from;
            if is_left || policy.roll_back().is_ok() {
                policy.artifact().digest().clone_into(installed);
            }
        }
        self.running = previous;
        self.generation += 1;
        Some(Retreat { from, to })
    }

    fn saw(&mut self, digest: &str, refused: bool) {
        digest.clone_into(&mut self.seen);
        self.refused = refused;
    }
}

/// The first characters of a digest, which are enough for people.
pub(super) fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// A path as it is used, made absolute, links left as they are.
fn key(path: &Path) -> PathBuf {
    // It fails for an empty path only, or where there is no working directory.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

impl std::fmt::Debug for PolicyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PolicyFile").field(&self.name).finish()
    }
}
