//! Puts: room is reserved first, then the events become visible all at once.

use std::sync::Arc;
use std::{mem, vec};

use crate::channel::{Channel, ChannelError, Commit};
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
            let transaction = channel.transaction_name();
            return Err(ChannelError::PutListFull {
                transaction,
                capacity,
            });
        }
        Ok(Self {
            channel: Arc::clone(channel),
            events,
        })
    }

    /// Reserves room for all events, waiting at most the channel's `keep-alive`. After that the
    /// commit can fail only with the place of the channel (a disk); that of a channel in memory cannot.
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
        self.reserve().await?.commit().await
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

    /// Makes the events visible to takers, all at once. This goes on if the result is dropped.
    pub fn commit(mut self) -> Commit {
        let events = mem::take(&mut self.events);
        match events.is_empty() {
            true => Commit::Done,
            false => self.channel.append(events),
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

/// A channel that refused a put at its commit.
#[derive(Debug)]
pub struct NotCommitted {
    /// The channel.
    pub channel: Arc<dyn Channel>,
    /// Why.
    pub error: ChannelError,
}

/// Commits puts into several channels: all of them, or, if one fails, as few as possible. Those that can
/// fail come first, at the same time, and what is in memory only after they are safe.
///
/// # Errors
/// A channel failed. No channel in memory has its events; others that can fail may, so whoever sends the
/// events again makes doubles there.
pub async fn commit_all(puts: Vec<ReservedPut>) -> Result<(), NotCommitted> {
    if !puts.iter().any(|put| put.channel.can_fail()) {
        for put in puts {
            let committed = put.commit();
            debug_assert!(committed.is_done(), "only a channel that can fail waits");
        }
        return Ok(());
    }
    let begin = |put: ReservedPut| (Arc::clone(&put.channel), put.commit());
    if puts.len() == 1 {
        for (channel, commit) in puts.into_iter().map(begin) {
            let committed = commit.await;
            committed.map_err(|error| NotCommitted { channel, error })?;
        }
        return Ok(());
    }
    let (failing, others): (Vec<_>, Vec<_>) =
        puts.into_iter().partition(|put| put.channel.can_fail());
    let begun: Vec<(Arc<dyn Channel>, Commit)> = failing.into_iter().map(begin).collect();
    for (channel, commit) in begun.into_iter().chain(others.into_iter().map(begin)) {
        let committed = commit.await;
        committed.map_err(|error| NotCommitted { channel, error })?;
    }
    Ok(())
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

    /// Makes the events visible in every channel, and moves them out of the batch.
    ///
    /// # Errors
    /// As that of [`commit_all`]. The events are still in the batch.
    pub async fn commit(mut self) -> Result<(), NotCommitted> {
        if !self.channels.iter().any(|channel| channel.can_fail()) {
            self.hand_over();
            return Ok(());
        }
        let count = mem::take(&mut self.count);
        if let [channel] = self.channels
            && channel.append_now(self.batch, count)
        {
            return Ok(());
        }
        let events = self.batch.as_slice().get(..count).unwrap_or_default();
        let put = |channel: &&Arc<dyn Channel>| ReservedPut {
            channel: Arc::clone(channel),
            events: events.to_vec(),
        };
        commit_all(self.channels.iter().map(put).collect()).await?;
        self.batch.by_ref().take(count).for_each(drop);
        Ok(())
    }

    /// The same for channels whose answer nobody waits for.
    pub fn hand_over(mut self) {
        let count = mem::take(&mut self.count);
        if count == 0 {
            return;
        }
        let events: Vec<Event> = self.batch.by_ref().take(count).collect();
        let append = |channel: &Arc<dyn Channel>, events| {
            // The channel counts and logs a failure.
            drop(channel.append(events));
        };
        if let Some((last, others)) = self.channels.split_last() {
            for channel in others {
                append(channel, events.clone());
            }
            append(last, events);
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
