//! A checked order: every sink is in the group, and none occurs twice.
//!
//! A selector may be untrusted code. Because its answer is checked here, it cannot break the laws
//! of a call: each sink is tried at most once, and the call ends.

use std::collections::VecDeque;

use crate::sink_group::SinkIndex;

/// Sinks to try, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order(VecDeque<SinkIndex>);

impl Order {
    /// Drops indices that are out of range or repeated. The rest keep their order.
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
    fn unknown_and_repeated_sinks_are_dropped() {
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
