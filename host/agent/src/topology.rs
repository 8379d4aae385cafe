//! The topology: a plan at work.
//!
//! Started in three steps over all agents of the process: ports are bound, then sinks start, then
//! sources read. So an agent whose sinks feed another agent of the same process finds it there.
//! Stopped the other way round and agent by agent, upstream first: sources end, sinks drain the
//! channels until a deadline, and what is left then is counted and said.

use std::sync::Arc;
use std::time::Duration;

use flume_core::channel::memory::MemoryChannel;
use flume_core::clock;
use flume_core::{Channel, ComponentError, SinkCounter, SourceCounter};
use flume_policy::shadow::ShadowStats;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::build::Builder;
use crate::plan::AgentPlan;
use crate::record::RecordStats;
use crate::runner::{GroupRunner, SourceRunner, SourceStatus};
use crate::services::Services;

mod balanced;
mod build;
mod reload;

/// One agent at work.
pub struct RunningAgent {
    /// What it was made from.
    pub plan: AgentPlan,
    /// Its channels; mirrors are one channel with several names.
    pub channels: Vec<RunningChannel>,
    /// Its groups and single sinks.
    pub groups: Vec<RunningGroup>,
    /// Its sources.
    pub sources: Vec<RunningSource>,
}

/// What operators may look at while an agent works: its parts, shared.
#[derive(Clone)]
pub struct AgentView {
    /// What the agent was made from.
    pub plan: AgentPlan,
    /// Its channels.
    pub channels: Vec<RunningChannel>,
    /// Its groups and single sinks.
    pub groups: Vec<GroupView>,
    /// Its sources.
    pub sources: Vec<SourceView>,
}

/// A group, shared with whoever looks at it.
#[derive(Clone)]
pub struct GroupView {
    /// Asks how it stands.
    pub runner: GroupRunner,
    /// Its sinks, in the order of the group.
    pub sinks: Vec<SinkView>,
    /// What watches its selector.
    pub watchers: Watchers,
}

/// What watches the selector of a group.
#[derive(Debug, Clone, Default)]
pub struct Watchers {
    /// The candidate in its shadow.
    pub shadow: Option<Arc<ShadowStats>>,
    /// Its record.
    pub record: Option<Arc<RecordStats>>,
}

/// A sink's name and numbers.
#[derive(Debug, Clone)]
pub struct SinkView {
    /// The name in the file.
    pub name: String,
    /// Its counters.
    pub counters: Arc<SinkCounter>,
}

/// A source, shared with whoever looks at it.
#[derive(Debug, Clone)]
pub struct SourceView {
    /// The name in the file.
    pub name: String,
    /// Where it stands.
    pub status: Arc<SourceStatus>,
    /// Its counters.
    pub counters: Arc<SourceCounter>,
}

/// A channel with all its names.
#[derive(Debug, Clone)]
pub struct RunningChannel {
    /// The names in the file.
    pub names: Vec<String>,
    /// The channel.
    pub channel: Arc<MemoryChannel>,
}

/// A group at work.
pub struct RunningGroup {
    view: GroupView,
    drain: CancellationToken,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

/// A source at work.
pub struct RunningSource {
    view: SourceView,
    stop: CancellationToken,
    runner: Option<SourceRunner>,
    task: Option<JoinHandle<()>>,
}

impl RunningAgent {
    /// Makes all components, without a task or a socket.
    ///
    /// # Errors
    /// A component cannot be made; a plan that was checked gives none.
    pub fn build(plan: AgentPlan, services: &Services) -> Result<Self, ComponentError> {
        let channels: Vec<RunningChannel> = plan.channels.iter().map(build::channel).collect();
        let builder = Builder {
            channels: &channels,
            before: None,
            agent: &plan.name,
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
        })
    }

    /// What operators may look at.
    pub fn view(&self) -> AgentView {
        AgentView {
            plan: self.plan.clone(),
            channels: self.channels.clone(),
            groups: self.groups.iter().map(|group| group.view.clone()).collect(),
            sources: self
                .sources
                .iter()
                .map(|source| source.view.clone())
                .collect(),
        }
    }

    /// Binds the sources' ports. A source that cannot is tried again later.
    pub async fn bind(&mut self) {
        for source in &mut self.sources {
            source.bind().await;
        }
    }

    /// Starts channels and sinks.
    pub fn start_sinks(&mut self, services: &Services) {
        let now = services.wall.millis();
        for channel in &self.channels {
            channel.channel.counters().start_time.set(now);
        }
        for group in &mut self.groups {
            group.start(&self.plan.name, now);
        }
    }

    /// Lets the sources read.
    pub fn start_sources(&mut self, services: &Services) {
        for source in &mut self.sources {
            source.start(&self.plan.name, services.wall.millis());
        }
    }

    /// Stops: sources first, then sinks once the channels are empty or `deadline` has passed.
    /// Returns how many events were left.
    pub async fn stop(&mut self, deadline: clock::Instant, services: &Services) -> usize {
        for source in &self.sources {
            source.stop.cancel();
        }
        for source in &mut self.sources {
            source.finish(deadline, services.wall.millis()).await;
        }
        for group in &self.groups {
            group.drain.cancel();
        }
        for group in &mut self.groups {
            group.finish(deadline, services.wall.millis()).await;
        }
        self.report_left(services)
    }

    fn report_left(&self, services: &Services) -> usize {
        let mut left = 0;
        for channel in &self.channels {
            let depth = channel.channel.depth();
            channel
                .channel
                .counters()
                .stop_time
                .set(services.wall.millis());
            if depth > 0 {
                let (agent, channel) = (&self.plan.name, channel.channel.name());
                tracing::warn!(
                    agent,
                    channel,
                    events = depth,
                    "events were left in the channel"
                );
            }
            left += depth;
        }
        left
    }
}

impl RunningGroup {
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
        self.task = Some(spawn(
            agent,
            self.view.runner.name(),
            runner.run(drain, stop),
        ));
    }

    /// Waits until the channels are drained (if told to) or the deadline; then ends the rest.
    async fn finish(&mut self, deadline: clock::Instant, now: u64) {
        if let Some(task) = &mut self.task
            && tokio::time::timeout_at(deadline, task).await.is_err()
        {
            self.stop.cancel();
            end(
                &mut self.task,
                clock::now() + LAST_BATCH,
                self.view.runner.name(),
            )
            .await;
        }
        for sink in &self.view.sinks {
            sink.counters.stop_time.set(now);
        }
    }
}

impl RunningSource {
    async fn bind(&mut self) {
        if let Some(runner) = &mut self.runner {
            runner.bind().await;
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

/// How long a batch under way may still take when the deadline has passed.
const LAST_BATCH: Duration = Duration::from_millis(500);

fn spawn(
    agent: &str,
    name: &str,
    work: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    use tracing::Instrument;
    tokio::spawn(work.instrument(tracing::info_span!("component", agent, name)))
}

/// Waits for a task until the deadline, then ends it where it stands.
async fn end(task: &mut Option<JoinHandle<()>>, deadline: clock::Instant, name: &str) {
    let Some(mut task) = task.take() else { return };
    match tokio::time::timeout_at(deadline, &mut task).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(component = name, %error, "component ended early"),
        Err(_) => {
            tracing::warn!(
                component = name,
                "component did not end in time and was cut off"
            );
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests;
