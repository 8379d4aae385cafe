//! The sink contract: what takes events out of an agent.
//!
//! A sink never sees a transaction. The runner takes a batch, lets the sink deliver it, and commits
//! or rolls back. So no sink can forget to, and a group can give the same batch to its next sink.

use std::sync::Arc;

use async_trait::async_trait;

use crate::by_header::ByHeader;
use crate::channel::Channel;
use crate::clock::Instant;
use crate::counters::SinkCounter;
use crate::error::{ComponentError, EventDeliveryError};
use crate::event::Event;

mod mode;
mod outlet;

pub use mode::{Gather, IntoSingle, Pipeline, SinkMode};
pub use outlet::{DrainShare, Outlet};

/// The result of a call of a sink or a sink processor that did not fail.
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
/// A failed delivery may be followed by another one; reconnecting is up to the sink.
#[async_trait]
pub trait Sink: Send + IntoSingle {
    /// The most events in one batch (at least 1).
    fn batch_size(&self) -> usize;

    /// Acquires connections or files. A sink starts even if its peer cannot be reached.
    ///
    /// The runner counts batches and events. A sink adds to the same counters what only it knows:
    /// its connections.
    async fn start(&mut self, _counters: &Arc<SinkCounter>) -> Result<(), ComponentError> {
        Ok(())
    }

    /// Does what the next delivery would begin with and might wait for: connects, shakes hands. The
    /// runner calls it for a sink that kept its group waiting, while the group goes on without it.
    /// It may be dropped at any point.
    ///
    /// # Errors
    /// The next delivery would have failed.
    async fn connect(&mut self) -> Result<(), EventDeliveryError> {
        Ok(())
    }

    /// Delivers the whole batch (never empty) to where it is safe, or fails.
    ///
    /// # Errors
    /// The batch counts as not delivered, even if a part of it was. The failure says
    /// [who is to blame](crate::Blame), as far as the sink can know.
    async fn deliver(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError>;

    /// The sink, by the way in which it answers for batches. Default: one at a time.
    fn into_mode(self: Box<Self>) -> SinkMode {
        self.into_single()
    }

    /// The header by which an event chooses where it goes.
    fn chosen_by(&self) -> Option<ByHeader> {
        None
    }

    /// The channel of its agent into which it puts its events, if that is what it does: it is the
    /// spare of its group.
    fn outlet(&self) -> Option<&Outlet> {
        None
    }

    /// Gives it that channel, before it starts.
    fn set_outlet(&mut self, _channel: &Arc<dyn Channel>) {}

    /// When [`tick`](Self::tick) is to be called next, even without events.
    fn next_tick(&self) -> Option<Instant> {
        None
    }

    /// Work that is due at some time: closing an idle file, renewing a connection.
    async fn tick(&mut self) -> Result<(), EventDeliveryError> {
        Ok(())
    }

    /// Releases connections and files. No delivery is in progress.
    async fn stop(&mut self) {}
}
