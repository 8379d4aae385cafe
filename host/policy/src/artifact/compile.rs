//! From bytes to code, where a bad file can do no harm.
//!
//! Files come from outside, and compilers were not made for hostile ones: their time grows faster
//! than the size of a function, and they panic. So the size of the parts is checked first, and the
//! work is done by threads of low priority. Only the caller waits for them, and not for ever. A
//! compiler cannot be interrupted: one that takes too long goes on in the background, and keeps its
//! place among [`MOST_AT_ONCE`] until it ends.

use std::borrow::Cow;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use flume_core::panic_text;
use parking_lot::{Condvar, Mutex};
use wasmparser::{FunctionBody, Operator, Parser, Payload};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::complete;
use crate::engine::compile_error;
use crate::error::LoadError;
use crate::pace;

/// The largest text: text is written by people. (Its parser needs many times its size.)
const MOST_TEXT: usize = 8 << 20;

/// The largest function. That of an interpreter of Python has a fifth of it.
const MOST_FUNCTION: usize = 2_000_000;

/// Nested blocks: a compiler's time grows with the square of it. A loop over the
/// operations of an interpreter has some hundreds.
const MOST_BLOCKS: usize = 10_000;

/// Nested modules and components.
const MOST_NESTED: usize = 8;

/// How long a caller waits. The largest guests, those of scripting languages, take 20 seconds.
const PATIENCE: Duration = Duration::from_secs(180);

/// Files that are compiled at the same time, including those whose caller has given up.
const MOST_AT_ONCE: usize = 4;

/// Bytes of stack for a compiler.
const STACK: usize = 16 << 20;

/// The binary form of a file.
pub(super) fn binary(bytes: &[u8]) -> Result<Cow<'_, [u8]>, LoadError> {
    if bytes.starts_with(b"\0asm") {
        return Ok(Cow::Borrowed(bytes));
    }
    if bytes.len() > MOST_TEXT {
        let (size, most) = (bytes.len(), MOST_TEXT);
        return Err(LoadError::TooLarge { size, most });
    }
    let text = bytes.to_vec();
    let parse = move || match wat::parse_bytes(&text) {
        Ok(binary) => Ok(binary.into_owned()),
        Err(error) => Err(LoadError::not_wasm(&error.to_string())),
    };
    within(PATIENCE, parse).map(Cow::Owned)
}

/// Checks, completes and compiles the binary form of a file.
pub(super) fn compile(engine: &Engine, binary: &[u8]) -> Result<Component, LoadError> {
    let (engine, binary) = (engine.clone(), binary.to_vec());
    within(PATIENCE, move || {
        check(&binary)?;
        let completed = complete::component(&binary)?;
        Component::new(&engine, completed).map_err(compile_error)
    })
}

/// Checks the size of the parts.
fn check(binary: &[u8]) -> Result<(), LoadError> {
    let malformed = |error: wasmparser::BinaryReaderError| LoadError::not_wasm(error.message());
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(binary) {
        match payload.map_err(malformed)? {
            Payload::CodeSectionEntry(body) => {
                let size = body.range().len();
                if size > MOST_FUNCTION {
                    return Err(LoadError::LargeFunction {
                        size,
                        most: MOST_FUNCTION,
                    });
                }
                let blocks = blocks(&body).map_err(malformed)?;
                if blocks > MOST_BLOCKS {
                    let words = format!("blocks nested more than {MOST_BLOCKS} deep");
                    return Err(LoadError::Compile(words));
                }
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                if depth > MOST_NESTED {
                    let words = format!("components nested more than {MOST_NESTED} deep");
                    return Err(LoadError::Compile(words));
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// How deep a function's blocks are nested.
fn blocks(body: &FunctionBody<'_>) -> Result<usize, wasmparser::BinaryReaderError> {
    let (mut depth, mut deepest) = (0_usize, 0);
    for operator in body.get_operators_reader()? {
        match operator? {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::TryTable { .. } => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            Operator::End => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(deepest)
}

/// Compilers at work.
static AT_WORK: Mutex<usize> = Mutex::new(0);

/// Notified when one is done.
static DONE: Condvar = Condvar::new();

/// A compiler's place, given back even if it panics.
struct CompileTurn;

impl CompileTurn {
    /// Waits for one; `None` if that takes too long.
    fn take(patience: Duration) -> Option<Self> {
        let mut at_work = AT_WORK.lock();
        DONE.wait_while_for(&mut at_work, |at_work| *at_work >= MOST_AT_ONCE, patience);
        (*at_work < MOST_AT_ONCE).then(|| {
            *at_work += 1;
            Self
        })
    }
}

impl Drop for CompileTurn {
    fn drop(&mut self) {
        *AT_WORK.lock() -= 1;
        DONE.notify_one();
    }
}

/// Runs a compiler on a thread of its own.
fn within<R: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> Result<R, LoadError> + Send + 'static,
) -> Result<R, LoadError> {
    let (done, result) = mpsc::sync_channel(1);
    let run = move || {
        let Some(_place) = CompileTurn::take(patience) else {
            return;
        };
        pace::lower_priority("compiling");
        // The receiver may have timed out; the result is dropped then.
        done.send(pooled(work)).ok();
    };
    let spawned = thread::Builder::new()
        .name("policy-compile".to_owned())
        .stack_size(STACK)
        .spawn(run);
    let worker = spawned.map_err(|error| LoadError::Compile(error.to_string()))?;
    match result.recv_timeout(patience) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => Err(LoadError::TooSlow(patience)),
        Err(RecvTimeoutError::Disconnected) => Err(match worker.join() {
            Ok(()) => LoadError::TooSlow(patience),
            Err(panic) => {
                LoadError::Compile(format!("the compiler gave up: {}", panic_text(&*panic)))
            }
        }),
    }
}

/// Runs the work with helpers of low priority: those of the process have the priority of workers.
fn pooled<R: Send>(work: impl FnOnce() -> Result<R, LoadError> + Send) -> Result<R, LoadError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .thread_name(|at| format!("policy-compile-{at}"))
        .stack_size(STACK)
        .start_handler(|_| pace::lower_priority("compiling"))
        .build()
        .map_err(|error| LoadError::Compile(error.to_string()))?;
    pool.install(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_that_gives_up_is_an_error_and_no_more() {
        let error = within(PATIENCE, || -> Result<(), LoadError> { panic!("oh no") });
        let expected = LoadError::Compile("the compiler gave up: oh no".to_owned());
        assert_eq!(error, Err(expected));
    }

    #[test]
    fn nobody_waits_for_ever() {
        let (end, never) = mpsc::channel::<()>();
        let patience = Duration::from_millis(20);
        let slow = within(patience, move || {
            assert!(never.recv().is_err());
            Ok(())
        });
        assert_eq!(slow, Err(LoadError::TooSlow(patience)));
        drop(end);
    }
}
