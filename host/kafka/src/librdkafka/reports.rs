//! What the library says by itself: log lines, errors, and statistics.
//!
//! A broker that is away would fill the log: each kind of error is a line a minute.

use std::collections::BTreeMap;
use std::time::Duration;

use flume_core::{LogLimit, clock, printable};
use parking_lot::Mutex;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::{ClientContext, Statistics};

use super::errors::said;
use crate::client::ErrorKind;
use crate::vitals::Vitals;

/// Lines about one kind of error: one in this time.
const EVERY: Duration = Duration::from_secs(60);

/// Lines of the library's own log in a second.
const OWN_LINES: u32 = 2;

/// Takes what the library says.
pub(super) struct Reports {
    vitals: Vitals,
    limits: Mutex<BTreeMap<ErrorKind, LogLimit>>,
    own: Mutex<LogLimit>,
}

impl Reports {
    pub(super) fn new(vitals: &Vitals) -> Self {
        Self {
            vitals: vitals.clone(),
            limits: Mutex::default(),
            own: Mutex::new(LogLimit::per_second(OWN_LINES)),
        }
    }

    pub(super) fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    /// Counts an error, and logs it if it is time.
    pub(super) fn failed(&self, error: &KafkaError, reason: &str) {
        let error = said(error);
        let numbers = &self.vitals.numbers;
        numbers.failed(error.kind.name(), &error.text);
        let mut limits = self.limits.lock();
        let limit = limits.entry(error.kind);
        let limit = limit.or_insert_with(|| LogLimit::new(1, EVERY));
        if let Some(left_out) = limit.admit(clock::now()) {
            let (client, reason) = (&self.vitals.name, printable(reason));
            tracing::warn!(client, %error, %reason, left_out, "Kafka: an error");
        }
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        let client = &self.vitals.name;
        let text = printable(text);
        if (level as i32) > (RDKafkaLogLevel::Error as i32) {
            // Errors come as such, too. The rest is for whoever looks for it.
            tracing::debug!(client, facility, %text, "librdkafka");
        } else if let Some(left_out) = self.own.lock().admit(clock::now()) {
            tracing::warn!(client, facility, %text, left_out, "librdkafka");
        }
    }

    fn stats(&self, statistics: Statistics) {
        let mut behind = BTreeMap::new();
        for (name, topic) in statistics.topics {
            let partitions = topic.partitions.into_values();
            for partition in partitions.filter(|it| it.fetch_state == "active") {
                // Below 0: nothing is known yet.
                if let Ok(lag) = u64::try_from(partition.consumer_lag) {
                    behind.insert(format!("{name}-{}", partition.partition), lag);
                }
            }
        }
        let (numbers, now) = (&self.vitals.numbers, clock::now());
        numbers.set_behind(behind, now);
        let mut brokers = statistics.brokers.values();
        numbers.set_reachable(brokers.any(|broker| broker.state == "UP"), now);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.failed(&error, reason);
    }
}
