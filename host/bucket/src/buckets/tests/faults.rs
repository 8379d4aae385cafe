//! A store that fails on demand.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::naming::FileNames;
use crate::store::{Durable, Finished, Listing, Store, StoreError, StoreFile};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fault {
    /// Half of each write arrives.
    Write,
    Sync,
    Close,
    Rename,
    /// Each write arrives, but no call is answered well.
    Down,
    /// Calls never return.
    Hang,
    /// Closing takes this long.
    SlowClose(Duration),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Faults(Arc<Mutex<Option<Fault>>>);

impl Faults {
    pub(super) fn set(&self, fault: Option<Fault>) {
        *self.0.lock() = fault;
    }

    async fn check(&self, fault: Fault) -> Result<(), StoreError> {
        let now = *self.0.lock();
        if now == Some(Fault::Hang) {
            std::future::pending::<()>().await;
        }
        match now == Some(fault) {
            true => Err(StoreError::failed("use", "the store", "it is told to fail")),
            false => Ok(()),
        }
    }
}

#[derive(Debug)]
pub(super) struct Faulty<S> {
    store: S,
    faults: Faults,
}

impl<S> Faulty<S> {
    pub(super) fn new(store: S) -> (Self, Faults) {
        let faults = Faults::default();
        (
            Self {
                store,
                faults: faults.clone(),
            },
            faults,
        )
    }
}

#[async_trait]
impl<S: Store> Store for Faulty<S> {
    fn durable(&self) -> Durable {
        self.store.durable()
    }

    async fn create(&self, names: &FileNames) -> Result<Box<dyn StoreFile>, StoreError> {
        let file = self.store.create(names).await?;
        Ok(Box::new(FaultyFile {
            file,
            faults: self.faults.clone(),
        }))
    }

    async fn rename(&self, names: &FileNames) -> Result<(), StoreError> {
        self.faults.check(Fault::Rename).await?;
        self.store.rename(names).await
    }

    async fn finish(&self, names: &FileNames) -> Result<Finished, StoreError> {
        self.faults.check(Fault::Rename).await?;
        self.store.finish(names).await
    }

    async fn list(&self, folder: &str, most: usize) -> Result<Listing, StoreError> {
        self.store.list(folder, most).await
    }
}

struct FaultyFile {
    file: Box<dyn StoreFile>,
    faults: Faults,
}

#[async_trait]
impl StoreFile for FaultyFile {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        if let Err(error) = self.faults.check(Fault::Write).await {
            self.file.write(bytes.slice(..bytes.len() / 2)).await?;
            return Err(error);
        }
        self.file.write(bytes).await?;
        self.faults.check(Fault::Down).await
    }

    async fn sync(&mut self) -> Result<(), StoreError> {
        self.faults.check(Fault::Sync).await?;
        self.file.sync().await
    }

    async fn close(&mut self) -> Result<(), StoreError> {
        self.faults.check(Fault::Close).await?;
        let now = *self.faults.0.lock();
        if let Some(Fault::SlowClose(time)) = now {
            tokio::time::sleep(time).await;
        }
        self.file.close().await
    }

    async fn abort(&mut self) -> Result<(), StoreError> {
        self.faults.check(Fault::Down).await?;
        self.file.abort().await
    }
}
