//! The time that guests are told: a clock that counts from the beginning of their policy, and the
//! wall clock beside it.

use flume_core::clock::{self, Instant, WallClock};

use crate::bindings::types::Moment;

/// The clock of one policy.
#[derive(Debug)]
pub(crate) struct GuestClock {
    /// The zero of `moment.now`.
    zero: Instant,
    wall: WallClock,
}

impl GuestClock {
    /// A clock that begins now.
    pub(crate) fn begin(wall: WallClock) -> Self {
        let zero = clock::now();
        Self { zero, wall }
    }

    /// When it began.
    pub(crate) fn zero(&self) -> Instant {
        self.zero
    }

    /// The time of a call.
    pub(crate) fn moment(&self, now: Instant) -> Moment {
        Moment {
            now: self.nanos(now),
            unix_ms: self.wall.millis(),
        }
    }

    /// A point of time. Never 0, which means "never".
    pub(crate) fn nanos(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.zero).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1)
    }
}
