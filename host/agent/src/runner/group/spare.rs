//! The spare of a failover group: what it took comes home when another sink works.
//!
//! The lanes of the other sinks take from both channels; here is when the group has work for them
//! although no new event waits. While they are in penalty there is none: the next look is when the
//! first penalty ends.

use std::sync::Arc;
use std::time::Duration;

use flume_core::clock::{self, Instant};
use flume_core::sink_group::{SinkIndex, SinkState};
use tokio_util::sync::CancellationToken;

use super::GroupRunner;
use crate::runner::home::{Home, Spare};

/// A penalty is over after its end, not at it.
const AFTER: Duration = Duration::from_millis(1);

impl GroupRunner {
    /// The same runner with this sink as its spare.
    pub(crate) fn with_spare(self, sink: SinkIndex, home: Arc<Home>) -> Self {
        let spare = Some(Spare { sink, home });
        Self { spare, ..self }
    }

    /// The way home of what its spare takes, if it has one.
    pub(crate) fn home(&self) -> Option<&Home> {
        self.spare.as_ref().map(|spare| &*spare.home)
    }

    /// Whether a call would take something home. A group that drains leaves what outlives the process
    /// where it is.
    pub(super) fn may_take_home(&self, drain: &CancellationToken) -> bool {
        let Some(home) = self.home() else {
            return false;
        };
        let wanted = !drain.is_cancelled() || home.has_to_be_empty();
        wanted && home.channel().has_events() && self.home_due().is_some_and(is_over)
    }

    /// Whether a group that drains has to take something home before it ends.
    pub(super) fn has_to_take_home(&self) -> bool {
        let home = self.home();
        home.is_some_and(|home| home.has_to_be_empty() && home.channel().depth() > 0)
    }

    /// Waits until something can be taken home. Does not return while sinks that could are away.
    pub(super) async fn home_ready(&self) {
        let Some(home) = self.home() else {
            return std::future::pending().await;
        };
        loop {
            if !home.channel().has_events() {
                home.channel().ready().await;
            }
            match self.home_due() {
                Some(due) if is_over(due) => return,
                Some(due) => tokio::time::sleep_until(due + AFTER).await,
                None => return std::future::pending().await,
            }
        }
    }

    /// Notes what became of a batch, for the log and the counters.
    pub(super) fn note_home(&self, sink: SinkIndex, events: u64) {
        match &self.spare {
            Some(spare) if spare.sink == sink => spare.home.took(events),
            Some(spare) => spare.home.delivers_again(),
            None => {}
        }
    }

    /// When the first of the other sinks may be tried that is not away.
    fn home_due(&self) -> Option<Instant> {
        let spare = self.spare.as_ref()?;
        let now = clock::now();
        let states = self.processor.lock().states(now).into_iter().enumerate();
        let others = states.filter(|(sink, _)| *sink != spare.sink && !self.beside.is_away(*sink));
        let due = others.map(|(_, state)| match state {
            SinkState::Penalty { until, .. } => until,
            // A live one since ever.
            SinkState::Active | SinkState::Standby | SinkState::Live => now - AFTER,
        });
        due.min()
    }
}

fn is_over(penalty: Instant) -> bool {
    penalty < clock::now()
}
