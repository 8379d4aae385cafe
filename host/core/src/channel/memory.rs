//! The memory channel: a bounded queue whose takers and putters are woken, never polled.
//!
//! The arithmetic is in `memory/state.rs`; here are the lock and the waits. The lock is held for moving
//! one batch, never across an await. Events are lost when the process ends: that is what
//! `memory` means, and stopping an agent therefore drains first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::timeout_at;

use self::state::State;
use super::{Channel, ChannelError};
use crate::clock;
use crate::context::Context;
use crate::counters::ChannelCounter;
use crate::event::Event;

mod state;

/// Bytes in one slot of the byte accounting: a body costs whole slots, at least one.
const SLOT_BYTES: u64 = 100;

/// What a memory channel may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryConfig {
    /// Events stored or under way out (`capacity`, default 100).
    pub capacity: usize,
    /// Events in one transaction (`transactionCapacity`, default 100).
    pub transaction_capacity: usize,
    /// How long a put waits for room (`keep-alive`, default 3 s).
    pub keep_alive: Duration,
    /// Bytes of bodies (`byteCapacity`, default 80 % of `available memory`).
    pub byte_capacity: u64,
    /// Share of the bytes kept free for headers (`byteCapacityBufferPercentage`, default 20).
    pub buffer_percentage: u64,
}

impl MemoryConfig {
    /// The defaults, on a machine or in a container with this much memory.
    pub fn defaults(available_memory: u64) -> Self {
        Self {
            capacity: 100,
            transaction_capacity: 100,
            keep_alive: Duration::from_secs(3),
            byte_capacity: available_memory / 100 * 80,
            buffer_percentage: 20,
        }
    }

    /// Reads Flume's keys. `None` leaves a diagnostic in the context.
    pub fn configure(context: &mut Context, available_memory: u64) -> Option<Self> {
        let defaults = Self::defaults(available_memory);
        let capacity = context.number_or_default("capacity", defaults.capacity, 1..=MOST_EVENTS);
        let transaction_capacity = context.number_or_default(
            "transactionCapacity",
            defaults.transaction_capacity,
            1..=MOST_EVENTS,
        );
        let keep_alive = context.number_or_default("keep-alive", 3, i32::MIN..=i32::MAX);
        let byte_capacity =
            context.number_or_default("byteCapacity", defaults.byte_capacity, 0..=u64::MAX);
        let buffer_percentage =
            context.number_or_default("byteCapacityBufferPercentage", 20, 0..=100);
        if transaction_capacity > capacity {
            let written = context.value("transactionCapacity").is_some();
            let key = if written {
                "transactionCapacity"
            } else {
                "capacity"
            };
            let message = format!(
                "`{0}.transactionCapacity` ({transaction_capacity}) is larger than \
                 `{0}.capacity` ({capacity})",
                context.path()
            );
            let help = format!(
                "set both, for example `{0}.capacity = {transaction_capacity}` or \
                 `{0}.transactionCapacity = {capacity}`",
                context.path()
            );
            context.error(key, crate::Code::OutOfRange, message, &help);
            return None;
        }
        Some(Self {
            capacity,
            transaction_capacity,
            // Negative means the same as 0: do not wait.
            keep_alive: Duration::from_secs(u64::try_from(keep_alive).unwrap_or(0)),
            byte_capacity,
            buffer_percentage,
        })
    }

    /// The byte slots of this configuration. None at all means that bytes are not limited.
    pub fn byte_slots(&self) -> u64 {
        let free = u128::from(100 - self.buffer_percentage.min(100));
        let slots = u128::from(self.byte_capacity) * free / 100 / u128::from(SLOT_BYTES);
        match u64::try_from(slots) {
            Ok(0) | Err(_) => u64::MAX / 2,
            Ok(slots) => slots,
        }
    }
}

/// The largest `capacity`: more events than that do not fit into any memory.
const MOST_EVENTS: usize = 1 << 31;

/// A channel in memory.
#[derive(Debug)]
pub struct MemoryChannel {
    name: String,
    state: Mutex<State>,
    /// Holds a permit when events may be there; a taker that leaves some passes it on.
    events: Notify,
    /// Wakes every waiting putter when room was freed.
    room: Notify,
    /// Putters that wait.
    putters: AtomicUsize,
    /// Wakes whoever wants to know of them.
    short: Notify,
    counters: Arc<ChannelCounter>,
}

impl MemoryChannel {
    /// An empty channel.
    pub fn new(name: impl Into<String>, config: &MemoryConfig) -> Self {
        Self {
            name: name.into(),
            state: Mutex::new(State::new(config)),
            events: Notify::new(),
            room: Notify::new(),
            putters: AtomicUsize::new(0),
            short: Notify::new(),
            counters: Arc::default(),
        }
    }

    /// Changes the limits of a channel in use. A growth takes effect at once. A shrinkage waits up
    /// to `keep-alive` for what is held above the new limit to leave, and is refused otherwise:
    /// then the old limit stays, and its key is returned.
    pub async fn resize(&self, config: &MemoryConfig) -> Vec<&'static str> {
        let deadline = clock::now() + self.state.lock().keep_alive;
        let mut refused = Vec::new();
        if !self
            .wait_for_room(deadline, |state| state.resize_events(config))
            .await
        {
            refused.push("capacity");
        }
        if !self
            .wait_for_room(deadline, |state| state.resize_bytes(config))
            .await
        {
            refused.push("byteCapacity");
        }
        self.state.lock().adopt(config);
        self.room.notify_waiters();
        refused
    }

    /// Tries again whenever room was freed, until it succeeds or the deadline has passed.
    async fn wait_for_room(
        &self,
        deadline: clock::Instant,
        mut attempt: impl FnMut(&mut State) -> bool,
    ) -> bool {
        loop {
            let freed = self.room.notified();
            tokio::pin!(freed);
            // Registered before the attempt, so that room freed in between is not missed.
            freed.as_mut().enable();
            if attempt(&mut self.state.lock()) {
                return true;
            }
            if timeout_at(deadline, freed).await.is_err() {
                return attempt(&mut self.state.lock());
            }
        }
    }
}

#[async_trait]
impl Channel for MemoryChannel {
    fn name(&self) -> &str {
        &self.name
    }

    fn capacity(&self) -> usize {
        self.state.lock().capacity()
    }

    fn transaction_capacity(&self) -> usize {
        self.state.lock().transaction_capacity
    }

    fn depth(&self) -> usize {
        self.state.lock().depth()
    }

    fn counters(&self) -> &Arc<ChannelCounter> {
        &self.counters
    }

    fn try_reserve(&self, events: &[Event]) -> usize {
        let fitting = self.state.lock().reserve_prefix(events);
        self.counters.event_put_attempt.add(fitting);
        fitting
    }

    async fn reserve(&self, events: &[Event]) -> Result<(), ChannelError> {
        if events.is_empty() {
            return Ok(());
        }
        self.counters.event_put_attempt.add(events.len());
        let keep_alive = {
            let mut state = self.state.lock();
            if state.reserve(events) {
                return Ok(());
            }
            state.keep_alive
        };
        let _waiting = WaitingPut::new(self);
        // Bytes first, then places, each with a wait of its own: Flume's order and texts.
        let slots = state::slots_of(events);
        let deadline = clock::now() + keep_alive;
        if !self
            .wait_for_room(deadline, |state| state.reserve_bytes(slots))
            .await
        {
            let byte_capacity = self.state.lock().byte_capacity();
            return Err(ChannelError::BytesFull { byte_capacity });
        }
        let held = HeldBytes {
            channel: self,
            slots,
        };
        let deadline = clock::now() + keep_alive;
        if !self
            .wait_for_room(deadline, |state| state.reserve_places(events.len()))
            .await
        {
            return Err(ChannelError::Full);
        }
        held.keep();
        Ok(())
    }

    fn release(&self, events: &[Event]) {
        if !events.is_empty() {
            self.state.lock().free(events);
            self.room.notify_waiters();
        }
    }

    fn append(&self, events: Vec<Event>) {
        self.counters.event_put_success.add(events.len());
        self.state.lock().append(events);
        self.events.notify_one();
    }

    fn take(&self, most: usize, into: &mut Vec<Event>) -> usize {
        let (taken, left) = {
            let mut state = self.state.lock();
            (state.take(most, into), state.depth())
        };
        self.counters.event_take_attempt.add(taken.max(1));
        if left > 0 {
            self.events.notify_one();
        }
        taken
    }

    async fn ready(&self) {
        while self.state.lock().depth() == 0 {
            self.events.notified().await;
            // Whoever is woken may not take after all, so the wake goes on to the next taker.
            if self.state.lock().depth() > 0 {
                self.events.notify_one();
            }
        }
    }

    fn is_short_of_room(&self) -> bool {
        self.putters.load(SeqCst) > 0
    }

    async fn short_of_room(&self) {
        loop {
            let short = self.short.notified();
            tokio::pin!(short);
            // Registered before the look, so that a put that waits from now on is not missed.
            short.as_mut().enable();
            if self.is_short_of_room() {
                return;
            }
            short.await;
        }
    }

    fn settle(&self, events: &[Event]) {
        self.counters.event_take_success.add(events.len());
        self.state.lock().free(events);
        self.room.notify_waiters();
    }

    fn give_back(&self, events: Vec<Event>) {
        self.state.lock().give_back(events);
        self.events.notify_one();
    }
}

/// A put that waits for room, counted.
struct WaitingPut<'a>(&'a MemoryChannel);

impl<'a> WaitingPut<'a> {
    fn new(channel: &'a MemoryChannel) -> Self {
        channel.putters.fetch_add(1, SeqCst);
        channel.short.notify_waiters();
        Self(channel)
    }
}

impl Drop for WaitingPut<'_> {
    fn drop(&mut self) {
        self.0.putters.fetch_sub(1, SeqCst);
    }
}

/// Bytes reserved while the places are still waited for; dropped, they are given back.
struct HeldBytes<'a> {
    channel: &'a MemoryChannel,
    slots: u64,
}

impl HeldBytes<'_> {
    fn keep(mut self) {
        self.slots = 0;
    }
}

impl Drop for HeldBytes<'_> {
    fn drop(&mut self) {
        if self.slots > 0 {
            self.channel.state.lock().free_bytes(self.slots);
            self.channel.room.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests;
