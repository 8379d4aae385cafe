//! What went well and wrong on a lane, for operators. It is read while the lane works.

use flume_core::clock::{self, Instant};
use flume_core::counters::Counter;
use parking_lot::Mutex;

/// What went well and wrong on a lane.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    state: Mutex<LaneHealth>,
    restarts: Counter,
}

/// The last of each kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct LaneHealth {
    /// The last failure.
    pub last_fault: Option<Fault>,
    /// When a batch was last delivered.
    pub last_success: Option<Instant>,
    /// The time since the first failure after that.
    pub outage: Option<Outage>,
    /// Events that can never be delivered.
    pub aside: AsideHealth,
}

/// What operators see of the events aside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AsideHealth {
    /// How many there are.
    pub events: usize,
    /// How many of them have failed all of their tries.
    pub overdue: usize,
    /// Since when the oldest is there.
    pub since: Option<Instant>,
    /// When the one that was taken first was taken.
    pub taken: Option<Instant>,
    /// Why the oldest cannot be delivered.
    pub reason: String,
    /// Whether there is no room for another.
    pub is_full: bool,
    /// What `on-error` says.
    pub remedy: String,
}

/// A failure of a lane.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// When it was.
    pub at: Instant,
    /// The error with its causes.
    pub text: String,
}

/// A time in which nothing is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outage {
    /// When the first batch failed, or the sink could not start.
    pub since: Instant,
    /// Batches that failed.
    pub failures: u64,
    /// Whether the sink has not started since.
    pub not_started: bool,
}

impl Faults {
    /// What went well and wrong so far.
    pub(crate) fn health(&self) -> LaneHealth {
        self.state.lock().clone()
    }

    /// How many events are aside, and when the first of them was taken.
    pub(crate) fn aside(&self) -> (usize, Option<Instant>) {
        let aside = &self.state.lock().aside;
        (aside.events, aside.taken)
    }

    /// Times that the sink panicked and was made anew.
    pub(crate) fn restarts(&self) -> u64 {
        self.restarts.get()
    }

    /// Notes that a batch is delivered; returns the outage that this ends.
    pub(crate) fn delivered(&self, now: Instant) -> Option<Outage> {
        let mut state = self.state.lock();
        state.last_success = Some(now);
        state.outage.take()
    }

    /// Notes which events are set aside.
    pub(crate) fn set_aside(&self, aside: AsideHealth) {
        self.state.lock().aside = aside;
    }

    /// Notes a failed batch; returns the outage so far.
    pub(super) fn record(&self, text: String) {
        self.note(text, |outage| outage.failures += 1);
    }

    /// Notes that the sink could not start.
    pub(super) fn record_start(&self, text: String) {
        self.note(text, |outage| outage.not_started = true);
    }

    /// Notes that the sink has started.
    pub(super) fn started(&self) {
        let mut state = self.state.lock();
        state.outage = state.outage.take().and_then(|outage| {
            let outage = Outage {
                not_started: false,
                ..outage
            };
            (outage.failures > 0).then_some(outage)
        });
    }

    /// Notes a panic, after which the sink is made anew.
    pub(super) fn record_panic(&self, text: &str) {
        self.restarts.increment();
        self.note(format!("panicked: {text}"), |_| {});
    }

    fn note(&self, text: String, change: impl FnOnce(&mut Outage)) {
        let at = clock::now();
        let mut state = self.state.lock();
        state.last_fault = Some(Fault { at, text });
        let begun = Outage {
            since: at,
            failures: 0,
            not_started: false,
        };
        change(state.outage.get_or_insert(begun));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_begins_with_its_first_failure_and_ends_with_a_success() {
        let faults = Faults::default();
        let start = clock::now();
        assert_eq!(faults.delivered(start), None);
        for _ in 0..3 {
            faults.record("refused".to_owned());
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        let health = faults.health();
        let outage = health.outage.unwrap();
        assert_eq!((outage.since, outage.failures), (start, 3));
        assert_eq!(health.last_success, Some(start));
        assert_eq!(faults.delivered(clock::now()), Some(outage));
        assert_eq!(faults.health().outage, None);
        assert_eq!(faults.health().last_fault.unwrap().text, "refused");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_starts_late_had_no_outage_of_batches() {
        let faults = Faults::default();
        faults.record_start("no folder".to_owned());
        assert!(faults.health().outage.unwrap().not_started);
        faults.started();
        assert_eq!(faults.health().outage, None);
        faults.record_start("no folder".to_owned());
        faults.record("not started".to_owned());
        faults.started();
        let outage = faults.health().outage.unwrap();
        assert_eq!((outage.failures, outage.not_started), (1, false));
    }
}
