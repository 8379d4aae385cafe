//! Three calls to the kernel that no library offers without `unsafe`: a lease, and a lock that
//! belongs to an open file.
//!
//! Flume takes POSIX locks. A `flock`, which is what the standard library takes, does not stop it,
//! and a POSIX lock of ours would be gone once any other descriptor of the file is closed.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

/// `F_SETSIG`, which the `libc` crate does not name.
#[cfg(target_os = "linux")]
const SET_SIGNAL: libc::c_int = 10;

/// What the kernel says to a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lease {
    /// Nobody else has the file open.
    Given,
    /// Somebody has.
    Refused,
    /// This file system, or this user, has no leases.
    Unknown,
}

/// Asks for a lease, and gives it back. No other descriptor of ours may be open on the file.
#[cfg(target_os = "linux")]
pub(crate) fn lease(path: &Path) -> io::Result<Lease> {
    let file = File::open(path)?;
    // Who opens the file in this moment has us told; by the default signal that would be our end.
    if control(&file, SET_SIGNAL, libc::SIGURG).is_err() {
        return Ok(Lease::Unknown);
    }
    match control(&file, libc::F_SETLEASE, libc::F_WRLCK) {
        Ok(()) => control(&file, libc::F_SETLEASE, libc::F_UNLCK).map(|()| Lease::Given),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Lease::Refused),
        Err(_) => Ok(Lease::Unknown),
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn lease(_: &Path) -> io::Result<Lease> {
    Ok(Lease::Unknown)
}

/// A file that is locked, until this is dropped.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // To close the file is not enough: a child that we are just starting has a copy of it. What is
        // not unlocked here is when that copy is closed.
        whole(&self.0, Change::Unlock).ok();
    }
}

/// Locks a file against other processes, and against a Flume that starts; `None` if it is locked.
/// It is made if it is not there.
pub(crate) fn lock(path: &Path) -> io::Result<Option<Lock>> {
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    match whole(&file, Change::Lock) {
        Ok(()) => Ok(Some(Lock(file))),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the C library offers no other way")]
fn control(file: &File, command: libc::c_int, value: libc::c_int) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    // SAFETY: the descriptor is open, and these commands take a number.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, value) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// What becomes of the lock on a file.
#[derive(Debug, Clone, Copy)]
enum Change {
    Lock,
    Unlock,
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the C library offers no other way")]
fn whole(file: &File, change: Change) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let kind = match change {
        Change::Lock => libc::F_WRLCK,
        Change::Unlock => libc::F_UNLCK,
    };
    let range = libc::flock {
        l_type: i16::try_from(kind).unwrap_or_default(),
        l_whence: i16::try_from(libc::SEEK_SET).unwrap_or_default(),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    // SAFETY: the descriptor is open, and the range outlives the call.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const range) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn whole(file: &File, change: Change) -> io::Result<()> {
    match change {
        Change::Lock => file.try_lock().map_err(io::Error::from),
        Change::Unlock => file.unlock(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_unlocked_at_once_though_a_child_that_starts_has_a_copy_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in_use.lock");
        let first = lock(&path).unwrap().unwrap();
        let copy = first.0.try_clone().unwrap();
        assert!(lock(&path).unwrap().is_none());
        drop(first);
        assert!(lock(&path).unwrap().is_some());
        drop(copy);
    }
}
