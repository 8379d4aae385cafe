//! HDFS, over its own protocol.
//!
//! A file that cannot be closed is ended by lease recovery: the namenode takes the file from its
//! writer, the datanodes agree on its length, and what was synced is kept. The client's writer
//! renews its lease by itself, until it is dropped.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hdfs_native::file::FileWriter;
use hdfs_native::{Client, HdfsError, WriteOptions};

use super::{Durable, Finished, Listing, Store, StoreError, StoreFile};
use crate::naming::FileNames;

/// How often, and with which pause, the namenode is asked whether a lease is recovered. It needs a
/// few seconds; after that the caller gets `NotYet` and tries again.
const RECOVERY_LOOKS: u32 = 8;
const RECOVERY_PAUSE: Duration = Duration::from_millis(500);

pub(crate) struct HdfsStore {
    client: Client,
    options: WriteOptions,
}

impl fmt::Debug for HdfsStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HdfsStore")
    }
}

impl HdfsStore {
    pub(crate) fn new(client: Client, options: WriteOptions) -> Self {
        Self { client, options }
    }

    /// Whether a file or folder has this path.
    async fn is_there(&self, path: &str) -> Result<bool, StoreError> {
        match self.client.get_file_info(path).await {
            Ok(_) => Ok(true),
            Err(HdfsError::FileNotFound(_)) => Ok(false),
            Err(error) => Err(failed("look for", path, error)),
        }
    }

    async fn recover_lease(&self, path: &str) -> Result<bool, StoreError> {
        for look in 0..RECOVERY_LOOKS {
            if look > 0 {
                tokio::time::sleep(RECOVERY_PAUSE).await;
            }
            let recovered = self.client.recover_lease(path).await;
            if recovered.map_err(|error| failed("recover the lease of", path, error))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[async_trait]
impl Store for HdfsStore {
    fn durable(&self) -> Durable {
        Durable::AtSync
    }

    async fn create(&self, names: &FileNames) -> Result<Box<dyn StoreFile>, StoreError> {
        if self.is_there(&names.done).await? {
            return Err(StoreError::Exists(names.done.clone()));
        }
        let path = names.in_use.clone();
        let writer = self.client.create(&path, &self.options).await;
        let writer = writer.map_err(|error| failed("create", &path, error))?;
        Ok(Box::new(HdfsFile { path, writer }))
    }

    async fn rename(&self, names: &FileNames) -> Result<(), StoreError> {
        let renamed = self.client.rename(&names.in_use, &names.done, false).await;
        let Err(error) = renamed else { return Ok(()) };
        // An earlier attempt may have succeeded without its answer reaching us.
        let gone = matches!(self.is_there(&names.in_use).await, Ok(false));
        if gone && matches!(self.is_there(&names.done).await, Ok(true)) {
            return Ok(());
        }
        Err(failed("rename", &names.in_use, error))
    }

    async fn finish(&self, names: &FileNames) -> Result<Finished, StoreError> {
        let path = &names.in_use;
        if !self.is_there(path).await? {
            let done = self.is_there(&names.done).await?;
            return Ok(if done {
                Finished::Renamed
            } else {
                Finished::Gone
            });
        }
        if !self.recover_lease(path).await? {
            return Ok(Finished::NotYet);
        }
        let status = self.client.get_file_info(path).await;
        if status
            .map_err(|error| failed("look at", path, error))?
            .length
            == 0
        {
            let deleted = self.client.delete(path, false).await;
            deleted.map_err(|error| failed("delete", path, error))?;
            return Ok(Finished::Deleted);
        }
        self.rename(names).await?;
        Ok(Finished::Renamed)
    }

    async fn list(&self, folder: &str, most: usize) -> Result<Listing, StoreError> {
        let mut listing = Listing::default();
        let entries = self.client.list_status_iter(folder, true);
        let mut seen = 0;
        while let Some(entry) = entries.next().await {
            let entry = match entry {
                Err(HdfsError::FileNotFound(_)) => continue,
                entry => entry.map_err(|error| failed("list", folder, error))?,
            };
            seen += 1;
            if seen > most {
                listing.cut = true;
                break;
            }
            if !entry.isdir {
                listing.paths.push(entry.path);
            }
        }
        Ok(listing)
    }
}

struct HdfsFile {
    path: String,
    writer: FileWriter,
}

#[async_trait]
impl StoreFile for HdfsFile {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let written = self.writer.write_bytes(bytes).await;
        written
            .map(drop)
            .map_err(|error| failed("write", &self.path, error))
    }

    async fn sync(&mut self) -> Result<(), StoreError> {
        let synced = self.writer.hsync().await;
        synced.map_err(|error| failed("sync", &self.path, error))
    }

    async fn close(&mut self) -> Result<(), StoreError> {
        let closed = self.writer.close().await;
        closed.map_err(|error| failed("close", &self.path, error))
    }

    async fn abort(&mut self) -> Result<(), StoreError> {
        // HDFS truncates closed files only, and the client has no call for it.
        Ok(())
    }
}

fn failed(what: &'static str, path: &str, error: HdfsError) -> StoreError {
    match error {
        HdfsError::AlreadyExists(_) => StoreError::Exists(path.to_owned()),
        error => StoreError::failed(what, path, error),
    }
}
