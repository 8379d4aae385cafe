//! What a group says in the log about failures, of each sink and of all together. A group of one
//! sink says each failure once: that it is the sink's, and that nobody else delivers, is the same.

use flume_core::clock::Instant;
use flume_core::sink_group::SinkIndex;
use parking_lot::Mutex;

use crate::runner::complaint::Complaint;

/// Limits the lines of a group.
#[derive(Debug)]
pub(super) struct Complaints {
    sinks: Box<[Mutex<Complaint>]>,
    group: Mutex<Complaint>,
}

impl Complaints {
    pub(super) fn new(sinks: usize) -> Self {
        Self {
            sinks: (0..sinks).map(|_| Mutex::new(Complaint::new())).collect(),
            group: Mutex::new(Complaint::new()),
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
    use std::time::Duration;

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
