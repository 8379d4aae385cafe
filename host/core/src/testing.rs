//! Test doubles: sinks and channels that misbehave on purpose, each in one way.
//!
//! They are here rather than beside the tests, since the agent's runners and whole topologies are
//! tested with the same ones (feature `testing`).

mod failing_sinks;
mod flaky_channel;
mod scripted_sink;

pub use failing_sinks::{ErrorSink, PanicSink, StallSink};
pub use flaky_channel::FlakyChannel;
pub use scripted_sink::{Reply, ScriptedSink, SinkLog};
