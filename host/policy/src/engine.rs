//! The engine that runs all policies of a process, and the clock of their deadlines.
//!
//! Concurrency support is off: a call is three times cheaper, and no policy waits for anything.
//! With it off the engine does not check re-entrancy, so no import ever calls a guest. Memory comes
//! from the system and not from a pool: one tenant could use up a pool for all others, and an
//! instance is made once for a file, not once for a batch.

use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread;

use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, EngineWeak};

use crate::behind::lower_priority;
use crate::codegen::{self, compile_error};
use crate::compiler::Compiler;
use crate::error::{LoadError, PolicyError};
use crate::host::{self, Host, TICK};

/// How much lower the priority of dropping them is than that of deliveries.
const NICE: i32 = 10;

/// The most instances that wait to be dropped.
const MOST_RETIRED: usize = 16;

/// Compiles and runs policies. Cheap to clone; the clock stops with the last clone.
#[derive(Clone)]
pub struct PolicyEngine(Arc<Inner>);

struct Inner {
    engine: Engine,
    compiler: Compiler,
    linker: Linker<Host>,
    retired: SyncSender<Box<dyn Send>>,
}

impl PolicyEngine {
    /// An engine with its clock, which is a thread of its own. Files are compiled by `compiler`.
    ///
    /// # Errors
    /// The machine has no code generator, or no thread can be started.
    pub fn new(compiler: Compiler) -> Result<Self, PolicyError> {
        let engine = codegen::bare()?;
        let mut linker = Linker::new(&engine);
        host::add_to_linker(&mut linker).map_err(compile_error)?;
        let weak = engine.weak();
        thread::Builder::new()
            .name("policy-clock".to_owned())
            .spawn(move || tick(&weak))
            .map_err(|error| LoadError::Compile(error.to_string()))?;
        let (retired, graves) = mpsc::sync_channel(MOST_RETIRED);
        thread::Builder::new()
            .name("policy-retire".to_owned())
            .spawn(move || {
                lower_priority(NICE, "freeing instances");
                graves.into_iter().for_each(drop::<Box<dyn Send>>);
            })
            .map_err(|error| LoadError::Compile(error.to_string()))?;
        Ok(Self(Arc::new(Inner {
            engine,
            compiler,
            linker,
            retired,
        })))
    }

    /// Drops an instance in the background: giving 64 MiB back to the system takes milliseconds. If
    /// too many wait for that already, it is dropped here.
    pub(crate) fn retire(&self, instance: impl Send + 'static) {
        match self.0.retired.try_send(Box::new(instance)) {
            Ok(()) => {}
            Err(TrySendError::Full(instance) | TrySendError::Disconnected(instance)) => {
                drop(instance);
            }
        }
    }

    pub(crate) fn wasmtime(&self) -> &Engine {
        &self.0.engine
    }

    /// Code that the compiler of an engine like this one has made.
    #[expect(unsafe_code, reason = "native code from our own compiler")]
    pub(crate) fn deserialize(&self, code: &[u8]) -> Result<Component, LoadError> {
        // SAFETY: it comes from a child of this process, over a pipe, or from the cache, which
        // knows what such a child has made by a key that nobody else can read.
        let component = unsafe { Component::deserialize(self.wasmtime(), code) };
        component.map_err(compile_error)
    }

    pub(crate) fn compiler(&self) -> &Compiler {
        &self.0.compiler
    }

    pub(crate) fn linker(&self) -> &Linker<Host> {
        &self.0.linker
    }
}

impl std::fmt::Debug for PolicyEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PolicyEngine").finish_non_exhaustive()
    }
}

/// Ticks until the engine is gone.
fn tick(engine: &EngineWeak) {
    while let Some(engine) = engine.upgrade() {
        engine.increment_epoch();
        drop(engine);
        thread::park_timeout(TICK);
    }
}
