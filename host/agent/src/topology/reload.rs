//! Reloading a changed file: what did not change is not touched, no event is lost, and no port is
//! closed for longer than it takes to open it again.
//!
//! | step | what can go wrong |
//! |---|---|
//! | everything new is made, and new ports are opened | the agent stays as it is, and says why |
//! | old sources end; new ones start, each as soon as its port is free | |
//! | old sinks finish their batch; new ones start | |
//! | channels that leave are emptied beside the rest: see [`departing`](super::departing) | |
//!
//! A channel keeps its events under its name, also when it becomes a mirror of another or stops
//! being one, and under a new name if the same sinks drain it. New limits hold at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flume_core::{ComponentError, clock};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use self::channels::sinks_of;
use super::departing::Departing;
use super::{
    Builder, RunningAgent, RunningChannel, RunningGroup, RunningSource, close_all, open_all,
};
use crate::plan::{AgentPlan, GroupPlan, SinkPlan, SourcePlan};
use crate::services::Services;

mod channels;
mod groups;

/// How often a port is tried that an old source still has.
const PORT_PAUSE: Duration = Duration::from_millis(20);

/// What a reload may do.
#[derive(Debug)]
pub(crate) struct ReloadTerms {
    /// Until when old sources may end, and old sinks may finish their batch.
    pub deadline: clock::Instant,
    /// Cancelled when that has to be done at once.
    pub hurry: CancellationToken,
    /// Whether events may be lost with a channel that no sink drains.
    pub may_lose: bool,
    /// The ports on which sources of this process listen. They may become free in this reload.
    pub ports: BTreeSet<u16>,
}

impl ReloadTerms {
    /// Does work that takes the time until which it may last: until the deadline, or, if all has to
    /// be done at once, anew without any time.
    async fn timed(&self, mut work: impl AsyncFnMut(clock::Instant)) {
        tokio::select! {
            () = work(self.deadline) => return,
            () = self.hurry.cancelled() => {}
        }
        work(clock::now()).await;
    }
}

/// A component of the new plan: one that runs already, by its index in the old plan, or a new one.
enum Part<T> {
    Kept(usize),
    New(T),
}

/// Everything of the new plan, made and not started.
struct Made {
    channels: Vec<RunningChannel>,
    sources: Vec<Part<RunningSource>>,
    groups: Vec<Part<RunningGroup>>,
}

impl RunningAgent {
    /// Has the agent run by a new plan. An empty plan ends it, once its channels are empty.
    ///
    /// # Errors
    /// A policy cannot be used, a new port cannot be opened, a channel is not free, or events would be
    /// lost: the agent runs on as it was.
    pub(crate) async fn reload(
        &mut self,
        plan: AgentPlan,
        terms: &ReloadTerms,
        services: &Services,
    ) -> Result<(), ComponentError> {
        let mut made = self.make(&plan, services)?;
        let leaving = self.leaving(&made.channels);
        self.refuse_loss(&leaving, &plan, terms.may_lose)?;
        let new = self.open_new(&made.channels).await?;
        let opened = self.open_ports(&plan.sources, &mut made.sources, terms);
        if let Err(error) = opened.await {
            close_all(new.iter()).await;
            return Err(error);
        }
        let now = services.components.wall.millis();
        self.take_back(&made.channels, terms, now).await;
        self.resize(&plan, &made.channels, now);
        self.replace_sources(made.sources, terms, now).await;
        let leaving = self.with_targets(leaving, &plan, &made.channels);
        self.replace_groups(made.groups, &leaving, terms, services)
            .await;
        self.see_off(leaving, now).await;
        join_all(self.departing.iter_mut().map(Departing::finish_if_empty)).await;
        self.channels = made.channels;
        self.plan = plan;
        Ok(())
    }

    /// Opens the channels of a new plan that are not in use, and returns them.
    async fn open_new(
        &self,
        channels: &[RunningChannel],
    ) -> Result<Vec<RunningChannel>, ComponentError> {
        let in_use = |channel: &RunningChannel| {
            let mut departing = self.departing.iter();
            runs_in(&self.channels, channel) || departing.any(|gone| gone.has(channel))
        };
        let new = channels.iter().filter(|channel| !in_use(channel));
        let new: Vec<_> = new.cloned().collect();
        open_all(&new).await?;
        Ok(new)
    }

    /// Ends the care for channels that have become empty. Says whether there was one.
    pub(crate) fn settle_departures(&mut self, services: &Services) -> bool {
        let (ended, departing): (Vec<_>, Vec<_>) =
            self.departing.drain(..).partition(Departing::has_ended);
        self.departing = departing;
        let now = services.components.wall.millis();
        for channel in ended.iter().flat_map(|ended| &ended.channels) {
            channel.channel.counters().stop_time.set(now);
            let emptied = Arc::clone(&channel.channel);
            let (agent, name) = (self.plan.name.clone(), channel.names.join("+"));
            tokio::spawn(async move {
                emptied.close().await;
                // Whoever reads that may use its folders.
                tracing::info!(agent, channel = name, "the channel is empty and gone");
            });
        }
        !ended.is_empty()
    }

    /// Whether nothing is left of an agent that the file has no more.
    pub(crate) fn is_gone(&self) -> bool {
        self.groups.is_empty() && self.sources.is_empty() && self.departing.is_empty()
    }

    fn make(&self, plan: &AgentPlan, services: &Services) -> Result<Made, ComponentError> {
        let before = self.view();
        let channels = self.match_channels(plan)?;
        let stays = |name: &str| match (find(&self.channels, name), find(&channels, name)) {
            (Some(old), Some(new)) => Arc::ptr_eq(&old.channel, &new.channel),
            _ => false,
        };
        let builder = Builder {
            channels: &channels,
            before: Some(&before),
            vacant: &plan.vacant,
            services,
        };
        let mut sources = Vec::new();
        for wanted in &plan.sources {
            let kept = self.plan.sources.iter().position(|old| old == wanted);
            let kept = kept.filter(|_| wanted.targets().all(&stays));
            sources.push(match kept {
                Some(at) => Part::Kept(at),
                None => Part::New(builder.source(wanted)?),
            });
        }
        let mut groups = Vec::new();
        for wanted in &plan.groups {
            let kept = self.plan.groups.iter().position(|old| old == wanted);
            let mut needed = wanted.sinks.iter().flat_map(SinkPlan::channels);
            let kept = kept.filter(|_| needed.all(&stays));
            groups.push(match kept {
                Some(at) => Part::Kept(at),
                None => Part::New(builder.group(wanted)?),
            });
        }
        Ok(Made {
            channels,
            sources,
            groups,
        })
    }

    /// The running channels that are not among the new ones.
    fn leaving(&self, channels: &[RunningChannel]) -> Vec<RunningChannel> {
        let leaves = |channel: &&RunningChannel| !runs_in(channels, channel);
        self.channels.iter().filter(leaves).cloned().collect()
    }

    /// Refuses to remove a channel whose events nothing would deliver.
    fn refuse_loss(
        &self,
        leaving: &[RunningChannel],
        plan: &AgentPlan,
        may_lose: bool,
    ) -> Result<(), ComponentError> {
        for channel in leaving {
            let (name, events) = (channel.names.join("+"), channel.channel.depth());
            let stay = channel.channel.outlives_stop();
            let is_drained = !sinks_of(&self.plan, &channel.names).is_empty();
            if events == 0 || stay || is_drained || self.goes_with_its_group(channel, plan) {
                continue;
            }
            if !may_lose {
                let message = format!(
                    "{events} events would be lost with channel `{name}`, which no sink drains: \
                     give it a sink, or start with --reload-may-lose"
                );
                return Err(ComponentError::new(message));
            }
            let agent = &self.plan.name;
            tracing::error!(
                agent,
                channel = name,
                events,
                "events are lost with their channel"
            );
        }
        Ok(())
    }

    /// Whether a channel is that of a spare whose group goes too, with all of its sinks, and empties
    /// it on its way out.
    fn goes_with_its_group(&self, channel: &RunningChannel, plan: &AgentPlan) -> bool {
        let is_its = |group: &&GroupPlan| {
            let spare = group.spare();
            spare.is_some_and(|(_, _, outlet)| channel.names.contains(&outlet.to))
        };
        let stays = |sink: &SinkPlan| {
            let mut sinks = plan.groups.iter().flat_map(|group| &group.sinks);
            sinks.any(|other| other.component.name == sink.component.name)
        };
        let drained = |sink: &SinkPlan| {
            let mut channels = plan.channels.iter();
            channels.any(|channel| channel.names.contains(&sink.channel))
        };
        let mut groups = self.plan.groups.iter();
        let group = groups.find(is_its);
        group.is_some_and(|group| !group.sinks.iter().any(|sink| stays(sink) || drained(sink)))
    }

    /// Opens the ports of new sources. One that cannot be opened is a reason to refuse the plan if an
    /// open port would be closed for it, unless a source of this process has the port now.
    async fn open_ports(
        &self,
        plans: &[SourcePlan],
        parts: &mut [Part<RunningSource>],
        terms: &ReloadTerms,
    ) -> Result<(), ComponentError> {
        for (plan, part) in plans.iter().zip(parts) {
            let Part::New(source) = part else { continue };
            let Err(error) = source.try_bind(&self.plan.name).await else {
                continue;
            };
            let name = &plan.component.name;
            let mut old = self.sources.iter();
            let replaces = old.any(|old| old.view.name == *name && old.port().is_some());
            let port = plan.component.keys.text("port");
            let port: Option<u16> = port.and_then(|port| port.trim().parse().ok());
            if replaces && !port.is_some_and(|port| terms.ports.contains(&port)) {
                let message = format!("source `{name}` cannot start: {error}");
                return Err(ComponentError::new(message));
            }
        }
        Ok(())
    }

    /// Takes channels back that were on their way out and that the new plan has again. Others that were
    /// emptied with them are closed: their events stay on their disks.
    async fn take_back(&mut self, channels: &[RunningChannel], terms: &ReloadTerms, now: u64) {
        let comes_back = |departing: &Departing| {
            let mut wanted = channels.iter();
            wanted.any(|channel| departing.has(channel))
        };
        let (mut back, departing): (Vec<_>, Vec<_>) =
            self.departing.drain(..).partition(comes_back);
        self.departing = departing;
        for departing in &mut back {
            let give_up = async |until| departing.give_up(until, now).await;
            terms.timed(give_up).await;
            let gone = departing.channels.iter();
            let gone = gone.filter(|channel| !runs_in(channels, channel));
            for channel in gone {
                let (agent, name) = (&self.plan.name, channel.names.join("+"));
                let events = channel.channel.depth();
                channel.channel.counters().stop_time.set(now);
                channel.channel.close().await;
                tracing::info!(
                    agent,
                    channel = name,
                    events,
                    "the channel is closed: its events stay in it"
                );
            }
        }
    }

    /// Starts new channels, and has those that stay keep to their new limits.
    fn resize(&self, plan: &AgentPlan, channels: &[RunningChannel], now: u64) {
        for (wanted, new) in plan.channels.iter().zip(channels) {
            if !runs_in(&self.channels, new) {
                new.channel.counters().start_time.set(now);
                new.channel.counters().stop_time.set(0);
            }
            new.channel.resize(&*wanted.recipe);
        }
    }

    /// Ends sources that are not kept, and starts the new ones.
    async fn replace_sources(
        &mut self,
        mut parts: Vec<Part<RunningSource>>,
        terms: &ReloadTerms,
        now: u64,
    ) {
        let mut old: Vec<Option<RunningSource>> = self.sources.drain(..).map(Some).collect();
        let mut kept = take_kept(&parts, &mut old);
        let mut retiring: Vec<RunningSource> = old.into_iter().flatten().collect();
        for source in &retiring {
            source.stop.cancel();
        }
        let agent = &self.plan.name;
        let ended = CancellationToken::new();
        let ending = async {
            let all = retiring.iter_mut();
            let all = all.map(|source| terms.timed(async |until| source.finish(until, now).await));
            join_all(all).await;
            ended.cancel();
        };
        let starting = parts.iter_mut().filter_map(|part| match part {
            Part::New(source) => Some(start_source(source, agent, &ended, now)),
            Part::Kept(_) => None,
        });
        tokio::join!(ending, join_all(starting));
        for part in parts {
            match part {
                Part::Kept(at) => self.sources.extend(kept.get_mut(at).and_then(Option::take)),
                Part::New(source) => self.sources.push(source),
            }
        }
    }
}

/// Starts a source as soon as its port is free, and at the latest when all old sources have ended.
async fn start_source(
    source: &mut RunningSource,
    agent: &str,
    all_ended: &CancellationToken,
    now: u64,
) {
    while source.try_bind(agent).await.is_err() {
        if all_ended.is_cancelled() {
            // Whoever has the port now, the source tries again and again, and says so.
            break;
        }
        tokio::time::sleep(PORT_PAUSE).await;
    }
    source.start(agent, now);
}

/// The channel of this name.
fn find<'a>(channels: &'a [RunningChannel], name: &str) -> Option<&'a RunningChannel> {
    let is_called = |channel: &&RunningChannel| channel.names.iter().any(|known| known == name);
    channels.iter().find(is_called)
}

/// Whether this very channel is among them.
fn runs_in(channels: &[RunningChannel], channel: &RunningChannel) -> bool {
    let is_it = |other: &RunningChannel| Arc::ptr_eq(&other.channel, &channel.channel);
    channels.iter().any(is_it)
}

/// Those that are kept, in their old places; the rest stays in `old`.
fn take_kept<T>(parts: &[Part<T>], old: &mut [Option<T>]) -> Vec<Option<T>> {
    let is_kept = |at: usize| {
        let mut parts = parts.iter();
        parts.any(|part| matches!(part, Part::Kept(kept) if *kept == at))
    };
    let all = old.iter_mut().enumerate();
    all.map(|(at, part)| is_kept(at).then(|| part.take()).flatten())
        .collect()
}
