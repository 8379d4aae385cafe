//! A compiler for `wasm32-unknown-unknown`: found, or fetched.
//!
//! | looked for in turn | what is done |
//! |---|---|
//! | the target in the installed toolchain | nothing |
//! | rustup | `rustup target add` |
//! | Debian's own compiler and its sources | unpacked below `target/`, not installed; builds the standard library once, in two minutes |
//!
//! `FLUME_WASM_TOOLCHAIN=debian` skips the first two.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result};

use crate::{TARGET, kept};

/// The packages with Debian's newest Rust: the compiler, and the sources of its library. The
/// installed cargo is used.
const DEBIAN: [&str; 2] = ["rustc-web", "rust-web-src"];

/// Prefixes of the names of packages that the compiler needs beyond the system's own libraries.
const NEEDED: [&str; 2] = ["libstd-rust-web", "libllvm"];

/// A toolchain for guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Toolchain {
    /// The installed one.
    Installed,
    /// Debian's, unpacked into this folder.
    Debian(PathBuf),
}

impl Toolchain {
    /// Cargo with this toolchain, and without the variables set by the cargo that runs the tests.
    pub fn cargo(&self) -> Command {
        let mut cargo = match self {
            Self::Installed => Command::new(env::var_os("CARGO").unwrap_or("cargo".into())),
            Self::Debian(prefix) => debian_cargo(prefix),
        };
        for name in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_TARGET_DIR",
            "RUSTC_WRAPPER",
        ] {
            cargo.env_remove(name);
        }
        cargo
    }
}

/// A toolchain that has the target.
///
/// # Errors
/// There is none and none can be fetched; the message says what to install.
pub fn toolchain() -> Result<Toolchain> {
    let wants_debian = env::var_os("FLUME_WASM_TOOLCHAIN").is_some_and(|wanted| wanted == "debian");
    if !wants_debian && (is_installed()? || succeeds("rustup", &["target", "add", TARGET])) {
        return Ok(Toolchain::Installed);
    }
    let prefix = kept("wasm-toolchain");
    if !prefix.join("complete").is_file() {
        unpack_debian(&prefix).with_context(|| {
            format!("no compiler for {TARGET}: `rustup target add {TARGET}` is the way to get it")
        })?;
    }
    Ok(Toolchain::Debian(prefix.canonicalize()?))
}

/// Whether the installed toolchain has the target's standard library.
fn is_installed() -> Result<bool> {
    Ok(sysroot()?
        .join("lib/rustlib")
        .join(TARGET)
        .join("lib")
        .is_dir())
}

fn sysroot() -> Result<PathBuf> {
    let rustc = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()?;
    Ok(PathBuf::from(String::from_utf8(rustc.stdout)?.trim()))
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .status()
        .is_ok_and(|status| status.success())
}

/// Unpacks the packages with what they need beyond the system's own libraries.
fn unpack_debian(prefix: &Path) -> Result<()> {
    let packages = prefix.join("packages");
    fs::create_dir_all(&packages)?;
    // A new machine has no package lists, and old lists name packages that no longer exist. Without
    // permission to fetch lists, the existing ones may still work.
    let updated = succeeds("apt-get", &["-q", "update"]);
    let mut names: Vec<String> = DEBIAN.map(str::to_owned).to_vec();
    // The list grows during the loop.
    let mut at = 0;
    while let Some(name) = names.get(at) {
        let needed = needed_by(name)?;
        names.extend(needed);
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        at += 1;
    }
    let downloaded = Command::new("apt-get")
        .arg("download")
        .args(&names)
        .current_dir(&packages)
        .status()
        .context("apt-get does not start")?;
    anyhow::ensure!(
        downloaded.success(),
        "apt-get cannot download {} (apt-get update {})",
        names.join(" "),
        if updated { "succeeded" } else { "failed" }
    );
    for package in fs::read_dir(&packages)? {
        let package = package?.path();
        let unpacked = Command::new("dpkg-deb")
            .arg("-x")
            .arg(&package)
            .arg(prefix)
            .status()?;
        anyhow::ensure!(
            unpacked.success(),
            "{} cannot be unpacked",
            package.display()
        );
    }
    fs::remove_dir_all(&packages)?;
    link_sources(prefix)?;
    fs::write(prefix.join("complete"), "")?;
    Ok(())
}

/// The packages among a package's dependencies that have to be unpacked with it.
fn needed_by(package: &str) -> Result<Vec<String>> {
    let listed = Command::new("apt-cache")
        .args(["depends", package])
        .output()
        .context("apt-cache does not start")?;
    let listed = String::from_utf8(listed.stdout)?;
    let depended = listed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "));
    let is_needed = |name: &&str| NEEDED.iter().any(|begin| name.starts_with(begin));
    Ok(depended.filter(is_needed).map(str::to_owned).collect())
}

/// Links the sources to where cargo looks for them; older packages keep them elsewhere.
fn link_sources(prefix: &Path) -> Result<()> {
    let rust = prefix.join("usr/lib/rustlib/src/rust");
    let link = rust.join("library");
    if link.is_dir() {
        return Ok(());
    }
    let sources = fs::read_dir(prefix.join("usr/src"))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path().join("library")))
        .find(|library| library.is_dir())
        .context("rust-web-src has no library")?;
    fs::create_dir_all(&rust)?;
    std::os::unix::fs::symlink(sources.canonicalize()?, link)?;
    Ok(())
}

/// The installed cargo with Debian's compiler.
fn debian_cargo(prefix: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo
        .env("LD_LIBRARY_PATH", prefix.join("usr/lib/x86_64-linux-gnu"))
        .env("RUSTC", prefix.join("usr/bin/rustc"))
        // The target's standard library is built from source, which is not a stable feature.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort");
    if let Ok(sysroot) = sysroot() {
        let lld = sysroot.join("lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld");
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", lld);
    }
    cargo
}
