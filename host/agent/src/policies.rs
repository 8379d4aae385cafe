//! Policies in files: what runs in this process, and how another version takes over.
//!
//! A file is known by its agent and its absolute path. Links are not resolved: a link that points
//! elsewhere is a change like any other. One version of a file runs at a time, in all the places of
//! its agent that name the file. In logs, metrics and on the admin port it is called `agent/stem`;
//! a second file with this stem in the same agent is `agent/stem-2`, in the order of first use.
//!
//! | what | where |
//! |---|---|
//! | opening a file, and nothing outside of its agent's folder | `read` |
//! | one file: its content, and what runs | [`file`] |
//! | when a change on disk counts | `change` |
//! | how another version gets into the process | `hot` |
//! | room for what comes over the admin port | `rooms` |
//! | what operators see | `report` |
//! | places for which no version could be loaded | `vacancy` |
//!
//! Laws: compiling and trying out is done by one thread at a time for each agent, never by one that
//! moves events; agents do not wait for each other. What a tenant can have done again and again (a
//! version over the admin port, or in the file) is done behind everything else. A roll-back waits for
//! nobody. A failure before the swap leaves what runs as it is.
//!
//! The engine is made on first use: an agent without policies never makes one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use flume_core::SinkSelector;
use flume_core::clock::WallClock;
use flume_policy::{
    Artifact, Cache, Compiler, InterceptorSetup, Limits, LoadError, Policy, PolicyEngine,
    PolicyError, PolicyInterceptor, PolicySelector, Problem, Remedy, SelectorSetup, Trial,
};
use parking_lot::Mutex;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;

use crate::audit::{Action, Audit, By, Entry, Outcome, Way};

use self::file::WatchedFile;
pub(crate) use self::read::{FileError, Mark};
#[cfg(test)]
pub(crate) use self::report::{Failure, Totals};
pub(crate) use self::report::{Origin, PolicyFileReport};
use self::rooms::Rooms;
pub(crate) use self::vacancy::Vacancy;

mod change;
mod file;
mod hot;
mod read;
mod report;
mod rooms;
mod vacancy;

pub(crate) use self::hot::{ChangeError, Changed};
pub(crate) use self::rooms::{MOST_ARRIVING, MOST_OF_ONE, OWN_ROOM};

/// A policy's file as one place uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PolicyUse {
    /// The agent.
    pub agent: String,
    /// The file, absolute or relative to the working directory.
    pub path: PathBuf,
    /// What the policy may use in this place.
    pub limits: Limits,
    /// The folder that the agent's policies are to be in, if it has one. A file outside of it,
    /// links followed, is refused.
    pub directory: Option<PathBuf>,
}

/// A policy cannot be used in its place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyUseError {
    /// The file cannot be read, or may not be.
    #[error(transparent)]
    File(#[from] FileError),
    /// The policy does not accept its properties. Most problems name a key.
    #[error("the policy does not accept its properties")]
    Config(Vec<Problem>),
    /// The file is not a policy, or not one of this kind.
    #[error(transparent)]
    Load(LoadError),
    /// The policy broke the contract when it was tried out, or there is no engine.
    #[error(transparent)]
    Policy(PolicyError),
}

impl From<PolicyError> for PolicyUseError {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::Config(problems) => Self::Config(problems),
            PolicyError::Load(error) => Self::Load(error),
            other => Self::Policy(other),
        }
    }
}

/// Where compiled policies are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum CacheChoice {
    /// Nowhere: each start compiles.
    #[default]
    None,
    /// In this folder. If it cannot be used, a warning says so, and each start compiles.
    Folder(PathBuf),
}

impl CacheChoice {
    /// The folder of `--policy-cache`. Without that flag it is `flume-host/policies` in the user's
    /// cache folder, if there is one.
    pub(crate) fn of_flag(flag: Option<&str>) -> Self {
        let folder = match flag {
            Some("none") => None,
            Some(folder) => Some(PathBuf::from(folder)),
            None => user_cache(&|name| std::env::var_os(name)),
        };
        folder.map_or(Self::None, Self::Folder)
    }
}

/// All policies of the process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Policies(Arc<Inner>);

struct Inner {
    cache: CacheChoice,
    compiler: Compiler,
    wall: WallClock,
    audit: Audit,
    tools: Mutex<Option<Tools>>,
    /// Held while something of this agent is compiled or tried out.
    heavy: Mutex<BTreeMap<String, Arc<Mutex<()>>>>,
    files: Mutex<Vec<Arc<WatchedFile>>>,
    /// For modules on their way to the admin port.
    rooms: Rooms,
    /// Wakes the watch, for a look at the files now.
    asked: Notify,
    /// The agents whose files are to be read then, even if they look as they did, and what that was
    /// asked for by.
    again: Mutex<BTreeMap<String, Way>>,
}

/// What is made on first use.
#[derive(Debug, Clone)]
struct Tools {
    engine: PolicyEngine,
    cache: Option<Cache>,
}

impl Tools {
    /// The part of the cache of one agent.
    fn part(&self, agent: &str) -> Option<Cache> {
        let part = self.cache.as_ref()?.part(agent);
        part.inspect_err(|error| {
            tracing::warn!(agent, %error, "compiled policies are not kept");
        })
        .ok()
    }
}

/// Whether a place would accept a version.
type Accepts<'a> = dyn Fn(&PolicyEngine, &Artifact) -> Result<(), PolicyError> + 'a;

/// The version for a new place.
struct Choice {
    artifact: Artifact,
    /// The mark of the file, if this is its content.
    mark: Option<Mark>,
    /// Why the content of the file was not chosen.
    refused: Option<PolicyUseError>,
}

impl Choice {
    /// Why there is no version for the place. A problem with the file comes first.
    fn refusal(self, error: PolicyError) -> PolicyUseError {
        self.refused.unwrap_or_else(|| error.into())
    }
}

impl PolicyUse {
    /// Tries whether a version can be the selector of a group here.
    fn accepts_group(
        &self,
        setup: &SelectorSetup,
    ) -> impl Fn(&PolicyEngine, &Artifact) -> Result<(), PolicyError> {
        move |engine, artifact| {
            Trial::selector(engine, artifact, &self.limits, setup.clone()).map(drop)
        }
    }

    /// Tries whether a version can be an interceptor here.
    fn accepts_source(
        &self,
        setup: &InterceptorSetup,
    ) -> impl Fn(&PolicyEngine, &Artifact) -> Result<(), PolicyError> {
        move |engine, artifact| {
            Trial::interceptor(engine, artifact, &self.limits, setup.clone()).map(drop)
        }
    }
}

impl Policies {
    /// No policies yet. Their files are compiled by `compiler`.
    pub(crate) fn new(cache: CacheChoice, compiler: Compiler) -> Self {
        Self::with_wall(cache, compiler, WallClock::system())
    }

    fn with_wall(cache: CacheChoice, compiler: Compiler, wall: WallClock) -> Self {
        Self(Arc::new(Inner {
            cache,
            compiler,
            wall,
            audit: Audit::default(),
            tools: Mutex::default(),
            heavy: Mutex::default(),
            files: Mutex::default(),
            rooms: Rooms::default(),
            asked: Notify::new(),
            again: Mutex::default(),
        }))
    }

    /// Tries whether a policy can be the selector of a group. Only its compiled form is kept, in
    /// the cache.
    ///
    /// # Errors
    /// Those of [`selector`](Self::selector).
    pub(crate) fn try_selector(
        &self,
        file: &PolicyUse,
        setup: &SelectorSetup,
    ) -> Result<(), PolicyUseError> {
        self.trial(file, &file.accepts_group(setup))
    }

    /// Tries whether a policy can be an interceptor. Only its compiled form is kept, in the cache.
    ///
    /// # Errors
    /// Those of [`interceptor`](Self::interceptor).
    pub(crate) fn try_interceptor(
        &self,
        file: &PolicyUse,
        setup: &InterceptorSetup,
    ) -> Result<(), PolicyUseError> {
        self.trial(file, &file.accepts_source(setup))
    }

    /// A selector for a group. `place` is the group's name; `fallback` orders the batches that the
    /// policy does not. This may compile; other tasks of the runtime go on meanwhile.
    ///
    /// # Errors
    /// The file cannot be read, is not a selector, does not accept its properties, or broke the
    /// contract when it was tried out.
    pub(crate) fn selector(
        &self,
        file: &PolicyUse,
        place: &str,
        setup: SelectorSetup,
        fallback: Box<dyn SinkSelector>,
    ) -> Result<PolicySelector, PolicyUseError> {
        self.seat(file, &file.accepts_group(&setup), |policy| {
            policy.selector(place, file.limits.clone(), setup.clone(), fallback)
        })
    }

    /// An interceptor for a source. `place` names it, for people.
    ///
    /// # Errors
    /// The file cannot be read, is not an interceptor, does not accept its properties, or broke the
    /// contract when it was tried out.
    pub(crate) fn interceptor(
        &self,
        file: &PolicyUse,
        place: &str,
        setup: InterceptorSetup,
        remedy: Remedy,
    ) -> Result<PolicyInterceptor, PolicyUseError> {
        self.seat(file, &file.accepts_source(&setup), |policy| {
            policy.interceptor(place, file.limits.clone(), setup.clone(), remedy)
        })
    }

    /// Where changes of policies are noted.
    pub(crate) fn audit(&self) -> &Audit {
        &self.0.audit
    }

    /// Reports on the files in use, in the order of first use.
    pub(crate) fn reports(&self) -> Vec<PolicyFileReport> {
        self.files().iter().map(|file| file.report()).collect()
    }

    fn trial(&self, wanted: &PolicyUse, accepts: &Accepts<'_>) -> Result<(), PolicyUseError> {
        self.heavy_work(&wanted.agent, || {
            let known = self.find(wanted);
            let choice = self.choose(wanted, known.as_deref(), accepts)?;
            let (engine, artifact) = (self.tools()?.engine, choice.artifact.clone());
            accepts(&engine, &artifact).map_err(|error| choice.refusal(error))?;
            self.store(&wanted.agent, &artifact);
            Ok(())
        })
    }

    /// Puts a policy into one more place.
    fn seat<T>(
        &self,
        wanted: &PolicyUse,
        accepts: &Accepts<'_>,
        make_seat: impl FnOnce(&Arc<Policy>) -> Result<T, PolicyError>,
    ) -> Result<T, PolicyUseError> {
        self.heavy_work(&wanted.agent, || {
            let known = self.find(wanted);
            let choice = self.choose(wanted, known.as_deref(), accepts)?;
            let artifact = choice.artifact.clone();
            let file = match known {
                Some(file) => file,
                None => {
                    let (engine, wall) = (self.tools()?.engine, self.0.wall.clone());
                    let policy = Policy::new(engine, artifact.clone(), wall.clone());
                    Arc::new(WatchedFile::new(wanted, policy, choice.mark, wall))
                }
            };
            let before = file.running().digest().to_owned();
            if before != artifact.digest() {
                file.take_in(&artifact);
            }
            let seated = make_seat(file.policy()).map_err(|error| choice.refusal(error))?;
            self.store(&wanted.agent, &artifact);
            file.stay_in_folder_of(wanted);
            let from = match self.keep(&file) {
                true => None,
                false => Some(before.as_str()),
            };
            if from != Some(artifact.digest()) {
                self.note_load(&file, Way::Configuration, (from, artifact.digest()), Ok(()));
            }
            Ok(seated)
        })
    }

    /// The version for a new place: the content of the file if that is new and the place accepts
    /// it, else what runs. So a file and a configuration may change together, in either order.
    fn choose(
        &self,
        wanted: &PolicyUse,
        known: Option<&WatchedFile>,
        accepts: &Accepts<'_>,
    ) -> Result<Choice, PolicyUseError> {
        let content = read::read(&wanted.path, wanted.directory.as_deref());
        let running = known.filter(|known| !known.running().is_none());
        let Some(known) = running else {
            let content = content?;
            let name = known.map_or_else(|| self.name(wanted), |known| known.name().to_owned());
            let digest = Artifact::digest_of(&content.bytes);
            let artifact = self.load(&wanted.agent, &name, (&content.bytes, digest))?;
            let mark = content.mark;
            return Ok(Choice {
                artifact,
                mark,
                refused: None,
            });
        };
        let mut refused = None;
        match content {
            // If the file is missing, the running policy stays; the periodic look reports it.
            Err(FileError::Io { .. }) => {}
            Err(error) => refused = Some(error.into()),
            Ok(content) => match self.accepted(known, &content.bytes, accepts) {
                Ok(None) => {}
                Ok(Some(artifact)) => {
                    let mark = content.mark;
                    return Ok(Choice {
                        artifact,
                        mark,
                        refused,
                    });
                }
                Err(error) => refused = Some(error),
            },
        }
        Ok(Choice {
            artifact: known.running(),
            mark: None,
            refused,
        })
    }

    /// The version of a file's content, if that is new. A place has to accept it.
    fn accepted(
        &self,
        file: &WatchedFile,
        bytes: &[u8],
        accepts: &Accepts<'_>,
    ) -> Result<Option<Artifact>, PolicyUseError> {
        let digest = Artifact::digest_of(bytes);
        if file.knows(&digest) {
            return Ok(None);
        }
        let artifact = self.load(file.agent(), file.name(), (bytes, digest))?;
        accepts(&self.tools()?.engine, &artifact)?;
        Ok(Some(artifact))
    }

    /// Loads a module with this digest.
    fn load(
        &self,
        agent: &str,
        name: &str,
        module: (&[u8], String),
    ) -> Result<Artifact, PolicyError> {
        let tools = self.tools()?;
        let cache = tools.part(agent);
        let loaded = Artifact::load_known(&tools.engine, name, module, cache.as_ref());
        Ok(loaded?)
    }

    /// Keeps the compiled form of a version that was accepted.
    fn store(&self, agent: &str, artifact: &Artifact) {
        if let Ok(tools) = self.tools() {
            artifact.keep(&tools.engine, tools.part(agent).as_ref());
        }
    }

    /// The engine and the cache, made on first use.
    fn tools(&self) -> Result<Tools, PolicyError> {
        let mut tools = self.0.tools.lock();
        if let Some(tools) = &*tools {
            return Ok(tools.clone());
        }
        let engine = PolicyEngine::new(self.0.compiler.clone())?;
        let cache = match &self.0.cache {
            CacheChoice::None => None,
            CacheChoice::Folder(folder) => match Cache::open(folder) {
                Ok(cache) => Some(cache),
                Err(error) => {
                    tracing::warn!(%error, "compiled policies are not kept");
                    None
                }
            },
        };
        Ok(tools.insert(Tools { engine, cache }).clone())
    }

    fn find(&self, wanted: &PolicyUse) -> Option<Arc<WatchedFile>> {
        self.files().into_iter().find(|file| file.is(wanted))
    }

    /// A name that no file in use has.
    fn name(&self, wanted: &PolicyUse) -> String {
        let files = self.files();
        let stem = wanted.path.file_stem().unwrap_or_default();
        let first = format!("{}/{}", wanted.agent, stem.to_string_lossy());
        let mut name = first.clone();
        let mut number = 1;
        while files.iter().any(|file| file.name() == name) {
            number += 1;
            name = format!("{first}-{number}");
        }
        name
    }

    /// The files in use. Files that no place uses any more are forgotten.
    fn files(&self) -> Vec<Arc<WatchedFile>> {
        let mut files = self.0.files.lock();
        files.retain(|file| file.policy().is_used());
        files.clone()
    }

    /// Adds a file. Says whether it is new.
    fn keep(&self, file: &Arc<WatchedFile>) -> bool {
        let mut files = self.0.files.lock();
        let is_new = !files.iter().any(|known| Arc::ptr_eq(known, file));
        if is_new {
            files.push(Arc::clone(file));
        }
        is_new
    }

    /// Notes that the content of a file runs, or would not start.
    fn note_load(
        &self,
        file: &WatchedFile,
        way: Way,
        (from, to): (Option<&str>, &str),
        loaded: Result<(), &str>,
    ) {
        let who = file.owner();
        self.0.audit.record(&Entry {
            by: &By { who, way },
            action: Action::Load,
            policy: file.name(),
            from: from.filter(|from| !from.is_empty()),
            to: Some(to),
            outcome: match loaded {
                Ok(()) => Outcome::Done,
                Err(why) => Outcome::Failed(why),
            },
        });
    }

    /// Compiles or tries out: one thread at a time for each agent, and without blocking the tasks of
    /// a runtime.
    fn heavy_work<T>(&self, agent: &str, work: impl FnOnce() -> T) -> T {
        let lock = {
            let mut heavy = self.0.heavy.lock();
            Arc::clone(heavy.entry(agent.to_owned()).or_default())
        };
        let work = || {
            let _turn = lock.lock();
            work()
        };
        let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
        match flavor {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
            _ => work(),
        }
    }
}

/// By the XDG base directory specification: a relative path counts as not set.
fn user_cache(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("flume-host").join("policies"))
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let files: Vec<String> = self.files().iter().map(|f| f.name().to_owned()).collect();
        f.debug_tuple("Policies").field(&files).finish()
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
