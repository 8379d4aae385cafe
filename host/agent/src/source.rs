//! The sources, one file each.

use flume_core::Source;

pub mod lines;

#[cfg(test)]
pub(crate) mod harness;

components! {
    Box<dyn Source>:
    "exec" | "org.apache.flume.source.ExecSource" => exec,
    "avro" | "org.apache.flume.source.AvroSource" => avro,
    "netcat" | "org.apache.flume.source.NetcatSource" => netcat,
    "netcatudp" | "org.apache.flume.source.NetcatUdpSource" => netcatudp,
    "seq" | "org.apache.flume.source.SequenceGeneratorSource" => seq,
    "stress" | "org.apache.flume.source.StressSource" => stress,
}
