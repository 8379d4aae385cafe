//! Logs what the other languages print to their two streams, and then fails at its first order.

use flume_policy_sdk::{Ask, SelectorSetup, SinkSelector, export_selector, log};

/// Fails.
#[derive(Debug)]
pub struct Faulty;

impl SinkSelector for Faulty {
    fn configure(_: &mut SelectorSetup) -> Self {
        // This target has no standard output: anything printed there is lost.
        log::info("said on standard output");
        log::warn("said on standard error");
        Self
    }

    fn order(&mut self, _: &Ask<'_>) -> Vec<usize> {
        panic!("no order today");
    }
}

export_selector!(Faulty);
