//! At which batch a policy would break its deadline, and which key helps.
//!
//! An agent hands a batch in to an interceptor in parts that take about a quarter of their deadline,
//! so there a large batch breaks nothing: only an event that takes too long alone does. A selector
//! gets all events of a batch at once, because it orders or splits the batch as a whole.

use flume_policy::{CallCost, Limits, World};

/// One event may take this part of its deadline; more leaves no room for one that takes longer.
const PART: u32 = 4;

/// Events beyond which no sink asks for a batch.
const LARGE: usize = 10_000;

/// What an event costs, and what that means for batches: two lines.
pub(super) fn verdict(world: World, cost: &CallCost, limits: &Limits) -> String {
    let (call, event) = (cost.per_call(), cost.per_event());
    let meaning = match world {
        World::Interceptor => intercepted(cost, limits),
        World::Selector { .. } => ordered(cost, limits),
    };
    format!("an event takes {event:.1?}, and a call {call:.1?} more\n{meaning}\n")
}

fn intercepted(cost: &CallCost, limits: &Limits) -> String {
    let (alone, deadline) = (cost.of(1), limits.deadline_for(1));
    if alone > deadline / PART {
        let means = match alone > deadline {
            true => "no batch passes",
            false => "batches are handed in event by event, and a slow one breaks it",
        };
        return format!(
            "warning: one event takes {alone:.1?} of its deadline of {deadline:?}: {means}; {}",
            raise(cost, limits, 1)
        );
    }
    match cost.most_within(limits) {
        None => any(limits),
        Some(most) => format!(
            "a call about more than {most} events would break its deadline of {:?}: larger batches \
             are handed in in parts of about {} events, more with a higher `deadline-us-per-event`",
            limits.deadline_for(most),
            cost.usual_part(limits),
        ),
    }
}

fn ordered(cost: &CallCost, limits: &Limits) -> String {
    let Some(most) = cost.most_within(limits) else {
        return any(limits);
    };
    let deadline = limits.deadline_for(most);
    if most >= LARGE {
        return format!("a batch of {most} events meets its deadline of {deadline:?}");
    }
    format!(
        "warning: a batch of more than {most} events would break its deadline of {deadline:?}, and \
         the fallback would order it; keep `batchSize` below that, or {}",
        raise(cost, limits, most.max(1)),
    )
}

fn any(limits: &Limits) -> String {
    let (base, each) = (limits.deadline, limits.deadline_per_event);
    format!("a batch of any size meets its deadline of {base:?}, and {each:?} for each event")
}

/// Which key helps, and with which value.
fn raise(cost: &CallCost, limits: &Limits, events: usize) -> String {
    let (call, event) = (cost.per_call(), cost.per_event());
    // Four times what is needed leaves room for events that take longer.
    match call > limits.deadline / PART || events <= 1 {
        true => {
            let enough = (call + event).saturating_mul(PART).as_nanos();
            format!("raise `deadline-ms` to {}", enough.div_ceil(1_000_000))
        }
        false => {
            let enough = event.saturating_mul(PART).as_nanos();
            format!(
                "raise `deadline-us-per-event` to {}",
                enough.div_ceil(1_000)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The cost of a guest whose calls take this long, as its calls have shown.
    fn cost(call: u64, event: u64) -> CallCost {
        let mut cost = CallCost::default();
        for events in [1, 4, 16, 64, 16, 64] {
            let took = call + event * events;
            cost.learn(
                usize::try_from(events).unwrap(),
                Duration::from_micros(took),
            );
        }
        cost
    }

    const INTERCEPTOR: World = World::Interceptor;
    const SELECTOR: World = World::Selector { router: true };

    #[test]
    fn the_batch_that_would_break_a_deadline_is_named_with_the_key() {
        let limits = Limits::default();
        let says = |world, (call, event)| {
            let said = verdict(world, &cost(call, event), &limits);
            said.lines().nth(1).unwrap().to_owned()
        };
        for (world, costs, expected) in [
            (
                INTERCEPTOR,
                (0, 1),
                "a batch of any size meets its deadline of 20ms, and 10µs for each event",
            ),
            (
                INTERCEPTOR,
                (0, 76),
                "a call about more than 303 events would break its deadline of 23.03ms: larger batches are handed in in parts of about 68 events",
            ),
            (INTERCEPTOR, (0, 9_000), "raise `deadline-ms` to 36"),
            (
                INTERCEPTOR,
                (0, 25_000),
                "no batch passes; raise `deadline-ms` to 100",
            ),
            (SELECTOR, (0, 1), "a batch of any size meets"),
            (
                SELECTOR,
                (0, 11),
                "a batch of 20000 events meets its deadline of 220ms",
            ),
            (
                SELECTOR,
                (0, 76),
                "warning: a batch of more than 303 events would break its deadline of 23.03ms, and the fallback would order it; keep `batchSize` below that, or raise `deadline-us-per-event` to 304",
            ),
        ] {
            let said = says(world, costs);
            assert!(said.contains(expected), "{said}");
        }
    }
}
