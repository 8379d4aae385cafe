//! The topology: a plan at work.
//!
//! Started in three steps over all agents that are ready together: ports are bound, then sinks start,
//! then sources read. So an agent whose sinks feed another agent of the same process finds it there.
//! Stopped in the opposite order, and agent by agent, upstream first: sources end, sinks drain the
//! channels until a deadline, and what is left then is counted and logged.

use std::sync::Arc;
use std::time::Duration;

use flume_core::clock;
use flume_core::counters::Counter;
use flume_core::{Channel, ComponentError, SinkCounter, SourceCounter};
use flume_policy::shadow::ShadowStats;
use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use self::ages::Ages;
use self::build::Builder;
use self::fullness::Fullness;
use crate::plan::AgentPlan;
use crate::record::RecordStats;
use crate::runner::{GroupRunner, Senders, SourceRunner, SourceStatus};
use crate::services::Services;

mod ages;
mod balanced;
mod brake;
mod build;
mod departing;
mod fullness;
mod reload;

pub(crate) use self::brake::Brake;
pub(crate) use self::departing::{Departing, DepartingView};
pub(crate) use self::reload::ReloadTerms;

/// A running agent.
pub(crate) struct RunningAgent {
    /// What it was made from.
    pub plan: AgentPlan,
    /// Its channels; mirrors are one channel with several names.
    pub channels: Vec<RunningChannel>,
    /// Its groups and single sinks.
    pub groups: Vec<RunningGroup>,
    /// Its sources.
    pub sources: Vec<RunningSource>,
    /// Channels that the file has no more, until they are empty.
    pub departing: Vec<Departing>,
}

/// What operators may look at while an agent runs: its parts, shared.
#[derive(Clone)]
pub(crate) struct AgentView {
    /// What the agent was made from.
    pub plan: AgentPlan,
    /// Its channels.
    pub channels: Vec<RunningChannel>,
    /// Its groups and single sinks.
    pub groups: Vec<GroupView>,
    /// Its sources.
    pub sources: Vec<SourceView>,
    /// Channels that the file has no more, until they are empty.
    pub departing: Vec<DepartingView>,
}

/// The events in all channels of these agents, those on their way out included, and those that
/// sinks have and have not delivered.
pub(crate) fn events_left(agents: &[AgentView]) -> usize {
    let of_agent = |view: &AgentView| -> usize {
        let leaving = view.departing.iter().flat_map(|gone| &gone.channels);
        let channels = distinct(view.channels.iter().chain(leaving));
        channels.iter().map(|channel| channel.at_risk()).sum()
    };
    agents.iter().map(of_agent).sum()
}

/// Each channel once: two groups may empty the same one.
fn distinct<'a>(channels: impl Iterator<Item = &'a RunningChannel>) -> Vec<&'a RunningChannel> {
    let mut all: Vec<&RunningChannel> = Vec::new();
    for channel in channels {
        let is_it = |known: &&RunningChannel| Arc::ptr_eq(&known.channel, &channel.channel);
        if !all.iter().any(is_it) {
            all.push(channel);
        }
    }
    all
}

/// A group, as operators see it.
#[derive(Clone)]
pub(crate) struct GroupView {
    /// Reports its state.
    pub runner: GroupRunner,
    /// Its sinks, in the order of the group.
    pub sinks: Vec<SinkView>,
    /// What watches its selector.
    pub watchers: Watchers,
}

/// What watches the selector of a group.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watchers {
    /// The candidate in its shadow.
    pub shadow: Option<Arc<ShadowStats>>,
    /// Its record.
    pub record: Option<Arc<RecordStats>>,
}

/// A sink's name and numbers.
#[derive(Debug, Clone)]
pub(crate) struct SinkView {
    /// The name in the file.
    pub name: String,
    /// The channel that it drains, as the file names it.
    pub channel: String,
    /// Its counters.
    pub counters: Arc<SinkCounter>,
}

/// A source, as operators see it.
#[derive(Debug, Clone)]
pub(crate) struct SourceView {
    /// The name in the file.
    pub name: String,
    /// Its state.
    pub status: Arc<SourceStatus>,
    /// Its counters.
    pub counters: Arc<SourceCounter>,
    /// Its interceptors, with the events that each dropped.
    pub dropped: Vec<(String, Arc<Counter>)>,
}

/// A channel with all its names.
#[derive(Debug, Clone)]
pub(crate) struct RunningChannel {
    /// The names in the file.
    pub names: Vec<String>,
    /// The first name of its type.
    pub kind: &'static str,
    /// The channel.
    pub channel: Arc<dyn Channel>,
    /// How long its events have waited.
    pub ages: Arc<Ages>,
    /// Since when it has no room.
    pub full: Arc<Fullness>,
    /// Who puts dead letters of sinks into it.
    pub senders: Senders,
}

impl RunningChannel {
    /// The events that would be lost if the process ended in order now.
    fn at_risk(&self) -> usize {
        match self.channel.outlives_stop() {
            true => 0,
            false => self.undelivered(),
        }
    }

    /// The events that were put and not delivered. A batch that a sink still has, because it hangs,
    /// is among them, and so are events that it has set aside.
    fn undelivered(&self) -> usize {
        let counters = self.channel.counters();
        // In this order, what is delivered meanwhile makes it too high, and nothing too low.
        let delivered = counters.left();
        let put = counters.entered();
        usize::try_from(put.saturating_sub(delivered)).unwrap_or(usize::MAX)
    }
}

/// A running group.
pub(crate) struct RunningGroup {
    view: GroupView,
    /// The channels for its dead letters.
    letters: Vec<Senders>,
    drain: CancellationToken,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

/// A running source.
pub(crate) struct RunningSource {
    view: SourceView,
    stop: CancellationToken,
    runner: Option<SourceRunner>,
    task: Option<JoinHandle<()>>,
}

impl RunningAgent {
    /// Makes all components, without a task or a socket.
    ///
    /// # Errors
    /// A policy cannot be used: its file has changed since the plan was made.
    pub(crate) fn build(plan: AgentPlan, services: &Services) -> Result<Self, ComponentError> {
        let channels: Vec<RunningChannel> = plan.channels.iter().map(build::channel).collect();
        let builder = Builder {
            channels: &channels,
            before: None,
            vacant: &plan.vacant,
            services,
        };
        let groups: Result<Vec<_>, _> = plan.groups.iter().map(|g| builder.group(g)).collect();
        let sources: Result<Vec<_>, _> = plan.sources.iter().map(|s| builder.source(s)).collect();
        let (groups, sources) = (groups?, sources?);
        Ok(Self {
            plan,
            channels,
            groups,
            sources,
            departing: Vec::new(),
        })
    }

    /// What operators may look at.
    pub(crate) fn view(&self) -> AgentView {
        AgentView {
            plan: self.plan.clone(),
            channels: self.channels.clone(),
            groups: self.groups.iter().map(|group| group.view.clone()).collect(),
            sources: self
                .sources
                .iter()
                .map(|source| source.view.clone())
                .collect(),
            departing: self.departing.iter().map(Departing::view).collect(),
        }
    }

    /// Opens the channels.
    ///
    /// # Errors
    /// One of them cannot be used; all of them are closed.
    pub(crate) async fn open(&self) -> Result<(), ComponentError> {
        open_all(&self.channels).await
    }

    /// Binds the sources' ports. A source that cannot is tried again later.
    pub(crate) async fn bind(&mut self) {
        for source in &mut self.sources {
            source.bind(&self.plan.name).await;
        }
    }

    /// Starts channels and sinks.
    pub(crate) fn start_sinks(&mut self, services: &Services) {
        let now = services.components.wall.millis();
        for channel in &self.channels {
            channel.channel.counters().start_time.set(now);
        }
        for group in &mut self.groups {
            group.start(&self.plan.name, now);
        }
    }

    /// Lets the sources read.
    pub(crate) fn start_sources(&mut self, services: &Services) {
        for source in &mut self.sources {
            source.start(&self.plan.name, services.components.wall.millis());
        }
    }

    /// Stops: sources first, then sinks once the channels are empty or `deadline` has passed. What is
    /// in a channel that outlives this stays there. Returns how many events are lost.
    pub(crate) async fn stop(&mut self, deadline: clock::Instant, services: &Services) -> usize {
        let now = || services.components.wall.millis();
        for source in &self.sources {
            source.stop.cancel();
        }
        for source in &mut self.sources {
            source.finish(deadline, now()).await;
        }
        // Before the sinks, because the events may move to them.
        for departing in &mut self.departing {
            match departing.outlives_stop() {
                true => departing.give_up(deadline, now()).await,
                false => departing.finish(deadline, now()).await,
            }
        }
        for group in &self.groups {
            group.last().cancel();
        }
        join_all(self.groups.iter_mut().map(|g| g.finish(deadline, now()))).await;
        let left = self.report_left(services);
        let leaving = self.departing.iter().flat_map(|gone| &gone.channels);
        left + close_all(self.channels.iter().chain(leaving)).await
    }

    fn report_left(&self, services: &Services) -> usize {
        let mut left = 0;
        let leaving = self.departing.iter().flat_map(|gone| &gone.channels);
        for channel in distinct(self.channels.iter().chain(leaving)) {
            let events = channel.at_risk();
            channel
                .channel
                .counters()
                .stop_time
                .set(services.components.wall.millis());
            if events > 0 {
                let (agent, channel) = (&self.plan.name, channel.names.join("+"));
                tracing::warn!(agent, channel, events, "events were left in the channel");
            }
            let stay = channel.undelivered() - events;
            if stay > 0 {
                let (agent, channel) = (&self.plan.name, channel.names.join("+"));
                tracing::info!(agent, channel, events = stay, "events stay in the channel");
            }
            left += events;
        }
        left
    }
}

/// Opens channels at the same time.
///
/// # Errors
/// One of them cannot be used; all of them are closed.
async fn open_all(channels: &[RunningChannel]) -> Result<(), ComponentError> {
    let opened = join_all(channels.iter().map(|channel| channel.channel.open())).await;
    for (channel, opened) in channels.iter().zip(opened) {
        if let Err(error) = opened {
            close_all(channels.iter()).await;
            let message = format!("channel `{}` cannot be opened", channel.names.join("+"));
            return Err(ComponentError::caused_by(message, error));
        }
    }
    Ok(())
}

/// Ends the use of channels. Returns how many events are lost by that.
async fn close_all(channels: impl Iterator<Item = &RunningChannel>) -> usize {
    let lost = join_all(channels.map(|channel| channel.channel.close())).await;
    lost.into_iter().sum()
}

impl RunningGroup {
    /// What ends it at the end of the agent: it empties its channels, unless all of them outlive a stop.
    fn last(&self) -> &CancellationToken {
        match self.view.runner.outlives_stop() {
            true => &self.stop,
            false => &self.drain,
        }
    }

    fn start(&mut self, agent: &str, now: u64) {
        for sink in &self.view.sinks {
            sink.counters.start_time.set(now);
            sink.counters.stop_time.set(0);
        }
        let (runner, drain, stop) = (
            self.view.runner.clone(),
            self.drain.clone(),
            self.stop.clone(),
        );
        let sending: Vec<_> = self.letters.iter().map(Senders::begin).collect();
        let work = async move {
            runner.run(drain, stop).await;
            drop(sending);
        };
        self.task = Some(spawn(agent, self.view.runner.name(), work));
    }

    /// Waits until the channels are drained, if they are to be, or the deadline; then ends the rest.
    async fn finish(&mut self, deadline: clock::Instant, now: u64) {
        let name = self.view.runner.name();
        if !ended(&mut self.task, deadline, name).await {
            self.stop.cancel();
            end(&mut self.task, clock::now() + LAST_BATCH, name).await;
        }
        for sink in &self.view.sinks {
            sink.counters.stop_time.set(now);
        }
    }
}

impl RunningSource {
    /// The port on which it listens.
    pub(crate) fn port(&self) -> Option<u16> {
        self.view.status.port()
    }

    async fn bind(&mut self, agent: &str) {
        if let Some(runner) = &mut self.runner {
            let span = span_of(agent, &self.view.name);
            runner.bind().instrument(span).await;
        }
    }

    /// Opens its port if that is not done yet.
    async fn try_bind(&mut self, agent: &str) -> Result<(), String> {
        match &mut self.runner {
            Some(runner) => {
                let span = span_of(agent, &self.view.name);
                runner.try_bind().instrument(span).await
            }
            None => Ok(()),
        }
    }

    fn start(&mut self, agent: &str, now: u64) {
        if let Some(runner) = self.runner.take() {
            self.view.counters.start_time.set(now);
            self.view.counters.stop_time.set(0);
            self.task = Some(spawn(agent, &self.view.name, runner.run()));
        }
    }

    async fn finish(&mut self, deadline: clock::Instant, now: u64) {
        end(&mut self.task, deadline, &self.view.name).await;
        self.view.counters.stop_time.set(now);
    }
}

/// How long a batch that is under way may still take after the deadline.
const LAST_BATCH: Duration = Duration::from_millis(500);

fn spawn(
    agent: &str,
    name: &str,
    work: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(work.instrument(span_of(agent, name)))
}

/// What the lines of a component end with.
fn span_of(agent: &str, name: &str) -> Span {
    tracing::info_span!("component", agent, component = name)
}

/// Waits for a task until the deadline, then aborts it.
async fn end(task: &mut Option<JoinHandle<()>>, deadline: clock::Instant, name: &str) {
    if !ended(task, deadline, name).await
        && let Some(task) = task.take()
    {
        tracing::warn!(
            component = name,
            "component did not end in time and was cut off"
        );
        task.abort();
    }
}

/// Waits for a task until the deadline; says whether it has ended. A wait that is cut off can be
/// begun again.
async fn ended(task: &mut Option<JoinHandle<()>>, deadline: clock::Instant, name: &str) -> bool {
    let Some(running) = task else { return true };
    let Ok(ended) = tokio::time::timeout_at(deadline, running).await else {
        return false;
    };
    if let Err(error) = ended {
        tracing::error!(component = name, %error, "component ended early");
    }
    *task = None;
    true
}

#[cfg(test)]
mod tests;
