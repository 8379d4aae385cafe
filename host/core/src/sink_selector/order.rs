//! An order that can be relied on: every sink is in the group, and none occurs twice.
//!
//! A selector may be anybody's code. Checking its answer here keeps the laws of a call (each sink
//! at most once, and an end to it) out of its reach.

use std::collections::VecDeque;

use crate::sink_processor::SinkIndex;

/// Sinks to try, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order(VecDeque<SinkIndex>);

impl Order {
    /// Drops what is out of range or repeated. The rest keeps its order.
    pub fn checked(mut wanted: VecDeque<SinkIndex>, sinks: usize) -> Self {
        let mut seen = vec![false; sinks];
        wanted.retain(|sink| match seen.get_mut(*sink) {
            Some(seen) => !std::mem::replace(seen, true),
            None => false,
        });
        Self(wanted)
    }
}

impl From<Order> for VecDeque<SinkIndex> {
    fn from(order: Order) -> Self {
        order.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_and_repeats_are_dropped() {
        for (wanted, checked) in [
            (vec![], vec![]),
            (vec![2, 0, 1], vec![2, 0, 1]),
            (vec![1, 3, 1, usize::MAX, 0, 0, 1], vec![1, 0]),
        ] {
            let order = Order::checked(wanted.clone().into(), 3);
            assert_eq!(order, Order(checked.into()), "{wanted:?}");
        }
    }
}
