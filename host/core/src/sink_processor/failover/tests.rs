//! What the golden scripts cannot show: extreme values, and promises of the traits.

use super::*;
use crate::clock;

fn names(sinks: &[&str]) -> Vec<String> {
    sinks.iter().map(|sink| (*sink).to_owned()).collect()
}

/// Makes the first due or active sink fail once.
fn fail_once(processor: &mut FailoverProcessor, now: Instant) -> Option<SinkIndex> {
    let mut call = processor.begin(now);
    let sink = processor.next(&mut call)?;
    let verdict = processor.report(&mut call, sink, Outcome::Failed, now);
    assert_eq!(verdict, Verdict::Continue);
    Some(sink)
}

/// No overflow after more than 30 failures. Flume's cool-down is negative or zero between the 22nd
/// and the 31st.
#[test]
fn a_sink_that_fails_a_hundred_times_still_cools_down() {
    let cap = Duration::from_secs(30);
    let mut processor = FailoverProcessor::new(&[1], cap);
    let mut now = clock::now();
    for failures in 1..=100 {
        assert_eq!(fail_once(&mut processor, now), Some(0));
        let expected = match failures {
            1 => Duration::from_secs(2),
            2 => Duration::from_secs(4),
            3 => Duration::from_secs(8),
            4 => Duration::from_secs(16),
            _ => cap,
        };
        assert_eq!(
            processor.states(now),
            [SinkState::Penalty {
                until: now + expected,
                failures
            }]
        );
        now += expected;
        assert_eq!(
            fail_once(&mut processor, now),
            None,
            "due only after {expected:?}"
        );
        now += Duration::from_millis(1);
    }
}

#[test]
fn the_largest_penalty_does_not_overflow() {
    let mut processor = FailoverProcessor::new(&[1], Duration::from_millis(MOST_PENALTY_MS));
    let mut now = clock::now();
    for _ in 0..80 {
        assert_eq!(fail_once(&mut processor, now), Some(0));
        now += Duration::from_millis(MOST_PENALTY_MS + 1);
    }
}

#[test]
fn priorities_are_optional_and_follow_the_order_of_the_file() {
    let mut context = Context::of("g.processor", &[("priority.b", "5")]);
    let priorities = priorities(&mut context, &names(&["a", "b", "c"]));
    assert_eq!(priorities, [-1, 5, -2]);
    assert_eq!(context.finish(), []);
}

/// In lenient mode a bad `maxpenalty` becomes Flume's default, and so does a bad priority.
#[test]
fn bad_numbers_are_replaced_in_lenient_mode_only() {
    let keys = [("maxpenalty", "soon"), ("priority.a", "high")];
    let mut strict = Context::of("g.processor", &keys);
    let read = configure(&mut strict, &Group::of(&names(&["a"]), 0));
    let default = configure(&mut Context::default(), &Group::of(&names(&["a"]), 0));
    assert_eq!(read.recipe, default.recipe);
    assert!(strict.has_errors());
}
