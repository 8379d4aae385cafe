//! Hostile: names the same sink twice, but not in the trial.

use flume_policy_sdk::{Ask, SelectorSetup, SinkSelector, export_selector};

/// Behaves well in the trial.
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
