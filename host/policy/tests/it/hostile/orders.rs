//! Selectors that are good in the trial and break the contract later: the fallback orders
//! the batch, and the violation has its name.

use flume_core::{Load, SinkSelector as _, clock};
use flume_policy::{Limits, ViolationKind};
use std::time::Duration;

use super::{broken, quick, wat};
use crate::support::{Limited, attack, attacked, limited, selector};

/// Asks a guest for one order, which must have all three sinks, whether the guest or the fallback
/// gives it.
fn ordered(name: &str, limits: Limits) -> Limited {
    let policy = limited(wat(name), limits);
    let mut selector = selector(&policy).unwrap_or_else(|e| panic!("{name}: {e}"));
    let began = clock::now();
    let order = attacked(&mut selector, clock::now());
    let took = clock::now() - began;
    assert_eq!(order.len(), 3, "{name}");
    // Ten deadlines of 10 ms at most, and what a loaded machine adds.
    assert!(took < Duration::from_secs(30), "{name} took {took:?}");
    policy
}

macro_rules! broken {
    ($($name:ident: $kind:ident;)*) => { $(
        #[test]
        pub(super) fn $name() {
            let policy = ordered(stringify!($name), quick());
            assert_eq!(broken(&policy), Some(ViolationKind::$kind));
            assert_eq!(policy.stats().fallbacks.get(), 1);
        }
    )* };
}

broken! {
    spin_in_order: Deadline;
    trap_in_order: Trap;
    grow_memory: Memory;
    grow_tables: Memory;
    deep_recursion: Stack;
    fill: Deadline;
    huge_order: ResultSize;
    order_beyond_memory: Trap;
    order_endless: Trap;
    order_unaligned: Trap;
    order_nowhere: Trap;
    order_out_of_range: OrderOutOfRange;
    order_repeated: OrderRepeated;
    order_too_long: OrderTooLong;
    order_empty: OrderEmpty;
    log_endless: Deadline;
    log_gigabyte: Trap;
    log_large: ResultSize;
    log_no_text: Trap;
    log_level: Trap;
    exit: Trap;
    sleep: Deadline;
}

macro_rules! flood {
    ($($name:ident: $lines:literal;)*) => { $(
        /// Not a violation: the lines are counted, and not read.
        #[test]
        pub(super) fn $name() {
            let limits = Limits { deadline: Duration::from_secs(1), ..quick() };
            let policy = ordered(stringify!($name), limits);
            assert_eq!(broken(&policy), None);
            assert_eq!(policy.stats().fallbacks.get(), 0);
            assert_eq!(policy.stats().log_lines_dropped.get(), $lines - 100);
        }
    )* };
}

flood! {
    log_flood: 10_000;
    stdout_flood: 8_000_000;
}

macro_rules! badly_routed {
    ($($name:ident: $kind:ident;)*) => { $(
        /// Without a good route, the batch is ordered as a whole.
        #[test]
        pub(super) fn $name() {
            let policy = limited(wat(stringify!($name)), quick());
            let mut selector = selector(&policy).unwrap();
            let events = vec![attack(); 2];
            let load = Load { depth: 2, events: &events };
            assert_eq!(selector.route(clock::now(), load), None);
            assert_eq!(broken(&policy), Some(ViolationKind::$kind));
            assert_eq!(selector.order_load(clock::now(), load).len(), 3);
        }
    )* };
}

badly_routed! {
    route_length: RouteLength;
    route_out_of_range: RouteOutOfRange;
}

/// A guest that stays below its deadline uses up its share, and no more: then the fallback orders.
#[test]
pub(super) fn busy() {
    let limits = Limits {
        deadline: Duration::from_secs(1),
        cpu_percent: 1,
        ..quick()
    };
    let policy = limited(wat("busy"), limits);
    let mut selector = selector(&policy).unwrap();
    // What the trial used of the share has come back.
    let now = clock::now() + Duration::from_secs(60);
    let spent = || policy.stats().nanos.get();
    for _ in 0..1000 {
        assert_eq!(attacked(&mut selector, now).len(), 3);
    }
    let stats = policy.stats();
    assert_eq!(broken(&policy), None);
    assert!(stats.throttled.get() > 0 && stats.calls.get() > 0);
    assert_eq!(stats.calls.get() + stats.throttled.get(), 1000);
    assert_eq!(stats.fallbacks.get(), stats.throttled.get());
    // When its share has come back, it is asked again.
    let before = (stats.calls.get(), spent());
    let later = now + Duration::from_nanos(before.1) * 200;
    assert_eq!(attacked(&mut selector, later).len(), 3);
    assert_eq!(stats.calls.get(), before.0 + 1);
}

/// It is right, however long it takes, within its deadline.
#[test]
pub(super) fn busy_now_and_then() {
    let limits = Limits {
        deadline: Duration::from_secs(10),
        ..quick()
    };
    let policy = limited(wat("busy_now_and_then"), limits);
    let mut selector = selector(&policy).unwrap();
    for _ in 0..4 {
        assert_eq!(selector.order(clock::now()).len(), 3);
    }
    assert_eq!(broken(&policy), None);
    assert!(policy.stats().calls.get() >= 4);
}
