//! Is a Flume running? Its lock does not tell: on Linux it holds none.
//!
//! While it runs it has its files open, and the kernel knows who has: a lease on a file is given
//! only if nobody else has it open, and `/proc` names who has.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::directories::{Class, Directories, Listed};
use crate::kernel::{self, Lease, Lock};
use crate::refusal::{Opener, Refusal};

/// Characters of a command line that are shown.
const SHOWN: usize = 200;

/// Looks until somebody who has a file open and is not seen is believed to be there: a child that
/// we are just starting has our files open for a moment.
const LOOKS: usize = 10;

/// Refuses if somebody has the files open; returns whether that could be told.
pub(crate) fn judge(
    directories: &Directories,
    files: &[Listed],
    with_locks: bool,
) -> Result<bool, Refusal> {
    let mut locks = Vec::new();
    if with_locks {
        locks.extend(
            directories
                .all()
                .into_iter()
                .map(lock_of)
                .filter(|lock| lock.exists()),
        );
    }
    let is_kept_open =
        |file: &&Listed| !matches!(file.class, Class::Meta(_)) && file.path.is_file();
    let open = files.iter().filter(is_kept_open);
    let open = open.map(|file| file.path.as_path());
    let all: Vec<&Path> = locks.iter().map(PathBuf::as_path).chain(open).collect();
    let metas = files
        .iter()
        .filter(|file| matches!(file.class, Class::Meta(_)));
    let metas: Vec<&Path> = metas.map(|file| file.path.as_path()).collect();
    look(&all, &metas)
}

fn lock_of(directory: PathBuf) -> PathBuf {
    directory.join("in_use.lock")
}

/// Keeps Flume from starting on these directories: it looks for locks of this kind.
pub(crate) fn lock(directories: &Directories) -> Result<Vec<Lock>, Refusal> {
    let mut locks = Vec::new();
    for directory in directories.all().into_iter().filter(|path| path.is_dir()) {
        let path = lock_of(directory);
        let lock = kernel::lock(&path).map_err(Refusal::io(&path))?;
        locks.push(lock.ok_or(Refusal::Locked(path))?);
    }
    Ok(locks)
}

/// Refuses if somebody has one of the files open. Returns whether that could be told. Metas are not
/// kept open by Flume: where there are no leases on them either, as on NFS, a lease tells nothing.
fn look(files: &[&Path], metas: &[&Path]) -> Result<bool, Refusal> {
    let mut unseen = None;
    for _ in 0..LOOKS {
        let open = leases(files)?;
        if let Some((file, by)) = opener(files) {
            return Err(Refusal::Running { file, by });
        }
        let Some(file) = open.refused else {
            return Ok(!open.is_unknown);
        };
        let closed = leases(metas)?;
        if closed.refused.is_some() && closed.given == 0 {
            return Ok(false);
        }
        unseen = Some(file);
    }
    unseen.map_or(Ok(true), |file| {
        let by = Opener::Unseen;
        Err(Refusal::Running { file, by })
    })
}

/// What the kernel said of some files.
#[derive(Debug, Default)]
struct Leases {
    given: usize,
    /// A file that somebody has open.
    refused: Option<PathBuf>,
    is_unknown: bool,
}

fn leases(files: &[&Path]) -> Result<Leases, Refusal> {
    let mut leases = Leases::default();
    for file in files {
        match kernel::lease(file) {
            Ok(Lease::Given) => leases.given += 1,
            Ok(Lease::Refused) => leases.refused = Some(file.to_path_buf()),
            Ok(Lease::Unknown) => leases.is_unknown = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Refusal::io(file)(error)),
        }
    }
    Ok(leases)
}

/// Another process that has one of the files open, as far as `/proc` shows it.
fn opener(files: &[&Path]) -> Option<(PathBuf, Opener)> {
    let known = |path: &Path| {
        let about = fs::metadata(path).ok()?;
        Some((about.dev(), about.ino()))
    };
    let wanted: HashSet<(u64, u64)> = files.iter().filter_map(|file| known(file)).collect();
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let name = process.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if id == std::process::id() || is_starting(&process.path()) {
            continue;
        }
        // Processes of others cannot be looked at, and others end meanwhile.
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let mut open = descriptors
            .flatten()
            .filter_map(|entry| known(&entry.path()));
        if let Some(found) = open.find(|found| wanted.contains(found)) {
            let file = files.iter().find(|file| known(file) == Some(found))?;
            let command = command(&process.path());
            return Some((file.to_path_buf(), Opener::Process { id, command }));
        }
    }
    None
}

/// Whether this is a child of ours that has not become another program yet.
fn is_starting(process: &Path) -> bool {
    let program = |process: &Path| fs::read_link(process.join("exe")).ok();
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    // Behind the name, which may hold anything: the state, and the parent.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let parent = rest
        .split_whitespace()
        .nth(1)
        .and_then(|id| id.parse().ok());
    parent == Some(std::process::id()) && program(process) == program(Path::new("/proc/self"))
}

fn command(process: &Path) -> String {
    let bytes = fs::read(process.join("cmdline")).unwrap_or_default();
    let words: Vec<_> = bytes
        .split(|byte| *byte == 0)
        .map(String::from_utf8_lossy)
        .collect();
    words.join(" ").trim_end().chars().take(SHOWN).collect()
}
