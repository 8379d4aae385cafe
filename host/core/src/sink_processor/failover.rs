//! The failover processor: the best live sink does all the work; failed ones cool down.
//!
//! | sink is | picked | delivered | had nothing | failed |
//! |---|---|---|---|---|
//! | live | the best one, if no failed sink is due | stays live | stays live | cools down for 2 s |
//! | cooling down | never | – | – | – |
//! | due (`until < now`) | before all live ones, by one call at a time | live | stays due, ends the call | cools down for twice as long |
//!
//! So fail-back is automatic: a delivered probe makes a sink of higher priority the active one.
//! A cool-down lasts `min(maxpenalty, 2ⁿ s)` after the n-th failure in sequence: 2, 4, 8, 16, 30 s.
//! Flume computes it in 32 bits and retries a dead sink in a tight loop after 22 failures; here it
//! saturates. Flume forgets a sink whose priority another one has; here it is second in line.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Call, Outcome, SinkIndex, SinkProcessor, SinkState, Verdict, penalty};
use crate::clock::Instant;
use crate::context::Context;
use crate::diagnostic::Code;
use crate::sink::Status;

/// Cap of the cool-down in ms (`maxpenalty`).
const MAX_PENALTY_MS: u64 = 30_000;

/// The largest `maxpenalty`, in ms: Flume's `int`, 24 days.
const MOST_PENALTY_MS: u64 = 0x7fff_ffff;

/// Uses one sink at a time, the live one with the highest priority.
#[derive(Debug)]
pub struct FailoverProcessor {
    members: Vec<Member>,
    max_penalty: Duration,
    calls: u64,
}

#[derive(Debug)]
struct Member {
    priority: i32,
    failure: Option<Failure>,
}

#[derive(Debug)]
struct Failure {
    /// Failures in sequence.
    count: u32,
    /// Not tried before this has passed.
    until: Instant,
    /// Alive while a call tries this sink.
    probe: Weak<()>,
}

impl Failure {
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
    /// A group whose sinks have these priorities (larger is preferred, the first of equals too).
    pub fn new(priorities: &[i32], max_penalty: Duration) -> Self {
        let member = |priority: &i32| Member {
            priority: *priority,
            failure: None,
        };
        Self {
            members: priorities.iter().map(member).collect(),
            max_penalty,
            calls: 0,
        }
    }

    /// Reads `priority.<sink>` (−1, −2, … for those without, so that they follow the order of the
    /// file) and `maxpenalty` (ms, 30000).
    pub fn configure(context: &mut Context, sinks: &[String]) -> Option<Self> {
        let mut next_default = -1;
        let mut priorities: Vec<i32> = Vec::with_capacity(sinks.len());
        for sink in sinks {
            let key = format!("priority.{sink}");
            let priority = context.number_or_default(&key, next_default, i32::MIN..=i32::MAX);
            // Also when the file itself says so, lest the next sink without one gets the same.
            if priority == next_default {
                next_default -= 1;
            }
            let twin = priorities.iter().position(|other| *other == priority);
            if let Some(twin) = twin.and_then(|twin| sinks.get(twin)) {
                let path = context.path();
                let message = format!("`{path}.{key}` is {priority}, which `{twin}` has already");
                let help = format!(
                    "give each sink a priority of its own; as it stands, `{twin}` is preferred"
                );
                context.error(&key, Code::EqualPriorities, message, &help);
            }
            priorities.push(priority);
        }
        let max_penalty =
            context.number_or_default("maxpenalty", MAX_PENALTY_MS, 0..=MOST_PENALTY_MS);
        Some(Self::new(&priorities, Duration::from_millis(max_penalty)))
    }

    /// The sink that has been due for the longest time and that no other call tries.
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

    /// The best live sink.
    fn active(&self) -> Option<SinkIndex> {
        let live = self
            .members
            .iter()
            .enumerate()
            .filter(|(_, member)| member.failure.is_none());
        // Of several maxima `max_by_key` takes the last, so in reverse the first of the file.
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
        let sink = match self.due(call) {
            Some(due) => {
                let held = Arc::new(());
                if let Some(failure) = self.members.get_mut(due)?.failure.as_mut() {
                    failure.probe = Arc::downgrade(&held);
                }
                call.probe = Some((due, held));
                due
            }
            None => self
                .active()
                .filter(|active| !call.tried.contains(active))?,
        };
        call.tried.push(sink);
        Some(sink)
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
                    member.failure = Some(Failure::new(count, now, self.max_penalty));
                }
                (None, Outcome::Failed) => {
                    member.failure = Some(Failure::new(1, now, self.max_penalty));
                }
                // A probe with nothing to deliver proves nothing: the sink stays due. And a call
                // that picked the sink before it failed has no news about it.
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
