//! What changes a disk, one step after another. Tests end the process, as it were, before any of
//! them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

#[cfg(test)]
thread_local! {
    /// Steps until the kill.
    pub(crate) static LEFT: std::cell::Cell<Option<u32>> = const { std::cell::Cell::new(None) };
}

#[cfg(test)]
fn step() -> io::Result<()> {
    match LEFT.get() {
        Some(0) => Err(io::Error::other("killed")),
        left => {
            LEFT.set(left.map(|left| left - 1));
            Ok(())
        }
    }
}

#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "in tests it fails")]
fn step() -> io::Result<()> {
    Ok(())
}

/// Makes a directory if it is not there.
pub(crate) fn make(directory: &Path) -> io::Result<()> {
    step()?;
    fs::create_dir_all(directory)
}

/// Writes a file anew, and waits until it is safe.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    step()?;
    let mut file = File::create(path)?;
    // A kill in the middle leaves a part.
    let (first, second) = text.as_bytes().split_at(text.len() / 2);
    file.write_all(first)?;
    step()?;
    file.write_all(second)?;
    step()?;
    flush(&file)
}

/// Gives a file or directory another name.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    step()?;
    fs::rename(from, to)
}

/// Makes the names in a directory safe.
pub(crate) fn sync(directory: &Path) -> io::Result<()> {
    step()?;
    flush(&File::open(directory)?)
}

/// Waits for the disk. Tests end the process and not the machine: there it would only take time.
fn flush(file: &File) -> io::Result<()> {
    if cfg!(test) { Ok(()) } else { file.sync_all() }
}
