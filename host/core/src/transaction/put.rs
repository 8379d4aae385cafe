//! Puts: room is reserved first, then the events become visible all at once.

use std::sync::Arc;
use std::{mem, vec};

use crate::channel::{Channel, ChannelError};
use crate::event::Event;

/// A batch on its way into a channel. Takers do not see it before `commit`.
#[derive(Debug)]
pub struct PutTransaction {
    channel: Arc<dyn Channel>,
    events: Vec<Event>,
}

impl PutTransaction {
    /// Opens a transaction for a batch.
    ///
    /// # Errors
    /// [`ChannelError::PutListFull`] above the channel's `transactionCapacity`.
    pub fn of(channel: &Arc<dyn Channel>, events: Vec<Event>) -> Result<Self, ChannelError> {
        let capacity = channel.transaction_capacity();
        if events.len() > capacity {
            return Err(ChannelError::PutListFull { capacity });
        }
        Ok(Self {
            channel: Arc::clone(channel),
            events,
        })
    }

    /// Reserves room for all events, waiting at most the channel's `keep-alive`. After that the
    /// commit cannot fail.
    ///
    /// # Errors
    /// The channel's refusal; the transaction is rolled back.
    pub async fn reserve(self) -> Result<ReservedPut, ChannelError> {
        self.channel.reserve(&self.events).await?;
        Ok(ReservedPut {
            channel: self.channel,
            events: self.events,
        })
    }

    /// Reserves room for all events if the channel has it now.
    ///
    /// # Errors
    /// The transaction itself, unchanged: without room for all events, nothing stays reserved.
    pub fn try_reserve(self) -> Result<ReservedPut, Self> {
        let fitting = self.channel.try_reserve(&self.events);
        if fitting == self.events.len() {
            return Ok(ReservedPut {
                channel: self.channel,
                events: self.events,
            });
        }
        self.channel
            .release(self.events.get(..fitting).unwrap_or_default());
        Err(self)
    }

    /// Reserves and commits.
    ///
    /// # Errors
    /// The channel's refusal; the transaction is rolled back.
    pub async fn commit(self) -> Result<(), ChannelError> {
        self.reserve().await?.commit();
        Ok(())
    }
}

/// A put whose room is reserved. Dropping it releases the room.
#[derive(Debug)]
pub struct ReservedPut {
    channel: Arc<dyn Channel>,
    events: Vec<Event>,
}

impl ReservedPut {
    /// The number of its events.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether it has no events.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Makes the events visible to takers, all at once.
    pub fn commit(mut self) {
        let events = mem::take(&mut self.events);
        if !events.is_empty() {
            self.channel.append(events);
        }
    }

    /// Gives this room up for another batch in the same channel. If that needs no more room, it has
    /// it without a wait, and nobody else can take it.
    ///
    /// # Errors
    /// The batch needs more room, which the channel does not have within its `keep-alive`.
    pub async fn exchange(mut self, put: PutTransaction) -> Result<Self, ChannelError> {
        let held = mem::take(&mut self.events);
        if self.channel.exchange(&held, &put.events) {
            self.events = put.events;
            return Ok(self);
        }
        // Not held while it waits: two that each hold what the other waits for would wait in vain.
        self.channel.release(&held);
        put.reserve().await
    }
}

impl Drop for ReservedPut {
    fn drop(&mut self) {
        if !self.events.is_empty() {
            self.channel.release(&self.events);
        }
    }
}

/// Room in several channels for the first events of a batch. Dropping it releases the room.
///
/// This is the put of a source that answers each event: what fits goes in now. The events stay in
/// the batch until [`commit`](Self::commit) moves them, so those without room are not copied.
#[derive(Debug)]
pub struct ReservedFront<'a> {
    channels: &'a [&'a Arc<dyn Channel>],
    batch: &'a mut vec::IntoIter<Event>,
    /// Room for this many events is reserved in each channel.
    count: usize,
}

impl<'a> ReservedFront<'a> {
    /// Reserves room in every channel for as many of the first `most` events as now fit into all of
    /// them. The smallest `transactionCapacity` is a limit too. Never waits.
    pub fn reserve(
        channels: &'a [&'a Arc<dyn Channel>],
        batch: &'a mut vec::IntoIter<Event>,
        most: usize,
    ) -> Self {
        let capacities = channels
            .iter()
            .map(|channel| channel.transaction_capacity());
        let mut count = capacities.fold(most.min(batch.len()), usize::min);
        for (at, channel) in channels.iter().enumerate() {
            let events = batch.as_slice();
            let fitting = channel.try_reserve(events.get(..count).unwrap_or_default());
            let excess = events.get(fitting..count).unwrap_or_default();
            for earlier in channels.iter().take(at) {
                earlier.release(excess);
            }
            count = fitting;
        }
        Self {
            channels,
            batch,
            count,
        }
    }

    /// The events that have room.
    pub fn events(&self) -> &[Event] {
        self.batch.as_slice().get(..self.count).unwrap_or_default()
    }

    /// Moves the events out of the batch and makes them visible in every channel.
    pub fn commit(mut self) {
        let count = mem::take(&mut self.count);
        if count == 0 {
            return;
        }
        let events: Vec<Event> = self.batch.by_ref().take(count).collect();
        if let Some((last, others)) = self.channels.split_last() {
            for channel in others {
                channel.append(events.clone());
            }
            last.append(events);
        }
    }
}

impl Drop for ReservedFront<'_> {
    fn drop(&mut self) {
        if self.count > 0 {
            for channel in self.channels {
                channel.release(self.events());
            }
        }
    }
}
