//! The sinks, one file each.

use flume_core::Sink;

components! {
    Box<dyn Sink>:
    "null" => null,
}
