//! The channels of a new plan, matched with those that run.
//!
//! | a channel of the new plan | is |
//! |---|---|
//! | has the name, type and place of one that runs, or is on its way out | that one, with its events |
//! | is on its way out with others that have to be emptied first | refused, if nothing else may have its folders |
//! | is new, and the same sinks drain it that drained one that leaves | that one, under a new name |
//! | any other | a new, empty one |

use std::collections::BTreeSet;
use std::sync::Arc;

use flume_core::ComponentError;

use super::super::departing::Departing;
use super::super::{RunningAgent, RunningChannel, build};
use crate::plan::{AgentPlan, ChannelPlan};

impl RunningAgent {
    /// The channels of the new plan, in its order. Of mirrors that are separated, the first one
    /// keeps the channel.
    ///
    /// # Errors
    /// One of them cannot be taken back yet, and no other one can be made in its place.
    pub(super) fn match_channels(
        &self,
        plan: &AgentPlan,
    ) -> Result<Vec<RunningChannel>, ComponentError> {
        // Those on their way out that may come back: a group that empties several lets one go if it may let
        // all of them go.
        let mut leaving: Vec<&Departing> = self.departing.iter().collect();
        loop {
            let matched = self.match_with(plan, &leaving);
            let goes_on = |gone: &&Departing| {
                let comes_back = |channel: &RunningChannel| is_taken(&matched, channel);
                let stay = |channel: &RunningChannel| {
                    comes_back(channel) || channel.channel.outlives_stop()
                };
                gone.channels.iter().any(comes_back) && !gone.channels.iter().all(stay)
            };
            match leaving.iter().position(goes_on) {
                Some(at) => drop(leaving.remove(at)),
                None => return self.with_new(plan, matched),
            }
        }
    }

    /// Makes the channels that were not matched.
    fn with_new(
        &self,
        plan: &AgentPlan,
        matched: Vec<Option<RunningChannel>>,
    ) -> Result<Vec<RunningChannel>, ComponentError> {
        let wanted = plan.channels.iter().zip(matched);
        let all = wanted.map(|(wanted, old)| match old {
            Some(old) => Ok(old),
            None => self
                .folders_are_free(wanted)
                .map(|()| build::channel(wanted)),
        });
        all.collect()
    }

    /// Whether no channel on its way out has the folders of this one.
    fn folders_are_free(&self, wanted: &ChannelPlan) -> Result<(), ComponentError> {
        if wanted.recipe.folders().is_empty() {
            return Ok(());
        }
        let has_them = |gone: &&Departing| gone.channels.iter().any(|old| can_become(old, wanted));
        let Some(gone) = self.departing.iter().find(has_them) else {
            return Ok(());
        };
        let name = wanted.names.join("+");
        let others = gone.channels.iter().filter(|old| !can_become(old, wanted));
        let others: Vec<String> = others
            .map(|old| format!("`{}`", old.names.join("+")))
            .collect();
        let others = others.join(", ");
        Err(ComponentError::new(format!(
            "channel `{name}` is still being emptied together with {others}, which this file does not have: put \
             {others} back into it, or read it again (SIGHUP) when the log says that they are empty and gone"
        )))
    }

    fn match_with(&self, plan: &AgentPlan, leaving: &[&Departing]) -> Vec<Option<RunningChannel>> {
        let leaving = leaving.iter().flat_map(|gone| &gone.channels);
        let known: Vec<&RunningChannel> = self.channels.iter().chain(leaving).collect();
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
        matched
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
