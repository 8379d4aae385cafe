//! Why the log cannot do what it was asked.

use std::io;
use std::ops::Range;

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
#[error(
    "damaged at bytes {}..{} of {file}: {lost} records are lost, from {first} on; {}",
    .bytes.start, .bytes.end, kept_words(.kept.as_ref())
)]
pub struct Damage {
    /// The file; where one is missing, the next one that is there.
    pub file: String,
    /// What cannot be read. Empty where a file is missing.
    pub bytes: Range<u64>,
    /// The sequence of the first record that is lost.
    pub first: u64,
    /// How many are lost.
    pub lost: u64,
    /// The file beside it with a copy of these bytes, if there is one.
    pub kept: Option<String>,
}

fn kept_words(kept: Option<&String>) -> String {
    let kept = kept.map(|name| format!("what is there is kept in {name}"));
    kept.unwrap_or_else(|| "nothing of it is kept".to_owned())
}
