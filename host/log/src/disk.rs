//! What the log asks of a disk: a folder of files, and when their bytes and names are safe.
//!
//! Behind this seam is either a real folder ([`Folder`]) or, in tests, a simulated one that loses
//! what was not synced, tears what was, and fails at any step.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::sync::Arc;

mod folder;
mod folders;
mod members;

pub use self::folder::Folder;
pub use self::folders::Folders;

/// A folder with the files of one log.
pub trait Disk: Debug + Send + Sync {
    /// The names of its files.
    ///
    /// # Errors
    /// The folder cannot be read.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a file that is there.
    ///
    /// # Errors
    /// It is not there, or cannot be opened.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes a file with room for this many bytes, which read as zeros.
    ///
    /// # Errors
    /// It is there already, or there is no room.
    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes a file of these bytes in the folder where another file is, and makes it safe.
    ///
    /// # Errors
    /// It is there already, there is no room, or the disk failed.
    fn keep(&self, beside: &str, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Renames a file. A file of the new name is replaced.
    ///
    /// # Errors
    /// It cannot be renamed.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// It cannot be removed.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the name of a file safe, and all that was created, renamed and removed before in the folder
    /// where it is.
    ///
    /// # Errors
    /// The disk failed.
    fn sync_name(&self, name: &str) -> io::Result<()>;

    /// Bytes for which there is room yet.
    ///
    /// # Errors
    /// The disk does not say.
    fn room(&self) -> io::Result<u64>;
}

/// An open file of a log.
pub trait DiskFile: Debug + Send + Sync {
    /// The number of bytes.
    ///
    /// # Errors
    /// The disk failed.
    fn length(&self) -> io::Result<u64>;

    /// Fills a buffer with the bytes from an offset on.
    ///
    /// # Errors
    /// There are fewer, or the disk failed.
    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;

    /// Writes all of these bytes, one part behind the other.
    ///
    /// # Errors
    /// There is no room, or the disk failed. A part may have been written.
    fn write(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()>;

    /// Makes the bytes that were written safe.
    ///
    /// # Errors
    /// The disk failed. Then nobody knows which of them are safe, and another call does not tell.
    fn sync(&self) -> io::Result<()>;

    /// Has the system write what an earlier process has left to it, and forget what it remembers of the
    /// file: after a failed sync that is not what is on the disk. What is read then, is.
    ///
    /// # Errors
    /// The disk failed, now or before. What is read then is on the disk all the same.
    fn refresh(&self) -> io::Result<()>;
}
