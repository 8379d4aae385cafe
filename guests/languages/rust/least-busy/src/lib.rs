//! Orders sinks by batches in flight, then by failures. A sink with `cap` batches comes last.

use flume_policy_sdk::{Ask, SelectorSetup, SinkSelector, export_selector, log};

/// Orders sinks by their batches in flight.
#[derive(Debug)]
pub struct LeastBusy {
    caps: Vec<u32>,
}

impl SinkSelector for LeastBusy {
    fn configure(setup: &mut SelectorSetup) -> Self {
        let sinks = setup.sinks.iter_mut();
        let caps = sinks.map(|sink| sink.properties.number("cap", 0, 0..=1_000_000));
        let caps: Vec<u32> = caps.collect();
        log::info(&format!("least-busy has {} sinks", caps.len()));
        Self { caps }
    }

    fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
        let mut order: Vec<usize> = (0..ask.sinks.len()).collect();
        order.sort_by_key(|number| {
            let (sink, cap) = (&ask.sinks[*number], self.caps[*number]);
            let is_full = cap > 0 && sink.in_flight >= cap;
            (is_full, sink.in_flight, sink.failures)
        });
        order
    }
}

export_selector!(LeastBusy);

#[cfg(test)]
mod tests {
    use super::*;
    use flume_policy_sdk::testing::Group;

    #[test]
    fn the_least_busy_sink_comes_first() {
        let sinks: [(&str, &[(&str, &str)]); 3] =
            [("k1", &[("cap", "1")]), ("k2", &[]), ("k3", &[])];
        let mut group = Group::<LeastBusy>::with(&sinks, &[]).unwrap();
        assert_eq!(group.order(), [0, 1, 2]);
        group.fail(1);
        assert_eq!(group.order(), [0, 2, 1]);
        for sink in [0, 1, 2, 2] {
            group.begin(sink);
        }
        assert_eq!(group.order(), [1, 2, 0]);
    }

    #[test]
    fn unknown_keys_are_refused() {
        let errors = Group::<LeastBusy>::with(&[("k1", &[])], &[("cpa", "1")]).unwrap_err();
        assert_eq!(format!("{errors:?}"), "[ConfigError::UnknownKey(\"cpa\")]");
    }
}
