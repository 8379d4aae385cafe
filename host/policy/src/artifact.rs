//! From bytes to something that can run: completed, checked, compiled, pre-linked.
//!
//! Everything that can be wrong with a file is found here, off the data path, and reported in the
//! words of its author's toolchain. What is left for later can only be seen in a run.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use wasmtime::component::{Component, InstancePre};

use crate::bindings::{batch_router, interceptor, sink_selector, state};
use crate::cache::Cache;
use crate::compiler::Compiled;
use crate::engine::PolicyEngine;
use crate::error::LoadError;
use crate::hex::hex;
use crate::host::Host;
use crate::setup::Setup;

pub(crate) mod complete;
mod inspect;
mod inspection;
pub(crate) mod stub;

pub use complete::VERSION as CONTRACT_VERSION;
pub use inspection::{Completion, Inspection, Memory};

/// Compiling a file of this size takes so long that the log says so. (Go's have 2 MB
/// and take 2 seconds, those of scripting languages ten times that.)
const WORTH_A_WORD: usize = 1 << 20;

/// What a policy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// A sink selector.
    Selector {
        /// Whether it can also split batches.
        router: bool,
    },
    /// An interceptor.
    Interceptor,
}

impl World {
    /// In words, for messages.
    pub fn words(self) -> &'static str {
        match self {
            Self::Selector { router: false } => "a sink selector",
            Self::Selector { router: true } => "a sink selector that splits batches",
            Self::Interceptor => "an interceptor",
        }
    }
}

/// A version of a policy: one that can be instantiated, or [none](Self::none). Cheap to clone.
#[derive(Clone)]
pub struct Artifact(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    digest: Arc<str>,
    version: String,
    size: usize,
    world: World,
    /// What is instantiated.
    code: Option<Code>,
    /// What has been compiled now and is in no cache yet.
    fresh: Mutex<Option<Compiled>>,
}

/// Pre-linked code.
pub(crate) struct Code {
    pub(crate) pre: InstancePre<Host>,
    pub(crate) indices: Indices,
    pub(crate) state: Option<state::GuestIndices>,
}

/// The file that an artifact is made from.
struct LoadedFile<'f> {
    name: &'f str,
    digest: String,
    size: usize,
}

/// Where a policy's exports are.
pub(crate) enum Indices {
    Selector {
        selector: sink_selector::GuestIndices,
        router: Option<batch_router::GuestIndices>,
    },
    Interceptor(interceptor::GuestIndices),
}

impl Indices {
    fn world(&self) -> World {
        match self {
            Self::Selector { router, .. } => World::Selector {
                router: router.is_some(),
            },
            Self::Interceptor(_) => World::Interceptor,
        }
    }
}

impl Artifact {
    /// The largest file that is read: the components of scripting languages have some 20 MB.
    pub const MOST_BYTES: usize = 64 << 20;

    /// Reads a policy: a component or a core module, binary or text. Takes from 20 ms (50 KB) to
    /// many seconds (20 MB) unless the cache has it: call it off the data path.
    ///
    /// What `name` has before a slash is the owner: its files are compiled one after the other.
    ///
    /// # Errors
    /// The file is not a policy for this host.
    pub fn load(
        engine: &PolicyEngine,
        name: &str,
        bytes: &[u8],
        cache: Option<&Cache>,
    ) -> Result<Self, LoadError> {
        Self::check_size(bytes)?;
        Self::load_known(engine, name, (bytes, Self::digest_of(bytes)), cache)
    }

    /// The same for bytes whose [digest](Self::digest_of) is known.
    ///
    /// # Errors
    /// The file is not a policy for this host.
    pub fn load_known(
        engine: &PolicyEngine,
        name: &str,
        (bytes, digest): (&[u8], String),
        cache: Option<&Cache>,
    ) -> Result<Self, LoadError> {
        Self::check_size(bytes)?;
        let file = LoadedFile {
            name,
            digest,
            size: bytes.len(),
        };
        let cached = cache.and_then(|cache| cache.get(engine, &file.digest));
        if let Some((compiled, component)) = cached {
            return Self::link(engine, file, &compiled, &component);
        }
        if bytes.len() >= WORTH_A_WORD {
            let mib = bytes.len() >> 20;
            tracing::info!(
                policy = name,
                mib,
                "compiling: seconds, once for this version"
            );
        }
        let owner = name.split_once('/').map_or(name, |(owner, _)| owner);
        let compiler = engine.compiler();
        let compiled = compiler.compile(engine.wasmtime(), owner, &file.digest, bytes)?;
        let component = engine.deserialize(&compiled.code)?;
        let artifact = Self::link(engine, file, &compiled, &component)?;
        *artifact.0.fresh.lock() = Some(compiled);
        Ok(artifact)
    }

    /// What a policy of this kind has before any version of it could be loaded. Nothing starts from
    /// it, and nothing goes back to it.
    pub fn none(name: &str, world: World) -> Self {
        Self(Arc::new(Inner {
            name: name.into(),
            digest: "".into(),
            version: String::new(),
            size: 0,
            world,
            code: None,
            fresh: Mutex::default(),
        }))
    }

    /// Whether it is [none](Self::none).
    pub fn is_none(&self) -> bool {
        self.0.code.is_none()
    }

    /// Keeps the compiled form in a cache, if it did not come from there. Call it once the policy is
    /// accepted, so that nobody fills a cache with what is refused.
    pub fn keep(&self, engine: &PolicyEngine, cache: Option<&Cache>) {
        let fresh = self.0.fresh.lock().take();
        if let (Some(compiled), Some(cache)) = (fresh, cache) {
            cache.put(engine, &self.0.digest, &compiled);
        }
    }

    /// The digest that a policy of these bytes has: SHA-256, in hex.
    pub fn digest_of(bytes: &[u8]) -> String {
        hex(&Sha256::digest(bytes))
    }

    /// Its name: usually that of its file.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// SHA-256 of the file, in hex.
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    /// The first characters of the digest, which are enough for people.
    pub fn short_digest(&self) -> &str {
        Self::shortened(&self.0.digest)
    }

    /// The first characters of any digest, which are enough for people.
    pub fn shortened(digest: &str) -> &str {
        digest.get(..12).unwrap_or(digest)
    }

    /// The version of the contract that it was built for.
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// Bytes of the file.
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// What it is.
    pub fn world(&self) -> World {
        self.0.world
    }

    /// Whether it hands over its state in a swap.
    pub fn has_state(&self) -> bool {
        let code = self.0.code.as_ref();
        code.is_some_and(|code| code.state.is_some())
    }

    /// Refuses what is too large before anything looks into it.
    fn check_size(bytes: &[u8]) -> Result<(), LoadError> {
        let (size, most) = (bytes.len(), Self::MOST_BYTES);
        match size > most {
            true => Err(LoadError::TooLarge { size, most }),
            false => Ok(()),
        }
    }

    /// The code for a place with this setup.
    pub(crate) fn code_for(&self, setup: &Setup) -> Result<&Code, LoadError> {
        let code = self.0.code.as_ref().ok_or(LoadError::NoVersion)?;
        match (&code.indices, setup) {
            (Indices::Selector { .. }, Setup::Selector(_))
            | (Indices::Interceptor(_), Setup::Interceptor(_)) => Ok(code),
            _ => Err(LoadError::WrongKind {
                is: self.0.world.words().to_owned(),
                wanted: setup.wanted().to_owned(),
            }),
        }
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.0.name)
    }

    fn link(
        engine: &PolicyEngine,
        file: LoadedFile<'_>,
        compiled: &Compiled,
        component: &Component,
    ) -> Result<Self, LoadError> {
        let found = inspect::component(engine.wasmtime(), component, compiled.was_completed)?;
        let incomplete = |error: wasmtime::Error| LoadError::Incomplete(format!("{error:#}"));
        let pre = engine
            .linker()
            .instantiate_pre(component)
            .map_err(incomplete)?;
        let indices = if found.has("sink-selector") {
            let router = match found.has("batch-router") {
                true => Some(batch_router::GuestIndices::new(&pre).map_err(incomplete)?),
                false => None,
            };
            let selector = sink_selector::GuestIndices::new(&pre).map_err(incomplete)?;
            Indices::Selector { selector, router }
        } else {
            Indices::Interceptor(interceptor::GuestIndices::new(&pre).map_err(incomplete)?)
        };
        let state = match found.has("state") {
            true => Some(state::GuestIndices::new(&pre).map_err(incomplete)?),
            false => None,
        };
        Ok(Self(Arc::new(Inner {
            name: file.name.into(),
            digest: file.digest.into(),
            version: found.version,
            size: file.size,
            world: indices.world(),
            code: Some(Code {
                pre,
                indices,
                state,
            }),
            fresh: Mutex::default(),
        })))
    }
}

impl fmt::Display for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_none() {
            true => write!(f, "{} (no version)", self.name()),
            false => write!(f, "{} ({})", self.name(), self.short_digest()),
        }
    }
}

impl fmt::Debug for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Artifact")
            .field("name", &self.0.name)
            .field("digest", &self.0.digest)
            .field("world", &self.world())
            .finish_non_exhaustive()
    }
}
