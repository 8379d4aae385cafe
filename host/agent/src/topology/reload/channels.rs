//! The channels of a new plan, matched with those that run.
//!
//! | a channel of the new plan | is |
//! |---|---|
//! | has the name, type and place of one that runs, or is on its way out | that one, with its events |
//! | is new, and the same sinks drain it that drained one that leaves | that one, under a new name |
//! | any other | a new, empty one |

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::{RunningAgent, RunningChannel, build};
use crate::plan::{AgentPlan, ChannelPlan};

impl RunningAgent {
    /// The channels of the new plan, in its order. Of mirrors that are separated, the first one
    /// keeps the channel.
    pub(super) fn match_channels(&self, plan: &AgentPlan) -> Vec<RunningChannel> {
        let known = self.known_channels();
        let mut matched: Vec<Option<RunningChannel>> = Vec::new();
        for wanted in &plan.channels {
            let same = known.iter().find(|old| {
                let shares = old.names.iter().any(|name| wanted.names.contains(name));
                shares && can_become(old, wanted) && !is_taken(&matched, old)
            });
            matched.push(same.map(|old| called(wanted, old)));
        }
        for (at, wanted) in plan.channels.iter().enumerate() {
            if matched.get(at).is_some_and(Option::is_some) {
                continue;
            }
            let sinks = users_of(plan, &wanted.names);
            let renamed = self.channels.iter().find(|old| {
                can_become(old, wanted)
                    && !sinks.is_empty()
                    && users_of(&self.plan, &old.names) == sinks
                    && !is_taken(&matched, old)
                    && !is_named(plan, &old.names)
            });
            if let (Some(old), Some(place)) = (renamed, matched.get_mut(at)) {
                *place = Some(called(wanted, old));
            }
        }
        let wanted = plan.channels.iter().zip(matched);
        wanted
            .map(|(wanted, old)| old.unwrap_or_else(|| build::channel(wanted)))
            .collect()
    }

    /// The channels that run and those on their way out. A group that empties several goes on.
    fn known_channels(&self) -> Vec<&RunningChannel> {
        let leaving = self
            .departing
            .iter()
            .filter(|gone| gone.channels.len() == 1);
        let leaving = leaving.flat_map(|gone| &gone.channels);
        self.channels.iter().chain(leaving).collect()
    }
}

fn can_become(old: &RunningChannel, wanted: &ChannelPlan) -> bool {
    old.kind == wanted.kind && old.channel.can_become(&*wanted.recipe)
}

fn called(wanted: &ChannelPlan, old: &RunningChannel) -> RunningChannel {
    RunningChannel {
        names: wanted.names.clone(),
        kind: wanted.kind,
        channel: Arc::clone(&old.channel),
        ages: Arc::clone(&old.ages),
        full: Arc::clone(&old.full),
        senders: old.senders.clone(),
    }
}

fn is_taken(matched: &[Option<RunningChannel>], channel: &RunningChannel) -> bool {
    let mut taken = matched.iter().flatten();
    taken.any(|other| Arc::ptr_eq(&other.channel, &channel.channel))
}

fn is_named(plan: &AgentPlan, names: &[String]) -> bool {
    let mut wanted = plan.channels.iter().flat_map(|channel| &channel.names);
    wanted.any(|name| names.contains(name))
}

/// The names of the sinks that drain a channel, or put events into it as a spare.
fn users_of<'a>(plan: &'a AgentPlan, channel: &[String]) -> BTreeSet<&'a str> {
    let mut users = sinks_of(plan, channel);
    let sinks = plan.groups.iter().flat_map(|group| &group.sinks);
    let spares = sinks.filter(|sink| {
        let mut spill = sink.spill().into_iter();
        spill.any(|spill| channel.iter().any(|name| name == spill))
    });
    users.extend(spares.map(|sink| sink.component.name.as_str()));
    users
}

/// The names of the sinks that drain a channel.
pub(super) fn sinks_of<'a>(plan: &'a AgentPlan, channel: &[String]) -> BTreeSet<&'a str> {
    let sinks = plan.groups.iter().flat_map(|group| &group.sinks);
    let drains = sinks.filter(|sink| channel.contains(&sink.channel));
    drains.map(|sink| sink.component.name.as_str()).collect()
}
