//! The groups of a new plan take over, and channels that leave are seen off.

use std::sync::Arc;

use futures_util::future::join_all;

use super::super::departing::Departing;
use super::super::{AgentView, Builder, RunningAgent, RunningChannel, RunningGroup};
use super::channels::sinks_of;
use super::{Part, ReloadTerms, find, take_kept};
use crate::plan::{AgentPlan, GroupPlan};
use crate::services::Services;

/// A channel that the new plan does not have.
pub(super) struct Leaving {
    channel: RunningChannel,
    /// The channel that takes its events, if the sinks that drain that one drained this one.
    target: Option<RunningChannel>,
}

impl RunningAgent {
    /// The channels that leave, with those that take their events.
    pub(super) fn with_targets(
        &self,
        leaving: Vec<RunningChannel>,
        plan: &AgentPlan,
        channels: &[RunningChannel],
    ) -> Vec<Leaving> {
        let with_target = |channel: RunningChannel| {
            let sinks = sinks_of(&self.plan, &channel.names);
            let mut wanted = plan.channels.iter().zip(channels);
            let target = wanted.find(|(wanted, _)| {
                let new = sinks_of(plan, &wanted.names);
                !new.is_empty() && new.is_subset(&sinks)
            });
            let target = target.map(|(_, target)| target.clone());
            Leaving { channel, target }
        };
        leaving.into_iter().map(with_target).collect()
    }

    /// Ends groups that are not kept, and starts the new ones. One that has a sink of the same name
    /// as a group that ends waits for its last batch.
    pub(super) async fn replace_groups(
        &mut self,
        mut parts: Vec<Part<RunningGroup>>,
        leaving: &[Leaving],
        terms: &ReloadTerms,
        services: &Services,
    ) {
        let now = services.components.wall.millis();
        let before = self.view();
        let mut old: Vec<Option<RunningGroup>> = self.groups.drain(..).map(Some).collect();
        let mut kept = take_kept(&parts, &mut old);
        let (mut stopping, separate) = self.retire_groups(old, leaving);
        let agent = self.plan.name.clone();
        for part in &mut parts {
            if let Part::New(group) = part
                && !stopping.iter().any(|old| shares_a_sink(old, group))
            {
                group.start(&agent, now);
            }
        }
        let all = stopping.iter_mut();
        join_all(all.map(|group| terms.timed(async |until| group.finish(until, now).await))).await;
        for part in parts {
            match part {
                Part::Kept(at) => self.groups.extend(kept.get_mut(at).and_then(Option::take)),
                Part::New(mut group) => {
                    if group.task.is_none() {
                        group.start(&agent, now);
                    }
                    self.groups.push(group);
                }
            }
        }
        self.drain_separately(separate, leaving, &before, services);
    }

    /// Of the groups that are not kept, one whose channels all leave with their events drains them.
    /// Others stop. Returns those, and their sinks that have a channel to drain all the same.
    fn retire_groups(
        &mut self,
        old: Vec<Option<RunningGroup>>,
        leaving: &[Leaving],
    ) -> (Vec<RunningGroup>, Vec<GroupPlan>) {
        let mut stopping = Vec::new();
        let mut separate = Vec::new();
        for (group, plan) in old.into_iter().zip(&self.plan.groups) {
            let Some(group) = group else { continue };
            let drained = drained(plan, leaving);
            let drains = |name: &str| find(&drained, name).is_some();
            if !drained.is_empty() && plan.sinks.iter().all(|sink| drains(&sink.channel)) {
                self.departing.push(Departing::by(group, drained));
                continue;
            }
            let sinks = plan.sinks.iter().filter(|sink| drains(&sink.channel));
            separate.extend(sinks.map(|sink| GroupPlan::of_one(sink.clone(), plan.keys.clone())));
            group.stop.cancel();
            stopping.push(group);
        }
        (stopping, separate)
    }

    /// Has sinks drain their channels that were in a group with others.
    fn drain_separately(
        &mut self,
        plans: Vec<GroupPlan>,
        leaving: &[Leaving],
        before: &AgentView,
        services: &Services,
    ) {
        let agent = &self.plan.name;
        let builder = Builder {
            channels: &self.channels,
            before: Some(before),
            vacant: &self.plan.vacant,
            services,
        };
        for plan in plans {
            match builder.group(&plan) {
                Ok(mut group) => {
                    group.start(agent, services.components.wall.millis());
                    let channels = drained(&plan, leaving);
                    self.departing.push(Departing::by(group, channels));
                }
                Err(error) => {
                    tracing::error!(agent, sink = plan.name, %error, "cannot drain its channel")
                }
            }
        }
    }

    /// Says what leaves with events, and has those move that have a target.
    pub(super) async fn see_off(&mut self, leaving: Vec<Leaving>, now: u64) {
        let agent = self.plan.name.clone();
        for Leaving { channel, target } in leaving {
            let (events, name) = (channel.channel.depth(), channel.names.join("+"));
            match target {
                Some(target) if events > 0 => {
                    let into = target.names.join("+");
                    tracing::info!(
                        agent,
                        channel = name,
                        events,
                        into,
                        "the events of a removed channel move into another"
                    );
                    let departing = Departing::into(&agent, channel, &target);
                    self.departing.push(departing);
                }
                None if self.departing.iter().any(|gone| gone.has(&channel)) => {
                    if events > 0 {
                        tracing::warn!(
                            agent,
                            channel = name,
                            events,
                            "a removed channel stays until its old sinks have emptied it"
                        );
                    }
                }
                _ => {
                    channel.channel.counters().stop_time.set(now);
                    // If events are left in a durable one, they stay there.
                    channel.channel.close().await;
                }
            }
        }
    }
}

/// The channels of a group that leave, and whose events its sinks deliver. That of a spare is one.
fn drained(plan: &GroupPlan, leaving: &[Leaving]) -> Vec<RunningChannel> {
    let of_group = |channel: &RunningChannel| {
        let mut sinks = plan.sinks.iter();
        sinks.any(|sink| {
            let spill = sink.spill().into_iter();
            let mut all = spill.chain([sink.channel.as_str()]);
            all.any(|name| channel.names.iter().any(|known| known == name))
        })
    };
    let without_target = leaving.iter().filter(|leaving| leaving.target.is_none());
    let channels = without_target.map(|leaving| &leaving.channel);
    channels
        .filter(|channel| of_group(channel))
        .cloned()
        .collect()
}

fn shares_a_sink(old: &RunningGroup, new: &RunningGroup) -> bool {
    let mut sinks = old.view.sinks.iter();
    sinks.any(|sink| {
        let mut others = new.view.sinks.iter();
        others.any(|other| Arc::ptr_eq(&other.counters, &sink.counters))
    })
}
