//! Opening a policy file, and nothing outside of its agent's folder.
//!
//! The file is opened first, and the folder is checked on the open file: a path can be pointed
//! elsewhere between a check and its use. Only plain files are read: a pipe might never end.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use flume_policy::Artifact;
use rustix::fs::{Mode, OFlags};

/// A file cannot be read, or may not be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A folder, a pipe, a device.
    #[error("{} is not a plain file", .0.display())]
    NotPlain(PathBuf),
    /// Larger than any policy.
    #[error("{} has {size} bytes; at most {} are read", .path.display(), Artifact::MOST_BYTES)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        size: u64,
    },
    /// Not in the folder of its agent's policies.
    #[error("{} is at {}, outside of {}", .path.display(), .real.display(), .directory.display())]
    Outside {
        /// The file as it is used.
        path: PathBuf,
        /// Where it really is.
        real: PathBuf,
        /// Where it has to be.
        directory: PathBuf,
    },
}

/// Tells two states of a file apart without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    /// Changes even if a copy keeps the time of its original.
    changed: (i64, i64),
}

impl Mark {
    /// A look at a file, links followed.
    ///
    /// # Errors
    /// It is missing, or cannot be looked at.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::from(&std::fs::metadata(path)?))
    }
}

#[cfg(test)]
impl Mark {
    /// One of several that differ.
    pub(crate) fn of_version(version: u64) -> Self {
        let never = (0, 0);
        Self {
            device: 0,
            inode: version,
            bytes: 0,
            modified: never,
            changed: never,
        }
    }
}

impl From<&std::fs::Metadata> for Mark {
    fn from(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The content of a file.
#[derive(Debug)]
pub(crate) struct Content {
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Its mark; `None` if it changed while it was read.
    pub(crate) mark: Option<Mark>,
}

/// Reads a file. If `directory` is given, the file has to be in it.
///
/// # Errors
/// It cannot be read, or may not be.
pub(crate) fn read(path: &Path, directory: Option<&Path>) -> Result<Content, FileError> {
    let io = |source| FileError::Io {
        path: path.to_owned(),
        source,
    };
    // Opening a pipe must not wait for its other end.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file: OwnedFd = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| io(e.into()))?;
    let file = File::from(file);
    // First of all: what is outside is nobody's business, not even of what kind it is.
    if let Some(directory) = directory {
        check_inside(path, &file, directory)?;
    }
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(FileError::NotPlain(path.to_owned()));
    }
    let most = Artifact::MOST_BYTES as u64;
    let too_large = |size| FileError::TooLarge {
        path: path.to_owned(),
        size,
    };
    if metadata.len() > most {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed: the file may have grown meanwhile.
    (&file).take(most + 1).read_to_end(&mut bytes).map_err(io)?;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if size > most {
        return Err(too_large(size));
    }
    let (before, after) = (
        Mark::from(&metadata),
        Mark::from(&file.metadata().map_err(io)?),
    );
    let mark = (before == after).then_some(after);
    Ok(Content { bytes, mark })
}

/// Asks the system where an open file is.
fn check_inside(path: &Path, file: &File, directory: &Path) -> Result<(), FileError> {
    let io = |path: &Path, source| FileError::Io {
        path: path.to_owned(),
        source,
    };
    let allowed = directory.canonicalize().map_err(|e| io(directory, e))?;
    let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    let real = std::fs::read_link(descriptor).map_err(|e| io(path, e))?;
    match real.starts_with(&allowed) {
        true => Ok(()),
        false => Err(FileError::Outside {
            path: path.to_owned(),
            real,
            directory: allowed,
        }),
    }
}
