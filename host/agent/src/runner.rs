//! The runners: what calls sources and sinks.
//!
//! A [`Lane`] is one sink with its channel and the batches under way between them; a group runner
//! asks its processor which lane is next. A source runner binds, runs, and starts again after
//! failures.

mod complaint;
mod group;
mod home;
mod lane;
mod senders;
mod source;

pub(crate) use group::{GroupRunner, SinkReport};
pub(crate) use home::Home;
#[cfg(test)]
pub(crate) use lane::AsideHealth;
pub(crate) use lane::{Faults, Lane, Remedy};
pub(crate) use senders::Senders;
pub(crate) use source::{SourceRunner, SourceState, SourceStatus};
