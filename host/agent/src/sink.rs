//! The sinks, one file each.

use flume_core::Sink;

components! {
    Box<dyn Sink>:
    "file_roll" | "org.apache.flume.sink.RollingFileSink" => file_roll,
    "logger" | "org.apache.flume.sink.LoggerSink" => logger,
    "avro" | "org.apache.flume.sink.AvroSink" => avro,
    #[cfg(feature = "bucket")]
    "hdfs" | "org.apache.flume.sink.hdfs.HDFSEventSink" => hdfs,
    "null" | "org.apache.flume.sink.NullSink" => null,
}
