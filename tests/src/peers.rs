//! External peers: real Flume, HDFS, Kafka, an S3 server, Azure's emulator, Prometheus, rsyslog, valgrind,
//! libfaketime, qemu with a kernel, npm's avsc and PyPI's fastavro.
//!
//! Each is fetched once by its package client into `target/peers/` and then found there. A lock
//! file prevents tests that run at the same time, in one process or in several, from fetching it
//! twice. The finished mark is written last, so an interrupted fetch is done again.

pub mod avsc;
pub mod azure;
mod debian;
pub mod faketime;
pub mod fastavro;
pub mod flume;
pub mod hdfs;
mod jvm;
pub mod kafka;
pub mod keys;
mod maven;
pub mod prometheus;
pub mod qemu;
pub mod rsyslog;
pub mod s3;
pub mod valgrind;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::eventually::within;
use crate::process;
use crate::skip::Availability;
use crate::target;

/// How long to wait while another process fetches.
const OTHERS: Duration = Duration::from_secs(700);

/// How long a package client may take: the S3 server is compiled from source.
const FETCH: Duration = Duration::from_secs(600);

/// The folder `target/peers/<name>`, filled by `fetch` if it has not been filled before, provided
/// that `program`, which runs the peer, is installed.
fn cached(
    name: &str,
    program: &str,
    fetch: impl FnOnce(&Path) -> Result<(), String>,
) -> Availability<PathBuf> {
    if !on_path(program) {
        return Availability::Missing(format!("{name} needs {program}, which is not installed"));
    }
    let folder = target::peers().join(name);
    let complete = folder.join("complete");
    if complete.exists() {
        return Availability::Ready(folder);
    }
    let Some(lock) = lock(&target::peers().join(format!("{name}.lock")), OTHERS) else {
        return Availability::Missing(format!(
            "another process has been fetching {name} for more than {OTHERS:?}"
        ));
    };
    if complete.exists() {
        return Availability::Ready(folder);
    }
    let fetched = std::fs::create_dir_all(&folder)
        .map_err(|err| err.to_string())
        .and_then(|()| fetch(&folder))
        .and_then(|()| File::create(complete).map_err(|err| err.to_string()));
    drop(lock);
    match fetched {
        Ok(_) => Availability::Ready(folder),
        Err(why) => Availability::Missing(format!("{name}: {why}")),
    }
}

/// Runs the command that fetches a peer; if it fails, returns the error output of `client`.
fn fetched(client: &str, command: &mut Command) -> Result<(), String> {
    let finished = process::run(command, "", FETCH)?;
    match finished.status.success() {
        true => Ok(()),
        false => Err(complaint(client, &(finished.stdout + &finished.stderr))),
    }
}

/// Installs packages of npm into a folder.
fn npm_install(folder: &Path, packages: &[&str]) -> Result<(), String> {
    let mut npm = Command::new("npm");
    npm.current_dir(folder)
        .args(["install", "--no-audit", "--no-fund", "--prefix", "."]);
    fetched("npm install", npm.args(packages))
}

/// A lock between processes, held until the file is dropped; `None` after `patience`.
fn lock(path: &Path, patience: Duration) -> Option<File> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .expect("target/ is writable");
    within(patience, || file.try_lock().ok())?;
    Some(file)
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The last lines of a package client's error output.
fn complaint(client: &str, text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines.len().saturating_sub(3);
    format!("{client} failed: {}", lines[last..].join(" / "))
}
