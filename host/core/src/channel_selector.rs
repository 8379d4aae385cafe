//! The channel selector contract: into which channels of its source an event goes.

use crate::event::Event;

/// A channel's place in the `channels` list of its source, from 0.
pub type ChannelIndex = usize;

/// The channels of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection<'a> {
    /// All of these take the event, or none does and the source is told.
    pub required: &'a [ChannelIndex],
    /// These take it if they can.
    pub optional: &'a [ChannelIndex],
}

/// Chooses channels by event. Both lists are free of repeats, and no channel is in both.
pub trait ChannelSelector: Send + Sync {
    /// The channels of an event.
    fn select(&self, event: &Event) -> Selection<'_>;

    /// Whether every event goes the same way, so that a batch need not be taken apart.
    fn is_uniform(&self) -> bool {
        false
    }
}
