//! Where cargo builds: peers are cached there, and the agent's binary is found there.
//!
//! Read from the place of the running test binary instead of `CARGO_TARGET_DIR`, which is usually
//! unset, and instead of asking cargo, which takes longer than most scenarios' start.

use std::path::PathBuf;

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

/// `target/peers/`: resolved peers, kept between runs. Made if it is missing.
#[must_use]
pub fn peers() -> PathBuf {
    let folder = root().join("peers");
    std::fs::create_dir_all(&folder).expect("target/ is writable");
    folder
}
