//! Events in Kafka: what the source, the channel and the sink `kafka` do.
//!
//! | question | file |
//! |---|---|
//! | what is asked of a Kafka client? | `client.rs`: the seam; the rest knows no library |
//! | which library answers? | `librdkafka/`: the only room that names `rdkafka` |
//! | which of Java's settings mean what? | `settings/` |
//! | what is an event in a record? | `record.rs` |
//! | when is a batch delivered, and what is sent again? | `sink.rs` |
//! | how long does a reader wait, and for what? | `pace.rs` |
//! | what if no broker can be reached? | `patience.rs` |
//! | when are offsets committed? | `source.rs`, `channel.rs`, `progress.rs` |
//!
//! The laws: an event is acknowledged only when the brokers have it, and an offset is committed only
//! when all events below it are where they belong. So events may come twice, and none is lost.

pub mod channel;
pub mod client;
mod librdkafka;
mod pace;
mod patience;
mod place;
mod progress;
mod record;
pub mod settings;
pub mod sink;
pub mod source;
#[cfg(test)]
mod testing;
pub mod vitals;

pub use client::{
    Acks, ClientError, Consumer, Engine, ErrorKind, Partition, Polled, Producer, Received, Record,
    Refused,
};
pub use librdkafka::Librdkafka;
pub use vitals::Vitals;

use std::sync::Arc;

/// What the components use besides their keys.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Makes clients.
    pub engine: Arc<dyn Engine>,
    /// Opens key stores.
    pub stores: Arc<dyn settings::KeyStores>,
}
