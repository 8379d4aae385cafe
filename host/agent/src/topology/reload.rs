//! Taking in a changed file: what did not change is not touched.
//!
//! Everything new is made first, so that nothing stops for a plan that cannot run. Then changed and
//! vanished sources end, their groups finish the batch at hand, and the new ones start. Channels of
//! the same name keep their events and only move their limits; a channel that vanishes is drained
//! by its old sinks first.

use flume_core::clock;
use flume_core::{Channel, ComponentError};

use super::{Builder, RunningAgent, RunningChannel, RunningGroup, RunningSource, build};
use crate::plan::AgentPlan;
use crate::services::Services;

impl RunningAgent {
    /// Makes the agent run by a new plan. Vanishing channels drain until `deadline`; returns how
    /// many events were left in them.
    ///
    /// # Errors
    /// A component cannot be made: the agent runs on as it was.
    pub async fn reload(
        &mut self,
        plan: AgentPlan,
        deadline: clock::Instant,
        services: &Services,
    ) -> Result<usize, ComponentError> {
        let before = self.view();
        let channels: Vec<RunningChannel> = plan
            .channels
            .iter()
            .map(|wanted| {
                let kept = self
                    .channels
                    .iter()
                    .find(|channel| channel.names == wanted.names);
                kept.cloned().unwrap_or_else(|| build::channel(wanted))
            })
            .collect();
        let stays = |name: &str| {
            let is_called = |channel: &&RunningChannel| channel.names.iter().any(|n| n == name);
            let old = self.channels.iter().find(is_called);
            old.is_some_and(|old| channels.iter().any(|new| new.names == old.names))
        };
        let builder = Builder {
            channels: &channels,
            before: Some(&before),
            services,
        };
        let mut sources = Vec::new();
        for wanted in &plan.sources {
            let kept = self.plan.sources.iter().position(|old| old == wanted);
            let kept = kept.filter(|_| wanted.channels.iter().all(|name| stays(name)));
            sources.push(kept.map_or_else(|| builder.source(wanted).map(Part::New), old)?);
        }
        let mut groups = Vec::new();
        for wanted in &plan.groups {
            let kept = self.plan.groups.iter().position(|old| old == wanted);
            let kept = kept.filter(|_| wanted.sinks.iter().all(|sink| stays(&sink.channel)));
            groups.push(kept.map_or_else(|| builder.group(wanted).map(Part::New), old)?);
        }
        drop(before);
        let left = self
            .retire(&sources, &groups, &channels, deadline, services)
            .await;
        self.resize(&plan, &channels).await;
        self.adopt(sources, groups, services).await;
        self.channels = channels;
        self.plan = plan;
        Ok(left)
    }

    /// Ends what is not kept.
    async fn retire(
        &mut self,
        sources: &[Part<RunningSource>],
        groups: &[Part<RunningGroup>],
        channels: &[RunningChannel],
        deadline: clock::Instant,
        services: &Services,
    ) -> usize {
        let now = services.wall.millis();
        for (at, source) in self.sources.iter_mut().enumerate() {
            if !is_kept(sources, at) {
                source.stop.cancel();
                source.finish(deadline, now).await;
            }
        }
        let vanishes =
            |channel: &&RunningChannel| !channels.iter().any(|new| new.names == channel.names);
        let vanishing: Vec<&RunningChannel> = self.channels.iter().filter(vanishes).collect();
        for (at, (group, plan)) in self.groups.iter_mut().zip(&self.plan.groups).enumerate() {
            if is_kept(groups, at) {
                continue;
            }
            let drains = plan.sinks.iter().any(|sink| {
                vanishing
                    .iter()
                    .any(|channel| channel.names.contains(&sink.channel))
            });
            if drains {
                group.drain.cancel()
            } else {
                group.stop.cancel()
            }
            group.finish(deadline, now).await;
        }
        let left = |channel: &&RunningChannel| channel.channel.depth();
        for channel in vanishing.iter().filter(|channel| left(channel) > 0) {
            let (name, events) = (channel.channel.name(), left(channel));
            tracing::error!(channel = name, events, "events are lost with their channel");
        }
        vanishing.iter().map(left).sum()
    }

    /// Moves the limits of channels that stay.
    async fn resize(&self, plan: &AgentPlan, channels: &[RunningChannel]) {
        for (wanted, channel) in plan.channels.iter().zip(channels) {
            let old = self
                .plan
                .channels
                .iter()
                .find(|old| old.names == wanted.names);
            if old.is_none_or(|old| old.config == wanted.config) {
                continue;
            }
            for key in channel.channel.resize(&wanted.config).await {
                let channel = channel.channel.name();
                tracing::warn!(
                    channel,
                    key,
                    "the channel holds too much for its new limit, \
                    the old one stays"
                );
            }
        }
    }

    /// Puts kept and new components in the order of the new plan, and starts the new ones.
    async fn adopt(
        &mut self,
        sources: Vec<Part<RunningSource>>,
        groups: Vec<Part<RunningGroup>>,
        services: &Services,
    ) {
        let now = services.wall.millis();
        let mut old: Vec<Option<RunningGroup>> = self.groups.drain(..).map(Some).collect();
        for part in groups {
            match part {
                Part::Kept(at) => self.groups.extend(old.get_mut(at).and_then(Option::take)),
                Part::New(mut group) => {
                    group.start(&self.plan.name, now);
                    self.groups.push(group);
                }
            }
        }
        let mut old: Vec<Option<RunningSource>> = self.sources.drain(..).map(Some).collect();
        for part in sources {
            match part {
                Part::Kept(at) => self.sources.extend(old.get_mut(at).and_then(Option::take)),
                Part::New(mut source) => {
                    source.bind().await;
                    source.start(&self.plan.name, now);
                    self.sources.push(source);
                }
            }
        }
    }
}

/// A component of the new plan: one that runs already, by its old place, or a new one.
enum Part<T> {
    Kept(usize),
    New(T),
}

fn old<T>(at: usize) -> Result<Part<T>, ComponentError> {
    Ok(Part::Kept(at))
}

fn is_kept<T>(parts: &[Part<T>], at: usize) -> bool {
    parts
        .iter()
        .any(|part| matches!(part, Part::Kept(kept) if *kept == at))
}
