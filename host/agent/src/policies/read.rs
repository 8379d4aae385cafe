//! Opening a policy's file, and nothing outside of its agent's folder.
//!
//! The file is opened first and asked where it is afterwards, since a path can be turned elsewhere
//! between a look at it and its use. What is not a plain file is not read: a pipe would never end.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Bytes of the largest file that is read: the components of scripting languages have some 20 MB.
pub(crate) const MOST_BYTES: u64 = 256 << 20;

/// A file cannot be read, or may not be.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
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
    #[error("{} has {size} bytes; at most {MOST_BYTES} are read", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        size: u64,
    },
    /// Not in the folder of its agent's policies.
    #[error("{} is {}, outside of {}", .path.display(), .real.display(), .directory.display())]
    Outside {
        /// The file as it is used.
        path: PathBuf,
        /// Where it really is.
        real: PathBuf,
        /// Where it has to be.
        directory: PathBuf,
    },
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    /// Also moves where a copy keeps the time of its original.
    changed: (i64, i64),
}

impl Mark {
    /// A look at a file, links followed.
    ///
    /// # Errors
    /// It is not there, or cannot be looked at.
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

/// What a file says.
#[derive(Debug)]
pub(crate) struct Content {
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// What it looked like; `None` if it changed while it was read.
    pub(crate) mark: Option<Mark>,
}

/// Reads a file, which is in `directory` if that is given.
///
/// # Errors
/// It cannot be read, or may not be.
pub(crate) fn read(path: &Path, directory: Option<&Path>) -> Result<Content, FileError> {
    let io = |source| FileError::Io {
        path: path.to_owned(),
        source,
    };
    // Without waiting for the other end, if it is a pipe.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file: OwnedFd = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| io(e.into()))?;
    let file = File::from(file);
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(FileError::NotPlain(path.to_owned()));
    }
    if let Some(directory) = directory {
        check_inside(path, &file, directory)?;
    }
    if metadata.len() > MOST_BYTES {
        let (path, size) = (path.to_owned(), metadata.len());
        return Err(FileError::TooLarge { path, size });
    }
    let mut bytes = Vec::new();
    // One more than allowed, to see that there is more: it may grow while it is read.
    (&file)
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if size > MOST_BYTES {
        let (path, size) = (path.to_owned(), size);
        return Err(FileError::TooLarge { path, size });
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
