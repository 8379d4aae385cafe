//! Orders and routes of a guest, checked: what it says is either good or a named violation.

use std::collections::VecDeque;

use flume_core::sink_processor::SinkIndex;

use crate::error::{Violation, ViolationKind};

/// An order: each sink at most once. Whether it may be empty the caller knows.
pub(crate) fn order(answer: &[u32], sinks: usize) -> Result<VecDeque<SinkIndex>, Violation> {
    if answer.len() > sinks {
        let detail = format!("{} entries for {sinks} sinks", answer.len());
        return Err(Violation::new(ViolationKind::OrderTooLong, detail));
    }
    let mut seen = vec![false; sinks];
    let mut order = VecDeque::with_capacity(answer.len());
    for &number in answer {
        let sink = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(seen) = seen.get_mut(sink) else {
            return Err(out_of_range(ViolationKind::OrderOutOfRange, number, sinks));
        };
        if std::mem::replace(seen, true) {
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
