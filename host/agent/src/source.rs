//! The sources, one file each.

use flume_core::Source;

pub mod lines;

#[cfg(test)]
mod harness;

components! {
    Box<dyn Source>:
    "netcat" | "org.apache.flume.source.NetcatSource" => netcat,
}
