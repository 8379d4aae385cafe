//! Why the log cannot do what it was asked.

use std::io;

/// An error of the log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A disk's error.
    #[error("cannot {doing}: {error}")]
    Disk {
        /// What was tried.
        doing: String,
        /// What the disk said.
        #[source]
        error: io::Error,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

impl LogError {
    pub(crate) fn disk(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |error| Self::Disk { doing, error }
    }

    /// Whether the disk is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Disk { error, .. } if error.kind() == io::ErrorKind::StorageFull)
    }
}

/// A place where what was acknowledged cannot be read any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("damaged before byte {before} of {file}: {lost} records are lost, from {first} on")]
pub struct Damage {
    /// The file, or the one after a file that is missing.
    pub file: String,
    /// What can be read again begins here.
    pub before: u64,
    /// The sequence of the first record that is lost.
    pub first: u64,
    /// How many are lost.
    pub lost: u64,
}
