//! The client library: librdkafka, by its binding `rdkafka`.
//!
//! | file | what |
//! |---|---|
//! | `librdkafka/producer.rs` | records out, answers back |
//! | `librdkafka/consumer.rs` | records in, partitions that come and go |
//! | `librdkafka/reports.rs` | its log lines, errors and statistics |
//! | `librdkafka/errors.rs` | its errors in our words |

use std::sync::Arc;

use rdkafka::ClientConfig;

use self::consumer::Member;
use self::producer::Writer;
use self::reports::Reports;
use crate::client::{ClientError, Consumer, Engine, Producer};
use crate::settings::Resolved;
use crate::vitals::Vitals;

mod consumer;
mod errors;
mod producer;
mod reports;

/// How often the library says how it is doing, in milliseconds, unless the file says so.
const STATISTICS: &str = "5000";

/// Makes clients of librdkafka.
#[derive(Debug, Clone, Copy, Default)]
pub struct Librdkafka;

impl Engine for Librdkafka {
    fn producer(
        &self,
        settings: &Resolved,
        vitals: &Vitals,
    ) -> Result<Arc<dyn Producer>, ClientError> {
        let reports = Reports::new(vitals);
        Ok(Arc::new(Writer::new(&config(settings), reports)?))
    }

    fn consumer(
        &self,
        settings: &Resolved,
        topics: &[String],
        vitals: &Vitals,
    ) -> Result<Arc<dyn Consumer>, ClientError> {
        let reports = Reports::new(vitals);
        Ok(Arc::new(Member::new(&config(settings), topics, reports)?))
    }
}

fn config(settings: &Resolved) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("statistics.interval.ms", STATISTICS);
    for (key, value) in settings.iter() {
        config.set(key, value);
    }
    config
}
