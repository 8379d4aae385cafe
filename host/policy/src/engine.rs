//! The engine that runs all policies of a process, and the clock of their deadlines.
//!
//! Concurrency support is off: a call is three times cheaper, and no policy waits for anything.
//! With it off the engine does not check re-entrancy, so no import ever calls a guest. Memory comes
//! from the system and not from a pool: a pool's places would be a limit that one tenant can use up
//! for all, and an instance is made once for a file, not once for a batch.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Engine, EngineWeak};

use crate::bindings;
use crate::error::{LoadError, PolicyError};
use crate::instance::{Host, Instance};

/// How often the clock ticks: the grain of deadlines.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Bytes of stack for a guest.
const STACK: usize = 512 << 10;

/// Compiles and runs policies. Cheap to clone; the clock stops with the last clone.
#[derive(Clone)]
pub struct PolicyEngine(Arc<Inner>);

struct Inner {
    engine: Engine,
    linker: Linker<Host>,
    retired: Retired,
}

/// Instances that nobody needs any more, until the clock's next tick: unmapping their memory takes
/// up to milliseconds, for which no batch should wait.
type Retired = Arc<Mutex<Vec<Instance>>>;

/// Instances that may wait for a tick; beyond that each is dropped where it stands.
const MOST_RETIRED: usize = 64;

impl PolicyEngine {
    /// An engine with its clock, which is a thread of its own.
    ///
    /// # Errors
    /// The machine has no code generator, or no thread to spare.
    pub fn new() -> Result<Self, PolicyError> {
        let mut config = Config::new();
        config
            .concurrency_support(false)
            .epoch_interruption(true)
            .max_wasm_stack(STACK);
        let engine = Engine::new(&config).map_err(compile_error)?;
        let mut linker = Linker::new(&engine);
        bindings::log::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host)
            .map_err(compile_error)?;
        let weak = engine.weak();
        let retired = Retired::default();
        let to_drop = Arc::clone(&retired);
        thread::Builder::new()
            .name("policy-clock".to_owned())
            .spawn(move || tick(&weak, &to_drop))
            .map_err(|error| LoadError::Compile(error.to_string()))?;
        Ok(Self(Arc::new(Inner {
            engine,
            linker,
            retired,
        })))
    }

    pub(crate) fn wasmtime(&self) -> &Engine {
        &self.0.engine
    }

    /// Drops an instance soon, and elsewhere.
    pub(crate) fn retire(&self, instance: Instance) {
        let mut retired = self.0.retired.lock();
        if retired.len() < MOST_RETIRED {
            retired.push(instance);
        }
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
fn tick(engine: &EngineWeak, retired: &Retired) {
    while let Some(engine) = engine.upgrade() {
        engine.increment_epoch();
        drop(engine);
        // One in each tick, so that the clock stays on time. Dropped without the lock.
        let instance = retired.lock().pop();
        drop(instance);
        thread::park_timeout(TICK);
    }
}

/// The whole chain of causes: wasmtime puts what matters at its end.
pub(crate) fn compile_error(error: wasmtime::Error) -> LoadError {
    LoadError::Compile(format!("{error:#}"))
}
