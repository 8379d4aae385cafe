//! Sinks that kept the group waiting return beside its turn.
//!
//! An attempt at a peer that hangs lasts until a timeout, and the group waits for it: the first time,
//! since nobody can know. From then on, until it delivers again, the sink is *slow*, and has its
//! attempts in a task of their own. The group goes on with its other sinks, as if another worker
//! used that one.
//!
//! | a sink | then |
//! |---|---|
//! | fails after more than [`QUICK`] | is slow |
//! | is slow, and its turn comes | is away: connects in its task |
//! | has connected, and its turn comes | is away: takes a batch, and delivers it in its task |
//! | is away, and its turn comes | is passed by |
//! | delivers | is slow no more |
//! | asked to be called, and is not the one that the group uses | is away meanwhile |
//!
//! The law: a group of several sinks waits for a sink that hangs once in an outage, at most. A group
//! with nobody else to try waits for the first that comes back.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use flume_core::TakeTransaction;
use flume_core::clock;
use flume_core::sink_group::{QUICK, SinkIndex};
use flume_core::sink_processor::{Call, Outcome};
use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;

use super::GroupRunner;
use crate::runner::lane::Lane;

/// Which sinks are slow, and which are away.
#[derive(Debug)]
pub(super) struct Beside {
    sinks: Box<[Turn]>,
    came_back: Notify,
    /// Nobody needs a sink any more that is not connected.
    closing: CancellationToken,
    /// The group has ended, in whatever way.
    ended: CancellationToken,
}

#[derive(Debug, Default)]
struct Turn {
    slow: AtomicBool,
    away: AtomicBool,
    /// Has connected since it failed.
    connected: AtomicBool,
}

/// What a sink does while it is away.
#[derive(Debug)]
pub(super) enum Errand {
    Start,
    Connect,
    /// Delivers this batch.
    Deliver(TakeTransaction),
    /// Is called as it asked to be.
    Tick,
}

/// For errands on behalf of no call.
pub(super) fn no_call() -> Call {
    Call::new(clock::now(), 0, [].into())
}

/// A sink that is away; it comes back when this is dropped.
struct Away {
    beside: Arc<Beside>,
    sink: SinkIndex,
}

impl Beside {
    pub(super) fn new(sinks: usize) -> Self {
        Self {
            sinks: (0..sinks).map(|_| Turn::default()).collect(),
            came_back: Notify::new(),
            closing: CancellationToken::new(),
            ended: CancellationToken::new(),
        }
    }

    /// Ends all tasks when it is dropped.
    pub(super) fn end_with(&self) -> DropGuard {
        self.ended.clone().drop_guard()
    }

    /// From now on sinks that are not connected are not waited for.
    pub(super) fn close(&self) {
        self.closing.cancel();
    }

    pub(super) fn is_away(&self, sink: SinkIndex) -> bool {
        self.turn(sink, |turn| &turn.away)
    }

    pub(super) fn any_away(&self) -> bool {
        self.sinks.iter().any(|turn| turn.away.load(Relaxed))
    }

    /// Whether a sink is to be tried beside the turn. A group of one has nobody else to go on with.
    pub(super) fn is_slow(&self, sink: SinkIndex) -> bool {
        self.turn(sink, |turn| &turn.slow) && self.sinks.len() > 1 && !self.closing.is_cancelled()
    }

    /// Whether a sink has connected since it failed.
    pub(super) fn is_connected(&self, sink: SinkIndex) -> bool {
        self.turn(sink, |turn| &turn.connected)
    }

    /// Notes how an attempt ended.
    pub(super) fn note(&self, sink: SinkIndex, outcome: Outcome, events: u64, took: Duration) {
        match outcome {
            Outcome::Failed => {
                self.set(sink, |turn| &turn.connected, false);
                if took > QUICK {
                    self.set(sink, |turn| &turn.slow, true);
                }
            }
            Outcome::Returned(_) if events > 0 => self.set(sink, |turn| &turn.slow, false),
            Outcome::Returned(_) => {}
        }
    }

    /// Waits until a sink that is away comes back.
    pub(super) async fn one_comes_back(&self) {
        // Before the look, so that none comes back unseen.
        let came_back = self.came_back.notified();
        if self.any_away() {
            came_back.await;
        }
    }

    fn set(&self, sink: SinkIndex, flag: impl Fn(&Turn) -> &AtomicBool, value: bool) {
        if let Some(turn) = self.sinks.get(sink) {
            flag(turn).store(value, Relaxed);
        }
    }

    fn turn(&self, sink: SinkIndex, flag: impl Fn(&Turn) -> &AtomicBool) -> bool {
        self.sinks
            .get(sink)
            .is_some_and(|turn| flag(turn).load(Relaxed))
    }

    /// Sends a sink away, unless it is away.
    fn send_away(self: &Arc<Self>, sink: SinkIndex) -> Option<Away> {
        let turn = self.sinks.get(sink)?;
        // Not `then_some`: one that is made and dropped would come back.
        (!turn.away.swap(true, Relaxed)).then(|| Away {
            beside: Arc::clone(self),
            sink,
        })
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        if let Some(turn) = self.beside.sinks.get(self.sink) {
            turn.away.store(false, Relaxed);
        }
        self.beside.came_back.notify_waiters();
    }
}

impl GroupRunner {
    /// Starts all sinks, side by side: one that hangs does not keep the others from their work.
    pub(super) async fn start(&self) {
        for sink in 0..self.lanes.len() {
            self.run_beside(&no_call(), sink, Errand::Start);
        }
        let all_started = async {
            while self.beside.any_away() {
                self.beside.one_comes_back().await;
            }
        };
        match self.lanes.len() {
            1 => all_started.await,
            _ => drop(tokio::time::timeout(QUICK, all_started).await),
        }
    }

    /// Sends a sink away, on behalf of a call that may try it.
    pub(super) fn run_beside(&self, call: &Call, sink: SinkIndex, errand: Errand) {
        let Some(away) = self.beside.send_away(sink) else {
            return;
        };
        let (runner, mut call) = (self.clone(), call.clone());
        let task = async move {
            let run = AssertUnwindSafe(runner.run_errand(&mut call, sink, errand)).catch_unwind();
            tokio::select! {
                ran = run => if let Err(panic) = ran {
                    runner.panicked(panic.as_ref());
                },
                () = away.beside.ended.cancelled() => {}
            }
        };
        tokio::spawn(task.in_current_span());
    }

    async fn run_errand(&self, call: &mut Call, sink: SinkIndex, errand: Errand) {
        let Some(lane) = self.lanes.get(sink) else {
            return;
        };
        let mut lane = lane.lock().await;
        match errand {
            Errand::Start => lane.start().await,
            Errand::Tick => self.tick_beside(sink, &mut lane).await,
            Errand::Connect => self.connect(call, sink, &mut lane).await,
            Errand::Deliver(batch) => {
                if let Err(batch) = self.offer_here(call, sink, &mut lane, batch).await {
                    batch.rollback();
                }
            }
        }
    }

    /// Nothing is delivered, so only how long a failure took is noted.
    async fn tick_beside(&self, sink: SinkIndex, lane: &mut Lane) {
        let began = clock::now();
        if !lane.tick().await {
            let took = clock::now().saturating_duration_since(began);
            self.beside.note(sink, Outcome::Failed, 0, took);
        }
    }

    async fn connect(&self, call: &mut Call, sink: SinkIndex, lane: &mut Lane) {
        let began = clock::now();
        let connected = tokio::select! {
            connected = lane.connect() => connected,
            () = self.beside.closing.cancelled() => return,
        };
        if let Err(error) = connected {
            self.begin_step(sink);
            let failed = self.sink_failed(sink, &error);
            self.end_step(call, sink, failed, began, 0);
            return;
        }
        self.beside.set(sink, |turn| &turn.connected, true);
    }
}
