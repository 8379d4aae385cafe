//! The sources, one file each.

use flume_core::registry::LeftOut;
use flume_core::{Context, Recipe, Registry, Source, Type};

use crate::component::Configure;

pub mod lines;

#[cfg(any(test, feature = "testing"))]
pub mod harness;
#[cfg(test)]
mod once;
#[cfg(test)]
mod refusing;

pub mod avro;
pub mod exec;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod netcat;
pub mod netcatudp;
mod patient;
pub mod seq;
pub mod stress;

/// The types of sources.
pub static TYPES: Registry<Configure<Recipe<dyn Source>>> = Registry {
    kind: "source",
    types: &[
        Type::new(exec::NAMES, exec::configure),
        Type::new(avro::NAMES, avro::configure),
        Type::new(netcat::NAMES, netcat::configure),
        Type::new(netcatudp::NAMES, netcatudp::configure),
        Type::new(seq::NAMES, seq::configure),
        Type::new(stress::NAMES, stress::configure),
        #[cfg(feature = "kafka")]
        Type::new(kafka::NAMES, kafka::configure),
    ],
    elsewhere: &[
        "thrift",
        "syslogtcp",
        "multiport_syslogtcp",
        "syslogudp",
        "http",
        "taildir",
        "spooldir",
        "jms",
        "scribe",
        "avrolegacy",
        "thriftlegacy",
        "twitter",
    ],
    left_out: LEFT_OUT,
};

/// Sources that this build is without.
const LEFT_OUT: &[LeftOut] = &[
    #[cfg(not(feature = "kafka"))]
    LeftOut {
        names: &["kafka", "org.apache.flume.source.kafka.KafkaSource"],
        feature: "kafka",
        is_default: false,
    },
];

/// Accepts the pauses that Flume makes when a source that it polls has nothing to do.
fn without_backoff(context: &mut Context) {
    for key in ["backoffSleepIncrement", "maxBackoffSleep"] {
        context.without_effect(key, "the source waits until its channels have room");
    }
}
