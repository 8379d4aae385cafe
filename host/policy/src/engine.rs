//! The engine that runs all policies of a process, and the clock of their deadlines.
//!
//! Concurrency support is off: a call is three times cheaper, and no policy waits for anything.
//! With it off the engine does not check re-entrancy, so no import ever calls a guest. Memory comes
//! from the system and not from a pool: one tenant could use up a pool for all others, and an
//! instance is made once for a file, not once for a batch.

use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread;

use wasmtime::component::Linker;
use wasmtime::{Config, Engine, EngineWeak};

use crate::error::{LoadError, PolicyError};
use crate::host::{self, Host, TICK};

/// Bytes of stack for a guest.
const STACK: usize = 512 << 10;

/// The most instances that wait to be dropped.
const MOST_RETIRED: usize = 16;

/// Compiles and runs policies. Cheap to clone; the clock stops with the last clone.
#[derive(Clone)]
pub struct PolicyEngine(Arc<Inner>);

struct Inner {
    engine: Engine,
    linker: Linker<Host>,
    retired: SyncSender<Box<dyn Send>>,
}

impl PolicyEngine {
    /// An engine with its clock, which is a thread of its own.
    ///
    /// # Errors
    /// The machine has no code generator, or no thread can be started.
    pub fn new() -> Result<Self, PolicyError> {
        let mut config = Config::new();
        config
            // A policy needs none of these, and each could differ between machines or get around a
            // limit.
            .wasm_memory64(false)
            .wasm_component_model_memory64(false)
            .relaxed_simd_deterministic(true)
            .cranelift_nan_canonicalization(true)
            .concurrency_support(false)
            .epoch_interruption(true)
            .max_wasm_stack(STACK);
        let engine = Engine::new(&config).map_err(compile_error)?;
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
            .spawn(move || graves.into_iter().for_each(drop::<Box<dyn Send>>))
            .map_err(|error| LoadError::Compile(error.to_string()))?;
        Ok(Self(Arc::new(Inner {
            engine,
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

/// The whole chain of causes: wasmtime puts the important one last.
pub(crate) fn compile_error(error: wasmtime::Error) -> LoadError {
    LoadError::Compile(format!("{error:#}"))
}
