//! The one-hour window, the limits, and the saturation of the count.

use super::*;
use crate::clock;

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

fn state(backoff: &Backoff, now: Instant) -> SinkState {
    backoff.states(now)[0]
}

#[test]
fn exclusion_doubles_up_to_the_cap_and_ends_strictly_after_it() {
    let mut backoff = Backoff::capped(1, 30 * SECOND);
    let mut now = clock::now();
    for (failures, seconds) in [(1, 2), (2, 4), (3, 8), (4, 16), (5, 30), (6, 30)] {
        backoff.failed(0, now);
        let until = now + seconds * SECOND;
        assert_eq!(state(&backoff, now), SinkState::Penalty { until, failures });
        assert_eq!(backoff.allowed(until), [], "still excluded at the very end");
        now = until + MILLISECOND;
        assert_eq!(backoff.allowed(now), [0]);
        assert_eq!(state(&backoff, now), SinkState::Live);
    }
}

#[test]
fn the_count_stops_at_16() {
    let cap = Duration::from_millis(MOST_TIMEOUT_MS);
    let mut backoff = Backoff::capped(1, cap);
    let mut now = clock::now();
    for failures in 1..=40 {
        backoff.failed(0, now);
        let failures = failures.min(MOST_FAILURES);
        let until = now + (1 << failures) * SECOND;
        assert_eq!(state(&backoff, now), SinkState::Penalty { until, failures });
        now = until + MILLISECOND;
    }
}

/// The window is the exclusion plus an hour, counted from the last failure.
#[test]
fn a_failure_after_an_hour_begins_a_new_sequence() {
    for (pause, failures) in [
        (2 * SECOND + SEQUENCE_WINDOW - MILLISECOND, 2),
        (2 * SECOND + SEQUENCE_WINDOW, 1),
    ] {
        let mut backoff = Backoff::capped(1, 30 * SECOND);
        let start = clock::now();
        backoff.failed(0, start);
        let now = start + pause;
        backoff.failed(0, now);
        let until = now + (1 << failures) * SECOND;
        assert_eq!(state(&backoff, now), SinkState::Penalty { until, failures });
    }
}

/// Unlike in Flume, where a success is not reported.
#[test]
fn a_delivery_ends_the_sequence_and_not_the_exclusion() {
    let mut backoff = Backoff::capped(1, 30 * SECOND);
    let start = clock::now();
    backoff.failed(0, start);
    backoff.failed(0, start + 3 * SECOND);
    backoff.delivered(0);
    assert_eq!(
        backoff.allowed(start + 7 * SECOND),
        [],
        "3 s + 4 s, as before"
    );
    let now = start + 8 * SECOND;
    assert_eq!(backoff.allowed(now), [0]);
    backoff.failed(0, now);
    let until = now + 2 * SECOND;
    assert_eq!(
        state(&backoff, now),
        SinkState::Penalty { until, failures: 1 }
    );
}

#[test]
fn without_backoff_nothing_is_excluded() {
    let mut backoff = Backoff::none(2);
    let now = clock::now();
    backoff.failed(0, now);
    backoff.delivered(1);
    assert_eq!(backoff.allowed(now), [0, 1]);
}

#[test]
fn a_time_out_of_zero_means_the_default() {
    for (value, seconds) in [("0", 30), ("5000", 5), ("30000", 30)] {
        let keys = [("backoff", "TRUE"), ("selector.maxTimeOut", value)];
        let mut context = Context::of("g.processor", &keys);
        let backoff = Backoff::configure(&mut context, 2).unwrap();
        assert_eq!(backoff.cap, Some(seconds * SECOND), "{value}");
        assert_eq!(context.finish(), []);
    }
}
