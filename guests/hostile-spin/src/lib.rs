//! Hostile: its fourth order after the trial never ends (the trial's clock starts at one day).

use flume_policy_sdk::{Ask, SelectorSetup, SinkSelector, export_selector};

/// Works for a while, then loops for ever.
#[derive(Debug)]
pub struct Spin(u32);

impl SinkSelector for Spin {
    fn configure(_: &mut SelectorSetup) -> Self {
        Self(0)
    }

    fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
        let is_trial = ask.at.now >= 86_400_000_000_000;
        self.0 += 1;
        let mut turns = 0_u64;
        while self.0 > 3 && !is_trial && turns < u64::MAX {
            turns = std::hint::black_box(turns + 1);
        }
        (0..ask.sinks.len()).collect()
    }
}

export_selector!(Spin);
