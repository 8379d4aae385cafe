//! The hdfs sink: events into files of folders, on HDFS, in object stores and on this machine. The
//! address decides which; the work is done by the crate `flume-bucket`.
//!
//! | store | a batch is committed when |
//! |---|---|
//! | `hdfs://`, `file://` | it is written and synced |
//! | `s3://`, `gs://`, `az://` | every object with a part of it is complete; until then it is under way ([`Gather`]) |
//!
//! A failure is an error, so that a failover group goes on with its next sink. Flume answers
//! BACKOFF, which looks like an empty channel, and its groups stay with the sink.

use std::sync::Arc;

use async_trait::async_trait;
use flume_bucket::{BucketSettings, Buckets, Durable, HostNames, Target, WriteError};
use flume_core::clock::{Instant, WallClock};
use flume_core::{
    Blame, ComponentError, Event, EventDeliveryError, Gather, Recipe, Sink, SinkCounter, SinkMode,
};

pub use self::keys::configure;
pub(super) use self::keys::{files, format::serializer};

mod host;
mod keys;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["hdfs", "org.apache.flume.sink.hdfs.HDFSEventSink"];

/// Writes files into buckets.
#[derive(Debug)]
pub struct HdfsSink {
    batch_size: usize,
    target: Target,
    settings: BucketSettings,
    wall: WallClock,
    counters: Arc<SinkCounter>,
    /// `None` before the start, and while the store's client cannot be made.
    buckets: Option<Buckets>,
}

impl HdfsSink {
    /// Sinks that have not begun.
    pub(super) fn recipe(
        batch_size: usize,
        target: Target,
        settings: BucketSettings,
        wall: WallClock,
    ) -> Recipe<dyn Sink> {
        let keys = (batch_size, target, settings);
        Recipe::<dyn Sink>::new(keys, move |(batch_size, target, settings)| {
            let (target, settings) = (target.clone(), settings.clone());
            Box::new(Self::new(*batch_size, target, settings, wall.clone()))
        })
    }

    fn new(batch_size: usize, target: Target, settings: BucketSettings, wall: WallClock) -> Self {
        Self {
            batch_size,
            target,
            settings,
            wall,
            counters: Arc::default(),
            buckets: None,
        }
    }

    fn buckets(&mut self) -> Result<&mut Buckets, EventDeliveryError> {
        let buckets = match self.buckets.take() {
            Some(buckets) => buckets,
            None => {
                let (counters, wall) = (Arc::clone(&self.counters), self.wall.clone());
                let opened = self.target.open(self.settings.clone(), counters, wall);
                opened.map_err(|cause| EventDeliveryError::caused_by("no store", cause))?
            }
        };
        Ok(self.buckets.insert(buckets))
    }

    fn failed(&self, cause: WriteError) -> EventDeliveryError {
        let store = self.target.address.scheme;
        let blame = match &cause {
            WriteError::Untimed { places, .. } => Blame::Events(places.clone()),
            WriteError::Store(_) => Blame::Place,
        };
        EventDeliveryError::caused_by(format!("unable to write to {store}"), cause).blaming(blame)
    }

    async fn settle_names(&mut self) {
        let (folder, prefix) = (&self.settings.folder, &self.settings.naming.prefix);
        if !folder.needs_host() && !prefix.needs_host() {
            return;
        }
        let names = tokio::task::spawn_blocking(host::names).await;
        let names = names.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot find out what this machine is called");
            HostNames::default()
        });
        self.settings.folder.settle_host(&names);
        self.settings.naming.prefix.settle_host(&names);
    }
}

#[async_trait]
impl Sink for HdfsSink {
    fn batch_size(&self) -> usize {
        self.batch_size
    }

    async fn start(&mut self, counters: &Arc<SinkCounter>) -> Result<(), ComponentError> {
        self.counters = Arc::clone(counters);
        self.settle_names().await;
        let opened = self.buckets().map(drop);
        opened.map_err(|cause| ComponentError::caused_by("the store cannot be used", cause))
    }

    async fn deliver(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        let buckets = self.buckets()?;
        let mut written = buckets.write(batch).await;
        if written.is_ok() && buckets.durable() == Durable::AtClose {
            written = buckets.complete().await;
            buckets.delivered();
        }
        written.map_err(|cause| self.failed(cause))
    }

    fn into_mode(self: Box<Self>) -> SinkMode {
        match self.target.durable() {
            Durable::AtSync => SinkMode::Single(self),
            Durable::AtClose => SinkMode::Gathering(self),
        }
    }

    fn next_tick(&self) -> Option<Instant> {
        self.buckets.as_ref().and_then(Buckets::next_due)
    }

    async fn tick(&mut self) -> Result<(), EventDeliveryError> {
        match &mut self.buckets {
            Some(buckets) => buckets
                .close_due()
                .await
                .map_err(|cause| self.failed(cause)),
            None => Ok(()),
        }
    }

    async fn stop(&mut self) {
        if let Some(mut buckets) = self.buckets.take() {
            buckets.stop().await;
        }
    }
}

#[async_trait]
impl Gather for HdfsSink {
    fn events_per_file(&self) -> usize {
        let count = self.settings.limits.count;
        count.map_or(usize::MAX, |count| {
            usize::try_from(count).unwrap_or(usize::MAX)
        })
    }

    async fn gather(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        let written = self.buckets()?.write(batch).await;
        written.map_err(|cause| self.failed(cause))
    }

    async fn complete(&mut self) -> Result<(), EventDeliveryError> {
        match &mut self.buckets {
            Some(buckets) => buckets.complete().await.map_err(|cause| self.failed(cause)),
            None => Ok(()),
        }
    }

    fn take_delivered(&mut self) -> usize {
        self.buckets.as_mut().map_or(0, Buckets::delivered)
    }
}

#[cfg(test)]
mod tests;
