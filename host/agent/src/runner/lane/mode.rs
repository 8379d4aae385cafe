//! The modes of a lane. Each has a file, which says what is under way in it, and for how long.

use flume_core::{EventDeliveryError, Sink, SinkMode, Status};

use super::failed::Failed;
use super::gathering::Gathering;
use super::pipelined::Pipelined;
use super::single::Single;
use super::takes::Takes;

/// How a lane works with its sink; the sink is in it.
pub(super) enum LaneMode {
    Single(Single),
    Pipelined(Pipelined),
    Gathering(Gathering),
}

impl LaneMode {
    /// The mode that the sink is made for.
    pub(super) fn of(sink: Box<dyn Sink>) -> Self {
        match sink.into_mode() {
            SinkMode::Single(sink) => Self::Single(Single::new(sink)),
            SinkMode::Pipelined(sink) => Self::Pipelined(Pipelined::new(sink)),
            SinkMode::Gathering(sink) => Self::Gathering(Gathering::new(sink)),
        }
    }

    /// One batch at a time, whatever the sink can do. Nothing is under way yet.
    pub(super) fn single(self) -> Self {
        Self::Single(Single::new(match self {
            Self::Single(mode) => mode.sink,
            Self::Pipelined(mode) => mode.sink,
            Self::Gathering(mode) => mode.sink,
        }))
    }

    /// The same mode with a new sink, and nothing under way.
    pub(super) fn with(&self, sink: Box<dyn Sink>) -> Self {
        match self {
            Self::Single(_) => Self::Single(Single::new(sink)),
            Self::Pipelined(_) | Self::Gathering(_) => Self::of(sink),
        }
    }

    pub(super) fn sink(&self) -> &dyn Sink {
        match self {
            Self::Single(mode) => &*mode.sink,
            Self::Pipelined(mode) => &*mode.sink,
            Self::Gathering(mode) => &*mode.sink,
        }
    }

    pub(super) fn sink_mut(&mut self) -> &mut dyn Sink {
        match self {
            Self::Single(mode) => &mut *mode.sink,
            Self::Pipelined(mode) => &mut *mode.sink,
            Self::Gathering(mode) => &mut *mode.sink,
        }
    }

    /// Whether batches are under way that the sink answers for in its time.
    pub(super) fn waits_for_answers(&self) -> bool {
        matches!(self, Self::Pipelined(mode) if !mode.under_way.is_empty())
    }

    /// Whether batches are under way that wait for more.
    pub(super) fn holds_back(&self) -> bool {
        matches!(self, Self::Gathering(mode) if !mode.held.is_empty())
    }

    /// Delivers or sends the next batch, if there is one.
    pub(super) async fn next(&mut self, takes: &mut Takes) -> Result<Status, Failed> {
        match self {
            Self::Single(mode) => mode.deliver_next(takes).await,
            Self::Pipelined(mode) => mode.deliver_next(takes).await,
            Self::Gathering(mode) => mode.deliver_next(takes).await,
        }
    }

    /// Calls the sink as it asked to be, and tries an event that is aside, if that is due.
    pub(super) async fn tick(&mut self, takes: &mut Takes) -> Result<(), EventDeliveryError> {
        match self {
            Self::Single(mode) => mode.sink.tick().await?,
            Self::Pipelined(mode) => mode.sink.tick().await?,
            Self::Gathering(mode) => mode.tick(takes).await?,
        }
        match takes.try_is_due() {
            true => self.try_aside(takes).await,
            false => Ok(()),
        }
    }

    /// What is under way is not delivered.
    pub(super) fn roll_back(&mut self) {
        match self {
            Self::Single(_) => {}
            Self::Pipelined(mode) => mode.under_way.roll_back(),
            Self::Gathering(mode) => mode.held.roll_back(),
        }
    }
}
