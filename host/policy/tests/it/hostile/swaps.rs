//! Guests that misuse the transfer of their state: the successor begins without it, and the batch
//! after the swap is ordered all the same.

use flume_core::{SinkSelector as _, clock};
use flume_policy::ViolationKind;

use super::{broken, quick, wat};
use crate::support::{guest, limited, selector};

/// Swaps a good policy for a guest, or the other way round; returns which rule was broken.
fn swapped(old: &str, new: &str) -> Option<ViolationKind> {
    let load = |name: &str| match name {
        "selector-weighted" => guest(name),
        _ => wat(name),
    };
    let policy = limited(load(old), quick());
    let mut selector = selector(&policy).unwrap();
    assert_eq!(selector.order(clock::now()).len(), 3);
    policy.install(policy.prepare(load(new)).unwrap());
    assert_eq!(selector.order(clock::now()).len(), 3);
    assert_eq!(policy.report().seats[0].generation, 2);
    let kind = broken(&policy);
    // And it goes on.
    assert_eq!(selector.order(clock::now()).len(), 3);
    assert_eq!(policy.stats().fallbacks.get(), 0, "{kind:?}");
    kind
}

macro_rules! from {
    ($($name:ident: $kind:ident;)*) => { $(
        #[test]
        pub(super) fn $name() {
            let kind = swapped(stringify!($name), "selector-weighted");
            assert_eq!(kind, Some(ViolationKind::$kind));
        }
    )* };
}

from! {
    state_gigabyte: Trap;
    state_large: StateSize;
    state_spin: Deadline;
}

macro_rules! into {
    ($($name:ident: $kind:expr;)*) => { $(
        #[test]
        pub(super) fn $name() {
            assert_eq!(swapped("selector-weighted", stringify!($name)), $kind);
        }
    )* };
}

into! {
    import_spin: Some(ViolationKind::Deadline);
    import_trap: Some(ViolationKind::Trap);
    import_words: None;
}
