//! How a client is doing, for metrics and health: written by the client, read by operators.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::client::{ClientError, ErrorKind, Partition};

/// The numbers of a client.
#[derive(Debug, Default)]
pub struct Vitals {
    name: String,
    in_flight: AtomicU64,
    lags: Mutex<BTreeMap<Partition, u64>>,
    errors: Mutex<BTreeMap<ErrorKind, u64>>,
    last_error: Mutex<Option<ClientError>>,
}

impl Vitals {
    /// Those of a component's client.
    pub fn of(component: &str) -> Self {
        Self {
            name: component.to_owned(),
            ..Self::default()
        }
    }

    /// The component, for the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Notes that so many records were sent.
    pub fn sent(&self, records: usize) {
        self.in_flight.fetch_add(records as u64, Relaxed);
    }

    /// Notes that a record has its answer.
    pub fn answered(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
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
