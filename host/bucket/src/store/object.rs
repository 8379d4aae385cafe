//! Object stores: an object exists only once it is complete.
//!
//! | bytes written | what is in the store |
//! |---|---|
//! | less than a part | nothing; closing puts the object with one request |
//! | a part or more | a multipart upload, and a marker object with the upload's ID |
//!
//! The marker has the name that the file would have in use on a file system. It is how the uploads
//! of a killed agent are found: each store lists open uploads in its own way, and the client has no
//! call for that. What such an upload holds was never acknowledged, so it is aborted and not
//! completed. An agent killed after it began an upload and before it put the marker leaves an
//! upload without parts, which costs nothing. So does a store that begins an upload and fails before
//! its answer arrives: nobody learns the ID.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use flume_core::chain;
use futures_util::TryStreamExt;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{Error, MultipartId, ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use super::{Durable, Finished, Listing, Store, StoreError, StoreFile};
use crate::naming::FileNames;

mod build;

pub(crate) use build::{accepts, build, is_harmless};

/// The start of a marker's content; the upload's ID follows.
const MARKER: &str = "flume-host upload ";

/// A marker is short. A larger object of that name is not a marker, and is not read.
const MOST_MARKER_BYTES: u64 = 8 << 10;

/// An object store with multipart uploads.
pub(crate) trait StoreClient: ObjectStore + MultipartStore {}

impl<T: ObjectStore + MultipartStore> StoreClient for T {}

#[derive(Debug)]
pub(crate) struct Objects {
    client: Arc<dyn StoreClient>,
    part_bytes: usize,
}

impl Objects {
    pub(crate) fn new(client: Arc<dyn StoreClient>, part_bytes: usize) -> Self {
        Self { client, part_bytes }
    }
}

/// The object key of a path.
fn key(path: &str) -> Path {
    Path::from(path)
}

#[async_trait]
impl Store for Objects {
    fn durable(&self) -> Durable {
        Durable::AtClose
    }

    async fn create(&self, names: &FileNames) -> Result<Box<dyn StoreFile>, StoreError> {
        match self.client.head(&key(&names.done)).await {
            Err(Error::NotFound { .. }) => Ok(Box::new(ObjectFile {
                client: Arc::clone(&self.client),
                names: names.clone(),
                part_bytes: self.part_bytes,
                waiting: BytesMut::new(),
                upload: None,
            })),
            Ok(_) => Err(StoreError::Exists(names.done.clone())),
            Err(error) => Err(StoreError::failed("look for", &names.done, error)),
        }
    }

    async fn rename(&self, _: &FileNames) -> Result<(), StoreError> {
        // A complete object has its final name already.
        Ok(())
    }

    async fn finish(&self, names: &FileNames) -> Result<Finished, StoreError> {
        let failed = |error| StoreError::failed("abort the upload of", &names.done, error);
        let marker = key(&names.in_use);
        let found = match self.client.get(&marker).await {
            Err(Error::NotFound { .. }) => return Ok(Finished::Gone),
            found => found.map_err(failed)?,
        };
        let id = match found.meta.size <= MOST_MARKER_BYTES {
            true => found.bytes().await.map_err(failed)?,
            false => Bytes::new(),
        };
        let id = std::str::from_utf8(&id)
            .ok()
            .and_then(|text| text.strip_prefix(MARKER));
        let Some(id) = id.map(|id| id.trim_end().to_owned()) else {
            return Err(StoreError::failed(
                "finish",
                &names.in_use,
                "it is not the marker of an upload",
            ));
        };
        abort(&*self.client, names, &id).await?;
        Ok(Finished::Aborted)
    }

    async fn list(&self, folder: &str, most: usize) -> Result<Listing, StoreError> {
        let mut listing = Listing::default();
        let prefix = key(folder);
        let prefix = (!prefix.as_ref().is_empty()).then_some(prefix);
        let mut entries = self.client.list(prefix.as_ref());
        let failed = |error| StoreError::failed("list", folder, error);
        while let Some(entry) = entries.try_next().await.map_err(failed)? {
            if listing.paths.len() == most {
                listing.cut = true;
                break;
            }
            listing.paths.push(format!("/{}", entry.location));
        }
        Ok(listing)
    }
}

struct ObjectFile {
    client: Arc<dyn StoreClient>,
    names: FileNames,
    part_bytes: usize,
    /// Bytes that do not fill a part yet.
    waiting: BytesMut,
    upload: Option<Upload>,
}

struct Upload {
    id: MultipartId,
    parts: Vec<PartId>,
}

impl ObjectFile {
    fn failed(&self, error: Error) -> StoreError {
        match error {
            Error::AlreadyExists { .. } => StoreError::Exists(self.names.done.clone()),
            error => StoreError::failed("upload", &self.names.done, error),
        }
    }

    async fn put_part(&mut self, part: Bytes) -> Result<(), StoreError> {
        let key = key(&self.names.done);
        if self.upload.is_none() {
            let begun = self.client.create_multipart(&key).await;
            let id = begun.map_err(|error| self.failed(error))?;
            let marker = PutPayload::from(format!("{MARKER}{id}\n"));
            self.upload = Some(Upload {
                id,
                parts: Vec::new(),
            });
            let marked = self
                .client
                .put(&self::key(&self.names.in_use), marker)
                .await;
            marked.map_err(|error| self.failed(error))?;
        }
        let Some(upload) = &mut self.upload else {
            return Err(StoreError::Closed);
        };
        let put = self
            .client
            .put_part(&key, &upload.id, upload.parts.len(), part.into())
            .await;
        match put {
            Ok(part) => upload.parts.push(part),
            Err(error) => return Err(self.failed(error)),
        }
        Ok(())
    }

    async fn put_whole(&mut self) -> Result<(), StoreError> {
        let key = key(&self.names.done);
        let payload = PutPayload::from(self.waiting.split().freeze());
        let put = self
            .client
            .put_opts(&key, payload.clone(), PutMode::Create.into())
            .await;
        let put = match put {
            // Not every server supports conditional puts. The name was free when the file was created.
            Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => {
                self.client.put(&key, payload).await
            }
            put => put,
        };
        put.map(drop).map_err(|error| self.failed(error))
    }
}

#[async_trait]
impl StoreFile for ObjectFile {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.waiting.extend_from_slice(&bytes);
        while self.waiting.len() >= self.part_bytes {
            let part = self.waiting.split_to(self.part_bytes).freeze();
            self.put_part(part).await?;
        }
        Ok(())
    }

    async fn sync(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn close(&mut self) -> Result<(), StoreError> {
        if self.upload.is_none() {
            return self.put_whole().await;
        }
        if !self.waiting.is_empty() {
            let last = self.waiting.split().freeze();
            self.put_part(last).await?;
        }
        let Some(Upload { id, parts }) = self.upload.take() else {
            return Err(StoreError::Closed);
        };
        let completed = self
            .client
            .complete_multipart(&key(&self.names.done), &id, parts)
            .await;
        if let Err(error) = completed {
            // Kept for the abort that follows.
            self.upload = Some(Upload {
                id,
                parts: Vec::new(),
            });
            return Err(self.failed(error));
        }
        // The object is complete, so a failure to delete the marker is only logged.
        if let Err(error) = self.client.delete(&key(&self.names.in_use)).await {
            tracing::warn!(
                marker = self.names.in_use,
                error = chain(&error),
                "cannot delete the marker of a completed upload"
            );
        }
        Ok(())
    }

    async fn abort(&mut self) -> Result<(), StoreError> {
        self.waiting.clear();
        // Forgotten only when it is aborted: a call that fails is made again.
        if let Some(upload) = &self.upload {
            abort(&*self.client, &self.names, &upload.id).await?;
        }
        self.upload = None;
        Ok(())
    }
}

/// Aborts an upload and deletes its marker. An upload that is gone already counts as aborted.
async fn abort(
    client: &dyn StoreClient,
    names: &FileNames,
    id: &MultipartId,
) -> Result<(), StoreError> {
    let aborted = client.abort_multipart(&key(&names.done), id).await;
    let deleted = match aborted {
        Ok(()) | Err(Error::NotFound { .. }) => client.delete(&key(&names.in_use)).await,
        failed => failed,
    };
    match deleted {
        Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(StoreError::failed(
            "abort the upload of",
            &names.done,
            error,
        )),
    }
}

#[cfg(test)]
mod tests;
