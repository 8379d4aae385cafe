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
//! | which steps of a channel go where? | `file/log_channel.rs` |
//! | how is it opened, read and closed? | `file/store.rs` |
//! | what is wrong with its disk? | `file/health.rs` |
//! | what becomes of what a Flume has left? | `file/adopt.rs` |

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use flume_core::{Channel, ChannelError, ChannelRecipe, Context, Event};

pub use self::batch::{Batch, BatchError};
use self::keys::{FileConfig, Settings};
use self::log_channel::LogChannel;
use crate::services::Services;

mod adopt;
mod batch;
mod buffer;
mod health;
pub(super) mod keys;
pub(super) mod log_channel;
mod memory_first;
mod order;
mod record;
mod space;
mod spill;
mod store;
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

/// What a recipe says, if it is one for this type.
fn settings(recipe: &dyn ChannelRecipe) -> Option<Settings<'_>> {
    recipe.downcast_ref().map(FileConfig::settings)
}

impl ChannelRecipe for FileConfig {
    fn make(&self, name: &str) -> Arc<dyn Channel> {
        Arc::new(LogChannel::new(name, &self.settings(), settings))
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
