//! The channels, one file each.

use std::sync::Arc;

use flume_core::{ChannelRecipe, Registry, Type};

use crate::component::Configure;

pub mod memory;

/// The types of channels.
pub static TYPES: Registry<Configure<Arc<dyn ChannelRecipe>>> = Registry {
    kind: "channel",
    types: &[Type::new(memory::NAMES, memory::configure)],
    elsewhere: &["file", "jdbc", "spillablememory", "kafka"],
    left_out: &[],
};
