//! Why directories are not adopted. Nothing has been changed then.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why directories are not adopted.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A process has a file of the channel open.
    #[error("{} is open in {by}: end that Flume first", .file.display())]
    Running {
        /// The file.
        file: PathBuf,
        /// Who has it open.
        by: Opener,
    },
    /// Somebody else holds the lock of a directory.
    #[error("{} is locked by another process: end that Flume, or that agent, first", .0.display())]
    Locked(PathBuf),
    /// A log is encrypted.
    #[error(
        "{} is encrypted ({provider}, key {key}): let Flume deliver all of it first, or start it \
         without `encryption.*` once all is delivered",
        .log.display()
    )]
    Encrypted {
        /// The log.
        log: PathBuf,
        /// How.
        provider: String,
        /// The name of its key.
        key: String,
    },
    /// A format of long ago.
    #[error(
        "{} has log format 2 (Flume 1.2 or older): start it once with Flume 1.3 to 1.11, and let \
         it deliver all",
        .0.display()
    )]
    OldFormat(PathBuf),
    /// A format that nobody knows.
    #[error("{} has version {version}; what is known is 3 (Flume 1.3 to 1.11)", .file.display())]
    Version {
        /// The file.
        file: PathBuf,
        /// The version.
        version: u64,
    },
    /// Without its meta, a log in which nothing can be read may be encrypted, or no log at all.
    #[error("{} has no readable .meta, and no record in it can be read", .0.display())]
    Unknown(PathBuf),
    /// The directories are not those of one channel.
    #[error("{} and {} do not belong to one channel", .0.display(), .1.display())]
    MixedUp(PathBuf, PathBuf),
    /// The checkpoint knows logs that are not there.
    #[error(
        "{} knows {missing}, which is in no data directory: name all of them; if it is lost for \
         good, move the checkpoint away, and the other logs are read without it",
        .checkpoint.display()
    )]
    MissingLogs {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// The logs.
        missing: String,
    },
    /// A checkpoint without logs.
    #[error(
        "{} holds a checkpoint of Flume, but the data directories hold no log: name the right ones",
        .0.display()
    )]
    NoLogs(PathBuf),
    /// There are more logs than can be handled.
    #[error("there are more than {0} logs")]
    TooManyLogs(usize),
    /// The note of an adoption cannot be understood.
    #[error("{}: this is no note of an adoption: {why}", .note.display())]
    Note {
        /// The file.
        note: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// An adoption was begun, and then somebody took the files away.
    #[error(
        "{} says that an adoption was begun, but the files of Flume are gone: bring them back, or \
         remove the note",
        .0.display()
    )]
    Gone(PathBuf),
    /// A file or directory cannot be read.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Refusal {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// Who has a file open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opener {
    /// A process that can be seen.
    Process {
        /// Its id.
        id: u32,
        /// Its command line.
        command: String,
    },
    /// One that cannot.
    Unseen,
}

impl fmt::Display for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { id, command } => write!(f, "process {id} ({command})"),
            Self::Unseen => f.write_str("a process that cannot be seen from here"),
        }
    }
}
