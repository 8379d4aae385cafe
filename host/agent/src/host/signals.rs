//! Signals, handled by a task of their own, so that nothing that is under way keeps one waiting.
//!
//! | signal | effect |
//! |---|---|
//! | HUP | [`Signals::reload`] returns |
//! | first TERM or INT | [`Signals::ended`] returns, and the deadline of the drain begins |
//! | second TERM or INT | the process ends at once, with status 143 or 130 |
//! | QUIT, USR1, USR2 | the log says what runs, and all goes on |
//!
//! The law: after the first TERM the process ends before its deadline and [`OVERDUE`] are over,
//! whatever the rest of the program does.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use flume_core::ComponentError;
use flume_core::clock::{self, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::manager::Manager;
use super::status;
use crate::admin::AdminView;
use crate::logging;

/// How long after the deadline the process has to end by itself, and ends in any case.
const OVERDUE: Duration = Duration::from_millis(1500);

/// The exit status if it does not: events may be left.
const STATUS_OVERDUE: i32 = 1;

/// The first signal to end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    /// Until when channels may drain.
    pub(super) deadline: Instant,
}

/// What signals have asked for so far. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Signals(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    reload: Notify,
    end: CancellationToken,
    ending: OnceLock<Ending>,
}

impl Signals {
    /// Handles signals from now on.
    ///
    /// # Errors
    /// The system does not let us.
    pub(super) fn listen(
        view: AdminView,
        drain_timeout: Duration,
        manager: Manager,
    ) -> Result<Self, ComponentError> {
        let signals = Self::default();
        let handler = Handler {
            reload: receive(SignalKind::hangup(), "SIGHUP")?,
            terminate: receive(SignalKind::terminate(), "SIGTERM")?,
            interrupt: receive(SignalKind::interrupt(), "SIGINT")?,
            quit: receive(SignalKind::quit(), "SIGQUIT")?,
            user1: receive(SignalKind::user_defined1(), "SIGUSR1")?,
            user2: receive(SignalKind::user_defined2(), "SIGUSR2")?,
            asked: signals.clone(),
            view,
            drain_timeout,
            manager,
        };
        tokio::spawn(handler.run());
        tokio::spawn(signals.clone().enforce(end_overdue));
        Ok(signals)
    }

    /// Begins the deadline; false if that was done before.
    fn begin_end(&self, drain_timeout: Duration) -> bool {
        let deadline = clock::now() + drain_timeout;
        self.0.ending.set(Ending { deadline }).is_ok()
    }

    /// Asks for the end; false if that was done before.
    #[cfg(test)]
    pub(super) fn end_within(&self, drain_timeout: Duration) -> bool {
        let is_first = self.begin_end(drain_timeout);
        self.0.end.cancel();
        is_first
    }

    /// Holds the law: ends what is still there when the process should have ended.
    pub(super) async fn enforce<T>(self, end: impl FnOnce() -> T) -> T {
        let ending = self.ended().await;
        tokio::time::sleep_until(ending.deadline + OVERDUE).await;
        end()
    }

    /// Waits for a HUP; one that came before counts.
    pub(super) async fn reload(&self) {
        self.0.reload.notified().await;
    }

    /// The first signal to end, if there was one.
    pub(super) fn ending(&self) -> Option<Ending> {
        self.0.ending.get().copied()
    }

    /// Waits for the first signal to end; returns at once if there was one.
    pub(super) async fn ended(&self) -> Ending {
        self.0.end.cancelled().await;
        let now = || Ending {
            deadline: clock::now(),
        };
        self.ending().unwrap_or_else(now)
    }
}

fn receive(kind: SignalKind, name: &str) -> Result<Signal, ComponentError> {
    let refused = |error| ComponentError::caused_by(format!("cannot listen for {name}"), error);
    signal(kind).map_err(refused)
}

/// A signal that ends the process, by name, and the exit status of those that it ends at once.
type EndSignal = (&'static str, i32);

const TERMINATE: EndSignal = ("SIGTERM", 143);
const INTERRUPT: EndSignal = ("SIGINT", 130);

struct Handler {
    reload: Signal,
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    user1: Signal,
    user2: Signal,
    asked: Signals,
    view: AdminView,
    drain_timeout: Duration,
    manager: Manager,
}

impl Handler {
    async fn run(mut self) {
        loop {
            let ending = self.asked.ending();
            tokio::select! {
                _ = self.terminate.recv() => self.end(TERMINATE),
                _ = self.interrupt.recv() => self.end(INTERRUPT),
                _ = self.reload.recv() => self.asked.0.reload.notify_one(),
                _ = self.quit.recv() => status::log(&self.view.agents(), ending),
                _ = self.user1.recv() => status::log(&self.view.agents(), ending),
                _ = self.user2.recv() => status::log(&self.view.agents(), ending),
            }
        }
    }

    fn end(&self, (signal, status): EndSignal) {
        if !self.asked.begin_end(self.drain_timeout) {
            tracing::warn!(
                signal,
                "ended at once; events that are in memory alone are lost"
            );
            logging::flush();
            std::process::exit(status);
        }
        tracing::info!(
            signal,
            seconds = self.drain_timeout.as_secs(),
            "stopping: channels drain; a second signal ends at once"
        );
        self.manager.stopping(self.drain_timeout);
        self.asked.0.end.cancel();
    }
}

fn end_overdue() {
    tracing::error!("did not stop in time and is ended; events that are in memory alone are lost");
    logging::flush();
    std::process::exit(STATUS_OVERDUE);
}
