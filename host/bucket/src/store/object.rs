//! Object stores: an object is there when it is complete, and not before.
//!
//! | bytes written | what is in the store |
//! |---|---|
//! | less than a part | nothing; closing puts the object in one request |
//! | a part or more | an upload with its parts, and a marker with the upload's identity |
//!
//! The marker has the name that the file would have in use on a file system. It is how the uploads
//! of a killed agent are found: the stores tell which uploads are open in ways of their own, and
//! the client has no call for it. What such an upload holds was never acknowledged, so it is
//! aborted and not completed. An agent killed between beginning an upload and putting the marker
//! leaves an upload without parts, which costs nothing.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{Error, MultipartId, ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use super::{Durable, Finished, Listing, Store, StoreError, StoreFile};
use crate::naming::FileNames;

mod build;

pub(crate) use build::{accepts, build};

/// What a marker begins with; the upload's identity follows.
const MARKER: &str = "flume-host upload ";

/// A marker is short, and whatever else has its name is not read in whole.
const MOST_MARKER_BYTES: u64 = 8 << 10;

/// An object store with uploads in parts.
pub(crate) trait Client: ObjectStore + MultipartStore {}

impl<T: ObjectStore + MultipartStore> Client for T {}

#[derive(Debug)]
pub(crate) struct Objects {
    client: Arc<dyn Client>,
    part_bytes: usize,
}

impl Objects {
    pub(crate) fn new(client: Arc<dyn Client>, part_bytes: usize) -> Self {
        Self { client, part_bytes }
    }
}

/// The key of a path.
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
        // A complete object has its name.
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
                "it is no marker of an upload",
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
    client: Arc<dyn Client>,
    names: FileNames,
    part_bytes: usize,
    /// Bytes that are no whole part yet.
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
            // Not every server can refuse to overwrite. The name was free when the file began.
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
            // For the abort that follows.
            self.upload = Some(Upload {
                id,
                parts: Vec::new(),
            });
            return Err(self.failed(error));
        }
        // The object is there, and that is what counts.
        if let Err(error) = self.client.delete(&key(&self.names.in_use)).await {
            tracing::warn!(marker = self.names.in_use, %error, "a marker stays behind");
        }
        Ok(())
    }

    async fn abort(&mut self) -> Result<(), StoreError> {
        self.waiting.clear();
        match self.upload.take() {
            Some(upload) => abort(&*self.client, &self.names, &upload.id).await,
            None => Ok(()),
        }
    }
}

/// Ends an upload and takes its marker away. One that is gone already is ended, too.
async fn abort(client: &dyn Client, names: &FileNames, id: &MultipartId) -> Result<(), StoreError> {
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
