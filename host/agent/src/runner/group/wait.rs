//! Waiting for events, and what the lanes need meanwhile: ticks of their sinks, and room for puts.

use std::time::Duration;

use flume_core::clock::{self, Instant};
use flume_core::sink_group::{QUICK, SinkIndex, SinkState};
use futures_util::future::select_all;
use tokio::sync::MutexGuard as AsyncGuard;
use tokio_util::sync::CancellationToken;

use super::GroupRunner;
use super::beside::{Errand, no_call};
use crate::runner::lane::Lane;

impl GroupRunner {
    /// Waits for an event, and ends early when the group is to drain or to stop. What is due on a
    /// lane meanwhile is done, which ends the wait too.
    pub(super) async fn idle(
        &self,
        event: impl Future<Output = ()>,
        drain: &CancellationToken,
        stop: &CancellationToken,
    ) {
        let tick = self.next_tick();
        tokio::select! {
            () = event => {}
            () = at(tick.map(|(_, when)| when)) => {
                if let Some((due, _)) = tick {
                    self.tick(due).await;
                }
            }
            // It may have to be called next.
            () = self.beside.one_comes_back(), if self.beside.any_away() => {}
            lane = self.held_room() => {
                if let Some(mut lane) = self.free_lane(lane) {
                    lane.hand_in().await;
                }
            }
            () = drain.cancelled(), if !drain.is_cancelled() => {}
            () = stop.cancelled() => {}
        }
    }

    /// Calls a sink as it asked to be. The group waits for the one that it uses: for a file that takes
    /// a while it does not change to a standby. For any other it waits a moment, since most are done
    /// in one.
    async fn tick(&self, sink: SinkIndex) {
        if self.lanes.len() == 1 || self.is_active(sink) {
            if let Some(mut lane) = self.free_lane(sink) {
                lane.tick().await;
            }
            return;
        }
        self.run_beside(&no_call(), sink, Errand::Tick);
        let is_back = async {
            while self.beside.is_away(sink) {
                self.beside.one_comes_back().await;
            }
        };
        drop(tokio::time::timeout(QUICK, is_back).await);
    }

    /// Whether the group uses this sink and no other.
    fn is_active(&self, sink: SinkIndex) -> bool {
        let states = self.processor.lock().states(clock::now());
        matches!(states.get(sink), Some(SinkState::Active))
    }

    /// The lane of a sink, if nobody uses it.
    fn free_lane(&self, sink: SinkIndex) -> Option<AsyncGuard<'_, Lane>> {
        self.lanes.get(sink)?.try_lock().ok()
    }

    /// Waits for an event in the channel of a sink, at most this long. In a group that drains,
    /// waits for an event in any channel.
    pub(super) async fn ready(&self, sink: SinkIndex, at_most: Duration, drains: bool) {
        let Some(channel) = self.channels.get(sink) else {
            return;
        };
        tokio::select! {
            () = channel.ready() => {}
            () = self.any_ready(), if drains => {}
            () = tokio::time::sleep(at_most), if !drains => {}
        }
    }

    /// Waits until a put waits for room that held back batches of a lane occupy; returns the lane.
    async fn held_room(&self) -> SinkIndex {
        let mut waits = Vec::new();
        for (index, lane) in self.lanes.iter().enumerate() {
            let holding = lane.try_lock().is_ok_and(|lane| lane.holds_back());
            if let (true, Some(channel)) = (holding, self.channels.get(index)) {
                waits.push(Box::pin(async move {
                    channel.short_of_room().await;
                    index
                }));
            }
        }
        match waits.is_empty() {
            true => std::future::pending().await,
            false => select_all(waits).await.0,
        }
    }

    /// The lane whose sink wants to be called first, and when.
    fn next_tick(&self) -> Option<(SinkIndex, Instant)> {
        let mut first: Option<(SinkIndex, Instant)> = None;
        for (index, lane) in self.lanes.iter().enumerate() {
            // A lane in use ticks later.
            let due = lane.try_lock().ok().and_then(|lane| lane.next_tick());
            first = match (first, due) {
                (Some((_, earliest)), Some(due)) if due >= earliest => first,
                (_, Some(due)) => Some((index, due)),
                (_, None) => first,
            };
        }
        first
    }

    pub(super) async fn any_ready(&self) {
        tokio::select! {
            _ = select_all(self.channels.iter().map(|channel| channel.ready())) => {}
            () = self.home_ready() => {}
        }
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}
