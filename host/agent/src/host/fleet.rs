//! The agents of the process. Each starts and reloads on its own: none waits for another's policies.
//!
//! | an agent | and then |
//! |---|---|
//! | is prepared for a file: its policies are tried out, and it is made if it does not run | it is started or changed; or left out; or it goes on as it was |
//! | is started, together with those that are ready at the same time | it runs |
//! | is changed, by a task that has it meanwhile | it runs |
//! | is left out, because a policy of it cannot be used | the next file |
//!
//! A newer file takes the place of an older one for which an agent is still being prepared. A reload
//! is over for the process when it is over for every agent.

use std::collections::BTreeSet;
use std::sync::Arc;

use flume_core::clock::{self, Instant};
use flume_core::{ComponentError, chain};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::HostOptions;
use super::work::{Done, Outcome, Prepared, Task};
use crate::admin::AdminView;
use crate::audit::Way;
use crate::config::SourceFile;
use crate::health::{Doing, Standing};
use crate::load::Draft;
use crate::logging::LogFormat;
use crate::plan::{AgentPlan, SourcePlan, Trials};
use crate::services::Services;
use crate::topology::{AgentView, Brake, ReloadTerms, RunningAgent};

mod end;
mod words;

/// The agents of the process, and what is under way for them.
pub(super) struct Fleet {
    members: Vec<Member>,
    work: JoinSet<Done>,
    /// Cancelled when what is under way has to be finished at once.
    hurry: CancellationToken,
    /// The files so far.
    round: u64,
    /// What the newest file was asked for by.
    way: Way,
    reload: Option<Reload>,
    options: HostOptions,
    services: Services,
    view: AdminView,
}

/// An agent of the newest file, or one that is on its way out.
struct Member {
    name: String,
    /// The file that it is prepared for, or was.
    round: u64,
    /// The file's plan of it.
    wanted: AgentPlan,
    /// Since when it is prepared, if it is.
    preparing: Option<Instant>,
    /// What it is to be changed to when it is back.
    next: Option<AgentPlan>,
    body: Body,
}

/// What there is of an agent.
enum Body {
    /// Nothing; if a policy of it could not be used, since when, and why.
    Absent(Option<LeftOut>),
    /// It runs.
    Here(Box<RunningAgent>),
    /// A task starts or changes it.
    Away(Box<Away>),
}

/// Why an agent does not run.
struct LeftOut {
    since: Instant,
    why: String,
}

/// What is known of an agent that a task has.
struct Away {
    view: AgentView,
    /// Stops it all the same; none if it has not started.
    brake: Option<Brake>,
    since: Instant,
    until: Instant,
}

/// A reload that is under way.
#[derive(Default)]
struct Reload {
    /// The agents that go on as they were.
    refused: BTreeSet<String>,
    /// Whether a newer file was refused meanwhile: that one is the last.
    is_overtaken: bool,
}

impl Fleet {
    /// No agents yet.
    pub(super) fn new(services: Services, options: HostOptions, view: AdminView) -> Self {
        Self {
            members: Vec::new(),
            work: JoinSet::new(),
            hurry: CancellationToken::new(),
            round: 0,
            way: Way::File,
            reload: None,
            options,
            services,
            view,
        }
    }

    /// Has every agent of a file run by it, as soon as it can.
    /// `way` says what that was asked for by.
    pub(super) fn take_file(&mut self, draft: Draft, way: Way) {
        self.way = way;
        let is_start = self.round == 0;
        self.round += 1;
        if !is_start {
            self.reload.get_or_insert_default();
        }
        let (file, agents) = draft.into_agents();
        let file = Arc::new(file);
        self.enlist(&agents);
        // Those that need no compiler are ready together, so that one that feeds another finds it.
        let (plain, others): (Vec<_>, Vec<_>) = agents
            .into_iter()
            .partition(|(_, trials)| trials.is_empty());
        self.prepare(plain, &file);
        for agent in others {
            self.prepare(vec![agent], &file);
        }
        self.publish();
        self.conclude_reload();
    }

    /// A changed file was refused.
    pub(super) fn file_refused(&mut self) {
        if let Some(reload) = &mut self.reload {
            reload.is_overtaken = true;
        }
    }

    /// Waits until something that is under way has come to an end, and does what follows from it.
    ///
    /// # Errors
    /// An agent was lost: the code that changed it has a defect.
    pub(super) async fn progress(&mut self) -> Result<(), ComponentError> {
        let Some(first) = self.work.join_next().await else {
            return std::future::pending().await;
        };
        let mut all = vec![first];
        while let Some(more) = self.work.try_join_next() {
            all.push(more);
        }
        let mut ready = Vec::new();
        let mut ended = Vec::new();
        for done in all {
            let defect = |error| ComponentError::caused_by("the change was not completed", error);
            match done.map_err(defect)? {
                Done::Prepared(all) => {
                    let started = all.into_iter().filter_map(|agent| self.prepared(agent));
                    ready.extend(started);
                }
                Done::Started(agents) => {
                    let news = || Ok(vec!["the agent is new".to_owned()]);
                    ended.extend(agents.into_iter().map(|agent| (agent, news())));
                }
                Done::Changed { agent, changed } => ended.push((*agent, changed)),
            }
        }
        let names: Vec<String> = ended
            .iter()
            .map(|(agent, _)| agent.plan.name.clone())
            .collect();
        let ended: Vec<_> = ended
            .into_iter()
            .map(|(agent, news)| self.back(agent, news))
            .collect();
        self.start(ready);
        // Before the log says that an agent runs from the new file: who reads that and asks whether
        // all sources are open is not told about the old ones.
        self.publish();
        for (name, news) in names.iter().zip(ended) {
            self.say_changed(name, news);
        }
        for name in &names {
            // A policy may have changed together with the file. At the start all of it was just read.
            if self.round > 1 {
                self.services.policies.look_again(name, self.way);
            }
            self.go_on(name);
        }
        self.publish();
        self.conclude_reload();
        Ok(())
    }

    /// Whether an agent runs, or has.
    pub(super) fn has_started(&self) -> bool {
        self.members
            .iter()
            .any(|member| matches!(member.body, Body::Here(_)))
    }

    /// Whether no agent runs, and none will from this file.
    pub(super) fn is_idle(&self) -> bool {
        let mut members = self.members.iter();
        members.all(|member| matches!(member.body, Body::Absent(_)) && member.preparing.is_none())
    }

    /// Whether agents are still on their way from one file to another.
    pub(super) fn is_reloading(&self) -> bool {
        self.reload.is_some()
    }

    /// The names of all agents.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.name.as_str())
    }

    /// The sources of all agents, those that do not run included.
    pub(super) fn sources(&self) -> Vec<SourcePlan> {
        let running = |member: &Member| match &member.body {
            Body::Absent(_) => Vec::new(),
            Body::Here(agent) => agent.plan.sources.clone(),
            Body::Away(away) => away.view.plan.sources.clone(),
        };
        let members = self.members.iter();
        let sources = members.flat_map(|member| {
            let wanted = member.wanted.sources.iter().cloned();
            running(member).into_iter().chain(wanted)
        });
        sources.collect()
    }

    /// Whether there are channels that the file has no more.
    pub(super) fn is_departing(&self) -> bool {
        let mut here = self.here();
        here.any(|agent| !agent.departing.is_empty())
    }

    /// Forgets channels that have become empty, and agents of which nothing is left.
    pub(super) fn settle_departures(&mut self) {
        let services = &self.services;
        let mut changed = false;
        self.members.retain_mut(|member| {
            let Body::Here(agent) = &mut member.body else {
                return true;
            };
            changed |= agent.settle_departures(services);
            let is_gone = agent.is_gone() && member.preparing.is_none() && member.next.is_none();
            changed |= is_gone;
            if is_gone {
                tracing::info!(agent = member.name, "the agent is gone");
            }
            !is_gone
        });
        if changed {
            self.publish();
        }
    }

    fn here(&self) -> impl Iterator<Item = &RunningAgent> {
        self.members.iter().filter_map(|member| match &member.body {
            Body::Here(agent) => Some(&**agent),
            Body::Absent(_) | Body::Away(_) => None,
        })
    }

    fn member(&mut self, name: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.name == name)
    }

    /// Notes the agents of a new file, in its order, and ends those that it does not have.
    fn enlist(&mut self, agents: &[(AgentPlan, Trials)]) {
        for (plan, _) in agents {
            if self.member(&plan.name).is_none() {
                self.members.push(Member::new(plan));
            }
        }
        let names: Vec<&str> = agents.iter().map(|(plan, _)| plan.name.as_str()).collect();
        let place = |name: &str| names.iter().position(|known| *known == name);
        let last = names.len();
        self.members
            .sort_by_key(|member| place(&member.name).unwrap_or(last));
        self.dismiss(&names);
    }

    /// Ends the agents that a new file does not have.
    fn dismiss(&mut self, names: &[&str]) {
        let round = self.round;
        let gone = |member: &Member| !names.contains(&member.name.as_str());
        self.members
            .retain(|member| !gone(member) || !matches!(member.body, Body::Absent(_)));
        let mut dismissed = Vec::new();
        for member in self.members.iter_mut().filter(|member| gone(member)) {
            let agent = &member.name;
            if !is_empty(&member.wanted) {
                tracing::info!(
                    agent,
                    "the file has no such agent any more: it ends when its channels are empty"
                );
            }
            (member.round, member.preparing) = (round, None);
            member.wanted = AgentPlan::empty(agent);
            member.next = Some(member.wanted.clone());
            dismissed.push(agent.clone());
        }
        for name in dismissed {
            self.go_on(&name);
        }
    }

    /// Begins to prepare agents.
    fn prepare(&mut self, agents: Vec<(AgentPlan, Trials)>, file: &Arc<SourceFile>) {
        if agents.is_empty() {
            return;
        }
        let round = self.round;
        let mut tasks = Vec::new();
        for (plan, trials) in agents {
            if let Some(reload) = &mut self.reload {
                reload.refused.remove(&plan.name);
            }
            let Some(member) = self.member(&plan.name) else {
                continue;
            };
            (member.round, member.next) = (round, None);
            member.wanted = plan.clone();
            member.preparing = Some(clock::now());
            tasks.push(Task {
                is_start: matches!(member.body, Body::Absent(_)),
                round,
                plan,
                trials,
            });
        }
        let (file, services) = (Arc::clone(file), self.services.clone());
        self.work.spawn_blocking(move || {
            let all = tasks.into_iter();
            Done::Prepared(all.map(|task| task.prepare(&file, &services)).collect())
        });
    }

    /// An agent was prepared. It is returned if it is to be started.
    fn prepared(&mut self, prepared: Prepared) -> Option<RunningAgent> {
        let format = match self.round {
            1 => self.options.log_format,
            _ => LogFormat::Json,
        };
        // Else a newer file has come.
        let round = prepared.round;
        let member = self.member(&prepared.name);
        let member = member.filter(|member| member.round == round)?;
        member.preparing = None;
        words::say(&prepared, !matches!(member.body, Body::Absent(_)), format);
        let why = match prepared.outcome {
            Outcome::Agent(agent) => return Some(*agent),
            Outcome::Plan(plan) => {
                member.next = Some(plan);
                self.go_on(&prepared.name);
                return None;
            }
            Outcome::Refused => words::first(&prepared.refusals),
            Outcome::Failed(error) => chain(&error),
        };
        if let Body::Absent(left_out) = &mut member.body {
            let since = left_out
                .as_ref()
                .map_or_else(clock::now, |before| before.since);
            *left_out = Some(LeftOut { since, why });
        }
        self.refuse(&prepared.name);
        self.services.policies.look_again(&prepared.name, self.way);
        None
    }

    /// Starts agents together, step by step.
    fn start(&mut self, agents: Vec<RunningAgent>) {
        let mut ready = Vec::new();
        for agent in agents {
            let (view, until) = (agent.view(), clock::now() + self.options.drain_timeout);
            if let Some(member) = self.member(&agent.plan.name) {
                member.body = Body::Away(Box::new(Away {
                    view,
                    brake: None,
                    since: clock::now(),
                    until,
                }));
                ready.push(agent);
            }
        }
        if !ready.is_empty() {
            let (services, hurry) = (self.services.clone(), self.hurry.clone());
            self.work.spawn(super::work::start(ready, services, hurry));
        }
    }

    /// Changes an agent to what it is to be next, if it is here.
    fn go_on(&mut self, name: &str) {
        let ports = self.ports();
        let terms = ReloadTerms {
            deadline: clock::now() + self.options.drain_timeout,
            hurry: self.hurry.clone(),
            may_lose: self.options.reload_may_lose,
            ports,
        };
        let services = self.services.clone();
        let Some(member) = self.member(name) else {
            return;
        };
        let Body::Here(agent) = &member.body else {
            return;
        };
        let Some(plan) = member.next.take() else {
            return;
        };
        let away = Body::Away(Box::new(Away {
            view: agent.view(),
            brake: Some(Brake::of(std::slice::from_ref(&**agent))),
            since: clock::now(),
            until: terms.deadline,
        }));
        if let Body::Here(agent) = std::mem::replace(&mut member.body, away) {
            super::work::change(&mut self.work, agent, plan, terms, services);
        }
    }

    /// An agent is back from the task that had it.
    fn back(
        &mut self,
        agent: RunningAgent,
        news: Result<Vec<String>, ComponentError>,
    ) -> Result<Vec<String>, ComponentError> {
        let name = agent.plan.name.clone();
        if let Some(member) = self.member(&name) {
            member.body = Body::Here(Box::new(agent));
        }
        if news.is_err() {
            self.refuse(&name);
        }
        news
    }

    /// An agent does not run from the newest file.
    fn refuse(&mut self, name: &str) {
        if let Some(reload) = &mut self.reload {
            reload.refused.insert(name.to_owned());
        }
    }

    fn say_changed(&self, name: &str, news: Result<Vec<String>, ComponentError>) {
        let members = self.members.iter();
        let mut member = members.filter(|member| member.name == name);
        let is_leaving = member.next().is_none_or(|member| is_empty(&member.wanted));
        // At the start there is nothing to compare with.
        if news.is_err() || (!is_leaving && self.round > 1) {
            words::say_changed(name, news);
        }
    }

    /// Ends the reload if it is over for every agent.
    fn conclude_reload(&mut self) {
        let is_busy = |member: &Member| {
            let is_away = matches!(member.body, Body::Away(_));
            member.preparing.is_some() || is_away || member.next.is_some()
        };
        if self.members.iter().any(is_busy) {
            return;
        }
        let Some(reload) = self.reload.take() else {
            return;
        };
        let taken = reload.refused.is_empty();
        if !reload.is_overtaken {
            self.services
                .reloads
                .note(taken, &self.services.components.wall);
        }
        self.settle_departures();
        let refused = reload.refused.into_iter().collect::<Vec<_>>().join(" ");
        tracing::info!(taken, refused, "the reload is over");
    }

    /// The ports on which sources listen.
    fn ports(&self) -> BTreeSet<u16> {
        let views = self.views();
        let sources = views.iter().flat_map(|view| &view.sources);
        sources.filter_map(|source| source.status.port()).collect()
    }

    fn views(&self) -> Vec<AgentView> {
        let members = self.members.iter();
        let views = members.filter_map(|member| match &member.body {
            Body::Absent(_) => None,
            Body::Here(agent) => Some(agent.view()),
            Body::Away(away) => Some(away.view.clone()),
        });
        views.collect()
    }

    /// Shows operators what there is.
    fn publish(&self) {
        let standings = self.members.iter().filter_map(Member::standing);
        self.view.show(self.views(), standings.collect());
    }
}

impl Member {
    /// An agent of which nothing runs.
    fn new(plan: &AgentPlan) -> Self {
        Self {
            name: plan.name.clone(),
            round: 0,
            wanted: plan.clone(),
            preparing: None,
            next: None,
            body: Body::Absent(None),
        }
    }

    /// What is to be known of it besides what runs of it.
    fn standing(&self) -> Option<Standing> {
        let doing = match (&self.body, self.preparing) {
            (Body::Away(away), _) => Doing::Changing {
                since: away.since,
                until: away.until,
            },
            (Body::Absent(_), Some(since)) => Doing::Preparing { since, runs: false },
            (Body::Here(_), Some(since)) => Doing::Preparing { since, runs: true },
            (Body::Absent(Some(LeftOut { since, why })), None) => Doing::LeftOut {
                since: *since,
                why: why.clone(),
            },
            (Body::Absent(None) | Body::Here(_), None) => return None,
        };
        Some(Standing {
            agent: self.name.clone(),
            doing,
        })
    }
}

/// Whether nothing is to run by a plan.
fn is_empty(plan: &AgentPlan) -> bool {
    plan.groups.is_empty() && plan.sources.is_empty()
}

#[cfg(test)]
mod tests;
