//! Sinks that never deliver: one fails, one never answers, one panics.

use async_trait::async_trait;

use crate::error::EventDeliveryError;
use crate::event::Event;
use crate::sink::Sink;

/// Fails every delivery at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct ErrorSink;

#[async_trait]
impl Sink for ErrorSink {
    fn batch_size(&self) -> usize {
        100
    }

    async fn deliver(&mut self, _: &[Event]) -> Result<(), EventDeliveryError> {
        Err(EventDeliveryError::new("fails always"))
    }
}

/// Never answers: a delivery ends only when its future is dropped.
#[derive(Debug, Clone, Copy, Default)]
pub struct StallSink;

#[async_trait]
impl Sink for StallSink {
    fn batch_size(&self) -> usize {
        100
    }

    async fn deliver(&mut self, _: &[Event]) -> Result<(), EventDeliveryError> {
        std::future::pending().await
    }
}

/// Panics at every delivery, as a defect in a sink would.
#[derive(Debug, Clone, Copy, Default)]
pub struct PanicSink;

#[async_trait]
impl Sink for PanicSink {
    fn batch_size(&self) -> usize {
        100
    }

    async fn deliver(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        panic!("panics on purpose, with {} events in hand", batch.len())
    }
}
