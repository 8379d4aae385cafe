//! Windows by time and by number, their edges, and what a successor takes over.

use super::*;
use flume_policy_sdk::testing::{self, event};

const MS: u64 = 1_000_000;

fn dedupe(properties: &[(&str, &str)]) -> Dedupe {
    let with_header = [&[("header", "id")], properties].concat();
    testing::interceptor(&with_header).unwrap()
}

/// Which of these values pass at this moment.
fn pass(policy: &mut Dedupe, now: u64, values: &[&str]) -> Vec<bool> {
    policy.forget(now);
    values
        .iter()
        .map(|value| policy.is_new(value, now))
        .collect()
}

#[test]
fn repeated_values_are_dropped_within_a_batch_and_over_batches() {
    let mut policy = dedupe(&[]);
    let of = |id: &'static str, body: &'static str| event(&[("id", id)], body);
    let first = [of("a", "1"), event(&[], "2"), of("a", "3"), event(&[], "4")];
    let expected = [first[0].clone(), first[1].clone(), first[3].clone()];
    assert_eq!(testing::intercept(&mut policy, &first), expected);
    let second = [of("b", "5"), of("a", "6"), of("", "7"), of("", "8")];
    let expected = [second[0].clone(), second[2].clone()];
    assert_eq!(testing::intercept(&mut policy, &second), expected);
}

#[test]
fn repeated_events_may_be_marked_instead() {
    let mut policy = dedupe(&[("mark", "again")]);
    let events = [event(&[("id", "a")], "1"), event(&[("id", "a")], "2")];
    let marked = event(&[("id", "a"), ("again", "true")], "2");
    assert_eq!(
        testing::intercept(&mut policy, &events),
        [events[0].clone(), marked]
    );
}

#[test]
fn the_window_begins_with_the_event_that_passed() {
    let mut policy = dedupe(&[("window-ms", "10")]);
    let start = 5 * MS;
    assert_eq!(pass(&mut policy, start, &["a"]), [true]);
    assert_eq!(
        pass(&mut policy, start + 6 * MS, &["a", "b"]),
        [false, true]
    );
    assert_eq!(pass(&mut policy, start + 10 * MS - 1, &["a"]), [false]);
    assert_eq!(
        pass(&mut policy, start + 10 * MS, &["a", "b"]),
        [true, false]
    );
    assert_eq!(policy.seen.len(), 2);
}

#[test]
fn the_oldest_value_is_forgotten_first() {
    let mut policy = dedupe(&[("window-ms", "0"), ("capacity", "2")]);
    assert_eq!(
        pass(&mut policy, 0, &["a", "b", "a", "c", "b"]),
        [true, true, false, true, false]
    );
    // `a` made room for `c`, and now `b` makes room for `a`.
    assert_eq!(
        pass(&mut policy, u64::MAX, &["a", "c", "b"]),
        [true, false, true]
    );
    assert_eq!(policy.seen.len(), 2);
}

#[test]
fn a_successor_knows_what_was_seen() {
    let mut old = dedupe(&[]);
    pass(&mut old, MS, &["a", "b", "c"]);
    let mut new = dedupe(&[]);
    // Another key: the successor has to take over the old one with the values.
    new.key = 99;
    new.import(Dedupe::FORMAT, &old.export()).unwrap();
    assert_eq!(
        pass(&mut new, 2 * MS, &["a", "b", "c", "d"]),
        [false, false, false, true]
    );

    let mut small = dedupe(&[("capacity", "2")]);
    small.import(Dedupe::FORMAT, &old.export()).unwrap();
    assert_eq!(
        pass(&mut small, 2 * MS, &["b", "c", "a"]),
        [false, false, true]
    );

    let whole = old.export();
    assert!(new.import(2, &whole).is_err());
    assert!(new.import(Dedupe::FORMAT, &whole[..7]).is_err());
    assert!(
        new.import(Dedupe::FORMAT, &whole[..whole.len() - 1])
            .is_err()
    );
}

#[test]
fn what_means_nothing_is_told() {
    for (properties, problems) in [
        (&[][..], 1),
        (&[("header", "id")], 0),
        (&[("header", "id"), ("capacity", "0")], 1),
        (&[("header", "id"), ("capacity", "250001")], 1),
        (&[("header", "id"), ("window-ms", "604800001")], 1),
        (&[("header", "id"), ("window-ms", "604800000")], 0),
        (&[("header", "id"), ("mark", "id")], 1),
        (&[("header", "id"), ("window", "5")], 1),
    ] {
        let found = testing::interceptor::<Dedupe>(properties).err();
        assert_eq!(
            found.map_or(0, |found| found.len()),
            problems,
            "{properties:?}"
        );
    }
}
