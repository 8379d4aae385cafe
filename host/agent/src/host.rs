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

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use flume_core::clock::{self, Instant};
use flume_core::{ComponentError, chain};
use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use self::manager::Manager;
use self::signals::{Ending, Signals};

use crate::admin::{Access, AdminSocket, AdminView};
use crate::audit::Way;
use crate::config_watch::ConfigWatch;
use crate::health::Phase;
use crate::plan::{AgentPlan, changes};
use crate::services::Services;
use crate::topology::{Brake, ReloadTerms, RunningAgent, RunningSource, events_left};

mod admin_ports;
#[cfg(test)]
mod deadline;
mod manager;
mod signals;
mod sockets;
mod status;

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
}

/// How long a task that has nothing to do any more may take to end, once the agents have.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Runs agents until a signal ends them, and applies changes of their file. Returns how many events
/// were left in channels.
///
/// # Errors
/// A component cannot be made, or a required admin port cannot be opened.
pub(crate) async fn run(
    plans: Vec<AgentPlan>,
    watch: ConfigWatch,
    services: Services,
    options: HostOptions,
) -> Result<usize, ComponentError> {
    let memory = services.components.memory.clone();
    let view = AdminView::new(services.policies.clone(), memory, services.reloads.clone());
    let manager = Manager::of_process();
    let signals = Signals::listen(view.clone(), options.drain_timeout, manager.clone())?;
    let asked = signals.clone();
    tokio::spawn(manager.clone().attend(view.clone(), move || asked.ending()));
    let agents = tokio::select! {
        built = build_all(plans, services.clone()) => built?,
        // Nothing has come in yet.
        _ = signals.ended() => return Ok(0),
    };
    show(&view, &agents);
    let stop_watch = CancellationToken::new();
    let stop_admin = CancellationToken::new();
    let admin = admin_ports::start(&options, &view, &services, &stop_admin).await?;
    let watching = tokio::spawn(services.policies.clone().watch(stop_watch.clone()));
    let host = Host {
        agents,
        watch,
        services,
        options,
        view,
        signals,
        manager,
    };
    let left = host.run().await?;
    stop_watch.cancel();
    stop_admin.cancel();
    conclude("the watch over policies", watching).await;
    for task in admin {
        conclude("the admin port", task).await;
    }
    tracing::info!(events_left = left, "stopped");
    Ok(left)
}

/// Makes all agents. What has to be compiled for that is compiled outside of the runtime's tasks.
async fn build_all(
    plans: Vec<AgentPlan>,
    services: Services,
) -> Result<Vec<RunningAgent>, ComponentError> {
    let build = move || {
        let agents = plans.into_iter();
        agents
            .map(|plan| RunningAgent::build(plan, &services))
            .collect()
    };
    let building = spawn_blocking(build);
    building.await.unwrap_or_else(|defect| {
        let message = "the agents cannot be made";
        Err(ComponentError::caused_by(message, defect))
    })
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
    agents: Vec<RunningAgent>,
    watch: ConfigWatch,
    services: Services,
    options: HostOptions,
    view: AdminView,
    signals: Signals,
    manager: Manager,
}

impl Host {
    /// Starts the agents, and runs them until a signal ends them. Returns how many events are left.
    async fn run(mut self) -> Result<usize, ComponentError> {
        tokio::select! {
            () = start_all(&mut self.agents, &self.services) => {}
            ending = self.signals.ended() => return Ok(self.stop(ending).await),
        }
        self.view.enter(Phase::Running);
        self.manager.ready();
        self.settle_sockets().await;
        loop {
            let change = self.next_change().await;
            let way = match change {
                Change::Asked => Way::Sighup,
                Change::End(_) | Change::Plans(_) => Way::File,
            };
            let plans = match change {
                Change::End(ending) => return Ok(self.stop(ending).await),
                Change::Plans(plans) => {
                    self.manager.reloading();
                    Some(plans)
                }
                Change::Asked => {
                    self.manager.reloading();
                    admin_ports::read_again(&self.options, &self.services).await;
                    tokio::select! {
                        plans = self.watch.read_again(&self.services) => plans,
                        // What is being read is of no use any more.
                        _ = self.signals.ended() => None,
                    }
                }
            };
            if let Some(plans) = plans {
                match self.reload(plans).await? {
                    Reloaded::Agents(agents) => {
                        self.agents = agents;
                        self.settle_sockets().await;
                    }
                    Reloaded::Cut(left) => return Ok(left),
                }
            }
            // After the agents, because a policy file may have changed together with theirs.
            self.services.policies.look_again(way);
            if self.signals.ending().is_none() {
                self.view.enter(Phase::Running);
                self.manager.ready();
            }
        }
    }

    /// Looks which of the sockets that were passed to the process are used. Names may have to be
    /// looked up for it, and a signal does not wait for that.
    async fn settle_sockets(&self) {
        tokio::select! {
            () = sockets::settle(&self.agents, &self.options, &self.services) => {}
            _ = self.signals.ended() => {}
        }
    }

    /// Stops the agents. Returns how many events are left.
    async fn stop(self, ending: Ending) -> usize {
        self.view.enter(Phase::Stopping(ending.deadline));
        stop_all(self.agents, ending.deadline, &self.services).await
    }

    /// Waits for a signal or a changed file. Meanwhile channels that the file has no more are
    /// emptied.
    async fn next_change(&mut self) -> Change {
        // Kept over all looks at the channels, because it counts the time to its own next look.
        let changed = self.watch.changed(&self.services);
        tokio::pin!(changed);
        loop {
            tokio::select! {
                ending = self.signals.ended() => return Change::End(ending),
                () = self.signals.reload() => return Change::Asked,
                plans = &mut changed => return Change::Plans(plans),
                () = sleep(LOOK_AFTER_DEPARTING), if is_departing(&self.agents) => {
                    if settle_departures(&mut self.agents, &self.services) {
                        show(&self.view, &self.agents);
                    }
                }
            }
        }
    }

    /// Applies new plans. If a signal ends the process meanwhile, that is done at once; what waits
    /// for a compiler is cut off when the time is over, and what ran drains until then.
    async fn reload(&mut self, plans: Vec<AgentPlan>) -> Result<Reloaded, ComponentError> {
        let agents = std::mem::take(&mut self.agents);
        let brake = Brake::of(&agents);
        let terms = ReloadTerms {
            deadline: clock::now() + self.options.drain_timeout,
            hurry: CancellationToken::new(),
            may_lose: self.options.reload_may_lose,
            ports: ports(&agents),
        };
        self.view.enter(Phase::Reloading {
            since: clock::now(),
            until: terms.deadline,
        });
        let (hurry, services) = (terms.hurry.clone(), self.services.clone());
        let view = self.view.clone();
        // On a thread of its own, since compilers work in it.
        let mut work = spawn_blocking(move || {
            Handle::current().block_on(reload(agents, plans, &terms, &services, &view))
        });
        let done = tokio::select! {
            done = &mut work => done,
            ending = self.signals.ended() => {
                hurry.cancel();
                self.view.enter(Phase::Stopping(ending.deadline));
                let work = timeout_at(ending.deadline, work);
                tokio::pin!(work);
                let done = tokio::select! {
                    done = &mut work => done,
                    () = brake.pull(ending.deadline) => work.await,
                };
                let Ok(done) = done else {
                    return Ok(Reloaded::Cut(report_cut(&self.view)));
                };
                done
            }
        };
        let defect = |error| ComponentError::caused_by("the change was not completed", error);
        let agents = done.map_err(defect)?;
        show(&self.view, &agents);
        Ok(Reloaded::Agents(agents))
    }
}

fn show(view: &AdminView, agents: &[RunningAgent]) {
    view.show(agents.iter().map(RunningAgent::view).collect());
}

/// What ends the peace of running agents.
enum Change {
    /// A signal ends the process.
    End(Ending),
    /// Their file changed.
    Plans(Vec<AgentPlan>),
    /// A HUP came.
    Asked,
}

/// What a reload came to.
enum Reloaded {
    /// These agents run.
    Agents(Vec<RunningAgent>),
    /// The process ends before it is done; so many events are left.
    Cut(usize),
}

/// What is left in the channels of agents that a reload still holds.
fn report_cut(view: &AdminView) -> usize {
    let left = events_left(&view.agents());
    tracing::warn!(
        events = left,
        "a change of the file was cut off; events were left in the channels"
    );
    left
}

/// Starts the agents step by step, so that an agent that feeds another finds it running.
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

/// How often it is looked whether channels that the file has no more are empty.
const LOOK_AFTER_DEPARTING: Duration = Duration::from_millis(500);

fn is_departing(agents: &[RunningAgent]) -> bool {
    agents.iter().any(|agent| !agent.departing.is_empty())
}

/// Forgets channels that have become empty, and agents of which nothing is left. Says whether there
/// was anything.
fn settle_departures(agents: &mut Vec<RunningAgent>, services: &Services) -> bool {
    let mut changed = false;
    for agent in &mut *agents {
        changed |= agent.settle_departures(services);
    }
    agents.retain(|agent| {
        if agent.is_gone() {
            tracing::info!(agent = agent.plan.name, "the agent is gone");
        }
        !agent.is_gone()
    });
    changed
}

/// The ports on which sources listen.
fn ports(agents: &[RunningAgent]) -> BTreeSet<u16> {
    let sources = agents.iter().flat_map(|agent| &agent.sources);
    sources.filter_map(RunningSource::port).collect()
}

/// Changes the running agents to those of the new plans. An agent that cannot be made stays as it
/// was; one that the file has no more ends when its channels are empty.
///
/// An agent is shown before the log says that it runs from the new file: who reads that and asks
/// whether all sources are open is not told about the old ones.
async fn reload(
    mut agents: Vec<RunningAgent>,
    plans: Vec<AgentPlan>,
    terms: &ReloadTerms,
    services: &Services,
    view: &AdminView,
) -> Vec<RunningAgent> {
    let gone = agents.iter().map(|agent| agent.plan.name.clone());
    let gone = gone.filter(|name| plans.iter().all(|plan| plan.name != *name));
    let gone: Vec<AgentPlan> = gone.map(|name| AgentPlan::empty(&name)).collect();
    for plan in &gone {
        let agent = &plan.name;
        tracing::info!(
            agent,
            "the file has no such agent any more: it ends when its channels are empty"
        );
    }
    let mut all_taken = true;
    for plan in gone.into_iter().chain(plans) {
        let name = plan.name.clone();
        let is_gone = plan.groups.is_empty() && plan.sources.is_empty();
        let running = agents.iter_mut().find(|agent| agent.plan.name == name);
        let done = match running {
            Some(agent) => {
                let changes = changes::between(&agent.plan, &plan);
                let span = tracing::info_span!("agent", agent = name);
                let reloaded = agent.reload(plan, terms, services).instrument(span);
                reloaded.await.map(|()| changes)
            }
            None => start_agent(plan, services).await.map(|agent| {
                agents.push(agent);
                vec!["the agent is new".to_owned()]
            }),
        };
        show(view, &agents);
        match done {
            Ok(_) if is_gone => {}
            Ok(changes) if changes.is_empty() => {
                tracing::info!(agent = name, "nothing changed: the agent goes on as it is")
            }
            Ok(changes) => {
                let changes = changes.join("; ");
                tracing::info!(agent = name, changes, "agent runs from the new file")
            }
            Err(error) => {
                all_taken = false;
                let error = chain(&error);
                tracing::error!(
                    agent = name,
                    error,
                    "the new file cannot run; the agent keeps the old one"
                );
            }
        }
    }
    services.reloads.note(all_taken, &services.components.wall);
    settle_departures(&mut agents, services);
    agents
}

async fn start_agent(plan: AgentPlan, services: &Services) -> Result<RunningAgent, ComponentError> {
    let mut agent = RunningAgent::build(plan, services)?;
    agent.bind().await;
    agent.start_sinks(services);
    agent.start_sources(services);
    Ok(agent)
}

/// Stops the agents one after the other, each before those that it feeds; after the deadline, all
/// that are left at once.
async fn stop_all(agents: Vec<RunningAgent>, deadline: Instant, services: &Services) -> usize {
    let stop = async |mut agent: RunningAgent| {
        let span = tracing::info_span!("agent", agent = agent.plan.name);
        let stopping = async {
            let left = agent.stop(deadline, services).await;
            tracing::info!("agent stopped");
            left
        };
        stopping.instrument(span).await
    };
    let mut left = 0;
    let mut waiting = upstream_first(agents).into_iter();
    while clock::now() < deadline
        && let Some(agent) = waiting.next()
    {
        left += stop(agent).await;
    }
    left + join_all(waiting.map(stop)).await.iter().sum::<usize>()
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

/// Whether a sink of one agent sends to the port of an Avro source of the other. Host names are not
/// compared: many names can mean this machine, and a wrong match only affects the order of
/// stopping.
fn feeds(from: &AgentPlan, to: &AgentPlan) -> bool {
    let sinks = from.groups.iter().flat_map(|group| &group.sinks);
    sinks
        .filter_map(|sink| sink.component.keys.text("port"))
        .any(|target| {
            to.sources.iter().any(|s| {
                s.component.kind == "avro" && s.component.keys.text("port") == Some(target)
            })
        })
}

#[cfg(test)]
mod tests;
