//! The group runner: Flume's SinkRunner with its sink processor.
//!
//! | the call of the processor came to | then |
//! |---|---|
//! | READY | the next call at once |
//! | BACKOFF | where the group's sinks drain different channels, wait 1, 2, … 5 s at most |
//! | no call, since there is nothing to deliver | wait for an event |
//! | every sink failed | wait 0.25 s, 0.5 s, … 5 s, then call again |
//!
//! Flume always sleeps, 1 to 5 s; here an event wakes the runner. One worker makes calls in
//! Flume's order. With `processor.parallelism` above 1 several workers make calls at once, each on
//! a sink that no other is using.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use flume_core::clock::{self, Instant};
use flume_core::counters::Counter;
use flume_core::sink_processor::{Call, Outcome, SinkIndex, SinkState, Verdict};
use flume_core::sink_selector::{Load, Step};
use flume_core::{Channel, EventDeliveryError, SinkProcessor, Status};
use futures_util::FutureExt;
use futures_util::future::select_all;
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;

use super::lane::{Fault, Faults, Lane, chain, words};

mod shown;

/// First and longest pause after a call in which every sink failed.
const FAILURE_PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Flume's pause after BACKOFF grows by this much each time, up to five times it.
const BACKOFF_STEP: Duration = Duration::from_secs(1);
const BACKOFF_STEPS: u32 = 5;

/// One group of sinks at work.
#[derive(Clone)]
pub struct GroupRunner {
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
    counts: Arc<CallCounts>,
}

/// Calls of a processor.
#[derive(Debug, Default)]
struct CallCounts {
    all: Counter,
    exhausted: Counter,
    panics: Counter,
}

/// How one sink of a group stands.
#[derive(Debug, Clone)]
pub struct SinkReport {
    /// The sink's name.
    pub name: String,
    /// What the processor thinks of it.
    pub state: SinkState,
    /// Its last failure.
    pub fault: Option<Fault>,
    /// Times that it panicked and was made anew.
    pub restarts: u64,
}

/// How a call ended.
enum End {
    Returned(Status, SinkIndex),
    Exhausted,
}

impl GroupRunner {
    /// A runner over lanes in the order of the group. `pipelined` lanes keep their sinks busy;
    /// it goes with one worker, since several would compete for the window.
    pub fn new(
        name: impl Into<String>,
        processor: Box<dyn SinkProcessor>,
        lanes: Vec<Lane>,
        pipelined: bool,
        workers: usize,
    ) -> Self {
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
            lanes: lanes.into_iter().map(AsyncMutex::new).collect(),
            channels,
            one_channel,
            pipelined: pipelined && workers == 1,
            workers: workers.max(1),
            counts: Arc::default(),
        }
    }

    /// Calls of the processor so far, empty ones included.
    pub fn calls(&self) -> u64 {
        self.counts.all.get()
    }

    /// Calls in which no sink delivered.
    pub fn exhausted_calls(&self) -> u64 {
        self.counts.exhausted.get()
    }

    /// The group's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Times that the runner panicked and began again.
    pub fn restarts(&self) -> u64 {
        self.counts.panics.get()
    }

    /// How each sink stands.
    pub fn report(&self) -> Vec<SinkReport> {
        let states = self.processor.lock().states(clock::now());
        let sinks = self.names.iter().zip(states).zip(self.faults.iter());
        sinks
            .map(|((name, state), faults)| SinkReport {
                name: name.clone(),
                state,
                fault: faults.last(),
                restarts: faults.restarts(),
            })
            .collect()
    }

    /// Works until `drain` is cancelled and the channels are empty, or until `stop` is.
    pub async fn run(self, drain: CancellationToken, stop: CancellationToken) {
        for lane in self.lanes.iter() {
            lane.lock().await.start().await;
        }
        let mut workers = tokio::task::JoinSet::new();
        for _ in 1..self.workers {
            let (runner, drain, stop) = (self.clone(), drain.clone(), stop.clone());
            workers.spawn(async move { runner.keep_working(&drain, &stop).await });
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

    /// Works, and after a panic works again. Sinks panic within their lanes; this is for the rest.
    async fn keep_working(&self, drain: &CancellationToken, stop: &CancellationToken) {
        while let Err(panic) = AssertUnwindSafe(self.work(drain, stop))
            .catch_unwind()
            .await
        {
            self.counts.panics.increment();
            let panic = words(panic.as_ref());
            tracing::error!(group = self.name, panic, "runner panicked and begins again");
            pause(FAILURE_PAUSE.1, stop).await;
        }
    }

    async fn work(&self, drain: &CancellationToken, stop: &CancellationToken) {
        let (mut backoffs, mut failures) = (0_u32, 0_u32);
        while !stop.is_cancelled() {
            if self.is_idle() {
                if drain.is_cancelled() {
                    return;
                }
                self.idle(0, 0, drain, stop).await;
                continue;
            }
            match self.call().await {
                End::Returned(Status::Ready, _) => (backoffs, failures) = (0, 0),
                End::Returned(Status::Backoff, _) if self.one_channel => {}
                End::Returned(Status::Backoff, lane) => {
                    backoffs += 1;
                    self.idle(lane, backoffs, drain, stop).await;
                }
                End::Exhausted => {
                    let (first, longest) = FAILURE_PAUSE;
                    let time = first.saturating_mul(1 << failures.min(10)).min(longest);
                    failures += 1;
                    pause(time, stop).await;
                }
            }
        }
    }

    /// Whether a call would find nothing: no events in any channel, and no answers due. Such calls
    /// are not made, so that turns are taken by events and not by looks at an empty channel.
    fn is_idle(&self) -> bool {
        // A lane in use belongs to another worker.
        let busy =
            |lane: &AsyncMutex<Lane>| lane.try_lock().is_ok_and(|lane| lane.waits_for_answers());
        self.depth() == 0 && !self.lanes.iter().any(busy)
    }

    /// Events that can be taken now.
    fn depth(&self) -> usize {
        match self.channels.first() {
            Some(channel) if self.one_channel => channel.depth(),
            _ => self.channels.iter().map(|channel| channel.depth()).sum(),
        }
    }

    /// One call of the processor.
    async fn call(&self) -> End {
        self.counts.all.increment();
        let now = clock::now();
        let depth = self.depth();
        let begun = {
            let mut processor = self.processor.lock();
            let shows = self.can_show_events() && processor.wants_events();
            (!shows).then(|| processor.begin_load(now, Load { depth, events: &[] }))
        };
        let Some(mut call) = begun else {
            return self.call_showing(now).await;
        };
        let mut busy = Vec::new();
        while let Some(sink) = self.next(&mut call) {
            let Some(lane) = self.lanes.get(sink) else {
                continue;
            };
            let Ok(mut lane) = lane.try_lock() else {
                busy.push(sink);
                continue;
            };
            if let Some(end) = self.attempt(&mut call, sink, &mut lane).await {
                return end;
            }
        }
        // All that is left is in use by other workers: queue for the first of them.
        for sink in busy {
            let Some(lane) = self.lanes.get(sink) else {
                continue;
            };
            let mut lane = lane.lock().await;
            if let Some(end) = self.attempt(&mut call, sink, &mut lane).await {
                return end;
            }
        }
        self.exhausted()
    }

    fn exhausted(&self) -> End {
        self.counts.exhausted.increment();
        let error = self.processor.lock().exhausted();
        tracing::error!(group = self.name, error, "unable to deliver events");
        End::Exhausted
    }

    fn next(&self, call: &mut Call) -> Option<SinkIndex> {
        self.processor.lock().next(call)
    }

    /// Tries one sink; says how the call ended, if it did.
    async fn attempt(&self, call: &mut Call, sink: SinkIndex, lane: &mut Lane) -> Option<End> {
        if self.pipelined {
            self.drain_others(call, sink).await;
        }
        let (began, before) = (self.begin_step(sink), lane.delivered());
        let outcome = match lane.process(self.pipelined).await {
            Ok(status) => Outcome::Returned(status),
            Err(error) => self.sink_failed(lane, &error),
        };
        let events = lane.delivered().saturating_sub(before);
        match self.end_step(call, sink, outcome, began, events) {
            Verdict::Return(status) => Some(End::Returned(status, sink)),
            Verdict::Continue => None,
        }
    }

    fn sink_failed(&self, lane: &Lane, error: &EventDeliveryError) -> Outcome {
        let error = chain(error);
        tracing::warn!(group = self.name, sink = lane.name(), error, "sink failed");
        Outcome::Failed
    }

    /// Tells the processor that a sink gets a batch; says when.
    fn begin_step(&self, sink: SinkIndex) -> Instant {
        let now = clock::now();
        self.processor.lock().step(sink, Step::Begun, now);
        now
    }

    /// Tells the processor what became of it.
    fn end_step(
        &self,
        call: &mut Call,
        sink: SinkIndex,
        outcome: Outcome,
        began: Instant,
        events: u64,
    ) -> Verdict {
        let now = clock::now();
        let step = Step::Ended {
            events: usize::try_from(events).unwrap_or(usize::MAX),
            latency: now.saturating_duration_since(began),
        };
        let mut processor = self.processor.lock();
        let verdict = processor.report(call, sink, outcome, now);
        processor.step(sink, step, now);
        verdict
    }

    /// A sink that is left for another one answers for its batches first: they are older.
    async fn drain_others(&self, call: &mut Call, sink: SinkIndex) {
        for (other, lane) in self.lanes.iter().enumerate() {
            let Ok(mut lane) = lane.try_lock() else {
                continue;
            };
            if other != sink && lane.is_busy() && lane.drain().await.is_err() {
                // The verdict is about that sink; this call goes on with its own.
                self.report_outcome(call, other, Outcome::Failed);
            }
        }
    }

    fn report_outcome(&self, call: &mut Call, sink: SinkIndex, outcome: Outcome) -> Verdict {
        self.processor
            .lock()
            .report(call, sink, outcome, clock::now())
    }

    /// Waits for an event; after `backoffs` times BACKOFF of a lane, for one of that lane.
    async fn idle(
        &self,
        lane: SinkIndex,
        backoffs: u32,
        drain: &CancellationToken,
        stop: &CancellationToken,
    ) {
        let tick = self.next_tick().await;
        let pause = if self.one_channel || backoffs == 0 || drain.is_cancelled() {
            None
        } else if (backoffs as usize) < self.channels.len()
            && self.channels.iter().any(|channel| channel.depth() > 0)
        {
            // Another sink's channel has events: its turn comes before any wait.
            return;
        } else {
            Some(clock::now() + BACKOFF_STEP * backoffs.min(BACKOFF_STEPS))
        };
        let Some(channel) = self.channels.get(lane) else {
            return;
        };
        tokio::select! {
            () = channel.ready(), if backoffs > 0 => {}
            () = self.any_ready(), if backoffs == 0 || drain.is_cancelled() => {}
            () = at(pause) => {}
            () = at(tick.map(|(_, when)| when)) => {
                if let Some(lane) = tick.and_then(|(due, _)| self.lanes.get(due)) {
                    lane.lock().await.tick().await;
                }
            }
            lane = self.held_room() => {
                if let Some(lane) = self.lanes.get(lane) {
                    lane.lock().await.hand_in().await;
                }
            }
            () = drain.cancelled(), if !drain.is_cancelled() => {}
            () = stop.cancelled() => {}
        }
    }

    /// Waits until a put waits for room that a lane's held back batches occupy; says which lane's.
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
    async fn next_tick(&self) -> Option<(SinkIndex, Instant)> {
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

    async fn any_ready(&self) {
        select_all(self.channels.iter().map(|channel| channel.ready())).await;
    }
}

async fn pause(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = stop.cancelled() => {}
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
