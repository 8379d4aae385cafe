//! How a sink answers for its batches: one at a time, several in turn, or as files are complete.

use async_trait::async_trait;

use super::Sink;
use crate::error::EventDeliveryError;
use crate::event::Event;

/// A sink, by the way in which it answers. A sink answers all of its batches in the same way.
pub enum SinkMode {
    /// Each batch is answered before the next one is sent.
    Single(Box<dyn Sink>),
    /// Several batches may be in flight.
    Pipelined(Box<dyn Pipeline>),
    /// Batches stay in flight until a file is complete.
    Gathering(Box<dyn Gather>),
}

impl SinkMode {
    /// The sink.
    pub fn sink(&self) -> &dyn Sink {
        match self {
            Self::Single(sink) => &**sink,
            Self::Pipelined(sink) => &**sink,
            Self::Gathering(sink) => &**sink,
        }
    }
}

/// A sink that can have several batches in flight at once, answered in the order in which they were
/// sent.
///
/// After a failure of either method, every unanswered batch counts as not delivered, and the sink
/// has forgotten it. A failure that blames [events](crate::Blame::Events) means the batch that was
/// to be sent, and the others stay unanswered; of [`settle`](Self::settle) it means the oldest one, and
/// the others stay unanswered if the rest of it is [delivered](crate::Blame::Refused).
#[async_trait]
pub trait Pipeline: Sink {
    /// The most batches in flight (at least 1); it never changes.
    fn window(&self) -> usize;

    /// Sends a batch without waiting for its answer.
    async fn send(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError>;

    /// Waits until at least one more batch is answered, and returns how many of the oldest batches
    /// are now delivered.
    async fn settle(&mut self) -> Result<usize, EventDeliveryError>;
}

/// A sink that gathers batches into files that exist only as a whole, such as objects of a store. A
/// batch is delivered once every file with a part of it is complete.
///
/// After a failure of [`gather`](Self::gather), [`complete`](Self::complete) or [`Sink::tick`]
/// every batch not reported as delivered counts as not delivered, and the sink has forgotten it. A
/// failure of `gather` that blames [events](crate::Blame::Events) is about its batch alone.
#[async_trait]
pub trait Gather: Sink {
    /// The number of events that completes a file, or `usize::MAX` if no number does.
    fn events_per_file(&self) -> usize;

    /// Writes a batch. This may complete files.
    async fn gather(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError>;

    /// Completes all open files. After that every batch is delivered.
    async fn complete(&mut self) -> Result<(), EventDeliveryError>;

    /// How many of the oldest batches have been delivered since the last call.
    fn take_delivered(&mut self) -> usize;
}

/// Every sink, as one that gets one batch at a time. It exists so that [`Sink::into_mode`] can have
/// a default.
pub trait IntoSingle {
    /// The sink in that mode.
    fn into_single(self: Box<Self>) -> SinkMode;
}

impl<S: Sink + 'static> IntoSingle for S {
    fn into_single(self: Box<Self>) -> SinkMode {
        SinkMode::Single(self)
    }
}
