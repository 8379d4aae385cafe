//! Cargo's target folder: peers are cached there, and the agent's binary is found there.
//!
//! It is derived from the path of the running test binary. `CARGO_TARGET_DIR` is usually unset, and
//! asking cargo takes longer than most scenarios take to start.

use std::path::{Path, PathBuf};

/// `target/`: the outermost folder above the running binary that cargo marked as its own.
#[must_use]
pub fn root() -> PathBuf {
    let exe = std::env::current_exe().expect("a running binary has a path");
    let marked = exe
        .ancestors()
        .filter(|folder| folder.join("CACHEDIR.TAG").exists())
        .last();
    marked
        .expect("a test binary is built below cargo's target folder")
        .to_path_buf()
}

/// The folder of the workspace: where its sources are.
#[must_use]
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `target/<profile>/`: where binaries of the profile that built this harness are.
#[must_use]
pub fn profile() -> PathBuf {
    let exe = std::env::current_exe().expect("a running binary has a path");
    let folder = exe.parent().expect("a binary is in a folder");
    let above = if folder.ends_with("deps") {
        folder.parent()
    } else {
        Some(folder)
    };
    above
        .expect("target/<profile>/deps has a parent")
        .to_path_buf()
}

/// The folder of resolved peers, kept between runs: `FLUME_TESTS_PEERS_DIR`, or else
/// `target/peers/`. Created if missing.
///
/// # Panics
/// When it cannot be made, or the variable does not hold an absolute path.
#[must_use]
pub fn peers() -> PathBuf {
    let folder = match std::env::var_os("FLUME_TESTS_PEERS_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => root().join("peers"),
    };
    // Tests run in their package's folder, wherever they were called from.
    assert!(
        folder.is_absolute(),
        "FLUME_TESTS_PEERS_DIR is not absolute"
    );
    std::fs::create_dir_all(&folder).expect("the folder of the peers is writable");
    folder
}
