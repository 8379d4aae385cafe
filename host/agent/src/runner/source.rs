//! The source runner: binds, runs, and after a failure or a panic starts again.
//!
//! | state | when | then |
//! |---|---|---|
//! | starting | made, or made anew | bound → running; else failed |
//! | running | bound | nothing more to read → completed; asked to stop → stopped; else failed |
//! | failed | error or panic | after a pause → starting |
//! | completed | nothing more to read | stays |
//! | stopped | the agent stops, or the source is taken out | stays |
//!
//! The pause is Flume's 3 s after a bind that failed. It is tried again for as long as it takes, and
//! said at once and then once a minute, and when it is over. After runs that ended in an error or a panic
//! it grows from 1 s to 30 s; a minute without failure makes it short again. A failure here does
//! not touch acknowledged events: they are in a channel.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use flume_core::clock::{self, Instant};
use flume_core::{ComponentError, Source, SourceContext, chain, panic_text};
use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::complaint::Complaint;

/// Pause after a start that failed (a port in use, say); Flume's supervisor has the same.
const START_PAUSE: Duration = Duration::from_secs(3);
/// First and longest pause after a run that failed.
const RUN_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// A run that lasted as long as this was healthy.
const HEALTHY: Duration = Duration::from_secs(60);

/// Makes the source, at the start and after failures.
pub(crate) type SourceFactory = Box<dyn Fn() -> Box<dyn Source> + Send + Sync>;

/// The state of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SourceState {
    /// Not bound yet.
    Starting,
    /// At work, on this address if it listens.
    Running(Option<SocketAddr>),
    /// Waiting for the next try.
    Failed(String),
    /// There was nothing more to read.
    Completed,
    /// Stopped on request.
    Stopped,
}

/// A source for operators: its state, and how often it was started again.
#[derive(Debug)]
pub(crate) struct SourceStatus {
    /// The state, and since when.
    state: Mutex<(SourceState, Instant)>,
    restarts: flume_core::counters::Counter,
}

impl SourceStatus {
    /// The state of the source.
    pub(crate) fn state(&self) -> SourceState {
        self.state.lock().0.clone()
    }

    /// The port on which it listens, if it does.
    pub(crate) fn port(&self) -> Option<u16> {
        match self.state() {
            SourceState::Running(address) => address.map(|address| address.port()),
            _ => None,
        }
    }

    /// Since when it is in this state; several failures in a row are one state.
    pub(crate) fn since(&self) -> Instant {
        self.state.lock().1
    }

    /// How often it failed and was started again.
    pub(crate) fn restarts(&self) -> u64 {
        self.restarts.get()
    }

    fn set(&self, state: SourceState) {
        let mut now = self.state.lock();
        let since = match (&now.0, &state) {
            (SourceState::Failed(_), SourceState::Failed(_)) => now.1,
            _ => clock::now(),
        };
        *now = (state, since);
    }
}

/// One source at work.
pub(crate) struct SourceRunner {
    name: String,
    factory: SourceFactory,
    context: SourceContext,
    status: Arc<SourceStatus>,
    bound: Option<Box<dyn Source>>,
    unbound: Unbound,
}

/// The starts that failed since it last started.
struct Unbound {
    tries: u64,
    /// The first of them, and when the next try may be.
    times: Option<(Instant, Instant)>,
    complaint: Complaint,
}

impl Unbound {
    /// A start failed. If that is to be said, returns how many did since it was last said.
    fn failed(&mut self, error: &str, now: Instant) -> Option<u64> {
        self.tries += 1;
        let first = self.times.map_or(now, |(first, _)| first);
        self.times = Some((first, now + START_PAUSE));
        self.complaint.admit(error, now)
    }

    /// How long until the next try may be.
    fn pause(&self, now: Instant) -> Duration {
        let next = self.times.map_or(now, |(_, next)| next);
        next.saturating_duration_since(now)
    }

    /// It has started. Returns since when it did not, and the number of tries, this one included.
    fn end(&mut self) -> Option<(Instant, u64)> {
        self.complaint.end();
        let tries = std::mem::take(&mut self.tries) + 1;
        self.times.take().map(|(first, _)| (first, tries))
    }
}

impl SourceRunner {
    /// A runner that has not bound anything yet.
    pub(crate) fn new(
        name: impl Into<String>,
        factory: SourceFactory,
        context: SourceContext,
    ) -> Self {
        let state = Mutex::new((SourceState::Starting, clock::now()));
        Self {
            name: name.into(),
            factory,
            context,
            status: Arc::new(SourceStatus {
                state,
                restarts: Default::default(),
            }),
            bound: None,
            unbound: Unbound {
                tries: 0,
                times: None,
                complaint: Complaint::new(),
            },
        }
    }

    /// The state, to be looked at while the runner works.
    pub(crate) fn status(&self) -> Arc<SourceStatus> {
        Arc::clone(&self.status)
    }

    /// Tries to bind, so that clients that connect from now on are served once [`run`](Self::run)
    /// is at work. A failure is logged; `run` tries again after a pause.
    pub(crate) async fn bind(&mut self) -> bool {
        let Err(error) = self.try_bind().await else {
            return true;
        };
        if let Some(tries) = self.unbound.failed(&error, clock::now()) {
            tracing::error!(source = self.name, error, tries, "source did not start");
        }
        self.status.set(SourceState::Failed(error));
        false
    }

    /// Binds, unless that is done. A failure changes nothing.
    ///
    /// # Errors
    /// The reason, with its causes.
    pub(crate) async fn try_bind(&mut self) -> Result<(), String> {
        if self.bound.is_some() {
            return Ok(());
        }
        let started = AssertUnwindSafe(start_new(&self.factory))
            .catch_unwind()
            .await;
        match started {
            Ok(Ok((source, address))) => {
                self.say_started(address);
                self.status.set(SourceState::Running(address));
                self.bound = Some(source);
                Ok(())
            }
            Ok(Err(error)) => Err(chain(&error)),
            Err(panic) => Err(format!("panicked: {}", panic_text(panic.as_ref()))),
        }
    }

    /// Says that it has started, if it listens or did not start before.
    fn say_started(&mut self, address: Option<SocketAddr>) {
        let source = &self.name;
        let failed = self.unbound.end().map(|(since, tries)| {
            let seconds = clock::now().saturating_duration_since(since).as_secs();
            (seconds, tries)
        });
        match (address, failed) {
            (None, None) => {}
            (Some(address), None) => tracing::info!(source, %address, "source listens"),
            (Some(address), Some((seconds, tries))) => tracing::info!(
                source,
                %address,
                "source listens, after {seconds} s and {tries} tries"
            ),
            (None, Some((seconds, tries))) => {
                tracing::info!(
                    source,
                    "source has started, after {seconds} s and {tries} tries"
                );
            }
        }
    }

    /// Works until the context's `stop` is cancelled or the source has nothing more to read.
    pub(crate) async fn run(mut self) {
        let stop = self.context.stop.clone();
        let mut pause = Duration::ZERO;
        while !stop.is_cancelled() {
            if self.bound.is_none() {
                // The last one may have been before this began.
                wait(self.unbound.pause(clock::now()), &stop).await;
                if stop.is_cancelled() || !self.bind().await {
                    continue;
                }
            }
            let Some(mut source) = self.bound.take() else {
                continue;
            };
            let began = clock::now();
            let run = AssertUnwindSafe(source.run(self.context.clone()))
                .catch_unwind()
                .await;
            let error = match run {
                Ok(Ok(())) => {
                    let ended = if stop.is_cancelled() {
                        SourceState::Stopped
                    } else {
                        SourceState::Completed
                    };
                    self.status.set(ended);
                    return;
                }
                Ok(Err(error)) => chain(&error),
                Err(panic) => format!("panicked: {}", panic_text(panic.as_ref())),
            };
            drop(source);
            pause = next_pause(pause, began);
            self.status.restarts.increment();
            let seconds = pause.as_secs();
            tracing::error!(
                source = self.name,
                error,
                seconds,
                "source failed and is started again"
            );
            self.status.set(SourceState::Failed(error));
            wait(pause, &stop).await;
        }
        self.status.set(SourceState::Stopped);
    }
}

async fn start_new(
    factory: &SourceFactory,
) -> Result<(Box<dyn Source>, Option<SocketAddr>), ComponentError> {
    let mut source = factory();
    let address = source.start().await?;
    Ok((source, address))
}

async fn wait(pause: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = stop.cancelled() => {}
    }
}

fn next_pause(last: Duration, began: Instant) -> Duration {
    let (shortest, longest) = RUN_PAUSE;
    if clock::now() - began >= HEALTHY {
        shortest
    } else {
        (last * 2).clamp(shortest, longest)
    }
}

#[cfg(test)]
mod tests;
