//! The work itself: from the bytes of a file to code.
//!
//! A compiler is given helpers of its own: those of the process may have another priority, and a
//! stack that is too small for deeply nested code.

use std::borrow::Cow;
use std::thread;

use flume_core::panic_text;
use wasmparser::Parser;
use wasmtime::Engine;

use super::guards::Demand;
use super::strip;
use crate::artifact::complete;
use crate::behind::is_behind;
use crate::codegen::compile_error;
use crate::error::LoadError;

/// The largest text: text is written by people. (Its parser needs many times its size.)
const MOST_TEXT: usize = 8 << 20;

/// Threads of a compiler; one that is behind everything else has one, so that it is never at work on
/// every processor.
const MOST_THREADS: usize = 4;

/// Bytes of stack for a compiler.
const STACK: usize = 16 << 20;

/// A file that was compiled.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Compiled {
    /// Whether it was a core module, and was made a component.
    pub(crate) was_completed: bool,
    /// The code, as wasmtime writes it.
    pub(crate) code: Vec<u8>,
}

impl Compiled {
    /// In one piece.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.code.len() + 1);
        bytes.push(u8::from(self.was_completed));
        bytes.extend(&self.code);
        bytes
    }

    /// What [`to_bytes`](Self::to_bytes) made.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (first, code) = bytes.split_first()?;
        let was_completed = match first {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(Self {
            was_completed,
            code: code.to_vec(),
        })
    }
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Compiled({} bytes)", self.code.len())
    }
}

/// How many threads a compiler has that this thread asks for.
pub(super) fn threads() -> usize {
    if is_behind() {
        return 1;
    }
    let processors = thread::available_parallelism().map_or(1, usize::from);
    // Each may need hundreds of MB for one function.
    processors.min(MOST_THREADS)
}

/// Checks, completes and compiles a file: a component or a core module, binary or text.
pub(crate) fn compile(
    engine: &Engine,
    bytes: &[u8],
    threads: usize,
) -> Result<Compiled, LoadError> {
    let work = || {
        let binary = binary(bytes)?;
        Demand::of(&binary)?;
        let binary = strip::stripped(&binary)?;
        let component = complete::component(&binary)?;
        let code = engine.precompile_component(&component);
        Ok(Compiled {
            was_completed: !Parser::is_component(&binary),
            code: code.map_err(compile_error)?,
        })
    };
    thread::scope(|scope| {
        let worker = thread::Builder::new()
            .name("policy-compile".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, || pooled(threads, work));
        let worker = worker.map_err(|error| LoadError::Compile(error.to_string()))?;
        worker.join().unwrap_or_else(|panic| {
            let words = panic_text(&*panic);
            Err(LoadError::Compile(format!("the compiler gave up: {words}")))
        })
    })
}

/// Runs the work with helpers that have enough stack; wasmtime uses the pool that it is called in.
fn pooled<R: Send>(
    threads: usize,
    work: impl FnOnce() -> Result<R, LoadError> + Send,
) -> Result<R, LoadError> {
    let pool = rayon::ThreadPoolBuilder::new()
        // None would mean one for each processor.
        .num_threads(threads.clamp(1, MOST_THREADS))
        .thread_name(|at| format!("policy-compile-{at}"))
        .stack_size(STACK)
        .build()
        .map_err(|error| LoadError::Compile(error.to_string()))?;
    pool.install(work)
}

/// The binary form of a file.
fn binary(bytes: &[u8]) -> Result<Cow<'_, [u8]>, LoadError> {
    if bytes.starts_with(b"\0asm") {
        return Ok(Cow::Borrowed(bytes));
    }
    if bytes.len() > MOST_TEXT {
        let (size, most) = (bytes.len(), MOST_TEXT);
        return Err(LoadError::TooLarge { size, most });
    }
    wat::parse_bytes(bytes).map_err(|error| LoadError::not_wasm(&error.to_string()))
}
