//! Which sink gets which key, and which keys move.

use super::*;
use flume_policy_sdk::testing::{Group, TestEvent, event};

const SINKS: [&str; 5] = ["k1", "k2", "k3", "k4", "k5"];
const BY_HOST: [(&str, &str); 1] = [("header", "host")];

fn host(number: usize) -> TestEvent {
    event(&[("host", &format!("host-{number}"))], "")
}

fn hosts(count: usize) -> Vec<TestEvent> {
    (0..count).map(host).collect()
}

fn share(route: &[u32], sink: u32) -> usize {
    route.iter().filter(|to| **to == sink).count()
}

#[test]
fn slots_are_shared_evenly_whatever_the_order_of_the_file() {
    let slots = table(&SINKS, 5003);
    for sink in 0..5 {
        assert!((1000..=1001).contains(&share(&slots, sink)));
    }
    let reversed = table(&["k5", "k4", "k3", "k2", "k1"], 5003);
    assert!(
        slots
            .iter()
            .zip(&reversed)
            .all(|(one, other)| *one == 4 - *other)
    );
}

#[test]
fn a_sink_more_moves_few_keys_but_its_own() {
    let (four, five) = (table(&SINKS[..4], 5003), table(&SINKS, 5003));
    let moved = |(one, other): &(&u32, &u32)| one != other && **other != 4;
    let moved = four.iter().zip(&five).filter(moved).count();
    assert!(moved < 5003 / 20, "{moved} of 5003 slots");
}

#[test]
fn the_same_key_goes_to_the_same_sink_and_keys_are_spread() {
    let mut group = Group::<Maglev>::of(&SINKS, &BY_HOST);
    let events = hosts(5000);
    let route = group.route(&events);
    assert_eq!(route, group.route(&events));
    assert_eq!(route, Group::<Maglev>::of(&SINKS, &BY_HOST).route(&events));
    for sink in 0..5 {
        assert!((850..1150).contains(&share(&route, sink)), "{sink}");
    }
}

#[test]
fn of_a_failed_sink_only_its_own_keys_move_and_they_come_back() {
    let mut group = Group::<Maglev>::of(&SINKS, &BY_HOST);
    let events = hosts(5000);
    let before = group.route(&events);
    group.fail(2);
    let during = group.route(&events);
    let mut gained = [0; 5];
    for (before, during) in before.iter().zip(&during) {
        match before {
            2 => gained[*during as usize] += 1,
            _ => assert_eq!(before, during),
        }
    }
    assert_eq!(gained[2], 0);
    assert!(
        gained.iter().filter(|gained| **gained > 180).count() == 4,
        "{gained:?}"
    );
    group.advance_ms(2001);
    assert_eq!(group.route(&events), before);
}

#[test]
fn with_all_sinks_down_each_event_still_has_one() {
    let mut group = Group::<Maglev>::of(&SINKS, &BY_HOST);
    let before = group.route(&hosts(100));
    (0..5).for_each(|sink| group.fail(sink));
    assert_eq!(group.route(&hosts(100)), before);
}

#[test]
fn a_batch_goes_where_most_of_its_events_belong() {
    let mut group = Group::<Maglev>::of(&SINKS, &BY_HOST);
    let route = group.route(&hosts(40));
    let home = |number: usize| route[number];
    let stranger = (1..40).find(|number| home(*number) != home(0)).unwrap();
    let order = group.order_of(&[host(stranger), host(0), host(0)]);
    assert_eq!(order[0], home(0));
    assert_eq!(order.len(), 5);
    // The next one gets the key when its sink is out of use.
    group.fail(home(0) as usize);
    assert_eq!(group.route(&[host(0)]), [order[1]]);
    assert_eq!(group.order_of(&[host(0)]), order[1..]);
}

#[test]
fn events_without_the_header_take_turns() {
    let mut group = Group::<Maglev>::of(&SINKS, &BY_HOST);
    let route = group.route(&vec![event(&[("other", "x")], ""); 5000]);
    for sink in 0..5 {
        assert!((850..1150).contains(&share(&route, sink)), "{sink}");
    }
    let firsts: Vec<u32> = (0..200).map(|_| group.order()[0]).collect();
    assert!((0..5).all(|sink| share(&firsts, sink) > 20), "{firsts:?}");
}

#[test]
fn keys_are_needed_and_have_bounds() {
    let with = |properties: &[(&str, &str)]| {
        let errors = Group::<Maglev>::with(&[("k1", &[])], properties).unwrap_err();
        format!("{errors:?}")
    };
    assert!(with(&[]).contains("MissingKey(\"header\")"));
    for table in ["100", "5004", "1000007", "x"] {
        let text = with(&[("header", "host"), ("table", table)]);
        assert!(
            text.contains("`table`") || text.contains("\"table\""),
            "{text}"
        );
    }
    assert!(is_prime(101) && is_prime(1_000_003) && !is_prime(5001));
}
