//! Peers that we did not write: real Flume, HDFS, an S3 server, Azure's emulator, rsyslog,
//! valgrind, npm's avsc and PyPI's fastavro.
//!
//! Each is fetched once by its own package client into `target/peers/` and then found there. A
//! lock file keeps tests that run at the same time, in one process or in several, from fetching
//! it twice; the finished mark is written last, so a fetch that was broken off is done again.

pub mod avsc;
pub mod azure;
mod debian;
pub mod fastavro;
pub mod flume;
pub mod hdfs;
mod jvm;
mod maven;
pub mod rsyslog;
pub mod s3;
pub mod valgrind;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::eventually::within;
use crate::skip::Availability;
use crate::target;

/// How long to wait for somebody else's fetch.
const OTHERS: Duration = Duration::from_secs(700);

/// How long a package client may take: the S3 server is compiled from nothing.
const FETCH: Duration = Duration::from_secs(600);

/// The folder `target/peers/<name>`, filled by `fetch` if it has not been filled before, as long
/// as `program`, which runs the peer, is there.
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
        return Availability::Missing(format!("{name} is being fetched for more than {OTHERS:?}"));
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

/// A lock that holds between processes until the file is dropped, or nothing after `patience`.
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

/// The last lines of what a package client complained about.
fn complaint(client: &str, text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines.len().saturating_sub(3);
    format!("{client} failed: {}", lines[last..].join(" / "))
}
