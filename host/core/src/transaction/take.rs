//! Takes: events leave their channel only when their delivery is confirmed.

use std::mem;
use std::sync::Arc;

use crate::channel::{Channel, Commit, Taken};
use crate::clock::{self, Instant};
use crate::event::Event;

/// Events on their way out of a channel. Dropping it puts them back in their order.
#[derive(Debug)]
pub struct TakeTransaction {
    channel: Arc<dyn Channel>,
    events: Taken,
    /// When the first of them was taken.
    taken: Option<Instant>,
}

impl TakeTransaction {
    /// Opens a transaction.
    pub fn begin(channel: &Arc<dyn Channel>) -> Self {
        Self {
            channel: Arc::clone(channel),
            events: Taken::default(),
            taken: None,
        }
    }

    /// Takes the available events, up to `most` and the channel's `transactionCapacity`, and
    /// returns how many.
    pub fn take_batch(&mut self, most: usize) -> usize {
        let room = self
            .channel
            .transaction_capacity()
            .saturating_sub(self.events.len());
        let taken = self.channel.take(most.min(room), &mut self.events);
        if taken > 0 && self.taken.is_none() {
            self.taken = Some(clock::now());
        }
        taken
    }

    /// When its first event was taken; `None` if none was.
    pub fn taken(&self) -> Option<Instant> {
        self.taken
    }

    /// The events taken so far, oldest first.
    pub fn events(&self) -> &[Event] {
        self.events.events()
    }

    /// The channel that the events come from.
    pub fn channel(&self) -> &Arc<dyn Channel> {
        &self.channel
    }

    /// Parts with the events from a place on, which are a transaction of their own.
    #[must_use]
    pub fn split_off(&mut self, at: usize) -> Self {
        let events = self.events.split_off(at);
        self.part(events)
    }

    /// A transaction with some of these events.
    fn part(&self, events: Taken) -> Self {
        Self {
            channel: Arc::clone(&self.channel),
            events,
            taken: self.taken,
        }
    }

    /// Adds the events of a transaction over the same channel that was taken after this one.
    pub fn append(&mut self, mut later: Self) {
        debug_assert!(Arc::ptr_eq(&self.channel, &later.channel), "one channel");
        self.events.append(mem::take(&mut later.events));
    }

    /// Picks the events at these places, each as a transaction of its own. The others stay.
    pub fn pick(&mut self, places: &[usize]) -> Vec<Self> {
        let mut picked = Vec::new();
        let mut rest = Taken::default();
        for (place, (event, mark)) in mem::take(&mut self.events).into_iter().enumerate() {
            if places.contains(&place) {
                let mut alone = Taken::default();
                alone.push(event, mark);
                picked.push(self.part(alone));
            } else {
                rest.push(event, mark);
            }
        }
        self.events = rest;
        picked
    }

    /// Splits into shares: event `i` goes to the share `owners[i]`. Shares without an event are
    /// left out. An event without an owner stays with share 0.
    pub fn split(mut self, owners: &[usize]) -> Vec<(usize, Share)> {
        let mut shares: Vec<(usize, Share)> = Vec::new();
        let owners = owners.iter().copied().chain(std::iter::repeat(0));
        let events = mem::take(&mut self.events).into_iter();
        for (place, ((event, mark), owner)) in events.zip(owners).enumerate() {
            let at = shares.iter().position(|(known, _)| *known == owner);
            let share = match at.and_then(|at| shares.get_mut(at)) {
                Some((_, share)) => share,
                None => {
                    let transaction = self.part(Taken::default());
                    let places = Vec::new();
                    let share = Share {
                        transaction,
                        places,
                    };
                    &mut shares.push_mut((owner, share)).1
                }
            };
            share.transaction.events.push(event, mark);
            share.places.push(place);
        }
        shares
    }

    /// Makes the shares of one transaction whole again, in the old order. `None` if there are no
    /// shares.
    pub fn rejoin(shares: Vec<Share>) -> Option<Self> {
        let mut whole = shares.first()?.transaction.part(Taken::default());
        let mut events = Vec::new();
        for mut share in shares {
            events.extend(
                share
                    .places
                    .into_iter()
                    .zip(mem::take(&mut share.transaction.events)),
            );
        }
        events.sort_by_key(|(place, _)| *place);
        for (_, (event, mark)) in events {
            whole.events.push(event, mark);
        }
        Some(whole)
    }

    /// The events are delivered: their room is free. What it returns is whether they can come again,
    /// when the channel is opened the next time; it need not be awaited for the room.
    pub fn commit(mut self) -> Commit {
        let events = mem::take(&mut self.events);
        match events.is_empty() {
            true => Commit::Done,
            false => self.channel.settle(events),
        }
    }

    /// The events are not delivered: they are back at the head of the channel.
    pub fn rollback(self) {
        drop(self);
    }
}

impl Drop for TakeTransaction {
    fn drop(&mut self) {
        if !self.events.is_empty() {
            self.channel.give_back(mem::take(&mut self.events));
        }
    }
}

/// A part of a taken batch: a transaction that knows where its events were in the whole.
#[derive(Debug)]
pub struct Share {
    /// The part, to be committed or rolled back alone, or [rejoined](TakeTransaction::rejoin).
    pub transaction: TakeTransaction,
    places: Vec<usize>,
}

impl Share {
    /// Passes the transaction to a function that ends it or returns it.
    ///
    /// # Errors
    /// What was returned, as a share in its old place.
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
