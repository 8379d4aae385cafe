//! The group runner: Flume's SinkRunner with its sink processor.
//!
//! Its workers make calls of the processor, one after the other. What follows a call is decided by
//! [`sink_schedule`](flume_core::sink_schedule). While there is nothing to deliver no call is made:
//! Flume always sleeps, 1 to 5 s; here an event wakes the runner. One worker makes calls in
//! Flume's order. With `processor.parallelism` above 1 several workers make calls at once, each on
//! a sink that no other is using.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use flume_core::clock;
use flume_core::counters::Counter;
use flume_core::sink_group::SinkState;
use flume_core::sink_schedule::{Pace, Rest};
use flume_core::{Channel, SinkProcessor, Status, panic_text};
use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use self::beside::Beside;
use self::call::End;
use self::complaints::Complaints;
use super::home::{Home, Spare};
use super::lane::{Faults, Lane, LaneHealth};
use super::senders::Senders;

mod beside;
mod call;
mod complaints;
mod shown;
mod spare;
mod wait;

/// The pause after a call in which nobody could take anything home.
const NOBODY_PAUSE: Duration = Duration::from_millis(50);

/// One group of sinks at work.
#[derive(Clone)]
pub(crate) struct GroupRunner {
    name: String,
    processor: Arc<Mutex<Box<dyn SinkProcessor>>>,
    lanes: Arc<[AsyncMutex<Lane>]>,
    channels: Arc<[Arc<dyn Channel>]>,
    names: Arc<[String]>,
    faults: Arc<[Arc<Faults>]>,
    one_channel: bool,
    /// The most events that every sink takes in one batch.
    batch_size: usize,
    /// Whether a lane may go on with its next batch before the last one is answered.
    pipelined: bool,
    workers: usize,
    beside: Arc<Beside>,
    complaints: Arc<Complaints>,
    /// Who puts dead letters into the channels.
    senders: Arc<[Senders]>,
    counts: Arc<CallCounts>,
    spare: Option<Spare>,
}

/// Calls of a processor.
#[derive(Debug, Default)]
struct CallCounts {
    all: Counter,
    exhausted: Counter,
    panics: Counter,
}

/// The state of one sink of a group.
#[derive(Debug, Clone)]
pub(crate) struct SinkReport {
    /// The sink's name.
    pub name: String,
    /// Its state in the processor.
    pub state: SinkState,
    /// What went well and wrong with it.
    pub health: LaneHealth,
    /// Times that it panicked and was made anew.
    pub restarts: u64,
}

impl SinkReport {
    /// Whether it may get a batch now, and its last one did not fail.
    pub(crate) fn is_usable(&self) -> bool {
        self.health.outage.is_none() && !matches!(self.state, SinkState::Penalty { .. })
    }

    /// Its state in a word.
    pub(crate) fn state_name(&self) -> &'static str {
        match (self.state, self.health.outage) {
            (SinkState::Penalty { .. }, _) => "penalty",
            (_, Some(outage)) if outage.not_started => "not started",
            (_, Some(_)) => "failing",
            (SinkState::Active, None) => "active",
            (SinkState::Standby, None) => "standby",
            (SinkState::Live, None) => "live",
        }
    }
}

impl GroupRunner {
    /// A runner over lanes in the order of the group. With `pipelined` each lane works in the mode
    /// of its sink; that needs one worker, since several would compete for the window. Otherwise
    /// each lane has one batch under way at a time.
    pub(crate) fn new(
        name: impl Into<String>,
        processor: Box<dyn SinkProcessor>,
        lanes: Vec<Lane>,
        pipelined: bool,
        workers: usize,
    ) -> Self {
        let pipelined = pipelined && workers == 1;
        let lanes: Vec<Lane> = match pipelined {
            true => lanes,
            false => lanes.into_iter().map(Lane::one_at_a_time).collect(),
        };
        let channels: Arc<[_]> = lanes
            .iter()
            .map(|lane| Arc::clone(lane.channel()))
            .collect();
        let one_channel = channels.windows(2).all(|pair| match pair {
            [a, b] => Arc::ptr_eq(a, b),
            _ => true,
        });
        Self {
            name: name.into(),
            processor: Arc::new(Mutex::new(processor)),
            batch_size: lanes.iter().map(Lane::batch_size).min().unwrap_or(1),
            names: lanes.iter().map(|lane| lane.name().to_owned()).collect(),
            faults: lanes.iter().map(Lane::faults).collect(),
            beside: Arc::new(Beside::new(lanes.len())),
            complaints: Arc::new(Complaints::new(lanes.len())),
            lanes: lanes.into_iter().map(AsyncMutex::new).collect(),
            channels,
            one_channel,
            pipelined,
            workers: workers.max(1),
            senders: Arc::default(),
            counts: Arc::default(),
            spare: None,
        }
    }

    /// The same runner, which is not at its end before those who put dead letters into its channels.
    pub(crate) fn fed_by(self, senders: Vec<Senders>) -> Self {
        let senders = senders.into();
        Self { senders, ..self }
    }

    /// Calls of the processor so far, empty ones included.
    pub(crate) fn calls(&self) -> u64 {
        self.counts.all.get()
    }

    /// Calls in which no sink delivered.
    pub(crate) fn exhausted_calls(&self) -> u64 {
        self.counts.exhausted.get()
    }

    /// Whether all that it drains outlives a stop.
    pub(crate) fn outlives_stop(&self) -> bool {
        let home = self.home().map(Home::channel);
        let mut channels = self.channels.iter().chain(home);
        channels.all(|channel| channel.outlives_stop())
    }

    /// The group's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Times that the runner panicked and was started again.
    pub(crate) fn restarts(&self) -> u64 {
        self.counts.panics.get()
    }

    /// The state of each sink.
    pub(crate) fn report(&self) -> Vec<SinkReport> {
        let states = self.processor.lock().states(clock::now());
        let sinks = self.names.iter().zip(states).zip(self.faults.iter());
        sinks
            .map(|((name, state), faults)| SinkReport {
                name: name.clone(),
                state,
                health: faults.health(),
                restarts: faults.restarts(),
            })
            .collect()
    }

    /// Works until `drain` is cancelled and the channels are empty, or until `stop` is.
    pub(crate) async fn run(self, drain: CancellationToken, stop: CancellationToken) {
        let _ends_tasks = self.beside.end_with();
        if let Some(home) = self.home() {
            home.begin();
        }
        self.start().await;
        let mut workers = tokio::task::JoinSet::new();
        for _ in 1..self.workers {
            let (runner, drain, stop) = (self.clone(), drain.clone(), stop.clone());
            let work = async move { runner.keep_working(&drain, &stop).await };
            workers.spawn(work.in_current_span());
        }
        self.keep_working(&drain, &stop).await;
        while let Some(ended) = workers.join_next().await {
            if let Err(error) = ended {
                tracing::error!(group = self.name, %error, "worker ended early");
            }
        }
        for lane in self.lanes.iter() {
            lane.lock().await.stop().await;
        }
    }

    /// Works, and starts again after a panic. Panics of sinks are caught by their lanes; this is
    /// for the rest.
    async fn keep_working(&self, drain: &CancellationToken, stop: &CancellationToken) {
        while let Err(panic) = AssertUnwindSafe(self.work(drain, stop))
            .catch_unwind()
            .await
        {
            self.panicked(panic.as_ref());
            pause(Pace::LONGEST_PAUSE, stop).await;
        }
    }

    fn panicked(&self, panic: &(dyn Any + Send)) {
        self.counts.panics.increment();
        let panic = panic_text(panic);
        tracing::error!(
            group = self.name,
            panic,
            "runner panicked and is started again"
        );
    }

    async fn work(&self, drain: &CancellationToken, stop: &CancellationToken) {
        let mut pace = Pace::new(if self.one_channel {
            1
        } else {
            self.channels.len()
        });
        while !stop.is_cancelled() {
            if self.is_idle(drain) {
                if drain.is_cancelled() {
                    // What is on a disk is read first.
                    if self.depth() > 0 || self.has_to_take_home() {
                        self.idle(self.any_ready(), drain, stop).await;
                        continue;
                    }
                    self.beside.close();
                    if !self.beside.any_away() {
                        match self.senders.iter().find(|senders| senders.any()) {
                            _ if self.has_aside().await => {
                                self.idle(self.any_ready(), drain, stop).await;
                            }
                            Some(senders) => tokio::select! {
                                () = senders.one_ends() => {}
                                () = self.idle(self.any_ready(), drain, stop) => {}
                            },
                            None => return,
                        }
                        continue;
                    }
                    // It may have a batch, which comes back if it fails.
                    self.beside.one_comes_back().await;
                    continue;
                }
                self.idle(self.any_ready(), drain, stop).await;
                continue;
            }
            let only_home = !self.has_events();
            match self.call().await {
                // The sink that was to take something home was not tried.
                End::Returned(Status::Backoff, _) if only_home && self.spare.is_some() => {
                    pause(NOBODY_PAUSE, stop).await;
                }
                End::Exhausted => pause(pace.exhausted(), stop).await,
                End::Away => tokio::select! {
                    () = self.beside.one_comes_back() => {}
                    () = pause(pace.exhausted(), stop) => {}
                },
                End::Returned(status, sink) => match pace.returned(status) {
                    Rest::Call => {}
                    Rest::Event { others_first, .. }
                        if others_first && !drain.is_cancelled() && self.has_events() => {}
                    Rest::Event { at_most, .. } => {
                        let event = self.ready(sink, at_most, drain.is_cancelled());
                        self.idle(event, drain, stop).await;
                    }
                },
            }
        }
    }

    /// Whether a call would find nothing: no events in any channel, and no answers due. Such calls
    /// are not made, so that turns are taken by events and not by looks at an empty channel.
    fn is_idle(&self, drain: &CancellationToken) -> bool {
        // A lane in use belongs to another worker.
        let busy =
            |lane: &AsyncMutex<Lane>| lane.try_lock().is_ok_and(|lane| lane.waits_for_answers());
        !self.has_events() && !self.may_take_home(drain) && !self.lanes.iter().any(busy)
    }

    /// Whether a lane that drains has events aside. They are tried as [`idle`](Self::idle) says.
    async fn has_aside(&self) -> bool {
        let mut any = false;
        for lane in self.lanes.iter() {
            any |= lane.lock().await.drains_aside();
        }
        any
    }

    /// Whether an event can be taken now.
    fn has_events(&self) -> bool {
        match self.channels.first() {
            Some(channel) if self.one_channel => channel.has_events(),
            _ => self.channels.iter().any(|channel| channel.has_events()),
        }
    }

    /// Events that wait.
    fn depth(&self) -> usize {
        match self.channels.first() {
            Some(channel) if self.one_channel => channel.depth(),
            _ => self.channels.iter().map(|channel| channel.depth()).sum(),
        }
    }
}

async fn pause(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = stop.cancelled() => {}
    }
}

#[cfg(test)]
mod tests;
