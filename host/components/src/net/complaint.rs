//! A complaint about clients, which must not decide how much a source logs.

use std::time::Duration;

use flume_core::{LogLimit, clock};
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
