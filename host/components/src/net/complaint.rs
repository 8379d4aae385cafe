//! Complaints about clients and their events, which must not decide how much a source logs.

use std::time::Duration;

use flume_core::{LogLimit, ProcessError, clock};
use parking_lot::Mutex;

/// How often one complaint is logged.
const COMPLAIN_EVERY: Duration = Duration::from_secs(5);

/// One thing that clients can make a source say; shared by its connections.
#[derive(Debug)]
pub(crate) struct Complaint(Mutex<LogLimit>);

impl Complaint {
    /// Returns how often it was left out since the last time if it may be logged now.
    pub(crate) fn admit(&self) -> Option<u64> {
        self.0.lock().admit(clock::now())
    }
}

/// Settings that are copied complain on their own.
impl Clone for Complaint {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Settings that complain more or less are the same settings.
impl PartialEq for Complaint {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Default for Complaint {
    fn default() -> Self {
        Self(Mutex::new(LogLimit::new(1, COMPLAIN_EVERY)))
    }
}

/// Complaints of a source about refused events: each channel and each interceptor that refuses is
/// named, and none hides another.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Vec<(&'static str, String, Complaint)>>);

impl Refusals {
    /// Returns how often such a refusal was left out since the last time if it may be logged now.
    pub(crate) fn admit(&self, error: &ProcessError) -> Option<u64> {
        let (kind, name) = error.cause();
        let mut known = self.0.lock();
        let is_same = |(k, n, _): &&(&str, String, Complaint)| *k == kind && n == name;
        if let Some((_, _, complaint)) = known.iter().find(is_same) {
            return complaint.admit();
        }
        let complaint = Complaint::default();
        let admitted = complaint.admit();
        known.push((kind, name.to_owned(), complaint));
        admitted
    }
}

/// As [`Complaint`]s.
impl Clone for Refusals {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// As [`Complaint`]s.
impl PartialEq for Refusals {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use flume_core::channel::memory;
    use flume_core::{ChannelError, InterceptorError};

    use super::*;

    #[test]
    fn what_refuses_is_named_once_in_a_while_whatever_else_refuses() {
        let full = |channel: &str| ProcessError::Channel {
            channel: channel.to_owned(),
            error: memory::FULL,
        };
        let errors = [
            full("c1"),
            full("c2"),
            InterceptorError::never("c1", "no").into(),
            ProcessError::Channel {
                channel: "c1".to_owned(),
                error: ChannelError::PutListFull {
                    transaction: "MemoryTransaction",
                    capacity: 1,
                },
            },
        ];
        let refusals = Refusals::default();
        let admitted = errors.each_ref().map(|error| refusals.admit(error));
        assert_eq!(admitted, [Some(0); 4]);
        let again = errors.each_ref().map(|error| refusals.admit(error));
        assert_eq!(again, [None; 4]);
    }
}
