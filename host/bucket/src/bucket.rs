//! One bucket: events of one folder and name, and the file that is open for them.
//!
//! | step | a store that appends | an object store |
//! |---|---|---|
//! | events | encoded; written by the mebibyte | the same |
//! | end of a batch | flushed, written, synced | written |
//! | the file is full, its time is over | synced; closed and renamed on the side | flushed, completed |
//! | a failure | the file is ended on the side, the next event begins a new one | the upload is aborted |

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use flume_core::{Event, clock};

use crate::format::Encoder;
use crate::ledger::BatchId;
use crate::naming::FileNames;
use crate::roll::Fill;
use crate::store::{Durable, StoreError, StoreFile};
use crate::works::Works;

/// Encoded bytes that are handed to the store at once.
const WRITE_BYTES: usize = 1 << 20;

/// Folder and name of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) folder: String,
    pub(crate) prefix: String,
}

pub(crate) struct Bucket {
    place: Place,
    open: Option<OpenFile>,
    /// The number of its last file.
    last: Option<u64>,
}

struct OpenFile {
    file: Box<dyn StoreFile>,
    names: FileNames,
    encoder: Box<dyn Encoder>,
    buffer: Vec<u8>,
    fill: Fill,
    /// The batches that wait for this file.
    batches: Vec<BatchId>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.open.as_ref().map(|open| &open.names.in_use);
        f.debug_struct("Bucket")
            .field("place", &self.place)
            .field("file", &file)
            .finish()
    }
}

impl Bucket {
    /// A bucket without a file, whose last one had this number.
    pub(crate) fn new(place: Place, last: Option<u64>) -> Self {
        Self {
            place,
            open: None,
            last,
        }
    }

    /// The number of its last file.
    pub(crate) fn last(&self) -> Option<u64> {
        self.last
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// How full its file is; `None` if it has none.
    pub(crate) fn fill(&self) -> Option<&Fill> {
        self.open.as_ref().map(|open| &open.fill)
    }

    /// Writes its part of a batch, into as many files as that takes.
    pub(crate) async fn write(
        &mut self,
        works: &Arc<Works>,
        events: &[Event],
        batch: BatchId,
    ) -> Result<(), StoreError> {
        let written = self.try_write(works, events, batch).await;
        if written.is_err() {
            self.abandon(works);
        }
        written
    }

    async fn try_write(
        &mut self,
        works: &Arc<Works>,
        events: &[Event],
        batch: BatchId,
    ) -> Result<(), StoreError> {
        let now = works.wall.millis();
        for event in events {
            let open = match &mut self.open {
                Some(open) => open,
                closed => {
                    closed.insert(OpenFile::create(works, &self.place, &mut self.last).await?)
                }
            };
            open.add(works, event, now, batch).await?;
            if open.fill.is_full(&works.settings.limits) {
                self.try_close(works).await?;
            }
        }
        if let Some(open) = &mut self.open {
            open.fill.touch(clock::now());
            match works.durable() {
                Durable::AtSync => open.sync(works).await?,
                Durable::AtClose => open.write(works).await?,
            }
        }
        Ok(())
    }

    /// Closes the file, if one is open.
    pub(crate) async fn close(&mut self, works: &Arc<Works>) -> Result<(), StoreError> {
        let closed = self.try_close(works).await;
        if closed.is_err() {
            self.abandon(works);
        }
        closed
    }

    async fn try_close(&mut self, works: &Arc<Works>) -> Result<(), StoreError> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        match works.durable() {
            Durable::AtSync => open.sync(works).await?,
            Durable::AtClose => {
                open.flush()?;
                open.write(works).await?;
                works.call("complete", open.file.close()).await?;
                tracing::debug!("Uploaded {}", open.names.done);
            }
        }
        if let Some(open) = self.open.take() {
            works.files().file_roll.increment();
            open.end(works);
        }
        Ok(())
    }

    /// Lets the file go after a failure.
    pub(crate) fn abandon(&mut self, works: &Arc<Works>) {
        if let Some(open) = self.open.take() {
            works.end_failed(open.file, open.names);
        }
    }
}

impl OpenFile {
    async fn create(
        works: &Arc<Works>,
        place: &Place,
        last: &mut Option<u64>,
    ) -> Result<Self, StoreError> {
        let mut encoder = works.settings.file_type.encoder();
        let mut buffer = Vec::new();
        let begun = encoder.begin(&mut buffer);
        begun.map_err(|error| StoreError::failed("encode", &place.folder, error))?;
        let (file, names) = works.create(place, last).await?;
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
        works: &Works,
        event: &Event,
        now: u64,
        batch: BatchId,
    ) -> Result<(), StoreError> {
        let encoded = self.encoder.append(event, now, &mut self.buffer);
        encoded.map_err(|error| StoreError::failed("encode", &self.names.in_use, error))?;
        self.fill.add(event.body.len());
        if works.durable() == Durable::AtClose && self.batches.last() != Some(&batch) {
            self.batches.push(batch);
            works.ledger.lock().join(batch);
        }
        if self.buffer.len() >= WRITE_BYTES {
            self.write(works).await?;
        }
        Ok(())
    }

    /// Makes all that was added readable to its end.
    fn flush(&mut self) -> Result<(), StoreError> {
        let flushed = self.encoder.flush(&mut self.buffer);
        flushed.map_err(|error| StoreError::failed("encode", &self.names.in_use, error))
    }

    async fn write(&mut self, works: &Works) -> Result<(), StoreError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        works.call("write", self.file.write(bytes)).await
    }

    async fn sync(&mut self, works: &Works) -> Result<(), StoreError> {
        self.flush()?;
        self.write(works).await?;
        works.call("sync", self.file.sync()).await
    }

    /// Behind its last byte. That it is not renamed yet is no reason to write events again.
    fn end(self, works: &Arc<Works>) {
        match works.durable() {
            Durable::AtSync => works.end_synced(self.file, self.names),
            Durable::AtClose => {
                let mut ledger = works.ledger.lock();
                self.batches.iter().for_each(|batch| ledger.leave(*batch));
                works.counters.connection_closed.increment();
            }
        }
    }
}
