//! Files of the cache that no other user can have made: they are opened first and looked at then,
//! since a path can be pointed elsewhere in between.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a file to read it. This neither follows a link nor waits for the other end of a pipe.
pub(super) fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags).map_err(io::Error::other)?)
        .open(path)?;
    let found = file.metadata()?;
    Ok((file, found))
}

/// Whether it is a plain file of this user with one name and none of these permissions.
pub(super) fn is_own(found: &Metadata, forbidden: u32) -> bool {
    let user = rustix::process::geteuid().as_raw();
    let is_own = found.is_file() && found.uid() == user && found.nlink() == 1;
    is_own && found.mode() & forbidden == 0
}
