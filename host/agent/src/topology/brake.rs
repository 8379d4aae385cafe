//! Stopping agents that somebody else is changing: a signal ends the process while a reload, which
//! owns them, waits for a compiler or for a drain.
//!
//! Their sources end at once, and their sinks drain the channels, as in a [stop](RunningAgent::stop).
//! Nothing is taken away from the reload: if it finishes in time, its agents are stopped as always.

use std::sync::Arc;
use std::time::Duration;

use flume_core::Channel;
use flume_core::clock::{self, Instant};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::RunningAgent;
use crate::runner::{SourceState, SourceStatus};

/// The pause between two looks at sources that end.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Stops what ran when it was made.
pub(crate) struct Brake {
    sources: Vec<(CancellationToken, Arc<SourceStatus>)>,
    /// Channels on their way out, whose events may move to the groups.
    departing: Vec<Arc<dyn Channel>>,
    groups: Vec<CancellationToken>,
}

impl Brake {
    /// A brake for these agents.
    pub(crate) fn of(agents: &[RunningAgent]) -> Self {
        let sources = agents.iter().flat_map(|agent| &agent.sources);
        let groups = agents.iter().flat_map(|agent| &agent.groups);
        let departing = agents.iter().flat_map(|agent| &agent.departing);
        let departing = departing.flat_map(|departing| &departing.channels);
        Self {
            sources: sources
                .map(|source| (source.stop.clone(), Arc::clone(&source.view.status)))
                .collect(),
            departing: departing
                .map(|channel| Arc::clone(&channel.channel))
                .collect(),
            groups: groups.map(|group| group.last().clone()).collect(),
        }
    }

    /// Ends the sources, and once nothing comes in any more, or the time is over, lets the sinks
    /// drain.
    pub(crate) async fn pull(self, deadline: Instant) {
        for (stop, _) in &self.sources {
            stop.cancel();
        }
        let ended = |(_, status): &(_, Arc<SourceStatus>)| {
            matches!(
                status.state(),
                SourceState::Completed | SourceState::Stopped
            )
        };
        let is_empty = |it: &Arc<dyn Channel>| it.depth() == 0 || it.outlives_stop();
        let is_quiet = || self.sources.iter().all(ended) && self.departing.iter().all(is_empty);
        while !is_quiet() && clock::now() < deadline {
            sleep(LOOK_EVERY).await;
        }
        for drain in &self.groups {
            drain.cancel();
        }
    }
}
