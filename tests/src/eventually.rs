//! Bounded waiting: check, wait a little, check again; never "sleep and hope".
//!
//! Level-triggered on purpose: a probe asks for the current state, so nothing that happened between
//! two checks is missed.

use std::time::{Duration, Instant};

/// How long to wait between two checks.
const PAUSE: Duration = Duration::from_millis(20);

/// The first thing that `probe` finds within `patience`, or `None`.
pub fn within<T>(patience: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + patience;
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

/// The first thing that `probe` finds.
///
/// # Panics
/// With `what` in the message, when nothing was found within `patience`.
pub fn eventually<T>(what: &str, patience: Duration, probe: impl FnMut() -> Option<T>) -> T {
    match within(patience, probe) {
        Some(found) => found,
        None => panic!("waited {patience:?} in vain: {what}"),
    }
}
