//! The file of the audit log: lines are appended, and only its owner reads it.
//!
//! A line that the disk had no room for is lost, and a part of it may be there: the next one begins a
//! line of its own.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A file that is open.
#[derive(Debug)]
pub(super) struct AuditFile {
    path: PathBuf,
    file: File,
    /// Whether a line was cut short.
    is_torn: bool,
}

impl AuditFile {
    /// Opens a file, or makes it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: append_to(path)?,
            is_torn: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Goes on in the file that has the path now. If that cannot be opened, in the one that had it.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.file = append_to(&self.path)?;
        self.is_torn = false;
        Ok(())
    }

    /// Appends a line, which has its end.
    pub(super) fn append(&mut self, line: &str) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(line.len() + 1);
        if self.is_torn {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(line.as_bytes());
        // At once, so that other writers of the file do not come in between.
        let written = self.file.write(&bytes)?;
        if written == bytes.len() {
            self.is_torn = false;
            return Ok(());
        }
        self.is_torn |= written > 0;
        let text = format!("{written} of {} bytes were written", bytes.len());
        Err(io::Error::new(io::ErrorKind::WriteZero, text))
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}
