//! Exclusion of failed sinks, shared by the native selectors.
//!
//! | event | consecutive failures | excluded |
//! |---|---|---|
//! | failure within exclusion + 1 h of the last one | + 1, at most 16 | `min(maxTimeOut, 2ⁿ s)` from now |
//! | any other failure | 1 | the same |
//! | delivery | 0 | as long as before |
//!
//! Flume lacks the last row: there a sink that fails now and then is excluded longer each time, for
//! an hour. A delivery does not end an exclusion, because it was sent before the exclusion began.

use std::time::Duration;

use crate::clock::Instant;
use crate::context::Context;
use crate::sink_group::{SinkIndex, SinkState, penalty};

/// Cap of an exclusion in ms (`selector.maxTimeOut`).
const MAX_TIMEOUT_MS: u64 = 30_000;

/// The largest `selector.maxTimeOut`, in ms: a year.
const MOST_TIMEOUT_MS: u64 = 365 * 24 * 3600 * 1000;

/// A failure this long after the end of the last exclusion is the first of a new sequence.
const SEQUENCE_WINDOW: Duration = Duration::from_secs(3600);

/// The most consecutive failures that are counted.
const MOST_FAILURES: u32 = 16;

/// Which sinks of a group are excluded.
#[derive(Debug, Clone, PartialEq)]
pub struct Backoff {
    /// The longest exclusion; `None` if failures do not exclude.
    cap: Option<Duration>,
    failures: Vec<Option<Failure>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Failure {
    in_sequence: u32,
    at: Instant,
    until: Instant,
}

impl Backoff {
    /// No sink is ever excluded.
    pub fn none(sinks: usize) -> Self {
        Self {
            cap: None,
            failures: vec![None; sinks],
        }
    }

    /// Failed sinks are excluded for at most `cap`.
    pub fn capped(sinks: usize, cap: Duration) -> Self {
        Self {
            cap: Some(cap),
            failures: vec![None; sinks],
        }
    }

    /// Reads `backoff` (false) and `selector.maxTimeOut` (ms, 30000; 0 also means that). With a bad
    /// number the group does not run, in Flume too.
    pub fn configure(context: &mut Context, sinks: usize) -> Option<Self> {
        let wanted = context.flag("backoff", false);
        let cap = context.number("selector.maxTimeOut", MAX_TIMEOUT_MS, 0..=MOST_TIMEOUT_MS)?;
        let cap = if cap == 0 { MAX_TIMEOUT_MS } else { cap };
        Some(match wanted {
            true => Self::capped(sinks, Duration::from_millis(cap)),
            false => Self::none(sinks),
        })
    }

    /// The sinks that may be tried, in the order of the group.
    pub fn allowed(&self, now: Instant) -> Vec<SinkIndex> {
        let allowed = |(_, failure): &(_, &Option<Failure>)| match failure {
            Some(failure) => failure.until < now,
            None => true,
        };
        let sinks = self.failures.iter().enumerate().filter(allowed);
        sinks.map(|(sink, _)| sink).collect()
    }

    /// A sink failed.
    pub fn failed(&mut self, sink: SinkIndex, now: Instant) {
        let (Some(cap), Some(failure)) = (self.cap, self.failures.get_mut(sink)) else {
            return;
        };
        let in_sequence = match *failure {
            Some(last) if now < last.at + penalty(last.in_sequence, cap) + SEQUENCE_WINDOW => {
                last.in_sequence.saturating_add(1).min(MOST_FAILURES)
            }
            _ => 1,
        };
        let until = now + penalty(in_sequence, cap);
        *failure = Some(Failure {
            in_sequence,
            at: now,
            until,
        });
    }

    /// A sink delivered.
    pub fn delivered(&mut self, sink: SinkIndex) {
        if let Some(Some(failure)) = self.failures.get_mut(sink) {
            failure.in_sequence = 0;
        }
    }

    /// The state of each sink.
    pub fn states(&self, now: Instant) -> Vec<SinkState> {
        let state = |failure: &Option<Failure>| match failure {
            Some(Failure {
                until, in_sequence, ..
            }) if *until >= now => SinkState::Penalty {
                until: *until,
                failures: *in_sequence,
            },
            _ => SinkState::Live,
        };
        self.failures.iter().map(state).collect()
    }
}

#[cfg(test)]
mod tests;
