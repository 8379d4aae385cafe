//! The channels, one file each.

use std::sync::Arc;

use flume_core::{ChannelRecipe, Registry, Type};

use crate::component::Configure;

pub mod file;
pub mod memory;
pub mod spillable;

/// The types of channels.
pub static TYPES: Registry<Configure<Arc<dyn ChannelRecipe>>> = Registry {
    kind: "channel",
    types: &[
        Type::new(memory::NAMES, memory::configure),
        Type::new(file::NAMES, file::configure),
        Type::new(spillable::NAMES, spillable::configure),
    ],
    elsewhere: &["jdbc", "kafka"],
    left_out: &[],
};
