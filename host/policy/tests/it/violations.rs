//! Each way to break the contract has its name, and costs the batch nothing: the fallback orders it.

use std::time::Duration;

use flume_core::{SinkSelector as _, clock};
use flume_policy::{Artifact, Limits, Violation, ViolationKind};

use crate::support::{ATTACKED, ENGINE, attacked, limited, selector, selector_text, text};

/// Asks a selector once after the trial; returns the rule that it broke, if any.
fn broken(order: &str, more: &str, limits: Limits) -> Option<ViolationKind> {
    let more = format!("{more} {ATTACKED}");
    let policy = limited(text("text", &selector_text(order, &more)), limits);
    let mut selector = selector(&policy).unwrap();
    let order = attacked(&mut selector, clock::now());
    assert_eq!(order.len(), 3, "the batch has an order all the same");
    let broken: Vec<_> = ViolationKind::ALL
        .iter()
        .filter(|kind| policy.stats().violations(**kind) > 0)
        .collect();
    assert!(broken.len() <= 1, "{broken:?}");
    assert_eq!(policy.stats().fallbacks.get(), broken.len() as u64);
    broken.first().map(|kind| **kind)
}

/// In the trial it is good: three sinks in order.
fn live(order: &str) -> String {
    format!(
        "(if (call $attacked (local.get $headers)) (then {order})) (call $answer (i32.const 3))"
    )
}

#[test]
fn a_good_order_breaks_nothing() {
    let good = "(call $answer (i32.const 3))";
    assert_eq!(broken(good, "", Limits::default()), None);
}

#[test]
fn every_violation_of_an_order_has_its_name() {
    let quick = Limits {
        deadline: Duration::from_millis(5),
        ..Limits::default()
    };
    let answer = |at: &str, length: &str| {
        live(&format!(
            "(i32.store (i32.const 64) (i32.const {at}))
             (i32.store (i32.const 68) (i32.const {length}))
             (return (i32.const 64))"
        ))
    };
    let grow = "(drop (memory.grow (i32.const 2000))) unreachable";
    for (order, more, expected) in [
        (live("unreachable"), "", ViolationKind::Trap),
        (live("(loop (br 0))"), "", ViolationKind::Deadline),
        (
            live("(call $deep)"),
            "(func $deep (call $deep))",
            ViolationKind::Stack,
        ),
        (live(grow), "", ViolationKind::Memory),
        (
            live("(drop (table.grow (ref.null func) (i32.const 200000))) unreachable"),
            "(table 1 funcref)",
            ViolationKind::Memory,
        ),
        (
            live("(return (call $answer (i32.const 4)))"),
            "",
            ViolationKind::OrderTooLong,
        ),
        (
            live("(return (call $answer (i32.const 0)))"),
            "",
            ViolationKind::OrderEmpty,
        ),
        (answer("136", "3"), "", ViolationKind::OrderRepeated),
        (answer("64", "1"), "", ViolationKind::OrderOutOfRange),
        (answer("0", "-1"), "", ViolationKind::Trap),
        (answer("0", "60000"), "", ViolationKind::OrderTooLong),
        (live("(return (i32.const -4))"), "", ViolationKind::Trap),
    ] {
        assert_eq!(
            broken(&order, more, quick.clone()),
            Some(expected),
            "{order}"
        );
    }
}

#[test]
fn an_answer_larger_than_the_limit_is_not_taken() {
    let limits = Limits {
        result_bytes: 65_536,
        ..Limits::default()
    };
    let order = live(
        "(i32.store (i32.const 64) (i32.const 0)) (i32.store (i32.const 68) (i32.const 20000))
         (return (i32.const 64))",
    );
    assert_eq!(broken(&order, "", limits), Some(ViolationKind::ResultSize));
}

/// A selector that also splits batches is asked for a sink for each event.
#[test]
fn a_router_names_a_sink_for_each_event() {
    let router = |answer: &str| {
        let more = format!(
            r#"(func (export "flume:policy/batch-router@0.1.0#route")
                (param i64 i64 i32 i32 i64) (param $events i32) (param i32 i32) (result i32)
                (i32.store (i32.const 64) (i32.const 128))
                (i32.store (i32.const 68) {answer})
                (i32.const 64))"#
        );
        text(
            "router",
            &selector_text("(call $answer (i32.const 3))", &more),
        )
    };
    let events = vec![flume_core::Event::new("x"); 6];
    let load = flume_core::Load {
        depth: 6,
        events: &events,
    };
    let good = limited(router("(local.get $events)"), Limits::default());
    let mut selector = selector(&good).unwrap();
    assert!(selector.wants_events());
    let route = selector.route(clock::now(), load);
    assert_eq!(route, Some(vec![0, 1, 2, 0, 0, 0]));

    let bad = limited(router("(i32.const 2)"), Limits::default());
    let error = crate::support::selector(&bad).unwrap_err().to_string();
    assert!(error.starts_with("route-length: 2 sinks for "), "{error}");
}

#[test]
fn a_violation_in_the_trial_keeps_the_policy_out() {
    let policy = limited(
        text("text", &selector_text("unreachable", "")),
        Limits::default(),
    );
    let error = selector(&policy).unwrap_err().to_string();
    assert!(error.starts_with("trap: "), "{error}");
}

#[test]
fn a_start_that_never_ends_is_ended() {
    let limits = Limits {
        start_deadline: Duration::from_millis(5),
        ..Limits::default()
    };
    let more = "(start $spin) (func $spin (loop (br 0)))";
    let artifact = text("text", &selector_text("(call $answer (i32.const 3))", more));
    let error = selector(&limited(artifact, limits))
        .unwrap_err()
        .to_string();
    let expected = "deadline: took too long: more than 5ms (start-deadline-ms)";
    assert_eq!(error, expected);
}

/// A toolchain's own runtime sees a stub of WASI, and what it prints says why it gave up.
#[test]
fn what_a_runtime_prints_is_told_with_its_trap() {
    let more = r#"
        (import "wasi_snapshot_preview1" "fd_write"
            (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (import "wasi_snapshot_preview1" "fd_prestat_get"
            (func $prestat (param i32 i32) (result i32)))
        (data (i32.const 1024) "panic: no way\n") (data (i32.const 1040) "\00\04\00\00\0e\00\00\00")"#;
    let order = "(if (i32.ne (call $prestat (i32.const 3) (i32.const 0)) (i32.const 8))
            (then unreachable))
        (drop (call $write (i32.const 2) (i32.const 1040) (i32.const 1) (i32.const 1056)))
        (call $exit (i32.const 1)) unreachable";
    let artifact = text("text", &selector_text(order, more));
    let error = selector(&limited(artifact, Limits::default()))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("trap: ") && error.ends_with(": panic: no way"),
        "{error}"
    );
}

/// Time passes when it is read, random numbers come, and both are the same in every run.
#[test]
fn the_stub_is_a_small_world_of_its_own() {
    let more = r#"
        (import "wasi_snapshot_preview1" "clock_time_get"
            (func $time (param i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "poll_oneoff"
            (func $poll (param i32 i32 i32 i32) (result i32)))"#;
    let check = "
        (drop (call $time (i32.const 0) (i64.const 0) (i32.const 1024)))
        (drop (call $time (i32.const 0) (i64.const 0) (i32.const 1032)))
        (if (i64.ne (i64.sub (i64.load (i32.const 1032)) (i64.load (i32.const 1024)))
            (i64.const 1000)) (then unreachable))
        ;; Sleeps a second.
        (i64.store (i32.const 2072) (i64.const 1000000000))
        (if (call $poll (i32.const 2048) (i32.const 3072) (i32.const 1) (i32.const 4096))
            (then unreachable))
        (drop (call $time (i32.const 0) (i64.const 0) (i32.const 1040)))
        (if (i64.lt_u (i64.sub (i64.load (i32.const 1040)) (i64.load (i32.const 1032)))
            (i64.const 1000000000)) (then unreachable))
        ;; Nothing to wait for.
        (if (i32.ne (call $poll (i32.const 2048) (i32.const 3072) (i32.const 0) (i32.const 4096))
            (i32.const 52)) (then unreachable))
        (drop (call $random (i32.const 1048) (i32.const 16)))
        (if (i64.eq (i64.load (i32.const 1048)) (i64.load (i32.const 1056))) (then unreachable))
        (call $answer (i32.const 3))";
    let artifact = text("text", &selector_text(check, more));
    selector(&limited(artifact, Limits::default())).unwrap();
}

#[test]
fn a_violation_prints_as_its_name_and_its_circumstances() {
    let violation = Violation {
        kind: ViolationKind::OrderRepeated,
        detail: "sink 1 twice".to_owned(),
    };
    assert_eq!(violation.to_string(), "order-repeated: sink 1 twice");
    let missing = Artifact::load(&ENGINE, "text", b"(module)", None).unwrap_err();
    assert!(
        missing
            .to_string()
            .starts_with("exports nothing of `flume:policy`")
    );
}
