//! What a group says in the log about failures: each cause of an outage at once, then once a minute
//! with the number of failures. The end of an outage is said elsewhere, always.

use std::time::Duration;

use flume_core::LogLimit;
use flume_core::clock::Instant;
use flume_core::sink_group::SinkIndex;
use parking_lot::Mutex;

/// How often the same cause is said again.
const AGAIN: Duration = Duration::from_secs(60);

/// The most lines a minute about one sink, whatever its causes.
const MOST: u32 = 10;

/// Limits the lines of a group.
#[derive(Debug)]
pub(super) struct Complaints {
    sinks: Box<[Mutex<Subject>]>,
    group: Mutex<Subject>,
}

/// One subject of complaints.
#[derive(Debug)]
struct Subject {
    /// The last cause that was said.
    cause: Option<String>,
    same_cause: LogLimit,
    any_cause: LogLimit,
    /// Failures since the last line.
    failures: u64,
}

impl Subject {
    fn new() -> Self {
        Self {
            cause: None,
            same_cause: LogLimit::new(1, AGAIN),
            any_cause: LogLimit::new(MOST, AGAIN),
            failures: 0,
        }
    }

    /// If the failure is to be said, how many there were since the last one that was.
    fn admit(&mut self, cause: &str, now: Instant) -> Option<u64> {
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

    /// The outage is over: the next failure is said at once.
    fn end(&mut self) {
        self.cause = None;
        self.failures = 0;
    }
}

impl Complaints {
    pub(super) fn new(sinks: usize) -> Self {
        Self {
            sinks: (0..sinks).map(|_| Mutex::new(Subject::new())).collect(),
            group: Mutex::new(Subject::new()),
        }
    }

    /// A batch failed at a sink. If that is to be said, returns how many did since it was last said.
    pub(super) fn failed(&self, sink: SinkIndex, cause: &str, now: Instant) -> Option<u64> {
        self.sinks.get(sink)?.lock().admit(cause, now)
    }

    /// A call found no sink that delivers; the same.
    pub(super) fn exhausted(&self, cause: &str, now: Instant) -> Option<u64> {
        self.group.lock().admit(cause, now)
    }

    /// A sink delivers again.
    pub(super) fn delivers(&self, sink: SinkIndex) {
        if let Some(subject) = self.sinks.get(sink) {
            subject.lock().end();
        }
        self.group.lock().end();
    }
}

#[cfg(test)]
mod tests {
    use flume_core::clock;

    use super::*;

    #[test]
    fn a_cause_is_said_at_once_and_then_once_a_minute_with_its_number() {
        let (complaints, zero) = (Complaints::new(2), clock::now());
        let at = |seconds| zero + Duration::from_secs(seconds);
        assert_eq!(complaints.failed(0, "refused", at(0)), Some(1));
        for second in 1..60 {
            assert_eq!(complaints.failed(0, "refused", at(second)), None);
        }
        assert_eq!(
            complaints.failed(1, "refused", at(30)),
            Some(1),
            "another sink"
        );
        assert_eq!(complaints.failed(0, "refused", at(60)), Some(60));
        assert_eq!(
            complaints.failed(0, "timed out", at(61)),
            Some(1),
            "another cause"
        );
        complaints.delivers(0);
        assert_eq!(
            complaints.failed(0, "timed out", at(62)),
            Some(1),
            "another outage"
        );
    }

    #[test]
    fn causes_that_change_do_not_fill_the_log() {
        let (complaints, zero) = (Complaints::new(1), clock::now());
        let said = (0..1_000).filter(|n| complaints.failed(0, &n.to_string(), zero).is_some());
        assert_eq!(said.count(), 10);
    }
}
