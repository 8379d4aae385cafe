//! Test doubles: sinks and channels that misbehave on purpose, each in one way, and
//! interceptors: one that counts, and one that refuses.
//!
//! They are here and not next to the tests, because the agent's runners and whole topologies are
//! tested with the same doubles (feature `testing`).

mod balky;
mod failing_sinks;
mod flaky_channel;
mod picky_sink;
mod scripted_sink;
mod witness;

pub use balky::Balky;
pub use failing_sinks::{ErrorSink, PanicSink, StallSink};
pub use flaky_channel::FlakyChannel;
pub use picky_sink::{Picky, PickyPlace, PickySink};
pub use scripted_sink::{Reply, ScriptedSink, SinkLog};
pub use witness::Witness;
