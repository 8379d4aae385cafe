//! The kafka channel; the work is done by the crate `flume-kafka`.

use std::sync::Arc;

use flume_core::{ChannelRecipe, Context};
pub use flume_kafka::channel::NAMES;

use crate::services::Services;

/// Reads the keys of a kafka channel.
pub fn configure(context: &mut Context, _: &Services) -> Option<Arc<dyn ChannelRecipe>> {
    flume_kafka::channel::configure(context, &crate::kafka::surroundings())
}
