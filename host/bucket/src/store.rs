//! The contract of a store, and the calls that are given up when they take too long.
//!
//! | store | appends | a batch cannot be lost once | names in use |
//! |---|---|---|---|
//! | HDFS | yes | its blocks are synced by every datanode of the pipeline | renamed on close |
//! | files | yes | the file system has synced it | renamed on close |
//! | S3, GCS, Azure | no | the object is complete | a marker, while an upload is under way |

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::naming::FileNames;

pub(crate) mod hdfs;
pub(crate) mod local;
pub(crate) mod object;

/// What a batch has to wait for before it counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durable {
    /// `StoreFile::sync`.
    AtSync,
    /// `StoreFile::close`.
    AtClose,
}

/// A file system or an object store. Paths begin with `/`.
#[async_trait]
pub(crate) trait Store: Send + Sync + fmt::Debug {
    fn durable(&self) -> Durable;

    /// Creates a file, which must not be there yet, with the folders above it.
    async fn create(&self, names: &FileNames) -> Result<Box<dyn StoreFile>, StoreError>;

    /// Gives a closed file its name for good, which nothing must have yet.
    async fn rename(&self, names: &FileNames) -> Result<(), StoreError>;

    /// Ends a file that its writer left: recovers its lease, and renames it; deletes it if it is
    /// empty; aborts its upload.
    async fn finish(&self, names: &FileNames) -> Result<Finished, StoreError>;

    /// The files below a folder, as far as `most` entries go. No folder, no files.
    async fn list(&self, folder: &str, most: usize) -> Result<Listing, StoreError>;
}

/// A file that is written.
#[async_trait]
pub(crate) trait StoreFile: Send {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError>;

    /// Where the store is durable at sync, all that was written cannot be lost from here on.
    async fn sync(&mut self) -> Result<(), StoreError>;

    /// Nothing is written behind it. A file that could not be closed may be tried again.
    async fn close(&mut self) -> Result<(), StoreError>;

    /// After a failure: takes back what was written since the last sync, where that can be done.
    async fn abort(&mut self) -> Result<(), StoreError>;
}

/// What became of a file that its writer left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finished {
    /// It has its name for good.
    Renamed,
    /// It was empty and is gone.
    Deleted,
    /// It was an upload that is aborted.
    Aborted,
    /// It is not there.
    Gone,
    /// The store has not let go of it yet: to be asked again.
    NotYet,
}

/// Files of a folder.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) paths: Vec<String>,
    /// Whether there are more entries than were asked for.
    pub(crate) cut: bool,
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another file has the name.
    #[error("`{0}` exists")]
    Exists(String),
    /// The call took longer than `callTimeout`, and what became of it is not known.
    #[error("no answer to `{0}` within {1:?}")]
    TimedOut(&'static str, Duration),
    /// No file is begun while so many wait for their end.
    #[error("{0} files wait to be closed or renamed, and no more are begun (`maxOpenFiles`)")]
    TooMany(usize),
    /// A file that failed before is used again.
    #[error("the file is no longer open")]
    Closed,
    /// Anything else, in the words of the store.
    #[error("cannot {0} `{1}`")]
    Failed(
        &'static str,
        String,
        #[source] Box<dyn std::error::Error + Send + Sync>,
    ),
}

impl StoreError {
    pub(crate) fn failed(
        what: &'static str,
        path: &str,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Failed(what, path.to_owned(), cause.into())
    }
}

/// Waits for a call no longer than this.
pub(crate) async fn within<T>(
    limit: Duration,
    what: &'static str,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::TimedOut(what, limit)),
    }
}
