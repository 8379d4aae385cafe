//! The replicating selector: every event goes to every channel of its source.
//!
//! Flume accepts an unknown name in `optional` and then fails on every event after it has stored
//! it; here the name is a finding.

use super::{ChannelIndex, ChannelSelector, Selection, channel_list};
use crate::context::Context;
use crate::event::Event;
use crate::recipe::Recipe;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &[
    "replicating",
    "org.apache.flume.channel.ReplicatingChannelSelector",
];

/// The same channels for every event.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicatingSelector {
    required: Vec<ChannelIndex>,
    optional: Vec<ChannelIndex>,
}

impl ReplicatingSelector {
    /// Requires all of this many channels.
    pub fn all_required(channels: usize) -> Self {
        Self {
            required: (0..channels).collect(),
            optional: Vec::new(),
        }
    }
}

/// Reads `optional`, a list of channels (none). All others are required.
pub fn configure(
    context: &mut Context,
    channels: &[String],
) -> Option<Recipe<dyn ChannelSelector>> {
    let optional = channel_list(context, "optional", channels)?;
    let mut selector = ReplicatingSelector::all_required(channels.len());
    selector
        .required
        .retain(|channel| !optional.contains(channel));
    selector.optional = optional;
    Some(Recipe::<dyn ChannelSelector>::new(selector, |selector| {
        Box::new(selector.clone())
    }))
}

impl ChannelSelector for ReplicatingSelector {
    fn select(&self, _: &Event) -> Selection<'_> {
        Selection {
            required: &self.required,
            optional: &self.optional,
        }
    }

    fn is_uniform(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Code;

    fn channels() -> Vec<String> {
        ["ch1", "ch2", "ch3", "ch4"].map(str::to_owned).to_vec()
    }

    /// Flume: TestReplicatingChannelSelector (C1).
    #[test]
    fn optional_channels_are_not_required() {
        for (optional_key, required, optional) in [
            (None, vec![0, 1, 2, 3], vec![]),
            (Some("ch1"), vec![1, 2, 3], vec![0]),
            (Some("ch1  ch4"), vec![1, 2], vec![0, 3]),
            (Some("ch1 ch4\tch1"), vec![1, 2], vec![0, 3]),
        ] {
            let keys: Vec<_> = optional_key
                .map(|list| ("optional", list))
                .into_iter()
                .collect();
            let mut context = Context::of("r1.selector", &keys);
            let selector = configure(&mut context, &channels()).unwrap().make();
            let selection = selector.select(&Event::default());
            assert_eq!(selection.required, required);
            assert_eq!(selection.optional, optional);
            assert!(selector.is_uniform());
            assert_eq!(context.finish(), []);
        }
    }

    /// Flume throws on every event instead.
    #[test]
    fn an_unknown_optional_channel_is_a_finding() {
        let mut context = Context::of("r1.selector", &[("optional", "ch1 ch5 ch6")]);
        assert!(configure(&mut context, &channels()).is_none());
        let found = context.finish();
        assert_eq!(
            found.iter().map(|d| d.code).collect::<Vec<_>>(),
            [Code::UnknownChannel; 2]
        );
        assert!(found[1].message.contains("`ch6`"), "{found:?}");
    }
}
