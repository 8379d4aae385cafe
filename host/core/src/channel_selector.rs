//! The channel selector contract: into which channels of its source an event goes.

use crate::context::Context;
use crate::diagnostic::Code;
use crate::event::Event;

/// One type of selector.
#[derive(Debug)]
pub struct ChannelSelectorType {
    /// The name to write, then Flume's class.
    pub names: &'static [&'static str],
    /// Makes it. `None` leaves an error in the context.
    pub configure: Configure,
}

/// Makes a selector from the keys below `selector.` and the channels of the source.
pub type Configure = fn(&mut Context, &[String]) -> Option<Box<dyn ChannelSelector>>;

/// Declares the modules of the selectors and their table.
macro_rules! selectors {
    ($($($name:literal)|+ => $module:ident,)*) => {
        $(pub mod $module;)*

        /// The types of selectors; the first is the default.
        pub static SELECTORS: &[ChannelSelectorType] = &[
            $(ChannelSelectorType { names: &[$($name),+], configure: $module::configure },)*
        ];
    };
}

selectors! {
    "replicating" | "org.apache.flume.channel.ReplicatingChannelSelector" => replicating,
    "multiplexing" | "org.apache.flume.channel.MultiplexingChannelSelector" => multiplexing,
}

/// The type of this name, in any case.
pub fn find(name: &str) -> Option<&'static ChannelSelectorType> {
    SELECTORS.iter().find(|kind| {
        kind.names
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    })
}

/// A channel's place in the `channels` list of its source, from 0.
pub type ChannelIndex = usize;

/// The channels of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection<'a> {
    /// All of these take the event, or none does and the source is told.
    pub required: &'a [ChannelIndex],
    /// These take it if they can.
    pub optional: &'a [ChannelIndex],
}

/// Chooses channels by event. Both lists are free of repeats, and no channel is in both.
pub trait ChannelSelector: Send + Sync {
    /// The channels of an event.
    fn select(&self, event: &Event) -> Selection<'_>;

    /// Whether every event goes the same way, so that a batch need not be taken apart.
    fn is_uniform(&self) -> bool {
        false
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
