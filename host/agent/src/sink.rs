//! The sinks, one file each.

use flume_core::Sink;

components! {
    Box<dyn Sink>:
    "avro" | "org.apache.flume.sink.AvroSink" => avro,
    "null" => null,
}
