//! How guests are compiled: what one engine compiles, any other one of this program can run.

use wasmtime::{Config, Engine};

use crate::error::LoadError;

/// Bytes of stack for a guest.
const STACK: usize = 512 << 10;

/// An engine without a clock, for a compiler.
pub(crate) fn bare() -> Result<Engine, LoadError> {
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
    Engine::new(&config).map_err(compile_error)
}

/// The whole chain of causes: wasmtime puts the important one last.
pub(crate) fn compile_error(error: wasmtime::Error) -> LoadError {
    LoadError::Compile(format!("{error:#}"))
}
