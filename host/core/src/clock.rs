//! The only place that reads time, or waits for it.
//!
//! Intervals come from the runtime's monotonic clock, which tests pause and advance. Wall-clock
//! time is passed in ([`WallClock`]), because a header may carry it and a test has to know it
//! beforehand.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A point of monotonic time; follows the runtime's paused clock in tests.
pub use tokio::time::Instant;
/// Waits that end at a point of monotonic time.
pub use tokio::time::{sleep_until, timeout_at};

/// The current monotonic time.
pub fn now() -> Instant {
    Instant::now()
}

/// Whole seconds since a point of time.
pub fn seconds_since(at: Instant) -> u64 {
    now().saturating_duration_since(at).as_secs()
}

/// Whole seconds until a point of time; 0 once it is over.
pub fn seconds_until(at: Instant) -> u64 {
    at.saturating_duration_since(now()).as_secs()
}

/// Source of wall-clock time, in milliseconds since 1970-01-01 UTC.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl WallClock {
    /// The machine's clock. A clock set before 1970 reads as 0.
    pub fn system() -> Self {
        Self(Arc::new(system_millis))
    }

    /// A clock that always shows the same time.
    pub fn fixed(millis: u64) -> Self {
        Self(Arc::new(move || millis))
    }

    /// A clock that a function provides.
    pub fn from_fn(millis: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(millis))
    }

    /// Milliseconds since the epoch.
    pub fn millis(&self) -> u64 {
        (self.0)()
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WallClock").finish_non_exhaustive()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
fn system_millis() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
