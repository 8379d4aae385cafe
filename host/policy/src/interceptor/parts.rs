//! A batch in parts: what is handed in next, and how long that may take.
//!
//! A batch is handed in in order, each time as many events as [`CallCost`] says. Of what broke the
//! contract each half is tried again, with its share of the time of the call that broke it: so a
//! search takes a few deadlines, and not one for each step. The share is no less than four times what
//! is usual, since a call may have been too long because it was about too many events. An event alone
//! has all the time that it ever has: only what breaks that is poison.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use crate::call_cost::CallCost;
use crate::limits::Limits;

/// The least time for a part of what broke the contract, however small: deadlines have no finer
/// resolution.
const LEAST: Duration = Duration::from_millis(2);

/// How many times longer than usual such a part may take.
const SLACK: u32 = 4;

/// What is left of a batch, in order.
pub(super) struct Parts(VecDeque<Part>);

/// Events that follow each other, by their places.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) events: Range<usize>,
    /// They are tried again.
    broken: Option<Broken>,
}

/// The first call that broke the contract, and how many did that these events were in.
#[derive(Debug, Clone, Copy)]
struct Broken {
    events: usize,
    deadline: Duration,
    calls: u32,
}

impl Parts {
    /// A batch of this many events.
    pub(super) fn of(events: usize) -> Self {
        let mut parts = Self(VecDeque::with_capacity(1));
        parts.put_back(Part {
            events: 0..events,
            broken: None,
        });
        parts
    }

    /// What comes next.
    pub(super) fn next(&mut self) -> Option<Part> {
        self.0.pop_front()
    }

    /// What was not handed in comes next.
    pub(super) fn put_back(&mut self, part: Part) {
        if !part.events.is_empty() {
            self.0.push_front(part);
        }
    }

    /// A call about this part broke the contract. Its halves come next, unless it was one event:
    /// its place.
    pub(super) fn halve(&mut self, mut part: Part, deadline: Duration) -> Option<usize> {
        let events = part.events.len();
        if events <= 1 {
            return Some(part.events.start);
        }
        let first = Broken {
            events,
            deadline,
            calls: 0,
        };
        part.broken.get_or_insert(first).calls += 1;
        let second = part.split_off(events / 2);
        self.put_back(second);
        self.put_back(part);
        None
    }
}

impl Part {
    /// How many calls its events were in, with the next one.
    pub(super) fn tries(&self) -> u32 {
        self.broken.map_or(0, |broken| broken.calls) + 1
    }

    /// Cuts the part after this many events; returns the rest.
    pub(super) fn split_off(&mut self, events: usize) -> Self {
        let middle = self
            .events
            .start
            .saturating_add(events)
            .min(self.events.end);
        let rest = middle..self.events.end;
        self.events.end = middle;
        Self {
            events: rest,
            broken: self.broken,
        }
    }

    /// How long a call about this many of the events may take.
    pub(super) fn deadline(&self, events: usize, cost: &CallCost, limits: &Limits) -> Duration {
        let whole = limits.deadline_for(events);
        let Some(broken) = self.broken.filter(|_| events > 1) else {
            return whole;
        };
        let count = |events| u32::try_from(events).unwrap_or(u32::MAX);
        let share = broken.deadline.saturating_mul(count(events)) / count(broken.events).max(1);
        let usual = cost.of(events).saturating_mul(SLACK);
        share.max(usual).max(LEAST).min(whole)
    }
}

#[cfg(test)]
mod tests;
