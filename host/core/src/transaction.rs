//! Transactions: the user's side of a channel.
//!
//! | state | `put`, `take` | `commit` | `rollback` or drop |
//! |---|---|---|---|
//! | open | stays open | ended; a refused put is rolled back | ended, undone |
//! | ended | does not compile | does not compile | does not compile |
//!
//! Flume checks these states at run time, and ties a transaction to its thread. Here a transaction
//! begins when it is made, is consumed by what ends it, and belongs to whoever holds it. So these do
//! not compile, and a transaction that is dropped, at any point, is rolled back:
//!
//! ```compile_fail,E0382
//! # use flume_core::TakeTransaction;
//! fn commit_twice(transaction: TakeTransaction) {
//!     transaction.commit();
//!     transaction.commit();
//! }
//! ```
//!
//! ```compile_fail,E0382
//! # use flume_core::TakeTransaction;
//! fn take_after_rollback(mut transaction: TakeTransaction) {
//!     transaction.rollback();
//!     transaction.take_batch(1);
//! }
//! ```
//!
//! ```compile_fail,E0382
//! # use flume_core::{Event, PutTransaction};
//! fn put_after_rollback(mut transaction: PutTransaction) {
//!     transaction.rollback();
//!     transaction.put(Event::new("late")).ok();
//! }
//! ```
//!
//! ```compile_fail,E0382
//! # use flume_core::PutTransaction;
//! async fn rollback_after_commit(transaction: PutTransaction) {
//!     transaction.commit().await.ok();
//!     transaction.rollback();
//! }
//! ```
//!
//! A put transaction has no `take` and a take transaction no `put`, so Flume's mixed transactions,
//! whose byte accounting drifts, cannot be written down:
//!
//! ```compile_fail,E0599
//! # use flume_core::{Event, TakeTransaction};
//! fn put_into_a_take(mut transaction: TakeTransaction) {
//!     transaction.put(Event::new("mixed")).ok();
//! }
//! ```

use std::mem;
use std::sync::Arc;

use crate::channel::{Channel, ChannelError};
use crate::event::Event;

/// Events on their way into a channel; nothing is visible before `commit`.
#[derive(Debug)]
pub struct PutTransaction {
    channel: Arc<dyn Channel>,
    events: Vec<Event>,
}

impl PutTransaction {
    /// Opens a transaction.
    pub fn begin(channel: &Arc<dyn Channel>) -> Self {
        Self {
            channel: Arc::clone(channel),
            events: Vec::new(),
        }
    }

    /// Opens a transaction with a whole batch in its put list.
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

    /// Adds an event to the put list.
    ///
    /// # Errors
    /// [`ChannelError::PutListFull`] above the channel's `transactionCapacity`.
    pub fn put(&mut self, event: Event) -> Result<(), ChannelError> {
        let capacity = self.channel.transaction_capacity();
        if self.events.len() >= capacity {
            return Err(ChannelError::PutListFull { capacity });
        }
        self.events.push(event);
        Ok(())
    }

    /// Reserves room for the put list, waiting at most the channel's `keep-alive`; afterwards the
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

    /// Reserves room for all of the put list if it is there now, else gives the transaction back.
    ///
    /// # Errors
    /// The transaction itself, unchanged.
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

    /// Ends the transaction without a trace; returns what was put.
    pub fn rollback(self) -> Vec<Event> {
        self.events
    }
}

/// A put with its room reserved. Dropped, it releases the room.
#[derive(Debug)]
pub struct ReservedPut {
    channel: Arc<dyn Channel>,
    events: Vec<Event>,
}

impl ReservedPut {
    /// Makes the events visible to takers, all at once.
    pub fn commit(mut self) {
        let events = mem::take(&mut self.events);
        if !events.is_empty() {
            self.channel.append(events);
        }
    }
}

impl Drop for ReservedPut {
    fn drop(&mut self) {
        if !self.events.is_empty() {
            self.channel.release(&self.events);
        }
    }
}

/// Events on their way out of a channel. Dropped, it gives them back in their order.
#[derive(Debug)]
pub struct TakeTransaction {
    channel: Arc<dyn Channel>,
    events: Vec<Event>,
}

impl TakeTransaction {
    /// Opens a transaction.
    pub fn begin(channel: &Arc<dyn Channel>) -> Self {
        Self {
            channel: Arc::clone(channel),
            events: Vec::new(),
        }
    }

    /// Takes one event if there is one.
    ///
    /// # Errors
    /// [`ChannelError::TakeListFull`] above the channel's `transactionCapacity`.
    pub fn take(&mut self) -> Result<Option<&Event>, ChannelError> {
        let capacity = self.channel.transaction_capacity();
        if self.events.len() >= capacity {
            return Err(ChannelError::TakeListFull { capacity });
        }
        match self.channel.take(1, &mut self.events) {
            0 => Ok(None),
            _ => Ok(self.events.last()),
        }
    }

    /// Takes what is there, up to `most` events and to the channel's `transactionCapacity`;
    /// says how many.
    pub fn take_batch(&mut self, most: usize) -> usize {
        let room = self
            .channel
            .transaction_capacity()
            .saturating_sub(self.events.len());
        self.channel.take(most.min(room), &mut self.events)
    }

    /// What was taken so far, oldest first.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The channel that the events come from.
    pub fn channel(&self) -> &Arc<dyn Channel> {
        &self.channel
    }

    /// Splits into shares: each event goes to the share that `owners` names in its place, from 0.
    /// Shares without an event are left out. An event without an owner stays with share 0.
    pub fn split(mut self, owners: &[usize]) -> Vec<(usize, Share)> {
        let mut shares: Vec<(usize, Share)> = Vec::new();
        let owners = owners.iter().copied().chain(std::iter::repeat(0));
        for (place, (event, owner)) in mem::take(&mut self.events)
            .into_iter()
            .zip(owners)
            .enumerate()
        {
            let at = shares.iter().position(|(known, _)| *known == owner);
            let share = match at.and_then(|at| shares.get_mut(at)) {
                Some((_, share)) => share,
                None => {
                    let transaction = Self::begin(&self.channel);
                    let places = Vec::new();
                    let share = Share {
                        transaction,
                        places,
                    };
                    &mut shares.push_mut((owner, share)).1
                }
            };
            share.transaction.events.push(event);
            share.places.push(place);
        }
        shares
    }

    /// Shares of one transaction become one again, in the old order. `None` if there are none.
    pub fn rejoin(shares: Vec<Share>) -> Option<Self> {
        let channel = Arc::clone(&shares.first()?.transaction.channel);
        let mut events: Vec<(usize, Event)> = Vec::new();
        for mut share in shares {
            events.extend(
                share
                    .places
                    .into_iter()
                    .zip(mem::take(&mut share.transaction.events)),
            );
        }
        events.sort_by_key(|(place, _)| *place);
        let events = events.into_iter().map(|(_, event)| event).collect();
        Some(Self { channel, events })
    }

    /// The events are delivered: their room is free.
    pub fn commit(mut self) {
        let events = mem::take(&mut self.events);
        if !events.is_empty() {
            self.channel.settle(&events);
        }
    }

    /// The events are not delivered: they are back at the head of the channel.
    pub fn rollback(self) {
        drop(self);
    }
}

/// A part of a taken batch: a transaction that knows where its events were in the whole.
#[derive(Debug)]
pub struct Share {
    /// The part, to be committed or rolled back by itself, or [rejoined](TakeTransaction::rejoin).
    pub transaction: TakeTransaction,
    places: Vec<usize>,
}

impl Share {
    /// Hands the transaction to something that ends it or gives it back.
    ///
    /// # Errors
    /// What was given back, as a share in its old place.
    pub async fn offer<F>(self, to: impl FnOnce(TakeTransaction) -> F) -> Result<(), Self>
    where
        F: Future<Output = Result<(), TakeTransaction>>,
    {
        let Self {
            transaction,
            places,
        } = self;
        let answer = to(transaction).await;
        answer.map_err(|transaction| Self {
            transaction,
            places,
        })
    }
}

impl Drop for TakeTransaction {
    fn drop(&mut self) {
        if !self.events.is_empty() {
            self.channel.give_back(mem::take(&mut self.events));
        }
    }
}

#[cfg(test)]
mod tests;
