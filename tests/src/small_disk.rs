//! A small disk that a scenario fills: a tmpfs that only one agent sees, so that nothing else on the
//! machine runs out of room. `unshare` mounts it in a namespace of the agent's own, as root or where
//! users may do that. The scenario sees it through `/proc`, as long as the agent runs.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::host::program_by;
use crate::process::{self, Process};
use crate::skip::Availability;

/// How long a mount may take.
const MOUNT: Duration = Duration::from_secs(60);

/// Mounts the disk over the folder `$0`.
const MOUNTED: &str = "mount -t tmpfs -o size=$SIZE flume-small-disk \"$0\"";

/// A disk for one agent, mounted when that starts.
pub struct SmallDisk {
    folder: PathBuf,
    size: String,
}

impl SmallDisk {
    /// A disk of some MiB over an existing folder.
    #[must_use]
    pub fn over(folder: PathBuf, mib: u32) -> Availability<Self> {
        let size = format!("{mib}m");
        let disk = Self { folder, size };
        match process::run(disk.around("true").arg("true"), "", MOUNT) {
            Ok(tried) if tried.status.success() => Availability::Ready(disk),
            Ok(tried) => {
                let said = tried.stderr.trim().to_owned();
                Availability::Missing(format!("a disk of its own: {said}"))
            }
            Err(why) => Availability::Missing(format!("a disk of its own: {why}")),
        }
    }

    /// The agent's command, with this disk, by a shell that does this first, such as
    /// `exec 2>file`.
    #[must_use]
    pub fn program(&self, first: &str) -> Command {
        program_by(self.around(first))
    }

    /// The same for another program.
    #[must_use]
    pub fn carries(&self, first: &str, program: &Command) -> Command {
        let mut command = self.around(first);
        command.arg(program.get_program()).args(program.get_args());
        command
    }

    /// The disk as a running agent sees it.
    #[must_use]
    pub fn of(&self, agent: &Process) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", agent.id()));
        let below = self.folder.strip_prefix("/").expect("an absolute path");
        root.join(below)
    }

    fn around(&self, first: &str) -> Command {
        let mut command = Command::new("unshare");
        command.env("SIZE", &self.size).args(["-rm", "sh", "-c"]);
        command.arg(format!("{MOUNTED} && {first} && exec \"$@\""));
        command.arg(&self.folder);
        command
    }
}

/// Takes all room in a folder's disk, and returns the file that has it.
///
/// # Panics
/// When writing fails for another reason.
#[must_use]
pub fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("filler");
    let mut file = File::create(&path).expect("a file on the small disk");
    // Smaller and smaller pieces: at the end there is no room for a single byte.
    for size in [1 << 16, 1 << 12, 1] {
        let piece = vec![0; size];
        let full = loop {
            if let Err(err) = file.write_all(&piece) {
                break err;
            }
        };
        assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
    }
    path
}
