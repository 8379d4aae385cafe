//! Compiled policies on disk: a second start takes milliseconds, also for the largest guests.
//!
//! A compiled policy is native code that is trusted as it is, so nobody else may be able to write
//! it: the folder belongs to the user of this process, and no other user may write to it. Since a
//! folder can be exchanged after that check, each file is checked, too, once it is open: it must be a
//! plain file of this user with one name, which no other user may write to. And each file is signed
//! with a key that is made with the folder and that only this user can read ([`seal`]): a file that
//! was cut short, was damaged, belongs under another name or was made elsewhere is not loaded, but
//! made again.
//!
//! Each owner has a part of its own, so that none can push out what another one needs. Of each part
//! those files go first that were not used for the longest time.

use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Timespec, Timestamps, UTIME_NOW};
use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use self::seal::{SEAL, SealKey};
use crate::artifact::stub;
use crate::compiler::Compiled;
use crate::engine::PolicyEngine;
use crate::hex::hex;

mod own_file;
mod seal;

/// The most bytes of an owner's part.
const MOST_BYTES: u64 = 256 << 20;

/// The first bytes of each file; the number is the layout's.
const MAGIC: &[u8; 8] = b"flumepc3";

/// The most bytes of an owner's name that its part is named by.
const MOST_NAME: usize = 64;

/// A folder of compiled policies: all of it, or the part of one owner.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    key: SealKey,
    most_bytes: u64,
}

/// A folder that must not be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be made or read.
    #[error("cache {}: {source}", .folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another user could put code into it.
    #[error("cache {}: {why}; compiled policies are trusted code", .folder.display())]
    Unsafe {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Cache {
    /// Opens a cache, making the folder and its key if they are not there.
    ///
    /// # Errors
    /// The folder is another user's, or others may write to it.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, CacheError> {
        let folder = folder.into();
        check(&folder)?;
        let key = SealKey::of(&folder).map_err(|source| CacheError::Io {
            folder: folder.clone(),
            source,
        })?;
        Ok(Self {
            folder,
            key,
            most_bytes: MOST_BYTES,
        })
    }

    /// The part of one owner: an agent.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), for the folder of the part.
    pub fn part(&self, owner: &str) -> Result<Self, CacheError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let name = match owner.len() <= MOST_NAME && owner.bytes().all(is_plain) {
            true => format!("of-{owner}"),
            // No other owner's name: those have no dot.
            false => format!("of.{}", hex(&Sha256::digest(owner))),
        };
        let folder = self.folder.join(name);
        check(&folder)?;
        Ok(Self {
            folder,
            ..self.clone()
        })
    }

    /// The same with another limit, for tests.
    #[doc(hidden)]
    pub fn with_most_bytes(self, most_bytes: u64) -> Self {
        Self { most_bytes, ..self }
    }

    /// The component of the file with this digest, if it was compiled by an engine like this one.
    pub(crate) fn get(&self, engine: &PolicyEngine, digest: &str) -> Option<(Compiled, Component)> {
        let name = name(engine, digest);
        let path = self.path(&name);
        let bytes = match read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "compiled policy cannot be read");
                return None;
            }
        };
        let (magic, rest) = bytes.split_at_checked(MAGIC.len())?;
        let (seal, code) = rest.split_at_checked(SEAL)?;
        if magic != MAGIC || !self.key.fits(&name, code, seal) {
            tracing::warn!(path = %path.display(), "compiled policy is damaged, or was not made \
                here: it is compiled again");
            return None;
        }
        let compiled = Compiled::from_bytes(code)?;
        match engine.deserialize(&compiled.code) {
            Ok(component) => Some((compiled, component)),
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "compiled policy does not fit");
                None
            }
        }
    }

    /// Keeps what was compiled. A failure costs the next start some time, and nothing else.
    pub(crate) fn put(&self, engine: &PolicyEngine, digest: &str, compiled: &Compiled) {
        let name = name(engine, digest);
        let path = self.path(&name);
        let bytes = compiled.to_bytes();
        let written = self
            .write(&name, &bytes)
            .and_then(|()| self.make_room(&path));
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "compiled policy is not kept");
        }
    }

    /// Writes a file under another name and renames it, so that no reader sees half of it.
    fn write(&self, name: &str, code: &[u8]) -> io::Result<()> {
        // Not shared by two threads that compile the same file, nor with a process that crashed.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let new = self
            .folder
            .join(format!("{name}-{}-{number}.new", std::process::id()));
        let mut bytes = Vec::with_capacity(MAGIC.len() + SEAL + code.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.key.seal(name, code));
        bytes.extend_from_slice(code);
        let open = || {
            let mut options = fs::OpenOptions::new();
            // Created anew: an existing file of this name (perhaps a link) is not written to.
            options.write(true).create_new(true).mode(0o600).open(&new)
        };
        let mut file = match open() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&new)?;
                open()?
            }
            opened => opened?,
        };
        let written = io::Write::write_all(&mut file, &bytes)
            .and_then(|()| fs::rename(&new, self.path(name)));
        if written.is_err() {
            // The disk is probably full; the first error is the one to report.
            fs::remove_file(&new).ok();
        }
        written
    }

    /// Removes what was not used for the longest time, until the rest is small enough. The newest
    /// file stays in any case.
    fn make_room(&self, newest: &Path) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // What a crash left half written counts, too, and is removed in its turn.
            let ours = |extension: &OsStr| extension == "cwasm" || extension == "new";
            if entry.path().extension().is_some_and(ours) && entry.path() != newest {
                // Another process may have made room in the meantime.
                if let Ok(found) = entry.metadata() {
                    files.push((found.modified()?, entry.path(), found.len()));
                }
            }
        }
        files.sort();
        let mut sum = fs::metadata(newest).map_or(0, |found| found.len());
        // From the last used on, until there is no room; the rest goes.
        let fits = files.iter().rev().take_while(|(_, _, size)| {
            sum = sum.saturating_add(*size);
            sum <= self.most_bytes
        });
        let spare = files.len() - fits.count();
        files
            .iter()
            .take(spare)
            .try_for_each(|(_, path, _)| match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name).with_extension("cwasm")
    }
}

/// Makes a folder of our own, or makes sure that it is.
fn check(folder: &Path) -> Result<(), CacheError> {
    let io = |source| CacheError::Io {
        folder: folder.to_owned(),
        source,
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(io)?;
    // Not followed: a link could be turned elsewhere after this check.
    let found = fs::symlink_metadata(folder).map_err(io)?;
    let user = rustix::process::geteuid().as_raw();
    let why = if !found.is_dir() {
        "is not a folder".to_owned()
    } else if found.uid() != user {
        format!("belongs to user {}, not to {user}", found.uid())
    } else if found.mode() & 0o022 != 0 {
        format!("can be written by others (mode {:o})", found.mode() & 0o777)
    } else {
        return Ok(());
    };
    Err(CacheError::Unsafe {
        folder: folder.to_owned(),
        why,
    })
}

/// A file's name says all that its code depends on: the engine, and what this host adds to modules.
fn name(engine: &PolicyEngine, digest: &str) -> String {
    let mut hasher = DefaultHasher::new();
    engine
        .wasmtime()
        .precompile_compatibility_hash()
        .hash(&mut hasher);
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    stub::TEXT.hash(&mut hasher);
    hex(&Sha256::digest(format!("{digest} {:x}", hasher.finish())))
}

/// Reads a file that no other user can have made.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let (mut file, found) = own_file::open(path)?;
    if !own_file::is_own(&found, 0o022) {
        return Err(io::Error::other("others may have written it"));
    }
    // Its last use, which a copy of the folder may lose; that only makes it go sooner.
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    let times = Timestamps {
        last_access: now,
        last_modification: now,
    };
    if let Err(error) = rustix::fs::futimens(&file, &times) {
        tracing::debug!(path = %path.display(), %error, "the last use is not noted");
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}
