//! Taking in a changed file: what did not change is not touched.
//!
//! Everything new is made first, so that nothing stops for a plan that cannot run. Then changed and
//! vanished sources end, their groups finish the batch at hand, and the new ones start. Channels of
//! the same name keep their events and only move their limits, also when they become mirrors of
//! others or stop to be; a channel that vanishes is drained by its old sinks first.

use std::sync::Arc;

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
        let channels = self.match_channels(&plan);
        let stays = |name: &str| match (find(&self.channels, name), find(&channels, name)) {
            (Some(old), Some(new)) => Arc::ptr_eq(&old.channel, &new.channel),
            _ => false,
        };
        let builder = Builder {
            channels: &channels,
            before: Some(&before),
            agent: &plan.name,
            services,
        };
        let mut sources = Vec::new();
        for wanted in &plan.sources {
            let kept = self.plan.sources.iter().position(|old| old == wanted);
            let kept = kept.filter(|_| wanted.targets().all(&stays));
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
        self.resize(&plan, &channels, services).await;
        self.adopt(sources, groups, services).await;
        self.channels = channels;
        self.plan = plan;
        Ok(left)
    }

    /// The channels of the new plan. One that has the name of a running channel is that channel;
    /// of mirrors that are set apart, the first one is.
    fn match_channels(&self, plan: &AgentPlan) -> Vec<RunningChannel> {
        let mut channels: Vec<RunningChannel> = Vec::new();
        for wanted in &plan.channels {
            let known = self.channels.iter().find(|old| {
                let shares = old.names.iter().any(|name| wanted.names.contains(name));
                shares && !runs_in(&channels, old)
            });
            channels.push(match known {
                Some(old) => RunningChannel {
                    names: wanted.names.clone(),
                    channel: Arc::clone(&old.channel),
                },
                None => build::channel(wanted),
            });
        }
        channels
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
        let vanishes = |channel: &&RunningChannel| !runs_in(channels, channel);
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

    /// Starts new channels and moves the limits of those that stay.
    async fn resize(&self, plan: &AgentPlan, channels: &[RunningChannel], services: &Services) {
        for (wanted, new) in plan.channels.iter().zip(channels) {
            let mut before = self.plan.channels.iter().zip(&self.channels);
            let before = before.find(|(_, old)| Arc::ptr_eq(&old.channel, &new.channel));
            let Some((before, _)) = before else {
                let counters = new.channel.counters();
                counters.start_time.set(services.wall.millis());
                continue;
            };
            if before.config == wanted.config {
                continue;
            }
            for key in new.channel.resize(&wanted.config).await {
                let channel = new.channel.name();
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
