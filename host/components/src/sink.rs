//! The sinks, one file each.

use flume_core::registry::LeftOut;
use flume_core::{Recipe, Registry, Sink, Type};

use crate::component::Configure;

pub mod avro;
pub mod channel;
pub mod file_roll;
#[cfg(feature = "bucket")]
pub mod hdfs;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod logger;
pub mod null;

/// The types of sinks.
pub static TYPES: Registry<Configure<Recipe<dyn Sink>>> = Registry {
    kind: "sink",
    types: &[
        Type::new(file_roll::NAMES, file_roll::configure),
        Type::new(logger::NAMES, logger::configure),
        Type::new(avro::NAMES, avro::configure),
        #[cfg(feature = "bucket")]
        Type::new(hdfs::NAMES, hdfs::configure),
        #[cfg(feature = "kafka")]
        Type::new(kafka::NAMES, kafka::configure),
        Type::new(null::NAMES, null::configure),
        Type::new(channel::NAMES, channel::configure),
    ],
    elsewhere: &[
        "thrift",
        "hive",
        "hbase",
        "hbase2",
        "asynchbase",
        "elasticsearch",
        "irc",
        "http",
        "morphline_solr",
        "dataset",
    ],
    left_out: LEFT_OUT,
};

/// Sinks that this build is without.
const LEFT_OUT: &[LeftOut] = &[
    #[cfg(not(feature = "bucket"))]
    LeftOut {
        names: &["hdfs", "org.apache.flume.sink.hdfs.HDFSEventSink"],
        feature: "bucket",
        is_default: true,
    },
    #[cfg(not(feature = "kafka"))]
    LeftOut {
        names: &["kafka", "org.apache.flume.sink.kafka.KafkaSink"],
        feature: "kafka",
        is_default: false,
    },
];
