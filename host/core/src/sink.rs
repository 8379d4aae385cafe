//! The sink contract: what takes events out of an agent.
//!
//! A sink never sees a transaction. The runner takes a batch, has it delivered, and commits or
//! rolls back: so no sink can forget to, and a group can hand the same batch to the next sink.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::counters::SinkCounter;
use crate::event::Event;
use crate::source::ComponentError;

/// What a call of a sink or a sink processor came to, when it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Events were delivered; call again at once.
    Ready,
    /// There was nothing to deliver.
    Backoff,
}

/// Delivers batches of events.
///
/// Life: configured, [`start`](Self::start), many [`deliver`](Self::deliver)s, [`stop`](Self::stop).
/// A failed delivery may be followed by another: the sink reconnects by itself.
#[async_trait]
pub trait Sink: Send {
    /// The most events that it wants in one batch (at least 1).
    fn batch_size(&self) -> usize;

    /// Acquires connections or files. A sink whose far end is away starts all the same.
    ///
    /// The runner counts batches and events; a sink adds what only it knows, its connections, to
    /// the same counters.
    async fn start(&mut self, _counters: &Arc<SinkCounter>) -> Result<(), ComponentError> {
        Ok(())
    }

    /// Delivers the whole batch (never empty) to where it cannot be lost, or fails.
    ///
    /// # Errors
    /// The batch counts as not delivered, even if a part of it was.
    async fn deliver(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError>;

    /// The sink's ability to have several batches under way, if it has it.
    fn pipeline(&mut self) -> Option<&mut dyn Pipeline> {
        None
    }

    /// When [`tick`](Self::tick) wants to be called next, events or not.
    fn next_tick(&self) -> Option<Instant> {
        None
    }

    /// Work that is due at a time: closing an idle file, renewing a connection.
    async fn tick(&mut self) -> Result<(), EventDeliveryError> {
        Ok(())
    }

    /// Lets go of connections and files. Nothing is under way.
    async fn stop(&mut self) {}
}

/// Several batches under way at once, answered in the order in which they were sent.
///
/// After a failure of either method every unanswered batch is undelivered, and forgotten here.
#[async_trait]
pub trait Pipeline: Send {
    /// The most batches under way (at least 1).
    fn window(&self) -> usize;

    /// Sends a batch off without waiting for its answer.
    async fn send(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError>;

    /// Waits until at least one more of the batches under way is answered; says how many of the
    /// oldest are delivered now. Where batches gather it does not wait, and may say none.
    async fn settle(&mut self) -> Result<usize, EventDeliveryError>;

    /// Whether batches stay under way until they fill something, a file that is there only as a
    /// whole: then the events that fill one, or `usize::MAX` if no number does. `None` is a sink
    /// whose batches are each answered for themselves.
    fn gathers(&self) -> Option<usize> {
        None
    }

    /// Where batches gather: completes what is begun, so that `settle` answers for all of them.
    async fn complete(&mut self) -> Result<(), EventDeliveryError> {
        Ok(())
    }
}

/// A batch was not delivered: roll back, and try the next sink if there is one.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct EventDeliveryError {
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl EventDeliveryError {
    /// A failure told in words.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// A failure with its cause, which is kept apart from the message.
    pub fn caused_by(
        message: impl Into<String>,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            message: message.into(),
            source: Some(cause.into()),
        }
    }
}
