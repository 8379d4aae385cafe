//! Checks the orders and routes of a guest: each is either good or a named violation.

use std::collections::VecDeque;

use flume_core::sink_group::SinkIndex;

use crate::error::{Violation, ViolationKind};

/// An order: each sink at most once. Whether it may be empty is up to the caller.
pub(crate) fn order(answer: &[u32], sinks: usize) -> Result<VecDeque<SinkIndex>, Violation> {
    if answer.len() > sinks {
        let detail = format!("{} entries for {sinks} sinks", answer.len());
        return Err(Violation::new(ViolationKind::OrderTooLong, detail));
    }
    let mut seen = Seen::none(sinks);
    let mut order = VecDeque::with_capacity(answer.len());
    for &number in answer {
        let sink = usize::try_from(number).unwrap_or(usize::MAX);
        if sink >= sinks {
            return Err(out_of_range(ViolationKind::OrderOutOfRange, number, sinks));
        }
        if seen.mark(sink) {
            let detail = format!("sink {number} twice");
            return Err(Violation::new(ViolationKind::OrderRepeated, detail));
        }
        order.push_back(sink);
    }
    Ok(order)
}

/// A sink for each event.
pub(crate) fn route(
    answer: &[u32],
    events: usize,
    sinks: usize,
) -> Result<Vec<SinkIndex>, Violation> {
    if answer.len() != events {
        let detail = format!("{} sinks for {events} events", answer.len());
        return Err(Violation::new(ViolationKind::RouteLength, detail));
    }
    let checked = |&number: &u32| match usize::try_from(number) {
        Ok(sink) if sink < sinks => Ok(sink),
        _ => Err(out_of_range(ViolationKind::RouteOutOfRange, number, sinks)),
    };
    answer.iter().map(checked).collect()
}

/// Which sinks an order has named. A group seldom has more sinks than a word has bits; up to that
/// number this needs no list.
enum Seen {
    Few(u64),
    Many(Vec<bool>),
}

impl Seen {
    fn none(sinks: usize) -> Self {
        match sinks {
            0..=64 => Self::Few(0),
            _ => Self::Many(vec![false; sinks]),
        }
    }

    /// Marks a sink that is in range; returns whether it was marked before.
    fn mark(&mut self, sink: usize) -> bool {
        match self {
            Self::Few(seen) => {
                let before = *seen;
                *seen |= 1 << sink;
                before == *seen
            }
            Self::Many(seen) => seen
                .get_mut(sink)
                .is_none_or(|seen| std::mem::replace(seen, true)),
        }
    }
}

fn out_of_range(kind: ViolationKind, number: u32, sinks: usize) -> Violation {
    Violation::new(kind, format!("sink {number} of {sinks}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_good_or_a_named_violation() {
        for (answer, expected) in [
            (&[2, 0, 1][..], Ok(vec![2, 0, 1])),
            (&[1], Ok(vec![1])),
            (&[], Ok(vec![])),
            (&[3], Err(ViolationKind::OrderOutOfRange)),
            (&[u32::MAX], Err(ViolationKind::OrderOutOfRange)),
            (&[0, 0], Err(ViolationKind::OrderRepeated)),
            (&[0, 1, 2, 0], Err(ViolationKind::OrderTooLong)),
        ] {
            let order = order(answer, 3)
                .map(Vec::from)
                .map_err(|violation| violation.kind);
            assert_eq!(order, expected, "{answer:?}");
        }
    }

    #[test]
    fn large_groups_are_checked_like_small_ones() {
        for sinks in [64, 65, 1000] {
            let last = sinks - 1;
            let all: Vec<u32> = (0..sinks).rev().collect();
            let count = usize::try_from(sinks).unwrap();
            assert_eq!(order(&all, count).unwrap().len(), count);
            for (answer, kind) in [
                ([last, 0, last], ViolationKind::OrderRepeated),
                ([0, sinks, 1], ViolationKind::OrderOutOfRange),
            ] {
                assert_eq!(order(&answer, count).unwrap_err().kind, kind, "{sinks}");
            }
        }
    }

    #[test]
    fn routes_are_good_or_a_named_violation() {
        for (answer, expected) in [
            (&[1, 1][..], Ok(vec![1, 1])),
            (&[1], Err(ViolationKind::RouteLength)),
            (&[0, 2], Err(ViolationKind::RouteOutOfRange)),
        ] {
            let route = route(answer, 2, 2).map_err(|violation| violation.kind);
            assert_eq!(route, expected, "{answer:?}");
        }
    }
}
