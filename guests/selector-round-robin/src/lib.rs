//! Round robin: each batch starts one sink further in the list of those that may be tried.
//!
//! The twin of the native `round_robin`; both give the same orders, batch for batch.

use flume_policy_sdk::{Ask, Backoff, News, SelectorSetup, SinkSelector, export_selector};

/// Starts each batch at the next sink.
#[derive(Debug)]
pub struct RoundRobin {
    backoff: Backoff,
    /// Where the next order starts in the list of allowed sinks, which may have shrunk since.
    head: usize,
}

impl SinkSelector for RoundRobin {
    fn configure(setup: &mut SelectorSetup) -> Self {
        Self {
            backoff: Backoff::configure(&mut setup.properties, setup.sinks.len()),
            head: 0,
        }
    }

    fn failed(&mut self, sink: usize, at: u64) {
        self.backoff.failed(sink, at);
    }

    fn delivered(&mut self, sink: usize, _: &News) {
        self.backoff.delivered(sink);
    }

    fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
        let mut order = self.backoff.allowed(ask.at.now);
        let start = if self.head < order.len() {
            self.head
        } else {
            0
        };
        self.head = if start + 1 == order.len() {
            0
        } else {
            start + 1
        };
        order.rotate_left(start);
        order
    }
}

export_selector!(RoundRobin);

#[cfg(test)]
mod tests {
    use super::*;
    use flume_policy_sdk::testing::Group;

    #[test]
    fn sinks_take_turns() {
        let mut group = Group::<RoundRobin>::of(&["k1", "k2", "k3"], &[]);
        let orders = [(); 4].map(|()| group.order());
        assert_eq!(orders, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
    }

    #[test]
    fn a_failed_sink_is_left_out_for_a_while() {
        let mut group = Group::<RoundRobin>::of(&["k1", "k2"], &[("backoff", "true")]);
        group.fail(0);
        assert_eq!(group.order(), [1]);
        group.advance_ms(2001);
        assert_eq!(group.order().len(), 2);
    }

    /// With several batches in flight: the contract requires a sink to be tried while one is well.
    #[test]
    fn a_sink_that_delivered_since_it_failed_is_tried_when_no_other_may_be() {
        let mut group = Group::<RoundRobin>::of(&["k1", "k2"], &[("backoff", "true")]);
        group.begin(1);
        group.fail(0);
        group.fail(1);
        assert!(group.order().is_empty());
        group.advance_ms(100);
        group.deliver(1, 10, 100);
        assert_eq!(group.order(), [1]);
        group.fail(0);
        group.advance_ms(2001);
        assert_eq!(group.order(), [1], "its rest is over");
    }
}
