//! Policies in files: what runs in this process, and how another version takes over.
//!
//! A file is known by its agent and by its path as it is used, made absolute but with links left as
//! they are: a link that is turned is a change like any other. It runs in one version at a time, in
//! all the places of its agent that name it. Its name in logs, metrics and on the admin port is
//! `agent/stem`; a second file with this stem in the same agent is `agent/stem-2`, by the order of
//! first use.
//!
//! | what | where |
//! |---|---|
//! | opening a file, and nothing outside of its agent's folder | `read` |
//! | one file: its versions, its places, the swap | [`file`] |
//! | when a change on disk counts | `change` |
//! | the ways of another version into the process | `hot` |
//! | what operators see | `report` |
//!
//! Law: compiling and trying out is done by one thread at a time, never by one that moves events;
//! and whatever fails before the swap leaves what runs as it is.
//!
//! The engine is made at the first use: an agent without policies has none.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use flume_core::SinkSelector;
use flume_core::clock::WallClock;
use flume_core::sink_selector::{Backoff, round_robin};
use flume_policy::{
    Artifact, Cache, InterceptorSetup, Limits, LoadError, Policy, PolicyEngine, PolicyError,
    PolicyInterceptor, PolicySelector, Problem, Remedy, SelectorSetup,
};
use parking_lot::Mutex;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Notify, Semaphore};

use self::file::PolicyFile;
pub use self::read::FileError;
use self::read::Mark;
pub use self::report::{PolicyFileReport, Totals};

mod change;
mod file;
mod hot;
mod read;
mod report;

pub use self::hot::{ChangeError, Changed, Turn};

/// A policy's file as one place uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyUse {
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
pub enum PolicyUseError {
    /// The file cannot be read, or may not be.
    #[error(transparent)]
    File(#[from] FileError),
    /// The policy does not accept its properties: each problem has a key, usually.
    #[error("the policy does not accept its properties")]
    Config(Vec<Problem>),
    /// The file is no policy, or none of this kind.
    #[error(transparent)]
    Load(LoadError),
    /// The policy broke the contract when it was tried out, or there is no engine.
    #[error(transparent)]
    Policy(PolicyError),
}

impl CacheChoice {
    /// What `--policy-cache` says; without it `flume-host/policies` in the user's cache folder,
    /// if the user has one.
    pub fn of_flag(flag: Option<&str>) -> Self {
        let folder = match flag {
            Some("none") => None,
            Some(folder) => Some(PathBuf::from(folder)),
            None => user_cache(&|name| std::env::var_os(name)),
        };
        folder.map_or(Self::None, Self::Folder)
    }
}

/// As the base directory specification has it: a relative path counts as none.
fn user_cache(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("flume-host").join("policies"))
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
pub enum CacheChoice {
    /// Nowhere: each start compiles.
    #[default]
    None,
    /// In this folder. One that must not be used is warned about, and policies are compiled.
    Folder(PathBuf),
}

/// All policies of the process. Cheap to clone.
#[derive(Clone)]
pub struct Policies(Arc<Inner>);

struct Inner {
    cache: CacheChoice,
    wall: WallClock,
    tools: Mutex<Option<Tools>>,
    /// Held while something is compiled or tried out.
    workshop: Mutex<()>,
    files: Mutex<Vec<Arc<PolicyFile>>>,
    /// The one change over the admin port that is at work.
    turn: Arc<Semaphore>,
    /// Somebody wants a look at the files.
    again: Notify,
}

/// What is made at the first use.
#[derive(Debug, Clone)]
struct Tools {
    engine: PolicyEngine,
    cache: Option<Cache>,
}

/// Whether a place would accept a policy.
type Trial<'a> = dyn Fn(&Arc<Policy>) -> Result<(), PolicyError> + 'a;

/// The version for a new place.
struct Choice {
    artifact: Artifact,
    /// What the file looked like, if this is what it says.
    mark: Option<Mark>,
    /// Why it is not what the file says.
    refused: Option<PolicyUseError>,
}

impl Choice {
    /// Why there is no version for the place: what is wrong with the file matters most.
    fn refusal(self, error: PolicyError) -> PolicyUseError {
        self.refused.unwrap_or_else(|| error.into())
    }
}

fn accepts_group(policy: &Arc<Policy>, setup: &SelectorSetup) -> Result<(), PolicyError> {
    let fallback = round_robin::build(Backoff::none(setup.sinks.len()), 0);
    policy.selector("trial", setup.clone(), fallback).map(drop)
}

fn accepts_source(policy: &Arc<Policy>, setup: &InterceptorSetup) -> Result<(), PolicyError> {
    let remedy = Remedy::Fail;
    policy.interceptor("trial", setup.clone(), remedy).map(drop)
}

impl Policies {
    /// A process without policies, as yet.
    pub fn new(cache: CacheChoice) -> Self {
        Self(Arc::new(Inner {
            cache,
            wall: WallClock::system(),
            tools: Mutex::default(),
            workshop: Mutex::default(),
            files: Mutex::default(),
            turn: Arc::new(Semaphore::new(1)),
            again: Notify::new(),
        }))
    }

    /// Tries out whether a policy would accept to be the selector of a group. Nothing of it is kept
    /// but its compiled form in the cache.
    ///
    /// # Errors
    /// What [`selector`](Self::selector) would say.
    pub fn try_selector(
        &self,
        file: &PolicyUse,
        setup: &SelectorSetup,
    ) -> Result<(), PolicyUseError> {
        self.trial(file, &|policy| accepts_group(policy, setup))
    }

    /// Tries out whether a policy would accept to be an interceptor. Nothing of it is kept but its
    /// compiled form in the cache.
    ///
    /// # Errors
    /// What [`interceptor`](Self::interceptor) would say.
    pub fn try_interceptor(
        &self,
        file: &PolicyUse,
        setup: &InterceptorSetup,
    ) -> Result<(), PolicyUseError> {
        self.trial(file, &|policy| accepts_source(policy, setup))
    }

    /// A selector for a group. `place` is the group's name; `fallback` orders the batches that the
    /// policy cannot. Compiles, if the cache does not have it; other tasks of the runtime go on.
    ///
    /// # Errors
    /// The file cannot be read, is no selector, does not accept its properties, or broke the
    /// contract when it was tried out.
    pub fn selector(
        &self,
        file: &PolicyUse,
        place: &str,
        setup: SelectorSetup,
        fallback: Box<dyn SinkSelector>,
    ) -> Result<PolicySelector, PolicyUseError> {
        let accepts = |policy: &Arc<Policy>| accepts_group(policy, &setup);
        let sit = |policy: &Arc<Policy>| policy.selector(place, setup.clone(), fallback);
        self.seat(file, &accepts, sit)
    }

    /// An interceptor for a source. `place` says which, for people.
    ///
    /// # Errors
    /// The file cannot be read, is no interceptor, does not accept its properties, or broke the
    /// contract when it was tried out.
    pub fn interceptor(
        &self,
        file: &PolicyUse,
        place: &str,
        setup: InterceptorSetup,
        remedy: Remedy,
    ) -> Result<PolicyInterceptor, PolicyUseError> {
        let accepts = |policy: &Arc<Policy>| accepts_source(policy, &setup);
        let sit = |policy: &Arc<Policy>| policy.interceptor(place, setup.clone(), remedy);
        self.seat(file, &accepts, sit)
    }

    /// How the files stand that are in use, in the order of first use.
    pub fn reports(&self) -> Vec<PolicyFileReport> {
        self.files().iter().map(|file| file.report()).collect()
    }

    fn trial(&self, wanted: &PolicyUse, accepts: &Trial<'_>) -> Result<(), PolicyUseError> {
        self.in_workshop(|| {
            let known = self.find(wanted);
            let choice = self.choose(wanted, known.as_deref(), accepts)?;
            let policy = self.policy(choice.artifact.clone(), &wanted.limits)?;
            accepts(&policy).map_err(|error| choice.refusal(error))
        })
    }

    /// Puts a policy into one more place.
    fn seat<T>(
        &self,
        wanted: &PolicyUse,
        accepts: &Trial<'_>,
        sit: impl FnOnce(&Arc<Policy>) -> Result<T, PolicyError>,
    ) -> Result<T, PolicyUseError> {
        self.in_workshop(|| {
            let known = self.find(wanted);
            let choice = self.choose(wanted, known.as_deref(), accepts)?;
            let artifact = choice.artifact.clone();
            let file = known.unwrap_or_else(|| {
                let name = artifact.name().to_owned();
                Arc::new(PolicyFile::new(name, wanted, artifact.clone(), choice.mark))
            });
            if file.running().digest() != artifact.digest() {
                file.take_in(&artifact);
            }
            let policy = match file.policy(&wanted.limits, &artifact) {
                Some(policy) => policy,
                None => self.policy(artifact.clone(), &wanted.limits)?,
            };
            let seated = sit(&policy).map_err(|error| choice.refusal(error))?;
            file.adopt(policy, wanted, &artifact);
            self.adopt(&file);
            Ok(seated)
        })
    }

    /// The version for a new place: what the file says, if that is new and the place accepts it,
    /// else what runs. So a file and a configuration that change together, in either order, do
    /// not keep each other out.
    fn choose(
        &self,
        wanted: &PolicyUse,
        known: Option<&PolicyFile>,
        accepts: &Trial<'_>,
    ) -> Result<Choice, PolicyUseError> {
        let content = read::read(&wanted.path, wanted.directory.as_deref());
        let Some(known) = known else {
            let content = content?;
            let artifact = self.load(&self.name(wanted), &content.bytes)?;
            let mark = content.mark;
            return Ok(Choice {
                artifact,
                mark,
                refused: None,
            });
        };
        let mut refused = None;
        match content {
            // A file that is not there keeps its policy running; the rounds tell of it.
            Err(FileError::Io { .. }) => {}
            Err(error) => refused = Some(error.into()),
            Ok(content) if known.knows(&Artifact::digest_of(&content.bytes)) => {}
            Ok(content) => match self.accepted(known.name(), &content.bytes, wanted, accepts) {
                Ok(artifact) => {
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

    fn accepted(
        &self,
        name: &str,
        bytes: &[u8],
        wanted: &PolicyUse,
        accepts: &Trial<'_>,
    ) -> Result<Artifact, PolicyUseError> {
        let artifact = self.load(name, bytes)?;
        accepts(&self.policy(artifact.clone(), &wanted.limits)?)?;
        Ok(artifact)
    }

    fn policy(&self, artifact: Artifact, limits: &Limits) -> Result<Arc<Policy>, PolicyUseError> {
        let engine = self.tools()?.engine;
        let wall = self.0.wall.clone();
        Ok(Policy::new(engine, artifact, limits.clone(), wall))
    }

    fn load(&self, name: &str, bytes: &[u8]) -> Result<Artifact, PolicyError> {
        let tools = self.tools()?;
        Ok(Artifact::load(
            &tools.engine,
            name,
            bytes,
            tools.cache.as_ref(),
        )?)
    }

    /// The engine and the cache, made now if nobody has needed them before.
    fn tools(&self) -> Result<Tools, PolicyError> {
        let mut tools = self.0.tools.lock();
        if let Some(tools) = &*tools {
            return Ok(tools.clone());
        }
        let engine = PolicyEngine::new()?;
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

    fn find(&self, wanted: &PolicyUse) -> Option<Arc<PolicyFile>> {
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

    /// The files in use; those that no place uses any more are forgotten.
    fn files(&self) -> Vec<Arc<PolicyFile>> {
        let mut files = self.0.files.lock();
        files.retain(|file| file.is_used());
        files.clone()
    }

    fn adopt(&self, file: &Arc<PolicyFile>) {
        let mut files = self.0.files.lock();
        if !files.iter().any(|known| Arc::ptr_eq(known, file)) {
            files.push(Arc::clone(file));
        }
    }

    /// Does work that takes its time: one at a time, and without holding up the tasks of a runtime.
    fn in_workshop<T>(&self, work: impl FnOnce() -> T) -> T {
        let work = || {
            let _turn = self.0.workshop.lock();
            work()
        };
        let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
        match flavor {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
            _ => work(),
        }
    }
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
