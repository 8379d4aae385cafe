//! The process: its agents, the admin port, and signals.
//!
//! | signal | effect |
//! |---|---|
//! | HUP | the file and the policies are read again at once |
//! | first TERM or INT | sources end, sinks drain the channels until the deadline |
//! | second | the process ends at once, with status 130 |
//!
//! While a changed file is taken in, a TERM waits for it to be done, and a second does not.

use std::net::SocketAddr;
use std::time::Duration;

use flume_core::{ComponentError, clock};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Board, ChangesFrom};
use crate::config_watch::ConfigWatch;
use crate::plan::AgentPlan;
use crate::services::Services;
use crate::topology::RunningAgent;

/// Whether and where the admin port listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminAddress {
    /// Nowhere.
    Off,
    /// Here if it is free, else nowhere: nobody asked for it.
    Perhaps(SocketAddr),
    /// Here, or the process does not start.
    Required(SocketAddr),
}

/// How the process behaves.
#[derive(Debug, Clone, Copy)]
pub struct HostOptions {
    /// The admin port.
    pub admin: AdminAddress,
    /// Whose changes the admin port takes.
    pub changes: ChangesFrom,
    /// How long channels may drain when the process is told to end.
    pub drain_timeout: Duration,
}

/// Status of a process that a second signal ended.
const STATUS_INTERRUPTED: i32 = 130;

/// Runs agents until a signal ends them, and takes in changes of their file. Returns how many
/// events were left in channels.
///
/// # Errors
/// A component cannot be made, or a required admin port cannot be opened.
pub async fn run(
    plans: Vec<AgentPlan>,
    mut watch: ConfigWatch,
    services: Services,
    options: HostOptions,
) -> Result<usize, ComponentError> {
    let mut signals = Signals::listen()?;
    let mut agents = Vec::new();
    for plan in plans {
        agents.push(RunningAgent::build(plan, &services)?);
    }
    let board = Board::new(services.policies.clone());
    board.show(agents.iter().map(RunningAgent::view).collect());
    let stop_watch = CancellationToken::new();
    let stop_admin = CancellationToken::new();
    let admin = start_admin(&options, &board, &stop_admin).await?;
    start_all(&mut agents, &services).await;
    let policies = services.policies.clone();
    let watching = tokio::spawn(policies.watch(stop_watch.clone()));

    let name = loop {
        let change = tokio::select! {
            wish = signals.next() => match wish {
                Wish::End(name) => break name,
                Wish::Reload => {
                    let (change, end) = signals.during(watch.read_again(&services)).await;
                    if let Some(name) = end {
                        break name;
                    }
                    change
                }
            },
            change = watch.changed(&services) => Some(change),
        };
        if let Some(plans) = change {
            let reload = reload(&mut agents, plans, options.drain_timeout, &services);
            let ((), end) = signals.during(reload).await;
            board.show(agents.iter().map(RunningAgent::view).collect());
            if let Some(name) = end {
                break name;
            }
        }
        // After the agents: a file of a policy may have changed together with theirs.
        services.policies.look_again();
    };
    stop_watch.cancel();
    let seconds = options.drain_timeout.as_secs();
    tracing::info!(
        signal = name,
        seconds,
        "stopping: channels drain; a second signal ends at once"
    );
    let left = tokio::select! {
        left = stop_all(agents, options.drain_timeout, &services) => left,
        name = signals.end() => end_at_once(name),
    };
    if let Err(error) = watching.await {
        tracing::warn!(%error, "the watch over policies ended early");
    }
    stop_admin.cancel();
    if let Some(admin) = admin
        && let Err(error) = admin.await
    {
        tracing::warn!(%error, "the admin port ended early");
    }
    tracing::info!(events_left = left, "stopped");
    Ok(left)
}

/// Starts the agents step by step, so that one that feeds another finds it there.
async fn start_all(agents: &mut [RunningAgent], services: &Services) {
    for agent in &mut *agents {
        agent.bind().await;
    }
    for agent in &mut *agents {
        agent.start_sinks(services);
    }
    for agent in agents {
        agent.start_sources(services);
        tracing::info!(agent = agent.plan.name, "agent started");
    }
}

/// Makes the running agents those of the new plans. What cannot be made stays as it was.
async fn reload(
    agents: &mut Vec<RunningAgent>,
    plans: Vec<AgentPlan>,
    timeout: Duration,
    services: &Services,
) {
    let deadline = clock::now() + timeout;
    let (kept, gone): (Vec<_>, Vec<_>) = agents
        .drain(..)
        .partition(|agent| plans.iter().any(|plan| plan.name == agent.plan.name));
    *agents = kept;
    stop_all(gone, timeout, services).await;
    for plan in plans {
        let name = plan.name.clone();
        let running = agents.iter_mut().find(|agent| agent.plan.name == name);
        let done = match running {
            Some(agent) => agent.reload(plan, deadline, services).await.map(|_| ()),
            None => start_agent(plan, services)
                .await
                .map(|agent| agents.push(agent)),
        };
        match done {
            Ok(()) => tracing::info!(agent = name, "agent runs by the new file"),
            Err(error) => {
                let error = crate::runner::chain(&error);
                tracing::error!(
                    agent = name,
                    error,
                    "the new file cannot run, the old one stays"
                );
            }
        }
    }
}

async fn start_agent(plan: AgentPlan, services: &Services) -> Result<RunningAgent, ComponentError> {
    let mut agent = RunningAgent::build(plan, services)?;
    agent.bind().await;
    agent.start_sinks(services);
    agent.start_sources(services);
    Ok(agent)
}

/// Stops the agents one after the other, each before those that it feeds.
async fn stop_all(agents: Vec<RunningAgent>, timeout: Duration, services: &Services) -> usize {
    let deadline = clock::now() + timeout;
    let mut left = 0;
    for mut agent in upstream_first(agents) {
        left += agent.stop(deadline, services).await;
        tracing::info!(agent = agent.plan.name, "agent stopped");
    }
    left
}

/// Orders agents so that one that feeds another comes before it; agents in a ring keep the order
/// of the file.
fn upstream_first(mut agents: Vec<RunningAgent>) -> Vec<RunningAgent> {
    let mut ordered = Vec::with_capacity(agents.len());
    while !agents.is_empty() {
        let fed = |agent: &RunningAgent| {
            let others = agents
                .iter()
                .filter(|other| other.plan.name != agent.plan.name);
            others
                .into_iter()
                .any(|other| feeds(&other.plan, &agent.plan))
        };
        let next = agents.iter().position(|agent| !fed(agent)).unwrap_or(0);
        ordered.push(agents.remove(next));
    }
    ordered
}

/// Whether a sink of one agent sends to the port of an Avro source of the other. Host names are
/// not compared: a name can mean this machine in many ways, and a wrong yes only orders the stop.
fn feeds(from: &AgentPlan, to: &AgentPlan) -> bool {
    let port = |context: &flume_core::Context| context.clone().optional("port");
    let sinks = from.groups.iter().flat_map(|group| &group.sinks);
    sinks
        .filter_map(|sink| port(&sink.component.context))
        .any(|target| {
            to.sources.iter().any(|s| {
                s.component.kind == "avro" && port(&s.component.context).as_ref() == Some(&target)
            })
        })
}

async fn start_admin(
    options: &HostOptions,
    board: &Board,
    stop: &CancellationToken,
) -> Result<Option<tokio::task::JoinHandle<()>>, ComponentError> {
    let (address, required) = match options.admin {
        AdminAddress::Off => return Ok(None),
        AdminAddress::Perhaps(address) => (address, false),
        AdminAddress::Required(address) => (address, true),
    };
    let listener = match admin::listen(address).await {
        Ok(listener) => listener,
        Err(error) if required => {
            let message = format!("the admin port {address} cannot be opened");
            return Err(ComponentError::caused_by(message, error));
        }
        Err(error) => {
            tracing::warn!(%address, %error, "no admin port; choose another with --admin");
            return Ok(None);
        }
    };
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "admin port listens");
    }
    let (board, changes, stop) = (board.clone(), options.changes, stop.clone());
    Ok(Some(tokio::spawn(async move {
        if let Err(error) = admin::serve(listener, board, changes, stop).await {
            tracing::error!(%error, "the admin port failed");
        }
    })))
}

/// The signals that a process heeds.
struct Signals {
    reload: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, ComponentError> {
        let listen = |kind, name| {
            signal(kind).map_err(|error| {
                ComponentError::caused_by(format!("cannot listen for {name}"), error)
            })
        };
        Ok(Self {
            reload: listen(SignalKind::hangup(), "SIGHUP")?,
            terminate: listen(SignalKind::terminate(), "SIGTERM")?,
            interrupt: listen(SignalKind::interrupt(), "SIGINT")?,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::End("SIGTERM"),
            _ = self.interrupt.recv() => Wish::End("SIGINT"),
            _ = self.reload.recv() => Wish::Reload,
        }
    }

    /// Waits for a signal that ends the process; says which. A HUP keeps for later.
    async fn end(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Does work that must not be left halfway. A signal that ends the process is told when it is
    /// done; a second one ends the process at once.
    async fn during<T>(&mut self, work: impl Future<Output = T>) -> (T, Option<&'static str>) {
        tokio::pin!(work);
        let mut first = None;
        loop {
            tokio::select! {
                done = &mut work => return (done, first),
                name = self.end() => {
                    if first.replace(name).is_some() {
                        end_at_once(name);
                    }
                }
            }
        }
    }
}

fn end_at_once(signal: &str) -> ! {
    tracing::warn!(signal, "ended at once; events in channels are lost");
    std::process::exit(STATUS_INTERRUPTED);
}

/// What a signal asks for.
enum Wish {
    End(&'static str),
    Reload,
}
