//! The channel selector contract: which channels of its source an event goes to.

use crate::context::Context;
use crate::diagnostic::Code;
use crate::event::Event;
use crate::recipe::Recipe;
use crate::registry::{Registry, Type};

pub mod multiplexing;
pub mod replicating;

/// Reads the keys below `selector.`; the channels are those of the source.
pub type ConfigureChannelSelector =
    fn(&mut Context, &[String]) -> Option<Recipe<dyn ChannelSelector>>;

/// The types of channel selectors.
pub static TYPES: Registry<ConfigureChannelSelector> = Registry {
    kind: "channel selector",
    types: &[
        Type::new(replicating::NAMES, replicating::configure),
        Type::new(multiplexing::NAMES, multiplexing::configure),
    ],
    elsewhere: &["load_balancing"],
    left_out: &[],
};

/// The type for a source that does not name one.
pub const DEFAULT: &str = "replicating";

/// A channel's place in the `channels` list of its source, from 0.
pub type ChannelIndex = usize;

/// The channels of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection<'a> {
    /// All of these take the event, or none does and the source gets an error.
    pub required: &'a [ChannelIndex],
    /// These take it if they can.
    pub optional: &'a [ChannelIndex],
}

/// Chooses channels by event. Both lists are free of repeats, and no channel is in both.
pub trait ChannelSelector: Send + Sync {
    /// The channels of an event.
    fn select(&self, event: &Event) -> Selection<'_>;

    /// Whether every event goes the same way, so that a batch need not be split.
    fn is_uniform(&self) -> bool {
        false
    }

    /// Whether there are events that have to go into a channel. Default: where all go the same way.
    fn requires(&self, channel: ChannelIndex) -> bool {
        self.select(&Event::default()).required.contains(&channel)
    }
}

/// Reads a list of channels of the source, without repeats. `None` if one of them is unknown.
fn channel_list(
    context: &mut Context,
    key: &str,
    channels: &[String],
) -> Option<Vec<ChannelIndex>> {
    let mut indices = Vec::new();
    let mut known = true;
    for name in context.list(key) {
        match channels.iter().position(|channel| *channel == name) {
            Some(index) if indices.contains(&index) => {}
            Some(index) => indices.push(index),
            None => {
                known = false;
                let path = context.path();
                let message =
                    format!("`{path}.{key}` names `{name}`, which the source does not feed");
                let help = format!("the source's channels are `{}`", channels.join("`, `"));
                context.error(key, Code::UnknownChannel, message, &help);
            }
        }
    }
    known.then_some(indices)
}
