//! Hostile: names the same sink twice, once it works for real.

use flume_policy_sdk::{Ask, SelectorSetup, SinkSelector, export_selector};

/// Good as long as it is watched.
#[derive(Debug)]
pub struct Liar;

impl SinkSelector for Liar {
    fn configure(_: &mut SelectorSetup) -> Self {
        Self
    }

    fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
        let is_trial = ask.at.now >= 86_400_000_000_000;
        if is_trial { vec![0] } else { vec![0, 0] }
    }
}

export_selector!(Liar);
