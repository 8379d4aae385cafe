//! The end of all agents, whatever is under way for them.

use flume_core::clock::{self, Instant};
use futures_util::future::join_all;
use tokio::time::timeout_at;
use tracing::Instrument;

use super::{Away, Body, Done, Fleet};
use crate::plan::AgentPlan;
use crate::services::Services;
use crate::topology::{AgentView, Brake, RunningAgent, events_left};

impl Fleet {
    /// Stops all agents, and nobody waits for a compiler: what is being prepared is left alone, what
    /// starts is stopped where it is. An agent that is being changed is finished at once; if that is
    /// not possible, what ran of it drains meanwhile, and is cut off when the time is over. Returns how
    /// many events are left.
    pub(in crate::host) async fn stop(mut self, deadline: Instant) -> usize {
        self.hurry.cancel();
        let mut here = Vec::new();
        let mut away = Vec::new();
        for member in std::mem::take(&mut self.members) {
            match member.body {
                Body::Absent(_) => {}
                Body::Here(agent) => here.push(*agent),
                Body::Away(agent) => away.push(*agent),
            }
        }
        let services = self.services.clone();
        let (left, cut) = tokio::join!(
            stop_all(here, deadline, &services),
            self.stop_away(away, deadline)
        );
        left + cut
    }

    async fn stop_away(mut self, away: Vec<Away>, deadline: Instant) -> usize {
        let mut views: Vec<AgentView> = Vec::new();
        let mut brakes: Vec<Brake> = Vec::new();
        for Away { view, brake, .. } in away {
            views.push(view);
            brakes.extend(brake);
        }
        let mut back: Vec<RunningAgent> = Vec::new();
        let is_cut = {
            let waiting = async {
                while back.len() < views.len() {
                    match self.work.join_next().await {
                        Some(Ok(Done::Started(agents))) => back.extend(agents),
                        Some(Ok(Done::Changed { agent, .. })) => back.push(*agent),
                        Some(Ok(Done::Prepared(_))) => {}
                        Some(Err(error)) => tracing::error!(%error, "a change was not completed"),
                        None => break,
                    }
                }
            };
            let waiting = timeout_at(deadline, waiting);
            tokio::pin!(waiting);
            let braking = join_all(brakes.into_iter().map(|brake| brake.pull(deadline)));
            tokio::select! {
                waited = &mut waiting => waited.is_err(),
                _ = braking => waiting.await.is_err(),
            }
        };
        let is_back = |view: &AgentView| back.iter().any(|agent| agent.plan.name == view.plan.name);
        views.retain(|view| !is_back(view));
        let cut = events_left(&views);
        if is_cut {
            tracing::warn!(
                events = cut,
                "a change of the file was cut off; events were left in the channels"
            );
        }
        cut + stop_all(back, deadline, &self.services).await
    }
}

/// Stops the agents one after the other, each before those that it feeds; after the deadline, all
/// that are left at once.
pub(in crate::host) async fn stop_all(
    agents: Vec<RunningAgent>,
    deadline: Instant,
    services: &Services,
) -> usize {
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
