//! Shares, keys, and the decision for a value.

use super::*;
use flume_policy_sdk::testing::{self, TestEvent, event};

fn sample(properties: &[(&str, &str)]) -> Sample {
    testing::interceptor(properties).unwrap()
}

fn kept(policy: &mut Sample, events: &[TestEvent]) -> Vec<String> {
    let kept = testing::intercept(policy, events);
    let body = |event: TestEvent| String::from_utf8(event.body).unwrap();
    kept.into_iter().map(body).collect()
}

fn numbered(count: usize) -> Vec<TestEvent> {
    (0..count).map(|at| event(&[], at.to_string())).collect()
}

#[test]
fn one_of_so_many_is_exact_over_batches() {
    let mut policy = sample(&[("every", "3")]);
    let mut all = Vec::new();
    for batch in numbered(20).chunks(7) {
        all.extend(kept(&mut policy, batch));
    }
    // The seed of the tests is 7: one event has been counted.
    assert_eq!(all, ["1", "4", "7", "10", "13", "16", "19"]);
    assert_eq!(kept(&mut sample(&[("every", "1")]), &numbered(3)).len(), 3);
}

#[test]
fn a_rate_is_kept_on_the_whole_and_is_the_same_again() {
    let run = || kept(&mut sample(&[("rate", "0.25")]), &numbered(40_000));
    let first = run();
    assert!((9_700..=10_300).contains(&first.len()), "{}", first.len());
    assert_eq!(first, run());
    assert_eq!(kept(&mut sample(&[("rate", "1")]), &numbered(99)).len(), 99);
    assert!(kept(&mut sample(&[("rate", "0")]), &numbered(99)).is_empty());
}

#[test]
fn events_of_one_value_go_the_same_way() {
    let events: Vec<TestEvent> = (0..4000)
        .map(|at| {
            event(
                &[("user", &format!("u{}", at % 1000))],
                (at % 1000).to_string(),
            )
        })
        .collect();
    for share in [("rate", "0.1"), ("every", "10")] {
        let properties = [share, ("header", "user")];
        let all = kept(&mut sample(&properties), &events);
        let mut values = all.clone();
        values.sort();
        values.dedup();
        assert_eq!(all.len(), 4 * values.len());
        assert!((60..=140).contains(&values.len()), "{}", values.len());
        // Another seed, another start: the same values. Another salt: others.
        let salted = [share, ("header", "user"), ("salt", "b")];
        assert_eq!(kept(&mut sample(&properties), &events), all);
        assert_ne!(kept(&mut sample(&salted), &events), all);
    }
}

#[test]
fn without_the_header_events_are_counted() {
    let mut policy = sample(&[("every", "2"), ("header", "user")]);
    assert_eq!(kept(&mut policy, &numbered(6)), ["0", "2", "4"]);
}

#[test]
fn a_successor_goes_on_where_it_was() {
    for share in [("rate", "0.5"), ("every", "7")] {
        let mut whole = sample(&[share]);
        let expected = kept(&mut whole, &numbered(100));
        let mut first = sample(&[share]);
        let mut found = kept(&mut first, &numbered(100)[..40]);
        let mut second = sample(&[share]);
        second.import(Sample::FORMAT, &first.export()).unwrap();
        found.extend(kept(&mut second, &numbered(100)[40..]));
        assert_eq!(found, expected);
        assert!(second.import(Sample::FORMAT, b"short").is_err());
        assert!(second.import(2, &first.export()).is_err());
    }
}

#[test]
fn what_means_nothing_is_told() {
    for (properties, problems) in [
        (&[][..], 1),
        (&[("rate", "0.5"), ("every", "2")], 1),
        (&[("rate", "1.1")], 1),
        (&[("rate", "NaN")], 1),
        (&[("rate", "-0.1")], 1),
        (&[("every", "0")], 1),
        (&[("every", "1000000001")], 1),
        (&[("every", "1000000000")], 0),
        (&[("every", "2"), ("salt", "x")], 1),
        (&[("every", "2"), ("headers", "x")], 1),
    ] {
        let found = testing::interceptor::<Sample>(properties).err();
        assert_eq!(
            found.map_or(0, |found| found.len()),
            problems,
            "{properties:?}"
        );
    }
}
