//! A folder of the operating system.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, FlockOperation};

use super::members::LIST;
use super::{Disk, DiskFile};

/// The file whose lock says that the folder has an owner.
const OWNER: &str = "owner.lock";

/// Parts that the system takes in one call.
const MOST_PARTS: usize = 1024;

/// A folder that this process owns: no other one can open it meanwhile.
pub struct Folder {
    path: PathBuf,
    /// Held open for its lock; without it, the folder is only looked at.
    owner: Option<File>,
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl Folder {
    /// Takes a folder, which is made if it is not there. The lock ends with this value, or with the
    /// process, however it ends.
    ///
    /// # Errors
    /// It cannot be made, or another process owns it.
    pub fn own(path: &Path) -> io::Result<Self> {
        if !path.is_dir() {
            fs::create_dir_all(path)?;
            if let Some(parent) = path.parent() {
                sync_folder(parent)?;
            }
        }
        let mut owner = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path.join(OWNER))?;
        let locked = rustix::fs::flock(&owner, FlockOperation::NonBlockingLockExclusive);
        if let Err(error) = locked.map_err(io::Error::from) {
            return Err(match error.kind() {
                io::ErrorKind::WouldBlock => in_use(path, &mut owner),
                _ => error,
            });
        }
        owner.set_len(0)?;
        writeln!(owner, "{}", std::process::id())?;
        Ok(Self {
            path: path.to_owned(),
            owner: Some(owner),
        })
    }

    /// A folder that is only looked at, whoever owns it: what would change it is refused.
    #[must_use]
    pub fn look(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            owner: None,
        }
    }

    fn owned(&self) -> io::Result<()> {
        match self.owner {
            Some(_) => Ok(()),
            None => Err(io::Error::from(io::ErrorKind::PermissionDenied)),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // To close the file is not enough: a process that is just being started has a copy of it, up to the
        // moment in which it becomes another program.
        if let Some(owner) = &self.owner
            && let Err(error) = rustix::fs::flock(owner, FlockOperation::Unlock)
        {
            tracing::warn!(folder = %self.path.display(), %error, "a folder was not unlocked");
        }
    }
}

/// Says who has a folder. (The number is not there yet if that process has just begun.)
fn in_use(path: &Path, owner: &mut File) -> io::Error {
    let mut number = String::new();
    let who = match owner.read_to_string(&mut number) {
        Ok(_) if !number.trim().is_empty() => format!("process {}", number.trim()),
        _ => "another process".to_owned(),
    };
    let said = format!("{} is in use by {who}", path.display());
    io::Error::new(io::ErrorKind::ResourceBusy, said)
}

/// Makes the names in a folder safe.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let path = match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    };
    File::open(path)?.sync_all()
}

impl Disk for Folder {
    fn list(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name()));
        let names: io::Result<Vec<_>> = names.collect();
        // A name that is no text is none of ours.
        Ok(names?
            .into_iter()
            .filter_map(|name| name.into_string().ok())
            .filter(|name| name != OWNER && name != LIST)
            .collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(self.owner.is_some())
            .open(self.path(name))?;
        Ok(Arc::new(file))
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        self.owned()?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(self.path(name))?;
        // The room is taken here, so that a full disk is found here.
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => {}
            Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(bytes)?,
            Err(error) => {
                drop(file);
                fs::remove_file(self.path(name))?;
                return Err(error.into());
            }
        }
        Ok(Arc::new(file))
    }

    fn keep(&self, _: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.owned()?;
        let path = self.path(name);
        let mut file = File::create_new(&path)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        if written.is_err() {
            fs::remove_file(path)?;
        }
        written?;
        sync_folder(&self.path)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.owned()?;
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.owned()?;
        fs::remove_file(self.path(name))
    }

    fn sync_name(&self, _: &str) -> io::Result<()> {
        self.owned()?;
        sync_folder(&self.path)
    }

    fn room(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.path)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

impl DiskFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(into, offset)
    }

    fn write(&self, mut offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let mut parts = parts.to_vec();
        let mut rest = parts.as_mut_slice();
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let some = rest.get(..MOST_PARTS).unwrap_or(rest);
            let written = match rustix::io::pwritev(self, some, offset) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero)),
                Err(rustix::io::Errno::INTR) => continue,
                written => written?,
            };
            offset += written as u64;
            IoSlice::advance_slices(&mut rest, written);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn refresh(&self) -> io::Result<()> {
        let synced = self.sync_data();
        rustix::fs::fadvise(self, 0, None, rustix::fs::Advice::DontNeed)?;
        synced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_free_at_once_though_a_process_that_starts_has_a_copy_of_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        let first = Folder::own(folder.path()).unwrap();
        let copy = first.owner.as_ref().unwrap().try_clone().unwrap();
        drop(first);
        Folder::own(folder.path()).unwrap();
        drop(copy);
    }
}
