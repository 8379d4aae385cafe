//! One file of a policy in one agent: the version that runs, and the places where it does.
//!
//! Places with the same limits share a [`Policy`]. All of them change together: a version is tried
//! out in every place before it is put into the first.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flume_policy::{Artifact, Limits, Policy, PolicyError};
use parking_lot::Mutex;

use super::PolicyUse;
use super::report::{PolicyFileReport, Totals};

/// A file in use.
pub(super) struct PolicyFile {
    name: String,
    agent: String,
    path: PathBuf,
    key: PathBuf,
    state: Mutex<State>,
}

struct State {
    /// The version that is to run.
    running: Artifact,
    /// The digest of what the file last said, whether that runs or not.
    seen: String,
    generation: u64,
    entries: Vec<Entry>,
    /// What policies did that have no place any more.
    retired: Totals,
    last_error: Option<String>,
}

/// The places with the same limits.
#[derive(Clone)]
struct Entry {
    limits: Limits,
    policy: Arc<Policy>,
    /// The digest of what was put there last. Another one runs if that spent its error budget.
    installed: String,
}

impl PolicyFile {
    /// A file that no place uses yet.
    pub(super) fn new(name: String, wanted: &PolicyUse, running: Artifact, seen: String) -> Self {
        Self {
            name,
            agent: wanted.agent.clone(),
            path: wanted.path.clone(),
            key: key(&wanted.path),
            state: Mutex::new(State {
                running,
                seen,
                generation: 1,
                entries: Vec::new(),
                retired: Totals::default(),
                last_error: None,
            }),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is the file that a place asks for.
    pub(super) fn is(&self, wanted: &PolicyUse) -> bool {
        self.agent == wanted.agent && self.key == key(&wanted.path)
    }

    /// The version that is to run.
    pub(super) fn running(&self) -> Artifact {
        self.state.lock().running.clone()
    }

    /// The digest of what the file last said.
    pub(super) fn seen(&self) -> String {
        self.state.lock().seen.clone()
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

    /// Notes that a policy has got a place.
    pub(super) fn adopt(&self, policy: Arc<Policy>, limits: &Limits, artifact: Artifact) {
        let mut state = self.state.lock();
        if !state
            .entries
            .iter()
            .any(|entry| Arc::ptr_eq(&entry.policy, &policy))
        {
            let installed = artifact.digest().to_owned();
            let limits = limits.clone();
            state.entries.push(Entry {
                limits,
                policy,
                installed,
            });
        }
    }

    /// Takes in a version for the sake of a new place. The configuration has changed with the file,
    /// probably, so a place that does not accept it is about to go: it keeps what it has.
    pub(super) fn take_in(&self, artifact: &Artifact, seen: &str) {
        if self.running().digest() == artifact.digest() {
            return;
        }
        if let Err(error) = self.swap(artifact) {
            tracing::warn!(policy = self.name, %error, "places of before keep the version of before");
            let mut state = self.state.lock();
            state.running = artifact.clone();
            state.generation += 1;
        }
        seen.clone_into(&mut self.state.lock().seen);
    }

    /// Tries a version out in all places, then puts it into all.
    pub(super) fn swap(&self, artifact: &Artifact) -> Result<Vec<String>, PolicyError> {
        let entries = self.state.lock().entries.clone();
        let mut differences = Vec::new();
        let mut ready = Vec::new();
        for Entry { policy, .. } in &entries {
            let candidate = policy.prepare(artifact.clone())?;
            for difference in candidate.differences() {
                if !differences.contains(difference) {
                    differences.push(difference.clone());
                }
            }
            ready.push((policy, candidate));
        }
        for difference in &differences {
            tracing::info!(policy = self.name, difference, "the new version differs");
        }
        let mut state = self.state.lock();
        for (policy, candidate) in ready {
            policy.install(candidate);
        }
        for entry in &mut state.entries {
            artifact.digest().clone_into(&mut entry.installed);
        }
        state.running = artifact.clone();
        state.generation += 1;
        state.last_error = None;
        Ok(differences)
    }

    pub(super) fn report(&self) -> PolicyFileReport {
        let state = self.state.lock();
        let mut totals = state.retired.clone();
        let mut seats = Vec::new();
        let mut previous = None;
        for entry in &state.entries {
            let report = entry.policy.report();
            totals.add(entry.policy.stats());
            seats.extend(report.seats);
            previous = previous.or(report.previous);
        }
        PolicyFileReport {
            name: self.name.clone(),
            agent: self.agent.clone(),
            path: self.path.clone(),
            digest: state.running.digest().to_owned(),
            world: state.running.world().words(),
            generation: state.generation,
            previous,
            uploaded: state.running.digest() != state.seen,
            seats,
            totals,
            last_error: state.last_error.clone(),
        }
    }
}

/// A path as it is used, made absolute, links left as they are.
fn key(path: &Path) -> PathBuf {
    // It fails for an empty path only, or where there is no working directory.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
