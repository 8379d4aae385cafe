//! The runners: what calls sources and sinks.
//!
//! A [`Lane`] is one sink with its channel and the batches that it has under way; a group runner
//! asks its processor which lane is next. A source runner binds, runs, and begins again.

mod group;
mod lane;
mod source;

pub use group::{GroupRunner, SinkReport};
pub use lane::{Lane, SinkFactory, chain};
pub use source::{SourceFactory, SourceRunner, SourceState, SourceStatus};
