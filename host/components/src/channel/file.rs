//! The file channel: what it has taken in is on the disk before anybody is told so.
//!
//! The events are records of a [log](flume_log): a put transaction is one record group, written once
//! and synced, together with all that came meanwhile. What is delivered is noted with the next put, or
//! a moment later. So after a crash all that was answered is there, and the last batches that were
//! delivered may come again.
//!
//! | question | file |
//! |---|---|
//! | which keys are there? | `file/keys.rs` |
//! | how is an event stored? | `file/record.rs` |
//! | which events are in memory? | `file/buffer.rs` |
//! | and which are in memory alone, if it comes first (`spillable`)? | `file/spill.rs`, `file/memory_first.rs` |
//! | in which order are they after a stop? | `file/order.rs` |
//! | how is it opened, read and closed? | `file/store.rs` |
//! | what is wrong with its disk? | `file/health.rs` |
//! | what becomes of what a Flume has left? | `file/adopt.rs` |

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flume_core::channel::Steps;
use flume_core::channel::bounded::NoRoom;
use flume_core::{
    Channel, ChannelCounter, ChannelError, ChannelFault, ChannelRecipe, Commit, ComponentError,
    Context, Event, Taken,
};

use self::keys::FileConfig;
use self::store::Store;
use crate::services::Services;

mod adopt;
mod batch;
mod buffer;
mod health;
pub(super) mod keys;
mod memory_first;
mod order;
mod record;
mod space;
pub(super) mod spill;
pub(super) mod store;
#[cfg(test)]
pub(super) mod tests;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["file", "org.apache.flume.channel.file.FileChannel"];

/// Reads the keys of a file channel.
pub fn configure(context: &mut Context, _: &Services) -> Option<Arc<dyn ChannelRecipe>> {
    Some(Arc::new(FileConfig::configure(context)?))
}

/// Which records of a channel in these folders, its `dataDirs`, are delivered before all others.
pub fn comes_first(folders: &[PathBuf]) -> Range<u64> {
    order::First::of(folders).map_or(0..0, order::First::range)
}

/// The event of a record in the log of a channel; `None` if it is none.
pub fn event_of(record: Bytes) -> Option<Event> {
    record::read(record)
}

/// Adds the record of an event to a put for the log of a channel; false if it does not fit. `head` is
/// room to work in.
pub fn write_event(put: &mut flume_log::Put, event: &Event, head: &mut Vec<u8>) -> bool {
    record::write(put, event, head)
}

/// A channel on a disk.
pub struct FileChannel {
    store: Arc<Store>,
}

impl FileChannel {
    /// A channel that is not open yet.
    pub fn new(name: &str, config: &FileConfig) -> Self {
        Self {
            store: Arc::new(Store::new(name, config)),
        }
    }
}

impl fmt::Debug for FileChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileChannel")
            .field("name", &self.store.name)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Channel for FileChannel {
    fn name(&self) -> &str {
        &self.store.name
    }

    fn capacity(&self) -> usize {
        self.store.events.capacity()
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
        self.store.events.is_full() || self.store.space.is_short()
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
        let config = recipe.downcast_ref::<FileConfig>();
        config.is_some_and(|config| config.log.place == self.store.place)
    }

    fn resize(&self, recipe: &dyn ChannelRecipe) {
        if let Some(config) = recipe.downcast_ref::<FileConfig>() {
            self.store.resize(&config.log, &config.into());
        }
    }

    fn can_fail(&self) -> bool {
        true
    }

    fn outlives_stop(&self) -> bool {
        true
    }

    fn outlives_kill(&self) -> bool {
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
impl Steps for FileChannel {
    fn transaction_name(&self) -> &'static str {
        "FileBackedTransaction"
    }

    fn try_reserve(&self, events: &[Event]) -> usize {
        match self.store.has_space() {
            Ok(()) => self.store.events.try_reserve(events),
            Err(_) => 0,
        }
    }

    async fn reserve(&self, events: &[Event]) -> Result<(), ChannelError> {
        self.store.has_space()?;
        let reserved = self.store.events.reserve(events).await;
        reserved.map_err(|_: NoRoom| FULL)
    }

    fn release(&self, events: &[Event]) {
        self.store.events.release(events);
    }

    fn exchange(&self, reserved: &[Event], wanted: &[Event]) -> bool {
        self.store.events.exchange(reserved, wanted)
    }

    fn append(&self, events: Vec<Event>) -> Commit {
        self.store.put(events)
    }

    fn take(&self, most: usize, into: &mut Taken) -> usize {
        self.store.take(most, into)
    }

    fn settle(&self, taken: Taken) -> Commit {
        self.store.settle(&taken)
    }

    fn give_back(&self, taken: Taken) {
        self.store.events.lock().queue.give_back(taken);
        self.store.events.notify_taker();
    }
}

impl ChannelRecipe for FileConfig {
    fn make(&self, name: &str) -> Arc<dyn Channel> {
        Arc::new(FileChannel::new(name, self))
    }

    fn capacity(&self) -> usize {
        self.capacity
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
            ("capacity", self.capacity as u64),
            ("transactionCapacity", self.transaction_capacity as u64),
            ("keep-alive", self.keep_alive.as_secs()),
            ("minimumRequiredSpace", self.log.required_space),
        ]
    }
}

/// No place came free in time, in Flume's words.
pub(super) const FULL: ChannelError = ChannelError::Full {
    words: "The channel has reached it's capacity. This might be the result of a sink on the channel \
            having too low of batch size, a downstream system running slower than normal, or that \
            the channel capacity is just too low.",
};
