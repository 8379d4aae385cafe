//! The sources, one file each.

use flume_core::Source;

components! {
    Box<dyn Source>:
}
