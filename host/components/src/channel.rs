//! The channels, one file each.

use std::sync::Arc;

use flume_core::registry::LeftOut;
use flume_core::{ChannelRecipe, Registry, Type};

use crate::component::Configure;

pub mod file;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod memory;
pub mod spillable;

/// The types of channels.
pub static TYPES: Registry<Configure<Arc<dyn ChannelRecipe>>> = Registry {
    kind: "channel",
    types: &[
        Type::new(memory::NAMES, memory::configure),
        Type::new(file::NAMES, file::configure),
        Type::new(spillable::NAMES, spillable::configure),
        #[cfg(feature = "kafka")]
        Type::new(kafka::NAMES, kafka::configure),
    ],
    elsewhere: &["jdbc"],
    left_out: LEFT_OUT,
};

/// Channels that this build is without.
const LEFT_OUT: &[LeftOut] = &[
    #[cfg(not(feature = "kafka"))]
    LeftOut {
        names: &["kafka", "org.apache.flume.channel.kafka.KafkaChannel"],
        feature: "kafka",
        is_default: false,
    },
];
