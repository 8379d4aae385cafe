//! The channels, one file each.

use std::sync::Arc;

use flume_core::{ChannelRecipe, Registry, Type};

use crate::component::Configure;

pub mod file;
pub mod memory;

/// The types of channels.
pub static TYPES: Registry<Configure<Arc<dyn ChannelRecipe>>> = Registry {
    kind: "channel",
    types: &[
        Type::new(memory::NAMES, memory::configure),
        Type::new(file::NAMES, file::configure),
    ],
    elsewhere: &["jdbc", "spillablememory", "kafka"],
    left_out: &[],
};
