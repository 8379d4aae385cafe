//! The memory channel: a bounded queue whose takers and putters are woken, never polled.
//!
//! The arithmetic is in `memory/state.rs`; this file has the lock and the waits. The lock is held
//! while one batch is moved, never across an await. Events are lost when the process ends: that is
//! what `memory` means, and stopping an agent therefore drains first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Notify;

use self::state::MemoryState;
use super::{Channel, ChannelError, ChannelRecipe};
use crate::clock;
use crate::context::Context;
use crate::counters::ChannelCounter;
use crate::event::Event;

mod state;

/// Bytes in one slot of the byte accounting: an event costs whole slots, at least one.
const SLOT_BYTES: u64 = 100;

/// Bytes of an event's headers that cost nothing. Flume counts no headers at all, which an event of one
/// character with megabytes of them can use; of usual events the bodies count, as in Flume.
const FREE_HEADER_BYTES: usize = 1 << 10;

/// The limits of a memory channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryConfig {
    /// Events stored, or taken and not yet settled (`capacity`, default 100).
    pub capacity: usize,
    /// Events in one transaction (`transactionCapacity`, default 100).
    pub transaction_capacity: usize,
    /// How long a put waits for room (`keep-alive`, default 3 s).
    pub keep_alive: Duration,
    /// Bytes of bodies, and of headers above 1 KiB an event (`byteCapacity`, default 80 % of
    /// `available memory`).
    pub byte_capacity: u64,
    /// Share of the bytes kept free for headers (`byteCapacityBufferPercentage`, default 20).
    pub buffer_percentage: u64,
}

impl MemoryConfig {
    /// The defaults for a machine or container with this much memory.
    pub fn defaults(available_memory: u64) -> Self {
        Self {
            capacity: 100,
            transaction_capacity: 100,
            keep_alive: Duration::from_secs(3),
            byte_capacity: available_memory / 100 * 80,
            buffer_percentage: 20,
        }
    }

    /// Reads Flume's keys. On `None`, the context has a diagnostic.
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

    /// The byte slots of this configuration. 0 means that bytes are not limited.
    pub fn byte_slots(&self) -> u64 {
        let free = u128::from(100 - self.buffer_percentage.min(100));
        let slots = u128::from(self.byte_capacity) * free / 100 / u128::from(SLOT_BYTES);
        match u64::try_from(slots) {
            Ok(0) | Err(_) => u64::MAX / 2,
            Ok(slots) => slots,
        }
    }
}

impl ChannelRecipe for MemoryConfig {
    fn make(&self, name: &str) -> Arc<dyn Channel> {
        Arc::new(MemoryChannel::new(name, self))
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn transaction_capacity(&self) -> usize {
        self.transaction_capacity
    }

    fn merged(&self, other: &dyn ChannelRecipe) -> Option<Arc<dyn ChannelRecipe>> {
        let other: &Self = other.downcast_ref()?;
        let narrower = other.byte_slots() < self.byte_slots();
        let bytes = if narrower { other } else { self };
        Some(Arc::new(Self {
            capacity: self.capacity.min(other.capacity),
            transaction_capacity: self.transaction_capacity.min(other.transaction_capacity),
            keep_alive: self.keep_alive.max(other.keep_alive),
            byte_capacity: bytes.byte_capacity,
            buffer_percentage: bytes.buffer_percentage,
        }))
    }

    fn shown(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("capacity", self.capacity as u64),
            ("transactionCapacity", self.transaction_capacity as u64),
            ("keep-alive", self.keep_alive.as_secs()),
            ("byteCapacity", self.byte_capacity),
            ("byteCapacityBufferPercentage", self.buffer_percentage),
        ]
    }
}

/// The largest `capacity`: no machine has the memory for more events.
const MOST_EVENTS: usize = 1 << 31;

/// A channel in memory.
#[derive(Debug)]
pub struct MemoryChannel {
    name: String,
    state: Mutex<MemoryState>,
    /// Holds a permit when events may be there; a taker that leaves some passes it on.
    events: Notify,
    /// Wakes every waiting putter when room is freed.
    room: Notify,
    /// The number of waiting putters.
    putters: AtomicUsize,
    /// Notified when a putter begins to wait.
    short: Notify,
    counters: Arc<ChannelCounter>,
}

impl MemoryChannel {
    /// An empty channel.
    pub fn new(name: impl Into<String>, config: &MemoryConfig) -> Self {
        Self {
            name: name.into(),
            state: Mutex::new(MemoryState::new(config)),
            events: Notify::new(),
            room: Notify::new(),
            putters: AtomicUsize::new(0),
            short: Notify::new(),
            counters: Arc::default(),
        }
    }

    /// Changes the limits of a channel in use, at once. A channel that holds more than its new limit
    /// takes nothing in until it holds less.
    pub fn resize(&self, config: &MemoryConfig) {
        self.state.lock().resize(config);
        self.room.notify_waiters();
    }

    /// Tries again each time room is freed, until it succeeds or the deadline has passed.
    async fn wait_for_room(
        &self,
        deadline: clock::Instant,
        mut attempt: impl FnMut(&mut MemoryState) -> bool,
    ) -> bool {
        loop {
            let freed = self.room.notified();
            tokio::pin!(freed);
            // Registered before the attempt, so that room freed in between is not missed.
            freed.as_mut().enable();
            if attempt(&mut self.state.lock()) {
                return true;
            }
            if clock::timeout_at(deadline, freed).await.is_err() {
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

    fn is_full(&self) -> bool {
        self.state.lock().is_full()
    }

    fn bytes(&self) -> Option<u64> {
        Some(self.state.lock().bytes_used())
    }

    fn counters(&self) -> &Arc<ChannelCounter> {
        &self.counters
    }

    fn try_reserve(&self, events: &[Event]) -> usize {
        self.state.lock().reserve_prefix(events)
    }

    async fn reserve(&self, events: &[Event]) -> Result<(), ChannelError> {
        if events.is_empty() {
            return Ok(());
        }
        let slots = state::slots_of(events);
        let keep_alive = {
            let mut state = self.state.lock();
            if state.reserve(events.len(), slots) {
                return Ok(());
            }
            state.keep_alive
        };
        let _waiting = WaitingPut::new(self);
        // Bytes first, then places, each with its own wait: Flume's order and texts.
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
            let slots = state::slots_of(events);
            self.state.lock().free(events.len(), slots);
            self.room.notify_waiters();
        }
    }

    fn exchange(&self, reserved: &[Event], wanted: &[Event]) -> bool {
        let [reserved, wanted] = [reserved, wanted].map(|it| (it.len(), state::slots_of(it)));
        let exchanged = self.state.lock().exchange(reserved, wanted);
        if exchanged {
            self.room.notify_waiters();
        }
        exchanged
    }

    fn append(&self, events: Vec<Event>) {
        // Not at the reservation, which may be made again and again for the same event.
        self.counters.event_put_attempt.add(events.len());
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
            // The taker that is woken may not take after all, so the wake is passed on to the next
            // one.
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
            // Registered before the check, so that a put that starts to wait in between is not
            // missed.
            short.as_mut().enable();
            if self.is_short_of_room() {
                return;
            }
            short.await;
        }
    }

    fn settle(&self, events: &[Event]) {
        self.counters.event_take_success.add(events.len());
        let slots = state::slots_of(events);
        self.state.lock().free(events.len(), slots);
        self.room.notify_waiters();
    }

    fn give_back(&self, events: Vec<Event>) {
        self.state.lock().give_back(events);
        self.events.notify_one();
    }

    fn resize(&self, recipe: &dyn ChannelRecipe) -> bool {
        let config = recipe.downcast_ref();
        if let Some(config) = config {
            Self::resize(self, config);
        }
        config.is_some()
    }
}

/// Counts a put as waiting until it is dropped.
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

/// Bytes that are reserved while the put still waits for places. Dropping it releases them.
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
