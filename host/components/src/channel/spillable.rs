//! The spillable memory channel: its events are in memory, and on the disk when that is full.
//!
//! It is a file channel whose log is used only when memory is full, or when events are there already that
//! were put before. When it is closed, what is in memory goes to the log, so a stop loses nothing; a kill
//! loses what was in memory alone. The steps are in `file/memory_first.rs`.

use std::path::PathBuf;
use std::sync::Arc;

use flume_core::{Channel, ChannelRecipe, Context};

use self::keys::SpillableConfig;
use super::file::keys::Settings;
use super::file::log_channel::LogChannel;
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

/// What a recipe says, if it is one for this type.
fn settings(recipe: &dyn ChannelRecipe) -> Option<Settings<'_>> {
    recipe.downcast_ref().map(SpillableConfig::settings)
}

impl ChannelRecipe for SpillableConfig {
    fn make(&self, name: &str) -> Arc<dyn Channel> {
        Arc::new(LogChannel::new(name, &self.settings(), settings))
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
