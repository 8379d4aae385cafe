//! Time in a trial: it begins where the clock of the place stands, and passes by uneven steps.

use std::time::Duration;

use fastrand::Rng;
use flume_core::clock;

use crate::bindings::types::Moment;
use crate::guest_clock::GuestClock;

/// The time of a trial.
pub(super) struct Time {
    began: Moment,
    passed: Duration,
}

impl Time {
    /// Begins now.
    pub(super) fn of(clock: &GuestClock) -> Self {
        Self {
            began: clock.moment(clock::now()),
            passed: Duration::ZERO,
        }
    }

    /// Now, as a guest is told.
    pub(super) fn moment(&self) -> Moment {
        let ms = u64::try_from(self.passed.as_millis()).unwrap_or(u64::MAX);
        Moment {
            now: self.nanos(),
            unix_ms: self.began.unix_ms.saturating_add(ms),
        }
    }

    /// Now, on the clock that never goes back.
    pub(super) fn nanos(&self) -> u64 {
        let passed = u64::try_from(self.passed.as_nanos()).unwrap_or(u64::MAX);
        self.began.now.saturating_add(passed)
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.passed = self.passed.saturating_add(time);
    }

    /// From one batch to the next: now in a burst, now after a while.
    pub(super) fn pass_between_batches(&mut self, random: &mut Rng) {
        self.pass(spread(
            Duration::from_micros(50),
            Duration::from_secs(3),
            random,
        ));
    }
}

/// A time between two, small ones as likely as large ones in each order of magnitude.
pub(super) fn spread(least: Duration, most: Duration, random: &mut Rng) -> Duration {
    let least = least.as_secs_f64().max(1e-9);
    let magnitude = (most.as_secs_f64() / least).max(1.0).ln();
    Duration::from_secs_f64(least * (random.f64() * magnitude).exp())
}
