//! One bucket: the events of one folder and file prefix, and the file that is open for them.
//!
//! | step | a store that appends | an object store |
//! |---|---|---|
//! | events | encoded; written in chunks of 1 MiB | the same |
//! | end of a batch | flushed, written, synced | written |
//! | the file is full, or too old | synced; closed and renamed in the background | flushed, completed |
//! | a failure | the file is ended in the background, the next event opens a new one | the upload is aborted |

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use flume_core::{Event, clock};

use crate::format::Encoder;
use crate::ledger::BatchId;
use crate::naming::{BucketPath, FileNames};
use crate::roll::Fill;
use crate::shared::Shared;
use crate::store::{Durable, StoreError, StoreFile};

/// Encoded bytes that are buffered before they are handed to the store.
const WRITE_BYTES: usize = 1 << 20;

pub(crate) struct Bucket {
    path: BucketPath,
    open: Option<OpenFile>,
    /// The number of the last file.
    last: Option<u64>,
}

struct OpenFile {
    file: Box<dyn StoreFile>,
    names: FileNames,
    encoder: Box<dyn Encoder>,
    buffer: Vec<u8>,
    fill: Fill,
    /// The batches with events in this file, in stores that are durable at close.
    batches: Vec<BatchId>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.open.as_ref().map(|open| &open.names.in_use);
        f.debug_struct("Bucket")
            .field("path", &self.path)
            .field("file", &file)
            .finish()
    }
}

impl Bucket {
    /// A bucket without an open file.
    pub(crate) fn new(path: BucketPath, last: Option<u64>) -> Self {
        Self {
            path,
            open: None,
            last,
        }
    }

    pub(crate) fn last(&self) -> Option<u64> {
        self.last
    }

    pub(crate) fn path(&self) -> &BucketPath {
        &self.path
    }

    /// How full the open file is; `None` if no file is open.
    pub(crate) fn fill(&self) -> Option<&Fill> {
        self.open.as_ref().map(|open| &open.fill)
    }

    /// Writes this bucket's events of a batch, into as many files as that takes.
    pub(crate) async fn write(
        &mut self,
        shared: &Arc<Shared>,
        events: &[Event],
        batch: BatchId,
    ) -> Result<(), StoreError> {
        let written = self.try_write(shared, events, batch).await;
        if written.is_err() {
            self.abandon(shared);
        }
        written
    }

    async fn try_write(
        &mut self,
        shared: &Arc<Shared>,
        events: &[Event],
        batch: BatchId,
    ) -> Result<(), StoreError> {
        let now = shared.wall.millis();
        for event in events {
            let open = match &mut self.open {
                Some(open) => open,
                closed => {
                    closed.insert(OpenFile::create(shared, &self.path, &mut self.last).await?)
                }
            };
            open.add(shared, event, now, batch).await?;
            if open.fill.is_full(&shared.settings.limits) {
                self.try_close(shared).await?;
            }
        }
        if let Some(open) = &mut self.open {
            open.fill.touch(clock::now());
            match shared.durable() {
                Durable::AtSync => open.sync(shared).await?,
                Durable::AtClose => open.write(shared).await?,
            }
        }
        Ok(())
    }

    /// Closes the file, if one is open.
    pub(crate) async fn close(&mut self, shared: &Arc<Shared>) -> Result<(), StoreError> {
        let closed = self.try_close(shared).await;
        if closed.is_err() {
            self.abandon(shared);
        }
        closed
    }

    async fn try_close(&mut self, shared: &Arc<Shared>) -> Result<(), StoreError> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        match shared.durable() {
            Durable::AtSync => open.sync(shared).await?,
            Durable::AtClose => {
                open.flush()?;
                open.write(shared).await?;
                shared.call("complete", open.file.close()).await?;
                tracing::debug!("Uploaded {}", open.names.done);
            }
        }
        if let Some(open) = self.open.take() {
            shared.files().file_roll.increment();
            open.end(shared);
        }
        Ok(())
    }

    /// After a failure: hands the open file to a background task that ends it.
    pub(crate) fn abandon(&mut self, shared: &Arc<Shared>) {
        if let Some(open) = self.open.take() {
            shared.end_failed(open.file, open.names);
        }
    }
}

impl OpenFile {
    async fn create(
        shared: &Arc<Shared>,
        path: &BucketPath,
        last: &mut Option<u64>,
    ) -> Result<Self, StoreError> {
        let mut encoder = shared.settings.file_type.encoder();
        let mut buffer = Vec::new();
        let begun = encoder.begin(&mut buffer);
        begun.map_err(|error| StoreError::failed("encode", &path.folder, error))?;
        let (file, names) = shared.create(path, last).await?;
        let fill = Fill::new(clock::now());
        Ok(Self {
            file,
            names,
            encoder,
            buffer,
            fill,
            batches: Vec::new(),
        })
    }

    async fn add(
        &mut self,
        shared: &Shared,
        event: &Event,
        now: u64,
        batch: BatchId,
    ) -> Result<(), StoreError> {
        let encoded = self.encoder.append(event, now, &mut self.buffer);
        encoded.map_err(|error| StoreError::failed("encode", &self.names.in_use, error))?;
        self.fill.add(event.body.len());
        if shared.durable() == Durable::AtClose && self.batches.last() != Some(&batch) {
            self.batches.push(batch);
            shared.ledger.lock().join(batch);
        }
        if self.buffer.len() >= WRITE_BYTES {
            self.write(shared).await?;
        }
        Ok(())
    }

    /// Moves what the encoder still holds into the buffer, so that a reader can decode all events.
    fn flush(&mut self) -> Result<(), StoreError> {
        let flushed = self.encoder.flush(&mut self.buffer);
        flushed.map_err(|error| StoreError::failed("encode", &self.names.in_use, error))
    }

    async fn write(&mut self, shared: &Shared) -> Result<(), StoreError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        shared.call("write", self.file.write(bytes)).await
    }

    async fn sync(&mut self, shared: &Shared) -> Result<(), StoreError> {
        self.flush()?;
        self.write(shared).await?;
        shared.call("sync", self.file.sync()).await
    }

    /// Called after the last byte. A pending rename must not cause redelivery.
    fn end(self, shared: &Arc<Shared>) {
        match shared.durable() {
            Durable::AtSync => shared.end_synced(self.file, self.names),
            Durable::AtClose => {
                let mut ledger = shared.ledger.lock();
                self.batches.iter().for_each(|batch| ledger.leave(*batch));
                shared.counters.connection_closed.increment();
            }
        }
    }
}
