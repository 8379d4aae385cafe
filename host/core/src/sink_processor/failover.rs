//! The failover processor: the best live sink does all the work; failed ones cool down.
//!
//! | sink is | picked | delivered | had nothing | failed |
//! |---|---|---|---|---|
//! | live | the best one, if no failed sink is due | stays live | stays live | cools down for 2 s |
//! | cooling down | never | – | – | – |
//! | due (`until < now`) | before all live ones, by one call at a time | live | stays due, ends the call | cools down for twice as long |
//!
//! If all cool down, the one that is due next is tried all the same, if its last failure was quick.
//! So fail-back is automatic: a delivered probe makes a sink of higher priority the active one.
//! A cool-down lasts `min(maxpenalty, 2ⁿ s)` after the n-th consecutive failure: 2, 4, 8, 16, 30 s.
//! Flume computes it in 32 bits and retries a dead sink in a tight loop after 22 failures; here it
//! saturates. Flume forgets a sink that has the same priority as another one; here it comes second.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{
    Abilities, Call, Group, Outcome, ProcessorKeys, ProcessorRecipe, SinkProcessor, Verdict,
};
use crate::clock::Instant;
use crate::context::Context;
use crate::diagnostic::Code;
use crate::recipe::Recipe;
use crate::sink::Status;
use crate::sink_group::{InVain, SinkIndex, SinkState, Step, penalty};

/// Cap of the cool-down in ms (`maxpenalty`).
const MAX_PENALTY_MS: u64 = 30_000;

/// The largest `maxpenalty`, in ms: Flume's `int`, 24 days.
const MOST_PENALTY_MS: u64 = 0x7fff_ffff;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["failover", "org.apache.flume.sink.FailoverSinkProcessor"];

/// Only this processor can treat mirrored channels as one.
pub const ABILITIES: Abilities = Abilities {
    mirrors: true,
    selects: false,
    pipelines: true,
    spares: true,
    own_keys: &[("mirrored", "only `failover` looks for mirrored channels")],
};

/// Reads `mirrored` (`auto`; or `false`), `priority.<sink>` (−1, −2, … for those without, so that
/// they follow the order of the file; a spare without comes last) and `maxpenalty` (ms, 30000).
pub fn configure(context: &mut Context, group: &Group) -> ProcessorKeys {
    for sink in &group.listed {
        context.accept(&format!("priority.{sink}"));
    }
    let meanings = [("auto", true), ("false", false)];
    let mirrored = context.one_of("mirrored", "auto", &meanings);
    let priorities = with_spare(context, group);
    let max_penalty = context.number_or_default("maxpenalty", MAX_PENALTY_MS, 0..=MOST_PENALTY_MS);
    let settings = (priorities, Duration::from_millis(max_penalty));
    let recipe = Recipe::<dyn SinkProcessor>::new(settings, |(priorities, max_penalty)| {
        Box::new(FailoverProcessor::new(priorities, *max_penalty))
    });
    ProcessorKeys::of(ProcessorRecipe {
        mirrored: mirrored.unwrap_or(false),
        ..ProcessorRecipe::plain(recipe, &ABILITIES)
    })
}

/// The priorities of all sinks. That of a spare is the lowest.
fn with_spare(context: &mut Context, group: &Group) -> Vec<i32> {
    let is_spare = |sink: &&String| group.spare.as_ref() == Some(sink);
    let others: Vec<String> = group
        .sinks
        .iter()
        .filter(|s| !is_spare(s))
        .cloned()
        .collect();
    let mut priorities = priorities(context, &others);
    let Some(at) = group.sinks.iter().position(|sink| is_spare(&sink)) else {
        return priorities;
    };
    let lowest = priorities.iter().copied().min().unwrap_or_default();
    let key = format!("priority.{}", group.spare.as_deref().unwrap_or_default());
    let last = lowest.saturating_sub(1);
    let priority = context.number_or_default(&key, last, i32::MIN..=i32::MAX);
    if !others.is_empty() && priority >= lowest {
        let path = context.path();
        let message = format!("`{path}.{key}` is {priority}, and the spare has to come last");
        let help = format!("another sink has {lowest}: remove the key, or give the spare less");
        context.error(&key, Code::Spare, message, &help);
    }
    priorities.insert(at, priority);
    priorities
}

fn priorities(context: &mut Context, sinks: &[String]) -> Vec<i32> {
    let mut next_default = -1;
    let mut priorities: Vec<i32> = Vec::with_capacity(sinks.len());
    for sink in sinks {
        let key = format!("priority.{sink}");
        let priority = context.number_or_default(&key, next_default, i32::MIN..=i32::MAX);
        // Also counted down if the file gives this priority, so that the next sink without one gets
        // another.
        if priority == next_default {
            next_default -= 1;
        }
        let twin = priorities.iter().position(|other| *other == priority);
        if let Some(twin) = twin.and_then(|twin| sinks.get(twin)) {
            let path = context.path();
            let message = format!("`{path}.{key}` is {priority}, which `{twin}` has already");
            let help =
                format!("give each sink a different priority; as it is, `{twin}` is preferred");
            context.error(&key, Code::EqualPriorities, message, &help);
        }
        priorities.push(priority);
    }
    priorities
}

/// Uses one sink at a time, the live one with the highest priority.
#[derive(Debug)]
pub struct FailoverProcessor {
    members: Vec<Member>,
    in_vain: InVain,
    max_penalty: Duration,
    calls: u64,
}

#[derive(Debug)]
struct Member {
    priority: i32,
    failure: Option<Penalty>,
}

#[derive(Debug)]
struct Penalty {
    /// Consecutive failures.
    count: u32,
    /// Not tried before this has passed.
    until: Instant,
    /// Can be upgraded while a call tries this sink.
    probe: Weak<()>,
}

impl Penalty {
    fn new(count: u32, now: Instant, max_penalty: Duration) -> Self {
        let until = now + penalty(count, max_penalty);
        Self {
            count,
            until,
            probe: Weak::new(),
        }
    }
}

impl FailoverProcessor {
    /// A group whose sinks have these priorities (larger is preferred; of equals, the first).
    pub fn new(priorities: &[i32], max_penalty: Duration) -> Self {
        let member = |priority: &i32| Member {
            priority: *priority,
            failure: None,
        };
        Self {
            members: priorities.iter().map(member).collect(),
            in_vain: InVain::new(priorities.len()),
            max_penalty,
            calls: 0,
        }
    }

    /// The sink that has been due for the longest time, unless another call is trying it.
    fn due(&self, call: &Call) -> Option<SinkIndex> {
        let due = self
            .members
            .iter()
            .enumerate()
            .filter_map(|(sink, member)| {
                let failure = member.failure.as_ref()?;
                let free = failure.until < call.now
                    && failure.probe.strong_count() == 0
                    && !call.tried.contains(&sink);
                free.then_some((failure.until, sink))
            });
        due.min().map(|(_, sink)| sink)
    }

    /// Has this call alone try a sink that has failed.
    fn probe(&mut self, call: &mut Call, sink: SinkIndex) -> Option<SinkIndex> {
        let held = Arc::new(());
        if let Some(failure) = self.members.get_mut(sink)?.failure.as_mut() {
            failure.probe = Arc::downgrade(&held);
        }
        call.probe = Some((sink, held));
        call.tried.push(sink);
        Some(sink)
    }

    /// The best live sink.
    fn active(&self) -> Option<SinkIndex> {
        let live = self
            .members
            .iter()
            .enumerate()
            .filter(|(_, member)| member.failure.is_none());
        // `max_by_key` takes the last of several maxima; reversed, that is the first in the file.
        live.rev()
            .max_by_key(|(_, member)| member.priority)
            .map(|(sink, _)| sink)
    }
}

impl SinkProcessor for FailoverProcessor {
    fn begin(&mut self, now: Instant) -> Call {
        self.calls += 1;
        Call::new(now, self.calls, VecDeque::new())
    }

    fn next(&mut self, call: &mut Call) -> Option<SinkIndex> {
        call.probe = None;
        if let Some(due) = self.due(call) {
            return self.probe(call, due);
        }
        let active = self.active();
        let sink = active.filter(|active| !call.tried.contains(active))?;
        call.tried.push(sink);
        Some(sink)
    }

    fn nearest(&mut self, call: &mut Call) -> Option<SinkIndex> {
        let members = self.members.iter().enumerate();
        let cooling = members.map(|(sink, member)| Some((member.failure.as_ref()?, sink)));
        // A live sink that is not tried is in use by another call.
        let cooling: Option<Vec<(&Penalty, SinkIndex)>> = cooling.collect();
        let quick = cooling?.into_iter().filter(|(failure, sink)| {
            failure.probe.strong_count() == 0 && self.in_vain.was_quick(*sink)
        });
        let (_, nearest) = quick.min_by_key(|(failure, sink)| (failure.until, *sink))?;
        self.probe(call, nearest)
    }

    fn step(&mut self, sink: SinkIndex, step: Step, _: Instant) {
        self.in_vain.note(sink, step);
    }

    fn report(
        &mut self,
        call: &mut Call,
        sink: SinkIndex,
        outcome: Outcome,
        now: Instant,
    ) -> Verdict {
        let probe = call.probe.take().is_some_and(|(probed, _)| probed == sink);
        if let Some(member) = self.members.get_mut(sink) {
            match (&member.failure, outcome) {
                (Some(_), Outcome::Returned(Status::Ready)) if probe => member.failure = None,
                (Some(failure), Outcome::Failed) if probe => {
                    let count = failure.count.saturating_add(1);
                    member.failure = Some(Penalty::new(count, now, self.max_penalty));
                }
                (None, Outcome::Failed) => {
                    member.failure = Some(Penalty::new(1, now, self.max_penalty));
                }
                // A probe with nothing to deliver proves nothing: the sink stays due. And a call
                // that picked the sink before it failed says nothing new about it.
                (_, Outcome::Returned(_)) | (Some(_), Outcome::Failed) => {}
            }
        }
        match outcome {
            Outcome::Returned(status) => Verdict::Return(status),
            Outcome::Failed => Verdict::Continue,
        }
    }

    fn exhausted(&self) -> &'static str {
        "All sinks failed to process, nothing left to failover to"
    }

    fn states(&self, _: Instant) -> Vec<SinkState> {
        let active = self.active();
        let state = |(sink, member): (SinkIndex, &Member)| match &member.failure {
            Some(failure) => SinkState::Penalty {
                until: failure.until,
                failures: failure.count,
            },
            None if active == Some(sink) => SinkState::Active,
            None => SinkState::Standby,
        };
        self.members.iter().enumerate().map(state).collect()
    }
}

#[cfg(test)]
mod tests;
