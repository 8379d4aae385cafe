//! Compiled policies on disk: a second start takes milliseconds, also for the largest guests.
//!
//! A compiled policy is native code that is trusted as it is, so nobody else may be able to write
//! it: the folder belongs to the user of this process, and no other user may write to it. Since a
//! folder can be exchanged after that check, each file is checked, too, once it is open: it must be a
//! plain file of this user with one name, which no other user may write to. A file that was cut
//! short, was damaged or belongs under another name is recognised by its digest, and made again.

use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use crate::artifact::stub;
use crate::engine::PolicyEngine;
use crate::hex::hex;

/// Policies that are kept; the oldest ones make room.
const MOST_FILES: usize = 64;

/// The first bytes of each file; the number is the layout's.
const MAGIC: &[u8; 8] = b"flumepc2";

/// Bytes of a digest.
const DIGEST: usize = 32;

/// A folder of compiled policies.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
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
    /// Opens a cache, making the folder if it is not there.
    ///
    /// # Errors
    /// The folder is another user's, or others may write to it.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, CacheError> {
        let folder = folder.into();
        let io = |source| CacheError::Io {
            folder: folder.clone(),
            source,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(io)?;
        // Not followed: a link could be turned elsewhere after this check.
        let found = fs::symlink_metadata(&folder).map_err(io)?;
        let user = rustix::process::geteuid().as_raw();
        let why = if !found.is_dir() {
            Some("is not a folder".to_owned())
        } else if found.uid() != user {
            Some(format!("belongs to user {}, not to {user}", found.uid()))
        } else if found.mode() & 0o022 != 0 {
            Some(format!(
                "can be written by others (mode {:o})",
                found.mode() & 0o777
            ))
        } else {
            None
        };
        match why {
            Some(why) => Err(CacheError::Unsafe { folder, why }),
            None => Ok(Self { folder }),
        }
    }

    /// The component of the file with this digest, if it was compiled by an engine like this one.
    pub(crate) fn get(&self, engine: &PolicyEngine, digest: &str) -> Option<Component> {
        let key = key(engine, digest);
        let path = self.path(&key);
        let bytes = match read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "compiled policy cannot be read");
                return None;
            }
        };
        let (magic, rest) = bytes.split_at_checked(MAGIC.len())?;
        let (sum, code) = rest.split_at_checked(DIGEST)?;
        if magic != MAGIC || sum != self::sum(&key, code).as_slice() {
            tracing::warn!(path = %path.display(), "compiled policy is damaged: it is compiled again");
            return None;
        }
        match deserialize(engine, code) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "compiled policy does not fit");
                None
            }
        }
    }

    /// Keeps a component. A failure costs the next start some time, and nothing else.
    pub(crate) fn put(&self, engine: &PolicyEngine, digest: &str, component: &Component) {
        let key = key(engine, digest);
        let path = self.path(&key);
        let written = component
            .serialize()
            .map_err(io::Error::other)
            .and_then(|code| self.write(&key, &code))
            .and_then(|()| self.make_room());
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "compiled policy is not kept");
        }
    }

    /// Writes a file under another name and renames it, so that no reader sees half of it.
    fn write(&self, key: &str, code: &[u8]) -> io::Result<()> {
        // Not shared by two threads that compile the same file, nor with a process that crashed.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let new = self
            .folder
            .join(format!("{key}-{}-{number}.new", std::process::id()));
        let mut bytes = Vec::with_capacity(MAGIC.len() + DIGEST + code.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&sum(key, code));
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
        let written =
            io::Write::write_all(&mut file, &bytes).and_then(|()| fs::rename(&new, self.path(key)));
        if written.is_err() {
            // The disk is probably full; the first error is the one to report.
            fs::remove_file(&new).ok();
        }
        written
    }

    fn make_room(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // What a crash left half written counts, too, and is removed in its turn.
            let ours = |extension: &OsStr| extension == "cwasm" || extension == "new";
            if entry.path().extension().is_some_and(ours) {
                // Another process may have made room in the meantime.
                if let Ok(found) = entry.metadata() {
                    files.push((found.modified()?, entry.path()));
                }
            }
        }
        files.sort();
        let spare = files.len().saturating_sub(MOST_FILES);
        files
            .iter()
            .take(spare)
            .try_for_each(|(_, path)| match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            })
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(key).with_extension("cwasm")
    }
}

/// A file's name says all that its code depends on: the engine, and what this host adds to modules.
fn key(engine: &PolicyEngine, digest: &str) -> String {
    let mut hasher = DefaultHasher::new();
    engine
        .wasmtime()
        .precompile_compatibility_hash()
        .hash(&mut hasher);
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    stub::TEXT.hash(&mut hasher);
    hex(&Sha256::digest(format!("{digest} {:x}", hasher.finish())))
}

/// The digest of a file's code and of its name, so that files with exchanged names are recognised,
/// too.
fn sum(key: &str, code: &[u8]) -> Vec<u8> {
    Sha256::new()
        .chain_update(key)
        .chain_update(code)
        .finalize()
        .to_vec()
}

/// Reads a file that no other user can have made.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    // This neither follows a link nor waits for the other end of a pipe.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let mut file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags).map_err(io::Error::other)?)
        .open(path)?;
    let found = file.metadata()?;
    let user = rustix::process::geteuid().as_raw();
    let is_ours = found.is_file() && found.uid() == user && found.nlink() == 1;
    if !is_ours || found.mode() & 0o022 != 0 {
        return Err(io::Error::other("others may have written it"));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[expect(
    unsafe_code,
    reason = "native code from a folder that only this user can write, with its digest intact"
)]
fn deserialize(engine: &PolicyEngine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes were serialized by `put`: nobody else can write to the folder.
    unsafe { Component::deserialize(engine.wasmtime(), code) }
}
