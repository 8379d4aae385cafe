//! Hostile: panics when it is configured.

use flume_policy_sdk::{Ask, SelectorSetup, SinkSelector, export_selector};

/// Cannot be configured.
#[derive(Debug)]
pub struct Mute;

impl SinkSelector for Mute {
    fn configure(_: &mut SelectorSetup) -> Self {
        panic!("not today")
    }

    fn order(&mut self, _: &Ask<'_>) -> Vec<usize> {
        Vec::new()
    }
}

export_selector!(Mute);
