//! The spillable memory channel: its events are in memory, and on the disk when that is full.
//!
//! It is a file channel whose log is used only when memory is full, or when events are there already that
//! were put before. When it is closed, what is in memory goes to the log, so a stop loses nothing; a kill
//! loses what was in memory alone. The steps are in `file/memory_first.rs`.

use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, vec};

use async_trait::async_trait;
use flume_core::channel::Steps;
use flume_core::channel::bounded::Limits;
use flume_core::{
    Channel, ChannelCounter, ChannelError, ChannelFault, ChannelRecipe, Commit, ComponentError,
    Context, Event, Taken,
};

use self::keys::SpillableConfig;
use super::file::spill::Spill;
use super::file::store::Store;
use crate::services::Services;

mod keys;
#[cfg(test)]
mod tests;

/// The names to write, then Flume's class.
pub const NAMES: &[&str] = &[
    "spillable",
    "spillablememory",
    "org.apache.flume.channel.SpillableMemoryChannel",
];

/// Reads the keys of a spillable memory channel.
pub fn configure(context: &mut Context, services: &Services) -> Option<Arc<dyn ChannelRecipe>> {
    let memory = services.memory.bytes;
    Some(Arc::new(SpillableConfig::configure(context, memory)?))
}

/// A channel in memory with a disk behind it.
pub struct SpillableChannel {
    store: Arc<Store>,
}

impl SpillableChannel {
    /// A channel that is not open yet.
    fn new(name: &str, config: &SpillableConfig) -> Self {
        let (limits, spill) = (Limits::from(config), Spill::new(config.overflow as u64));
        let store = Store::memory_first(name, &config.log, &limits, spill, config.event_size);
        Self {
            store: Arc::new(store),
        }
    }
}

impl fmt::Debug for SpillableChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpillableChannel")
            .field("name", &self.store.name)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Channel for SpillableChannel {
    fn name(&self) -> &str {
        &self.store.name
    }

    fn capacity(&self) -> usize {
        let memory = self.store.events.capacity();
        memory.saturating_add(self.store.disk_capacity())
    }

    fn transaction_capacity(&self) -> usize {
        self.store.events.transaction_capacity()
    }

    fn depth(&self) -> usize {
        self.store.events.depth()
    }

    fn has_events(&self) -> bool {
        self.store.events.has_events()
    }

    fn is_full(&self) -> bool {
        self.store.is_full_everywhere()
    }

    fn bytes(&self) -> Option<u64> {
        Some(self.store.memory_used())
    }

    fn counters(&self) -> &Arc<ChannelCounter> {
        &self.store.counters
    }

    async fn ready(&self) {
        self.store.events.ready().await;
    }

    fn is_short_of_room(&self) -> bool {
        self.store.events.is_short_of_room()
    }

    async fn short_of_room(&self) {
        self.store.events.short_of_room().await;
    }

    fn can_become(&self, recipe: &dyn ChannelRecipe) -> bool {
        let config = recipe.downcast_ref::<SpillableConfig>();
        config.is_some_and(|config| {
            config.log.place == self.store.place && self.store.slot == Some(config.event_size)
        })
    }

    fn resize(&self, recipe: &dyn ChannelRecipe) {
        if let Some(config) = recipe.downcast_ref::<SpillableConfig>() {
            self.store.resize(&config.log, &config.into());
            self.store.resize_disk(config.overflow as u64);
        }
    }

    fn can_fail(&self) -> bool {
        true
    }

    fn outlives_stop(&self) -> bool {
        true
    }

    async fn open(&self) -> Result<(), ComponentError> {
        Arc::clone(&self.store).open().await
    }

    async fn close(&self) -> usize {
        Arc::clone(&self.store).close().await
    }

    fn fault(&self) -> Option<ChannelFault> {
        self.store.fault()
    }
}

#[async_trait]
impl Steps for SpillableChannel {
    fn transaction_name(&self) -> &'static str {
        "SpillableMemoryTransaction"
    }

    fn try_reserve(&self, events: &[Event]) -> usize {
        self.store.try_reserve_first(events)
    }

    async fn reserve(&self, events: &[Event]) -> Result<(), ChannelError> {
        self.store.reserve_first(events).await
    }

    fn release(&self, events: &[Event]) {
        self.store.release_first(events);
    }

    fn exchange(&self, reserved: &[Event], wanted: &[Event]) -> bool {
        self.store.exchange_first(reserved, wanted)
    }

    fn append(&self, events: Vec<Event>) -> Commit {
        self.store.append_first(events)
    }

    fn append_now(&self, batch: &mut vec::IntoIter<Event>, count: usize) -> bool {
        self.store.append_now(batch, count)
    }

    fn take(&self, most: usize, into: &mut Taken) -> usize {
        self.store.take(most, into)
    }

    fn settle(&self, taken: Taken) -> Commit {
        self.store.settle_first(&taken)
    }

    fn give_back(&self, taken: Taken) {
        self.store.give_back(taken);
    }
}

impl ChannelRecipe for SpillableConfig {
    fn make(&self, name: &str) -> Arc<dyn Channel> {
        Arc::new(SpillableChannel::new(name, self))
    }

    fn capacity(&self) -> usize {
        self.memory.saturating_add(self.overflow)
    }

    fn transaction_capacity(&self) -> usize {
        self.transaction_capacity
    }

    /// Each has its own events, which outlive the configuration.
    fn merged(&self, _: &dyn ChannelRecipe) -> Option<Arc<dyn ChannelRecipe>> {
        None
    }

    fn folders(&self) -> &[PathBuf] {
        &self.log.place.data
    }

    fn shown(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("memoryCapacity", self.memory as u64),
            ("overflowCapacity", self.overflow as u64),
            ("overflowTimeout", self.timeout.as_secs()),
            ("byteCapacity", self.byte_capacity),
            ("byteCapacityBufferPercentage", self.buffer_percentage),
            ("avgEventSize", self.event_size),
            ("transactionCapacity", self.transaction_capacity as u64),
            ("minimumRequiredSpace", self.log.required_space),
        ]
    }
}
