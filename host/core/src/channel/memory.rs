//! The memory channel: a bounded queue in memory. Its events are lost when the process ends: that is
//! what `memory` means, and stopping an agent therefore drains first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;

use super::bounded::{Bounded, Limits, NoRoom, Queue, keep_alive, transaction_fits};
use super::room::SLOT_BYTES;
use super::{Channel, ChannelError, ChannelRecipe, Commit, Steps, Taken};
use crate::context::Context;
use crate::counters::ChannelCounter;
use crate::event::Event;

/// No place came free in time, in Flume's words.
pub const FULL: ChannelError = ChannelError::Full {
    words: "Space for commit to queue couldn't be acquired. Sinks are likely not keeping up with \
            sources, or the buffer size is too tight",
};

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
        let keep_alive = keep_alive(context, "keep-alive", 3);
        let byte_capacity =
            context.number_or_default("byteCapacity", defaults.byte_capacity, 0..=u64::MAX);
        let buffer_percentage =
            context.number_or_default("byteCapacityBufferPercentage", 20, 0..=100);
        if !transaction_fits(context, transaction_capacity, capacity) {
            return None;
        }
        Some(Self {
            capacity,
            transaction_capacity,
            keep_alive,
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

impl From<&MemoryConfig> for Limits {
    fn from(config: &MemoryConfig) -> Self {
        Self {
            capacity: config.capacity as u64,
            transaction_capacity: config.transaction_capacity,
            keep_alive: config.keep_alive,
            byte_slots: Some(config.byte_slots()),
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
    events: Bounded<VecDeque<Event>>,
    byte_capacity: AtomicU64,
    counters: Arc<ChannelCounter>,
}

impl Queue for VecDeque<Event> {
    fn depth(&self) -> usize {
        self.len()
    }
}

impl MemoryChannel {
    /// An empty channel.
    pub fn new(name: impl Into<String>, config: &MemoryConfig) -> Self {
        Self {
            name: name.into(),
            events: Bounded::new(VecDeque::new(), &config.into()),
            byte_capacity: config.byte_capacity.into(),
            counters: Arc::default(),
        }
    }

    /// Changes the limits of a channel in use, at once.
    pub fn resize(&self, config: &MemoryConfig) {
        self.byte_capacity.store(config.byte_capacity, Relaxed);
        self.events.resize(&config.into());
    }
}

#[async_trait]
impl Channel for MemoryChannel {
    fn name(&self) -> &str {
        &self.name
    }

    fn capacity(&self) -> usize {
        self.events.capacity()
    }

    fn transaction_capacity(&self) -> usize {
        self.events.transaction_capacity()
    }

    fn depth(&self) -> usize {
        self.events.depth()
    }

    fn has_events(&self) -> bool {
        self.events.has_events()
    }

    fn is_full(&self) -> bool {
        self.events.is_full()
    }

    fn bytes(&self) -> Option<u64> {
        Some(self.events.bytes_used())
    }

    fn counters(&self) -> &Arc<ChannelCounter> {
        &self.counters
    }

    async fn ready(&self) {
        self.events.ready().await;
    }

    fn is_short_of_room(&self) -> bool {
        self.events.is_short_of_room()
    }

    async fn short_of_room(&self) {
        self.events.short_of_room().await;
    }

    fn can_become(&self, recipe: &dyn ChannelRecipe) -> bool {
        recipe.downcast_ref::<MemoryConfig>().is_some()
    }

    fn resize(&self, recipe: &dyn ChannelRecipe) {
        if let Some(config) = recipe.downcast_ref() {
            Self::resize(self, config);
        }
    }
}

#[async_trait]
impl Steps for MemoryChannel {
    fn transaction_name(&self) -> &'static str {
        "MemoryTransaction"
    }

    fn try_reserve(&self, events: &[Event]) -> usize {
        self.events.try_reserve(events)
    }

    async fn reserve(&self, events: &[Event]) -> Result<(), ChannelError> {
        if self.events.reserve_now(events) {
            return Ok(());
        }
        // Apart, so that a put that has room carries nothing of a wait.
        let reserved = Box::pin(self.events.reserve(events)).await;
        reserved.map_err(|no_room| match no_room {
            NoRoom::Bytes => ChannelError::BytesFull {
                byte_capacity: self.byte_capacity.load(Relaxed),
            },
            NoRoom::Places => FULL,
        })
    }

    fn release(&self, events: &[Event]) {
        self.events.release(events);
    }

    fn exchange(&self, reserved: &[Event], wanted: &[Event]) -> bool {
        self.events.exchange(reserved, wanted)
    }

    fn append(&self, events: Vec<Event>) -> Commit {
        // Not at the reservation, which may be made again and again for the same event.
        self.counters.event_put_attempt.add(events.len());
        self.counters.event_put_success.add(events.len());
        self.events.lock().queue.extend(events);
        self.events.notify_taker();
        Commit::Done
    }

    fn take(&self, most: usize, into: &mut Taken) -> usize {
        let (taken, left) = {
            let queue = &mut self.events.lock().queue;
            let taken = most.min(queue.len());
            into.extend(queue.drain(..taken));
            (taken, queue.len())
        };
        self.counters.event_take_attempt.add(taken.max(1));
        if left > 0 {
            self.events.notify_taker();
        }
        taken
    }

    fn settle(&self, taken: Taken) -> Commit {
        self.counters.event_take_success.add(taken.len());
        self.events.release(taken.events());
        Commit::Done
    }

    fn give_back(&self, taken: Taken) {
        let queue = &mut self.events.lock().queue;
        queue.reserve(taken.len());
        for event in taken.into_events().into_iter().rev() {
            queue.push_front(event);
        }
        self.events.notify_taker();
    }
}

#[cfg(test)]
mod tests;
