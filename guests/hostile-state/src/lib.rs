//! Hostile: exports a gigabyte of state, and refuses to import any.

use flume_policy_sdk::{Ask, SelectorSetup, SinkSelector, State, export_selector};

/// Its orders are valid.
#[derive(Debug)]
pub struct Hand;

impl SinkSelector for Hand {
    fn configure(_: &mut SelectorSetup) -> Self {
        Self
    }

    fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
        (0..ask.sinks.len()).rev().collect()
    }
}

impl State for Hand {
    const FORMAT: u32 = 1;

    fn export(&self) -> Vec<u8> {
        vec![7; 1 << 30]
    }

    fn import(&mut self, _: u32, _: &[u8]) -> Result<(), String> {
        Err("not mine".to_owned())
    }
}

export_selector!(Hand, state);
