//! The memory channel of an agent: its default of `byteCapacity` is a share of the machine's memory.

use std::sync::Arc;

use flume_core::channel::memory::MemoryConfig;
use flume_core::{ChannelRecipe, Context};

use crate::services::Services;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["memory", "org.apache.flume.channel.MemoryChannel"];

/// Reads the keys of [`MemoryConfig::configure`].
pub fn configure(context: &mut Context, services: &Services) -> Option<Arc<dyn ChannelRecipe>> {
    Some(Arc::new(MemoryConfig::configure(
        context,
        services.memory.bytes,
    )?))
}
