//! Hostile: names the same sink twice for an event with the header `attack: now!`, which no trial
//! makes up.

use flume_policy_sdk::{Ask, SelectorSetup, SinkSelector, export_selector};

/// Behaves well in the trial.
#[derive(Debug)]
pub struct Liar;

impl SinkSelector for Liar {
    fn configure(_: &mut SelectorSetup) -> Self {
        Self
    }

    fn headers(&self) -> Vec<String> {
        vec!["attack".to_owned()]
    }

    fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
        let mut events = ask.events.events();
        let attacks = events.any(|event| event.header("attack") == Some("now!"));
        if attacks { vec![0, 0] } else { vec![0] }
    }
}

export_selector!(Liar);
