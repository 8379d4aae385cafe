//! A channel with a log: its events are on the disk, or in memory first.
//!
//! Both kinds are a [`Store`]; what differs between them is asked of it here.

use std::fmt;
use std::sync::Arc;
use std::vec;

use async_trait::async_trait;
use flume_core::channel::Steps;
use flume_core::channel::bounded::NoRoom;
use flume_core::{
    Channel, ChannelCounter, ChannelError, ChannelFault, ChannelRecipe, Commit, ComponentError,
    Event, Taken,
};

use super::FULL;
use super::keys::Settings;
use super::store::Store;

/// What a recipe of the kind of the channel says; `None` for those of other kinds.
type Read = fn(&dyn ChannelRecipe) -> Option<Settings<'_>>;

/// A channel with a log.
pub(in crate::channel) struct LogChannel {
    store: Arc<Store>,
    read: Read,
}

impl LogChannel {
    /// A channel that is not open yet.
    pub(in crate::channel) fn new(name: &str, settings: &Settings<'_>, read: Read) -> Self {
        let store = Arc::new(Store::new(name, settings));
        Self { store, read }
    }
}

impl fmt::Debug for LogChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogChannel")
            .field("name", &self.store.name)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Channel for LogChannel {
    fn name(&self) -> &str {
        &self.store.name
    }

    fn capacity(&self) -> usize {
        let events = self.store.events.capacity();
        events.saturating_add(self.store.disk_capacity())
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
        match self.store.is_memory_first() {
            true => self.store.is_full_everywhere(),
            false => self.store.events.is_full() || self.store.space.is_short(),
        }
    }

    fn bytes(&self) -> Option<u64> {
        self.store
            .is_memory_first()
            .then(|| self.store.memory_used())
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
        let settings = (self.read)(recipe);
        settings.is_some_and(|settings| self.store.can_become(&settings))
    }

    fn resize(&self, recipe: &dyn ChannelRecipe) {
        if let Some(settings) = (self.read)(recipe) {
            self.store.resize(&settings);
        }
    }

    fn can_fail(&self) -> bool {
        true
    }

    fn outlives_stop(&self) -> bool {
        true
    }

    fn outlives_kill(&self) -> bool {
        !self.store.is_memory_first()
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
impl Steps for LogChannel {
    fn transaction_name(&self) -> &'static str {
        match self.store.is_memory_first() {
            true => "SpillableMemoryTransaction",
            false => "FileBackedTransaction",
        }
    }

    fn try_reserve(&self, events: &[Event]) -> usize {
        if self.store.is_memory_first() {
            return self.store.try_reserve_first(events);
        }
        match self.store.has_space() {
            Ok(()) => self.store.events.try_reserve(events),
            Err(_) => 0,
        }
    }

    async fn reserve(&self, events: &[Event]) -> Result<(), ChannelError> {
        if self.store.is_memory_first() {
            return self.store.reserve_first(events).await;
        }
        self.store.has_space()?;
        let reserved = self.store.events.reserve(events).await;
        reserved.map_err(|_: NoRoom| FULL)
    }

    fn release(&self, events: &[Event]) {
        match self.store.is_memory_first() {
            true => self.store.release_first(events),
            false => self.store.events.release(events),
        }
    }

    fn exchange(&self, reserved: &[Event], wanted: &[Event]) -> bool {
        match self.store.is_memory_first() {
            true => self.store.exchange_first(reserved, wanted),
            false => self.store.events.exchange(reserved, wanted),
        }
    }

    fn append(&self, events: Vec<Event>) -> Commit {
        match self.store.is_memory_first() {
            true => self.store.append_first(events),
            false => self.store.put(events),
        }
    }

    fn append_now(&self, batch: &mut vec::IntoIter<Event>, count: usize) -> bool {
        self.store.is_memory_first() && self.store.append_now(batch, count)
    }

    fn take(&self, most: usize, into: &mut Taken) -> usize {
        self.store.take(most, into)
    }

    fn settle(&self, taken: Taken) -> Commit {
        match self.store.is_memory_first() {
            true => self.store.settle_first(&taken),
            false => self.store.settle(&taken),
        }
    }

    fn give_back(&self, taken: Taken) {
        self.store.give_back(taken);
    }
}
