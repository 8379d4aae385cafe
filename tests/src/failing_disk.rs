//! A disk that fails: `strace` lets the agent's calls fail that write to certain files.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::host::program_by;
use crate::process;
use crate::skip::Availability;

/// Long enough to look at one process.
const LOOK: Duration = Duration::from_secs(60);

/// More segments than a log makes in a scenario. They are named before it makes them.
const SEGMENTS: u64 = 200;

/// The agent's command, with a disk that fails for good: from the `nth` call on, writing and syncing
/// segments in this folder, or in all, ends with this error (`EIO`, or `EROFS` as after a remount).
#[must_use]
pub fn program_on(folder: Option<&Path>, error: &str, nth: u32) -> Availability<Command> {
    let segment = |folder: &Path, generation| folder.join(format!("{generation:020}.log"));
    let segments = |folder| (1..=SEGMENTS).map(move |generation| segment(folder, generation));
    let files: Vec<PathBuf> = folder.into_iter().flat_map(segments).collect();
    program(("pwritev,fdatasync", &files), error, nth)
}

/// The agent's command, with calls that fail for good: from the `nth` one of a thread on, these calls about
/// these files, or about all if none is named, end with this error.
#[must_use]
pub fn program((calls, files): (&str, &[PathBuf]), error: &str, nth: u32) -> Availability<Command> {
    // Some machines have it, and do not let it look at another process.
    let mut tried = Command::new("strace");
    tried.args(["-qq", "-o", "/dev/null", "true"]);
    match process::run(&mut tried, "", LOOK) {
        Ok(tried) if tried.status.success() => {}
        Ok(tried) => return Availability::Missing(format!("strace: {}", tried.stderr.trim())),
        Err(why) => return Availability::Missing(format!("strace: {why}")),
    }
    let mut strace = Command::new("strace");
    // The agent is the process that was started, and strace its grandchild.
    strace.args(["-D", "-f", "-qq", "-o", "/dev/null"]);
    strace.arg("-e").arg(format!("trace={calls}"));
    let inject = format!("inject={calls}:error={error}:when={nth}+");
    strace.arg("-e").arg(inject);
    for file in files {
        strace.arg("-P").arg(file);
    }
    Availability::Ready(program_by(strace))
}
