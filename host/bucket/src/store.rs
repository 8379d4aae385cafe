//! The contract of a store, and the time limit on its calls.
//!
//! | store | appends | a batch cannot be lost once | names in use |
//! |---|---|---|---|
//! | HDFS | yes | its blocks are synced by every datanode of the pipeline | renamed on close |
//! | files | yes | the file system has synced it | renamed on close |
//! | S3, GCS, Azure | no | the object is complete | a marker object, while an upload is open |

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::naming::FileNames;

pub(crate) mod hdfs;
pub(crate) mod local;
pub(crate) mod object;

/// The call after which a batch cannot be lost.
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

    /// Creates a file, which must not exist yet, and its folders.
    async fn create(&self, names: &FileNames) -> Result<Box<dyn StoreFile>, StoreError>;

    /// Gives a closed file its final name, which must not be taken.
    async fn rename(&self, names: &FileNames) -> Result<(), StoreError>;

    /// Ends a file without a writer: recovers its lease and renames it, deletes it if it is empty,
    /// or aborts its upload.
    async fn finish(&self, names: &FileNames) -> Result<Finished, StoreError>;

    /// The files below a folder, from at most `most` entries; empty if the folder does not exist.
    async fn list(&self, folder: &str, most: usize) -> Result<Listing, StoreError>;
}

/// An open file.
#[async_trait]
pub(crate) trait StoreFile: Send {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError>;

    /// In a store that is durable at sync: what was written so far cannot be lost any more.
    async fn sync(&mut self) -> Result<(), StoreError>;

    /// Nothing is written after this. If it fails, it may be called again.
    async fn close(&mut self) -> Result<(), StoreError>;

    /// After a failure: removes what was written since the last sync, if the store can do that.
    async fn abort(&mut self) -> Result<(), StoreError>;
}

/// What became of a file without a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finished {
    /// It has its final name.
    Renamed,
    /// It was empty and is gone.
    Deleted,
    /// It was an upload, which is aborted.
    Aborted,
    /// It does not exist.
    Gone,
    /// The store has not released it yet: ask again.
    NotYet,
}

/// The files of a folder.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) paths: Vec<String>,
    /// Whether there were more entries than asked for.
    pub(crate) cut: bool,
}

/// Why a call of a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The name is taken.
    #[error("`{0}` exists")]
    Exists(String),
    /// The call took longer than `callTimeout`. It may have succeeded.
    #[error("no answer to `{0}` within {1:?}")]
    TimedOut(&'static str, Duration),
    /// Too many files are still to be closed and renamed.
    #[error("no new file is opened: {0} files could not be closed or renamed (`maxOpenFiles`)")]
    TooMany(usize),
    /// The file failed before, or is closed.
    #[error("the file is no longer open")]
    Closed,
    /// Any other failure: the call, the path, and the store's error.
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

/// Waits for a call, but no longer than `limit`.
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
