//! The null sink: takes events and forgets them.

use async_trait::async_trait;
use flume_core::{Context, Event, EventDeliveryError, Recipe, Sink};

use crate::services::Services;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["null", "org.apache.flume.sink.NullSink"];

/// Discards events; counts them in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct NullSink {
    name: String,
    batch_size: usize,
    log_every: u64,
    discarded: u64,
}

/// Reads `batchSize` (100) and `logEveryNEvents` (10000).
pub fn configure(context: &mut Context, _: &Services) -> Option<Recipe<dyn Sink>> {
    let batch_size = context.number("batchSize", 100, 1..=usize::MAX);
    let log_every = context.number("logEveryNEvents", 10_000, 1..=u64::MAX);
    let name = context.name().to_owned();
    let sink = NullSink {
        name,
        batch_size: batch_size?,
        log_every: log_every?,
        discarded: 0,
    };
    Some(Recipe::<dyn Sink>::new(sink, |sink| Box::new(sink.clone())))
}

#[async_trait]
impl Sink for NullSink {
    fn batch_size(&self) -> usize {
        self.batch_size
    }

    async fn deliver(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        let before = self.discarded / self.log_every;
        self.discarded += batch.len() as u64;
        if self.discarded / self.log_every > before {
            tracing::info!(
                sink = self.name,
                events = self.discarded,
                "null sink discarded events"
            );
        }
        Ok(())
    }
}
