//! How a client is doing, for metrics and health: written by the client, read by operators.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::client::{ClientError, ErrorKind, Partition};

/// The numbers of a client.
#[derive(Debug, Default)]
pub struct Vitals {
    in_flight: AtomicU64,
    lags: Mutex<BTreeMap<Partition, u64>>,
    errors: Mutex<BTreeMap<ErrorKind, u64>>,
    last_error: Mutex<Option<ClientError>>,
}

impl Vitals {
    /// Notes how many records are sent and not answered.
    pub fn set_in_flight(&self, records: u64) {
        self.in_flight.store(records, Relaxed);
    }

    /// Records that are sent and not answered.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    /// Notes how far the group is behind in each partition that this client has.
    pub fn set_lags(&self, lags: BTreeMap<Partition, u64>) {
        *self.lags.lock() = lags;
    }

    /// How far the group is behind in each partition that this client has, in records.
    pub fn lags(&self) -> BTreeMap<Partition, u64> {
        self.lags.lock().clone()
    }

    /// Counts an error.
    pub fn failed(&self, error: &ClientError) {
        *self.errors.lock().entry(error.kind).or_default() += 1;
        *self.last_error.lock() = Some(error.clone());
    }

    /// Errors so far, by kind.
    pub fn errors(&self) -> BTreeMap<ErrorKind, u64> {
        self.errors.lock().clone()
    }

    /// The last error.
    pub fn last_error(&self) -> Option<ClientError> {
        self.last_error.lock().clone()
    }
}
