//! Hostile: its fourth order of an event with the header `attack: now!` never ends. No trial makes
//! that header up.

use flume_policy_sdk::{Ask, SelectorSetup, SinkSelector, export_selector};

/// Works for a while, then loops for ever.
#[derive(Debug)]
pub struct Spin(u32);

impl SinkSelector for Spin {
    fn configure(_: &mut SelectorSetup) -> Self {
        Self(0)
    }

    fn headers(&self) -> Vec<String> {
        vec!["attack".to_owned()]
    }

    fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
        let mut events = ask.events.events();
        let attacks = events.any(|event| event.header("attack") == Some("now!"));
        self.0 += u32::from(attacks);
        let mut turns = 0_u64;
        while self.0 > 3 && turns < u64::MAX {
            turns = std::hint::black_box(turns + 1);
        }
        (0..ask.sinks.len()).collect()
    }
}

export_selector!(Spin);
