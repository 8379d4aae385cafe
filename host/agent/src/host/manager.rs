//! What the service manager is told, if there is one (`Type=notify` of systemd).
//!
//! | when | what |
//! |---|---|
//! | the first agents run, and after each reload of all | `READY=1` |
//! | a HUP, or a changed file | `RELOADING=1`, with the time |
//! | the first TERM or INT | `STOPPING=1` |
//! | now and then, and twice in each `WATCHDOG_USEC` if that is set | `STATUS=…`, `WATCHDOG=1` |
//!
//! The law: a manager that is stuck holds up nothing. Telling may block, so a thread of its own
//! does it; what finds its queue full is not told. The watchdog is fed by a task of the runtime, so
//! it starves when the runtime is stuck.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use flume_core::{clock, printable};
use sd_notify::NotifyState;

use super::signals::Ending;
use crate::admin::AdminView;
use crate::health::Level;
use crate::runner::SourceState;
use crate::topology::events_left;

/// Messages that wait to be told.
const MOST_MESSAGES: usize = 16;

/// How often the status is told without a watchdog.
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// The service manager. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Manager(Option<SyncSender<String>>);

impl Manager {
    /// The one that started this process, if there is one.
    pub(crate) fn of_process() -> Self {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Self(None);
        }
        let (sender, messages) = sync_channel(MOST_MESSAGES);
        let thread = std::thread::Builder::new().name("service-manager".to_owned());
        match thread.spawn(move || tell_all(&messages)) {
            Ok(_) => Self(Some(sender)),
            Err(error) => {
                tracing::warn!(%error, "the service manager is not told anything");
                Self(None)
            }
        }
    }

    /// Nobody, for tests.
    #[cfg(test)]
    pub(super) fn nobody() -> Self {
        Self(None)
    }

    /// The first agents run, or a reload is over.
    pub(super) fn ready(&self) {
        self.tell(&NotifyState::Ready.to_string());
    }

    /// A file is read, and applied to the agents; [`ready`](Self::ready) follows.
    pub(super) fn reloading(&self) {
        let reloading = NotifyState::Reloading;
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&format!("{reloading}\n{now}")),
            Err(error) => tracing::debug!(%error, "there is no monotonic time"),
        }
    }

    /// Channels drain.
    pub(super) fn stopping(&self, timeout: Duration) {
        let status = format!("draining for at most {} s", timeout.as_secs());
        let (stopping, status) = (NotifyState::Stopping, NotifyState::Status(&status));
        self.tell(&format!("{stopping}\n{status}"));
    }

    /// Tells the status from time to time, and feeds the watchdog if there is one.
    pub(super) async fn attend(self, view: AdminView, ending: impl Fn() -> Option<Ending>) {
        if self.0.is_none() {
            return;
        }
        let watchdog = sd_notify::watchdog_enabled();
        let pause = watchdog.map_or(STATUS_EVERY, |limit| limit / 2);
        loop {
            let status = status(&view, ending());
            let mut message = NotifyState::Status(&status).to_string();
            if watchdog.is_some() {
                message = format!("{}\n{message}", NotifyState::Watchdog);
            }
            self.tell(&message);
            tokio::time::sleep(pause).await;
        }
    }

    fn tell(&self, message: &str) {
        if let Some(sender) = &self.0
            && sender.try_send(message.to_owned()).is_err()
        {
            tracing::debug!("the service manager does not listen");
        }
    }
}

fn tell_all(messages: &Receiver<String>) {
    while let Ok(message) = messages.recv() {
        if let Err(error) = sd_notify::notify(&[NotifyState::Custom(&message)]) {
            tracing::debug!(%error, "the service manager cannot be told");
        }
    }
}

/// What runs, in one line, with the worst that is wrong.
fn status(view: &AdminView, ending: Option<Ending>) -> String {
    let agents = view.agents();
    let sources: Vec<_> = agents.iter().flat_map(|agent| &agent.sources).collect();
    let works =
        |state: SourceState| matches!(state, SourceState::Running(_) | SourceState::Completed);
    let working = sources.iter().filter(|source| works(source.status.state()));
    let events = events_left(&agents);
    let mut status = match ending {
        None => format!(
            "running: {} of {} sources work, {events} events in channels",
            working.count(),
            sources.len()
        ),
        Some(ending) => format!(
            "draining: {events} events left, {} s left",
            clock::seconds_until(ending.deadline)
        ),
    };
    let troubles = view.troubles();
    // What ends by itself is no news here.
    let mut bad = troubles.iter().filter(|one| one.state > Level::Waiting);
    if let Some(worst) = bad.next() {
        let more = match bad.count() {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        // A line end would begin another message.
        let worst = printable(&worst.headline()).into_owned();
        status.push_str(&format!("; {worst}{more}"));
    }
    status
}

#[cfg(test)]
mod tests {
    use flume_core::clock::now;
    use tokio::time::sleep;

    use super::*;
    use crate::health::Phase;
    use crate::testing::{plan, services};
    use crate::topology::RunningAgent;

    /// Two sinks without a folder, and events for both.
    const OUTAGE: &str = "\
a1.sources = r1
a1.channels = c1 c2
a1.sinks = k1 k2
a1.sources.r1.type = seq
a1.sources.r1.totalEvents = 70
a1.sources.r1.channels = c1 c2
a1.channels.c1.type = memory
a1.channels.c2.type = memory
a1.sinks.k1.type = file_roll
a1.sinks.k1.channel = c1
a1.sinks.k1.sink.directory = /nowhere/at/all
a1.sinks.k2.type = file_roll
a1.sinks.k2.channel = c2
a1.sinks.k2.sink.directory = /nowhere/at/all
";

    /// An outage shows in the one line that `systemctl status` has.
    #[tokio::test(start_paused = true)]
    async fn the_status_has_the_worst_trouble() {
        let services = services(1);
        let memory = services.components.memory.clone();
        let view = AdminView::new(services.policies.clone(), memory, services.reloads.clone());
        view.enter(Phase::Running);
        let mut agent = RunningAgent::build(plan(OUTAGE), &services).unwrap();
        agent.bind().await;
        agent.start_sources(&services);
        view.show(vec![agent.view()], Vec::new());
        sleep(Duration::from_secs(1)).await;
        let well = "running: 1 of 1 sources work, 140 events in channels";
        assert_eq!(status(&view, None), well);
        agent.start_sinks(&services);
        sleep(Duration::from_secs(1)).await;
        let outage = format!("{well}; failing sink k1 of a1: did not start (and 1 more)");
        assert_eq!(status(&view, None), outage);
        let deadline = now() + Duration::from_secs(30);
        view.enter(Phase::Stopping(deadline));
        assert_eq!(
            status(&view, Some(Ending { deadline })),
            "draining: 140 events left, 30 s left; failing sink k1 of a1: did not start \
             (and 1 more)"
        );
    }
}
