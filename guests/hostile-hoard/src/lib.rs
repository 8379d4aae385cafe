//! Hostile: leaks a megabyte per order of an event with the header `attack: now!`.

use flume_policy_sdk::{Ask, SelectorSetup, SinkSelector, export_selector};

/// Never frees its memory.
#[derive(Debug)]
pub struct Hoard(Vec<Vec<u8>>);

impl SinkSelector for Hoard {
    fn configure(_: &mut SelectorSetup) -> Self {
        Self(Vec::new())
    }

    fn headers(&self) -> Vec<String> {
        vec!["attack".to_owned()]
    }

    fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
        let mut events = ask.events.events();
        let attacks = events.any(|event| event.header("attack") == Some("now!"));
        if attacks {
            self.0.push(vec![1; 1 << 20]);
        }
        (0..ask.sinks.len()).collect()
    }
}

export_selector!(Hoard);
