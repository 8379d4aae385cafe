//! What the log says of one subject that fails again and again: each cause at once, then once a
//! minute with the number of failures. The end of the failures is said elsewhere, always.

use std::time::Duration;

use flume_core::LogLimit;
use flume_core::clock::Instant;

/// How often the same cause is said again.
const AGAIN: Duration = Duration::from_secs(60);

/// The most lines a minute about one subject, whatever its causes.
const MOST: u32 = 10;

/// One subject of complaints.
#[derive(Debug)]
pub(super) struct Complaint {
    /// The last cause that was said.
    cause: Option<String>,
    same_cause: LogLimit,
    any_cause: LogLimit,
    /// Failures since the last line.
    failures: u64,
}

impl Complaint {
    pub(super) fn new() -> Self {
        Self {
            cause: None,
            same_cause: LogLimit::new(1, AGAIN),
            any_cause: LogLimit::new(MOST, AGAIN),
            failures: 0,
        }
    }

    /// If the failure is to be said, how many there were since the last one that was.
    pub(super) fn admit(&mut self, cause: &str, now: Instant) -> Option<u64> {
        self.failures += 1;
        if self.cause.as_deref() != Some(cause) {
            self.same_cause = LogLimit::new(1, AGAIN);
        }
        if self.same_cause.left(now) == 0 || self.any_cause.left(now) == 0 {
            return None;
        }
        self.same_cause.admit(now);
        self.any_cause.admit(now);
        self.cause = Some(cause.to_owned());
        Some(std::mem::take(&mut self.failures))
    }

    /// The failures are over: the next one is said at once.
    pub(super) fn end(&mut self) {
        self.cause = None;
        self.failures = 0;
    }
}
