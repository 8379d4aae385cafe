//! The guests, built from source for tests.
//!
//! [`guest`] builds them at its first call in a process, and not in a build script: a check of the
//! workspace needs no WebAssembly toolchain, and a test that does says what is missing. Processes
//! that build at the same time wait for each other at cargo's own lock.
//!
//! `foreach_hostile!(m)` expands to `m! { first second … }` with the names of the hostile guests,
//! both those in Rust (`hostile-*`) and those in text format (`hostile/*.wat`).
//! `foreach_shipped!(m)` does the same for the other guests (`selector_weighted`).

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, Result};

mod languages;
mod slow;
mod toolchain;

pub use languages::{Language, Tool};
pub use slow::slow_interceptor;
pub use toolchain::{Toolchain, toolchain};

include!(concat!(env!("OUT_DIR"), "/guests.rs"));

/// The target of guests in Rust.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The folder of the guests.
pub fn folder() -> PathBuf {
    root().join("guests")
}

/// The module of a guest in Rust (`selector-weighted`), built if necessary.
///
/// # Errors
/// There is no toolchain and none can be fetched, or a guest does not compile.
pub fn guest(name: &str) -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    let folder = built.clone().map_err(anyhow::Error::msg)?;
    let module = folder.join(name.replace('-', "_")).with_extension("wasm");
    anyhow::ensure!(module.is_file(), "no guest is called {name}");
    Ok(module)
}

/// A shipped policy from `guests/dist` (`weighted`); no toolchain is needed. The tests of
/// `flume-policy` check that it matches its source.
pub fn shipped(name: &str) -> PathBuf {
    folder().join("dist").join(name).with_extension("wasm")
}

/// A hostile guest in text format (`spin_in_order`). The engine's own parser reads it.
pub fn hostile(name: &str) -> PathBuf {
    folder().join("hostile").join(name).with_extension("wat")
}

/// The bytes of a guest's module.
///
/// # Errors
/// As [`guest`], or the file cannot be read.
pub fn bytes(name: &str) -> Result<Vec<u8>> {
    let path = guest(name)?;
    std::fs::read(&path).with_context(|| path.display().to_string())
}

/// Reports that the running test is skipped because a toolchain is missing, like the end-to-end
/// scenarios: past the test runner's capture, and in `target/skipped.txt`.
///
/// # Panics
/// With `FLUME_TESTS_REQUIRE_PEERS=1` in the environment.
#[expect(clippy::panic, reason = "fails the test that called it")]
pub fn skip(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let required = std::env::var("FLUME_TESTS_REQUIRE_PEERS").is_ok_and(|value| value == "1");
    assert!(!required, "{test} needs a toolchain that is missing: {why}");
    let line = format!("skipped: {test}: {why}\n");
    let path = root().join("target/skipped.txt");
    let mut file = std::fs::File::options();
    // Cargo may be configured to build elsewhere.
    let written = std::fs::create_dir_all(root().join("target"))
        .and_then(|()| file.create(true).append(true).open(&path))
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .and_then(|()| std::io::stderr().write_all(line.as_bytes()));
    if let Err(error) = written {
        panic!("{}: {error}", path.display());
    }
}

/// Builds all guests; returns their folder.
fn build() -> Result<PathBuf> {
    let status = toolchain()?
        .cargo()
        .args(["build", "--release", "--target", TARGET, "--locked"])
        .current_dir(folder())
        .status()
        .context("cargo does not start")?;
    anyhow::ensure!(status.success(), "the guests do not build");
    Ok(folder().join("target").join(TARGET).join("release"))
}

/// A folder for what is fetched: in `FLUME_TESTS_PEERS_DIR`, which may outlive the clone, or else in
/// `target/`.
fn kept(name: &str) -> PathBuf {
    match std::env::var_os("FLUME_TESTS_PEERS_DIR") {
        Some(folder) => PathBuf::from(folder).join(name),
        None => root().join("target").join(name),
    }
}

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
