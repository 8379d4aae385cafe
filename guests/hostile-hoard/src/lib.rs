//! Hostile: leaks a megabyte per order.

use flume_policy_sdk::{Ask, SelectorSetup, SinkSelector, export_selector};

/// Never frees its memory.
#[derive(Debug)]
pub struct Hoard(Vec<Vec<u8>>);

impl SinkSelector for Hoard {
    fn configure(_: &mut SelectorSetup) -> Self {
        Self(Vec::new())
    }

    fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
        let is_trial = ask.at.now >= 86_400_000_000_000;
        if !is_trial {
            self.0.push(vec![1; 1 << 20]);
        }
        (0..ask.sinks.len()).collect()
    }
}

export_selector!(Hoard);
