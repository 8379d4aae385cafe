//! The seal of a file in the cache: who made it had the key.
//!
//! The key is a file of the cache's folder that only this user can read. So what was copied from
//! another machine, or was put there by somebody who can write but not read, is no code. Who can read
//! as this user could as well change the program; the seal is no protection against that.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::own_file;

/// Bytes of a seal, and of the key.
pub(super) const SEAL: usize = 32;

/// The name of the key's file.
const FILE: &str = "key";

/// What files are sealed with.
#[derive(Clone)]
pub(super) struct SealKey([u8; SEAL]);

impl SealKey {
    /// The key of a folder. One that is missing, or that others can read, is made anew: then what
    /// the folder has is compiled again.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        if let Some(key) = read(&path)? {
            return Ok(Self(key));
        }
        let mut key = [0; SEAL];
        fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
        let new = folder.join(format!("{FILE}-{}.new", std::process::id()));
        // Left by a process that crashed, with this one's number.
        if let Err(error) = fs::remove_file(&new)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(&key)?;
        fs::rename(&new, &path)?;
        // Another process may have renamed its own since.
        Ok(Self(read(&path)?.unwrap_or(key)))
    }

    /// The seal of a file of this name with this content.
    pub(super) fn seal(&self, name: &str, content: &[u8]) -> Vec<u8> {
        self.mac(name, content).finalize().into_bytes().to_vec()
    }

    /// Whether a file of this name with this content was sealed with this key.
    pub(super) fn fits(&self, name: &str, content: &[u8], seal: &[u8]) -> bool {
        self.mac(name, content).verify_slice(seal).is_ok()
    }

    fn mac(&self, name: &str, content: &[u8]) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length");
        // Names have one length, so no name and content look like another name and content.
        mac.update(name.as_bytes());
        mac.update(content);
        mac
    }
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(…)")
    }
}

/// A key that only this user can have made and read; `None` if there is none.
fn read(path: &Path) -> io::Result<Option<[u8; SEAL]>> {
    let (mut file, found) = match own_file::open(path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // A link, which is replaced.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if !own_file::is_own(&found, 0o077) || found.len() != SEAL as u64 {
        return Ok(None);
    }
    let mut key = [0; SEAL];
    file.read_exact(&mut key)?;
    Ok(Some(key))
}
