//! A guest cannot tell its trial from work by what it is told. These guests log all of it, in hex: two
//! trials are compared with each other, and with calls at work.

use std::collections::HashSet;
use std::time::Duration;

use flume_core::clock::{self, WallClock};
use flume_core::{Batch, Event, Interceptor as _, Load, SinkSelector as _};
use flume_policy::{InterceptorSetup, Limits, Policy, Remedy, SelectorSetup};

use crate::support::{ENGINE, fallback, logged, sinks, text};

/// What both guests have: a line that begins with `told`, and pieces of memory in hex.
const SPY: &str = r#"
    (import "flume:policy/log@0.1.0" "write" (func $write (param i32 i32 i32)))
    (memory (export "memory") 64)
    (global $free (mut i32) (i32.const 65536))
    (global $end (mut i32) (i32.const 0))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (if (i32.gt_u (i32.add (global.get $free) (local.get 3)) (i32.const 4000000))
            (then (global.set $free (i32.const 65536))))
        (global.get $free)
        (global.set $free (i32.and (i32.const -8)
            (i32.add (i32.const 7) (i32.add (global.get $free) (local.get 3))))))
    (func $digit (param $of i32)
        (i32.store8 (global.get $end) (i32.add (local.get $of)
            (select (i32.const 87) (i32.const 48) (i32.gt_u (local.get $of) (i32.const 9)))))
        (global.set $end (i32.add (global.get $end) (i32.const 1))))
    (func $begin (global.set $end (i32.const 1029)))
    ;; At most 200 bytes, and a blank.
    (func $tell (param $from i32) (param $count i32)
        (local.set $count (select (local.get $count) (i32.const 200)
            (i32.lt_u (local.get $count) (i32.const 200))))
        (block $done (loop $next
            (br_if $done (i32.eqz (local.get $count)))
            (call $digit (i32.shr_u (i32.load8_u (local.get $from)) (i32.const 4)))
            (call $digit (i32.and (i32.load8_u (local.get $from)) (i32.const 15)))
            (local.set $from (i32.add (local.get $from) (i32.const 1)))
            (local.set $count (i32.sub (local.get $count) (i32.const 1)))
            (br $next)))
        (i32.store8 (global.get $end) (i32.const 32))
        (global.set $end (i32.add (global.get $end) (i32.const 1))))
    (func $number (param i64)
        (i64.store (i32.const 512) (local.get 0))
        (call $tell (i32.const 512) (i32.const 8)))
    (func $log
        (call $write (i32.const 1) (i32.const 1024)
            (i32.sub (global.get $end) (i32.const 1024))))
    (data (i32.const 1024) "told ")
    ;; It asks for one header.
    (data (i32.const 20) "\28\00\00\00\01\00\00\00")
    (data (i32.const 40) "\30\00\00\00\04\00\00\00host")"#;

/// Always tries the first sink alone.
fn selector_spy() -> String {
    format!(
        r#"(module {SPY}
            (func (export "flume:policy/sink-selector@0.1.0#configure")
                (param i32 i32 i32 i32 i64) (result i32) (i32.const 16))
            (func (export "flume:policy/sink-selector@0.1.0#order")
                (param $now i64) (param $unix i64) (param $news i32) (param $count i32)
                (param $depth i64) (param $events i32) (param $headers i32) (param i32) (result i32)
                (call $begin)
                (call $number (local.get $now))
                (call $number (local.get $unix))
                (call $number (local.get $depth))
                (call $number (i64.extend_i32_u (local.get $events)))
                (call $tell (local.get $news) (i32.mul (local.get $count) (i32.const 56)))
                (call $tell (i32.load (local.get $headers))
                    (i32.load offset=4 (local.get $headers)))
                (call $log)
                (i32.store (i32.const 64) (i32.const 128))
                (i32.store (i32.const 68) (i32.const 1))
                (i32.const 64)))"#
    )
}

/// Changes nothing.
fn interceptor_spy() -> String {
    format!(
        r#"(module {SPY}
            (func (export "flume:policy/interceptor@0.1.0#configure") (param i32 i32 i64) (result i32)
                (i32.store (i32.const 28) (i32.const 3))
                (i32.const 16))
            (func (export "flume:policy/interceptor@0.1.0#intercept")
                (param $now i64) (param $unix i64) (param $events i32)
                (param $headers i32) (param i32) (param $bodies i32) (param $length i32)
                (param i32 i32 i32 i32) (result i32)
                (call $begin)
                (call $number (local.get $now))
                (call $number (local.get $unix))
                (call $number (i64.extend_i32_u (local.get $events)))
                (call $tell (local.get $bodies) (local.get $length))
                (call $tell (i32.load (local.get $headers))
                    (i32.load offset=4 (local.get $headers)))
                (call $log)
                (i32.const 256)))"#
    )
}

fn limits() -> Limits {
    Limits {
        deadline: Duration::from_secs(5),
        start_deadline: Duration::from_secs(60),
        log_lines: 100_000,
        ..Limits::default()
    }
}

/// What a guest was told in each call, as the pieces of its line.
fn told(log: &[String]) -> Vec<Vec<Vec<u8>>> {
    let piece = |hex: &str| -> Vec<u8> {
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        hex.as_bytes().chunks(2).map(byte).collect()
    };
    let line = |line: &String| {
        let (_, hex) = line.split_once("told ")?;
        let hex = hex.split('"').next()?;
        Some(hex.split(' ').map(piece).collect())
    };
    log.iter().filter_map(line).collect()
}

fn number(piece: &[u8]) -> u64 {
    u64::from_le_bytes(piece.try_into().unwrap())
}

/// This piece of each call, as a number.
fn numbers(calls: &[Vec<Vec<u8>>], at: usize) -> Vec<u64> {
    calls.iter().map(|call| number(&call[at])).collect()
}

/// Both clocks begin where those at work go on, and pass unevenly.
fn assert_same_clocks(trial: &[Vec<Vec<u8>>], work: &[Vec<Vec<u8>>]) {
    let clocks = |calls: &[Vec<Vec<u8>>]| (numbers(calls, 0), numbers(calls, 1));
    let ((nows, unix), (now_at_work, unix_at_work)) = (clocks(trial), clocks(work));
    // A busy machine may take its time between the trial and the first call.
    let between = now_at_work[0].abs_diff(nows[0]);
    assert!(between < 120_000_000_000, "{between} ns");
    let between = unix_at_work[0].abs_diff(unix[0]);
    assert!(between < 120_000, "{between} ms");
    let gaps: HashSet<u64> = nows.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        gaps.len() > nows.len() / 2,
        "{} of {}",
        gaps.len(),
        nows.len()
    );
    // The clocks do not drift apart.
    let drift = |at: usize| (nows[at] / 1_000_000).abs_diff(unix[at]);
    assert!((0..nows.len()).all(|at| drift(at).abs_diff(drift(0)) <= 1));
}

/// Values of one trial are not those of another one, and not all alike.
fn assert_drawn<T: Eq + std::hash::Hash + std::fmt::Debug>(what: &str, one: &[T], other: &[T]) {
    let all: HashSet<&T> = one.iter().collect();
    assert!(all.len() > 3, "{what} takes {all:?} only");
    assert!(one != other, "{what} is the same in both trials");
}

#[test]
fn a_selector_is_told_nothing_in_its_trial_that_it_is_not_told_at_work() {
    let trial = |policy: &std::sync::Arc<Policy>| {
        let setup = SelectorSetup {
            sinks: sinks(&[1, 1, 1]),
            ..SelectorSetup::default()
        };
        let (seat, log) = logged(|| policy.selector("g1", limits(), setup, fallback(3)));
        (seat.unwrap(), told(&log))
    };
    let policy = Policy::new(
        ENGINE.clone(),
        text("spy", &selector_spy()),
        WallClock::system(),
    );
    let (mut selector, one) = trial(&policy);
    let (_, other) = trial(&policy);
    let events = [Event::new("x").with_header("host", "a"), Event::new("y")];
    let load = Load {
        depth: 2,
        events: &events,
    };
    let (_, log) = logged(|| {
        for _ in 0..2 {
            let now = clock::now();
            assert_eq!(selector.order_load(now, load), [0]);
            selector.failed(0, now);
        }
    });
    let work = told(&log);
    assert_eq!((one.len(), other.len(), work.len()), (1000, 1000, 2));
    assert_same_clocks(&one, &work);
    for (what, at) in [("depth", 2), ("events", 3)] {
        assert_drawn(what, &numbers(&one, at), &numbers(&other, at));
    }
    let news = |calls: &[Vec<Vec<u8>>]| -> Vec<Vec<u8>> {
        let entries = calls.iter().flat_map(|call| call[4].chunks(56));
        entries.map(<[u8]>::to_vec).collect()
    };
    // At first nothing has happened, and later only where it was sent.
    assert_eq!((one[0][4].len(), work[0][4].len()), (0, 0));
    assert_eq!(work[1][4].len(), 56);
    assert!(news(&one).iter().all(|entry| entry[..4] == [0; 4]));
    for (what, range) in [
        ("latency", 24..32),
        ("delivered-at", 32..40),
        ("failed-at", 48..56),
    ] {
        let of = |calls| -> Vec<u64> {
            let values = news(calls)
                .into_iter()
                .map(|entry| number(&entry[range.clone()]));
            values.filter(|value| *value > 0).collect()
        };
        let (one, other) = (of(&one), of(&other));
        assert_drawn(what, &one, &other);
        let common = HashSet::<u64>::from_iter(one.iter().copied());
        let common = other.iter().filter(|value| common.contains(value)).count();
        assert!(common < other.len() / 20, "{what}: {common} in both trials");
    }
    let failures = news(&one).iter().filter(|entry| entry[40] > 0).count();
    assert!(
        (50..950).contains(&failures),
        "{failures} calls after a failure"
    );
    let headers = |calls: &[Vec<Vec<u8>>]| calls.iter().map(|call| call[5].clone()).collect();
    let (one, other): (Vec<_>, Vec<_>) = (headers(&one), headers(&other));
    assert_drawn("host", &one, &other);
}

#[test]
fn an_interceptor_is_told_nothing_in_its_trial_that_it_is_not_told_at_work() {
    let policy = Policy::new(
        ENGINE.clone(),
        text("spy", &interceptor_spy()),
        WallClock::system(),
    );
    let trial = || {
        let setup = InterceptorSetup::default();
        let (seat, log) = logged(|| policy.interceptor("r1.i1", limits(), setup, Remedy::Fail));
        (seat.unwrap(), told(&log))
    };
    let (intercept, one) = trial();
    // Several others, since a single one may be short.
    let other: Vec<_> = (0..5).flat_map(|_| trial().1).collect();
    let (_, log) = logged(|| {
        intercept.intercept(&mut Batch::default()).unwrap();
        let mut batch = Batch::new(vec![Event::new("x").with_header("host", "a")]);
        intercept.intercept(&mut batch).unwrap();
    });
    let work = told(&log);
    assert_eq!(work.len(), 1, "nobody is shown an empty batch");
    // 8 to 24 batches; after a call that took long, on a busy machine, they are handed in as parts.
    assert!((8..=100).contains(&one.len()), "{}", one.len());
    assert_same_clocks(&one, &work);
    assert!(numbers(&one, 2).iter().all(|events| *events > 0));
    assert_drawn("events", &numbers(&other, 2), &numbers(&one, 2));
    for (what, at) in [("bodies", 3), ("headers", 4)] {
        let of = |calls: &[Vec<Vec<u8>>]| -> Vec<Vec<u8>> {
            let values = calls.iter().map(|call| call[at].clone());
            values.filter(|value| value.len() > 12).collect()
        };
        let (one, other) = (of(&one), of(&other));
        assert_drawn(what, &other, &one);
        assert!(one.iter().all(|value| !other.contains(value)), "{what}");
    }
}
