//! The process: its agents, the admin port, and signals.
//!
//! | signal | effect |
//! |---|---|
//! | HUP | the file and the policies are read again at once |
//! | first TERM or INT | sources end, sinks drain the channels until the deadline |
//! | second | the process ends at once, with status 143 or 130 |
//! | QUIT, USR1, USR2 | the log says what runs |
//!
//! A TERM does not wait for what is under way: reading a file and compiling policies are left alone,
//! a reload is finished at once, and what ran drains while that is not possible. See [`signals`].

use std::net::SocketAddr;
use std::time::Duration;

use flume_core::ComponentError;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::fleet::Fleet;
use self::manager::Manager;
use self::signals::{Ending, Signals};

use crate::admin::{Access, AdminSocket, AdminView};
use crate::audit::Way;
use crate::config_watch::ConfigWatch;
use crate::health::Phase;
use crate::load::Draft;
use crate::logging::LogFormat;
use crate::services::Services;

mod admin_ports;
#[cfg(test)]
mod deadline;
mod fleet;
mod manager;
mod signals;
mod sockets;
mod status;
mod work;

/// Whether and where the admin port listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AdminAddress {
    /// Nowhere.
    Off,
    /// Here if it is free, else nowhere: it was not requested.
    Perhaps(SocketAddr),
    /// Here, or the process does not start.
    Required(SocketAddr),
    /// The same, and other machines see Flume's page alone.
    Flumes(SocketAddr),
}

/// The settings of the process.
#[derive(Debug, Clone)]
pub(crate) struct HostOptions {
    /// The admin port.
    pub admin: AdminAddress,
    /// The admin socket.
    pub socket: AdminSocket,
    /// Who may do what there.
    pub access: Access,
    /// How long channels may drain after a signal to end.
    pub drain_timeout: Duration,
    /// Whether a reload may remove a channel with events that no sink drains.
    pub reload_may_lose: bool,
    /// How findings of the start are written.
    pub log_format: LogFormat,
}

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// No agent could start.
    Refused,
    /// By a signal, with this many events left in channels.
    Stopped(usize),
}

/// How long a task that has nothing to do any more may take to end, once the agents have.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Runs the agents of a file until a signal ends them, and applies changes of the file.
///
/// # Errors
/// A required admin port cannot be opened, or signals cannot be received.
pub(crate) async fn run(
    file: Draft,
    watch: ConfigWatch,
    services: Services,
    options: HostOptions,
) -> Result<Ended, ComponentError> {
    let memory = services.components.memory.clone();
    let view = AdminView::new(services.policies.clone(), memory, services.reloads.clone());
    let manager = Manager::of_process();
    let signals = Signals::listen(view.clone(), options.drain_timeout, manager.clone())?;
    let asked = signals.clone();
    tokio::spawn(manager.clone().attend(view.clone(), move || asked.ending()));
    let stop_watch = CancellationToken::new();
    let stop_admin = CancellationToken::new();
    let admin = admin_ports::start(&options, &view, &services, &stop_admin).await?;
    let watching = tokio::spawn(services.policies.clone().watch(stop_watch.clone()));
    let host = Host {
        fleet: Fleet::new(services.clone(), options.clone(), view.clone()),
        watch,
        services,
        options,
        view,
        signals,
        manager,
        is_ready: false,
        is_reloading: false,
        settling: None,
    };
    let ended = host.run(file).await?;
    stop_watch.cancel();
    stop_admin.cancel();
    conclude("the watch over policies", watching).await;
    for task in admin {
        conclude("the admin port", task).await;
    }
    if let Ended::Stopped(left) = ended {
        tracing::info!(events_left = left, "stopped");
    }
    Ok(ended)
}

/// Waits a moment for a task that was told to end. One that is in the middle of something, a
/// compiler say, ends with the process.
async fn conclude(what: &str, mut task: JoinHandle<()>) {
    match timeout(LAST_WORDS, &mut task).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "{what} ended early"),
        Err(_) => {
            tracing::debug!("{what} is left alone");
            task.abort();
        }
    }
}

/// The agents at work.
struct Host {
    fleet: Fleet,
    watch: ConfigWatch,
    services: Services,
    options: HostOptions,
    view: AdminView,
    signals: Signals,
    manager: Manager,
    /// Whether any agent has started.
    is_ready: bool,
    /// Whether the service manager was told that there is a reload, and not that it is over.
    is_reloading: bool,
    /// The look at the passed sockets.
    settling: Option<AbortHandle>,
}

impl Host {
    /// Starts the agents of a file, and runs them until a signal ends them.
    async fn run(mut self, file: Draft) -> Result<Ended, ComponentError> {
        self.fleet.take_file(file, Way::File);
        loop {
            match self.next_change().await? {
                Change::End(ending) => return Ok(Ended::Stopped(self.stop(ending).await)),
                Change::Progress => {}
                Change::File(file) => {
                    self.tell_reload();
                    self.fleet.take_file(*file, Way::File);
                }
                Change::Asked => {
                    self.tell_reload();
                    self.read_again().await;
                }
            }
            if !self.is_ready && self.fleet.is_idle() {
                return Ok(Ended::Refused);
            }
            self.tell_ready();
            self.settle_sockets();
        }
    }

    /// A HUP: configuration and policies are read now.
    async fn read_again(&mut self) {
        admin_ports::read_again(&self.options, &self.services).await;
        let file = tokio::select! {
            file = self.watch.read_again(&self.services) => file,
            // What is being read is of no use any more.
            _ = self.signals.ended() => return,
        };
        match file {
            Some(file) => self.fleet.take_file(file, Way::Sighup),
            None => {
                self.fleet.file_refused();
                let names = self.fleet.names();
                names.for_each(|name| self.services.policies.look_again(name, Way::Sighup));
            }
        }
    }

    /// Tells the service manager that a reload begins. One that begins in another ends with it.
    fn tell_reload(&mut self) {
        if self.is_ready && !self.is_reloading {
            self.is_reloading = true;
            self.manager.reloading();
        }
    }

    /// Tells operators and the service manager what has come to its end: the start of the first
    /// agents, since whoever waits for the process does not wait for the policies of the others; or a
    /// reload of all, refused or not.
    fn tell_ready(&mut self) {
        let has_started = !self.is_ready && self.fleet.has_started();
        let has_reloaded = self.is_reloading && !self.fleet.is_reloading();
        if self.signals.ending().is_some() || !(has_started || has_reloaded) {
            return;
        }
        (self.is_ready, self.is_reloading) = (true, false);
        self.view.enter(Phase::Running);
        self.manager.ready();
    }

    /// Looks which of the sockets that were passed to the process are used. Names may have to be
    /// looked up for it, and nothing waits for that.
    fn settle_sockets(&mut self) {
        let (sources, admin) = (self.fleet.sources(), self.options.admin);
        let services = self.services.clone();
        let settling = async move { sockets::settle(&sources, admin, &services).await };
        let before = self.settling.replace(tokio::spawn(settling).abort_handle());
        if let Some(before) = before {
            before.abort();
        }
    }

    /// Stops the agents. Returns how many events are left.
    async fn stop(self, ending: Ending) -> usize {
        self.view.enter(Phase::Stopping(ending.deadline));
        self.fleet.stop(ending.deadline).await
    }

    /// Waits for a signal, a changed file, or progress of what is under way. Meanwhile channels that
    /// the file has no more are emptied.
    async fn next_change(&mut self) -> Result<Change, ComponentError> {
        // Kept over all looks at the channels, because it counts the time to its own next look.
        let changed = self.watch.changed(&self.services);
        tokio::pin!(changed);
        loop {
            let is_departing = self.fleet.is_departing();
            tokio::select! {
                ending = self.signals.ended() => return Ok(Change::End(ending)),
                () = self.signals.reload() => return Ok(Change::Asked),
                file = &mut changed => return Ok(Change::File(Box::new(file))),
                progress = self.fleet.progress() => return progress.map(|()| Change::Progress),
                () = sleep(LOOK_AFTER_DEPARTING), if is_departing => {
                    self.fleet.settle_departures();
                }
            }
        }
    }
}

/// What ends the peace of running agents.
enum Change {
    /// A signal ends the process.
    End(Ending),
    /// Their file changed.
    File(Box<Draft>),
    /// A HUP came.
    Asked,
    /// Something that was under way has come to an end.
    Progress,
}

/// How often it is looked whether channels that the file has no more are empty.
const LOOK_AFTER_DEPARTING: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
