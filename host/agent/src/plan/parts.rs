//! All components of an agent, read: what the later stages compare with each other.

use super::channels::Channels;
use super::groups::ListedGroup;
use super::sinks::{ListedSink, Sinks};
use super::sources::{ListedSource, Sources};

/// What the first four stages gave.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    /// The name of the agent.
    pub(super) agent: &'a str,
    pub(super) channels: &'a Channels<'a>,
    pub(super) sources: &'a Sources,
    pub(super) sinks: &'a Sinks,
    pub(super) groups: &'a [ListedGroup],
}

impl<'a> Parts<'a> {
    /// The sources that count.
    pub(super) fn counted_sources(&self) -> impl Iterator<Item = &'a ListedSource> {
        self.sources.all.iter().filter(|source| source.counts)
    }

    /// The sinks that count.
    pub(super) fn counted_sinks(&self) -> impl Iterator<Item = &'a ListedSink> {
        self.sinks.all.iter().filter(|sink| sink.counts)
    }
}
