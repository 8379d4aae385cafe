//! How a scenario reports that a peer it needs is unavailable.
//!
//! A skipped scenario must not look like one that passed. It is reported on standard error, past
//! the test runner's capture, and added to `target/skipped.txt`; with `FLUME_TESTS_REQUIRE_PEERS=1`
//! it is a failure. The file grows from run to run: remove it before a run.

use std::io::Write as _;

use crate::{say, target};

/// A peer, or why it is unavailable.
pub enum Availability<T> {
    /// It is available.
    Ready(T),
    /// It is unavailable, for this reason.
    Missing(String),
}

impl<T> Availability<T> {
    /// The same, for something made from the peer.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Availability<U> {
        match self {
            Self::Ready(peer) => Availability::Ready(make(peer)),
            Self::Missing(why) => Availability::Missing(why),
        }
    }
}

/// Reports that the running test is skipped.
///
/// # Panics
/// With `FLUME_TESTS_REQUIRE_PEERS=1` in the environment.
pub fn report(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let required = std::env::var("FLUME_TESTS_REQUIRE_PEERS").is_ok_and(|value| value == "1");
    assert!(!required, "{test} needs a peer that is missing: {why}");
    let line = format!("skipped: {test}: {why}\n");
    say::line(&line);
    let path = target::root().join("skipped.txt");
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path);
    file.expect("target/ is writable")
        .write_all(line.as_bytes())
        .expect("target/ has room");
}

/// The peer; if it is unavailable, reports why and returns from the test.
#[macro_export]
macro_rules! require {
    ($availability:expr) => {
        match $availability {
            $crate::Availability::Ready(peer) => peer,
            $crate::Availability::Missing(why) => {
                $crate::skip::report(&why);
                return;
            }
        }
    };
}
