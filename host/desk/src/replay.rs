//! Replays a trace to another selector: where would it have decided differently?
//!
//! The other selector is given exactly what the recorded one was given, the outcome of the recorded
//! decisions included. What its own decisions would have led to is not in a trace: that is what
//! [`simulate`](crate::simulate) is for.
//!
//! Law: the same trace and the same selector give the same outcome. A selector that depends only on
//! what it is given, and is given it from its start, never differs from itself. It is given the
//! recorded time to the nanosecond, and the recorded time of day to the millisecond.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flume_core::SinkSelector;
use flume_core::clock::{Instant, WallClock};
use flume_core::sink_group::{Load, SinkIndex, Step};

use flume_policy::trace::{Shown, TraceEntry, What};

/// What came out of a replay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Decisions: orders, and routes that split a batch.
    pub decisions: u64,
    /// Decisions with a different first sink, or a different sink for an event.
    pub first_differs: u64,
    /// Decisions with the same first sink and a different rest.
    pub order_differs: u64,
    /// For each sink, how often the recorded selector put it first.
    pub recorded_first: Vec<u64>,
    /// For each sink, how often the other selector did.
    pub replayed_first: Vec<u64>,
    /// Entries that are missing in the trace, since its queue was full.
    pub lost: u64,
    /// The first decisions that differ.
    pub differences: Vec<Difference>,
}

/// A decision that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which decision, from 1.
    pub number: u64,
    /// When, since the selector's zero.
    pub at: Duration,
    /// What happened at the sinks since the previous decision.
    pub told: Vec<Told>,
    /// Events in the channel.
    pub depth: usize,
    /// Events that were shown.
    pub events: usize,
    /// What the recorded selector answered.
    pub recorded: Vec<SinkIndex>,
    /// What the other selector answered.
    pub replayed: Vec<SinkIndex>,
}

/// What happened at a sink since the previous decision: the contract's feedback.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Which sink.
    pub sink: SinkIndex,
    /// Batches under way to it.
    pub in_flight: u32,
    /// Batches that it delivered.
    pub batches: u32,
    /// Events in them.
    pub events: u64,
    /// How long they took in all.
    pub latency: Duration,
    /// Batches that it failed.
    pub failures: u32,
}

/// A replay: first the clock that the selector is made with, then the trace.
#[derive(Debug, Default)]
pub struct Replay {
    wall: Arc<AtomicU64>,
}

impl Replay {
    /// A replay that begins at this time of day.
    pub fn new(began_unix_ms: u64) -> Self {
        Self {
            wall: Arc::new(AtomicU64::new(began_unix_ms)),
        }
    }

    /// The wall clock of this replay, for the policy.
    pub fn wall(&self) -> WallClock {
        let wall = Arc::clone(&self.wall);
        WallClock::from_fn(move || wall.load(Ordering::Relaxed))
    }

    /// Gives the entries to a selector of `sinks` sinks whose time begins at `zero`, and keeps at
    /// most `most` differences.
    pub fn run(
        &self,
        entries: &[TraceEntry],
        selector: Box<dyn SinkSelector>,
        sinks: usize,
        zero: Instant,
        most: usize,
    ) -> Replayed {
        let mut player = Player {
            wall: &self.wall,
            selector,
            zero,
            most,
            told: (0..sinks)
                .map(|sink| Told {
                    sink,
                    ..Told::default()
                })
                .collect(),
            dirty: vec![false; sinks],
            seen: Replayed {
                recorded_first: vec![0; sinks],
                replayed_first: vec![0; sinks],
                ..Replayed::default()
            },
        };
        entries.iter().for_each(|entry| player.tell(entry));
        player.seen
    }
}

struct Player<'a> {
    wall: &'a AtomicU64,
    selector: Box<dyn SinkSelector>,
    zero: Instant,
    most: usize,
    /// What the selector was given since the previous decision, for display.
    told: Vec<Told>,
    dirty: Vec<bool>,
    seen: Replayed,
}

impl Player<'_> {
    fn tell(&mut self, entry: &TraceEntry) {
        let now = self.zero + Duration::from_nanos(entry.at);
        match &entry.what {
            What::Order { load, answer } => {
                let order = self.ask(load, |selector, load| selector.order_load(now, load));
                self.compare((entry.at, false), load, answer, Vec::from(order));
            }
            What::Route { load, answer } => {
                let route = self.ask(load, |selector, load| selector.route(now, load));
                match (answer, route) {
                    // The batch stayed whole: an order comes next.
                    (None, None) => {}
                    (recorded, replayed) => {
                        let recorded = recorded.as_deref().unwrap_or_default();
                        let replayed = replayed.unwrap_or_default();
                        self.compare((entry.at, true), load, recorded, replayed);
                    }
                }
            }
            What::Begun { sink } => {
                self.selector.step(*sink, Step::Begun, now);
                self.note(*sink, |told| {
                    told.in_flight = told.in_flight.saturating_add(1)
                });
            }
            What::Ended {
                sink,
                events,
                latency,
            } => {
                let (events, latency) = (*events, Duration::from_nanos(*latency));
                self.selector
                    .step(*sink, Step::Ended { events, latency }, now);
                self.note(*sink, |told| {
                    told.in_flight = told.in_flight.saturating_sub(1);
                    if events > 0 {
                        told.events += u64::try_from(events).unwrap_or(u64::MAX);
                        told.latency += latency;
                    }
                });
            }
            What::Failed { sink } => {
                self.selector.failed(*sink, now);
                self.note(*sink, |told| told.failures += 1);
            }
            What::Delivered { sink } => {
                self.selector.delivered(*sink, now);
                self.note(*sink, |told| told.batches += 1);
            }
            What::Lost(count) => self.seen.lost += count,
        }
    }

    /// Shows a load to the selector, with as much as it asks to see.
    fn ask<T>(
        &mut self,
        shown: &Shown,
        ask: impl FnOnce(&mut dyn SinkSelector, Load<'_>) -> T,
    ) -> T {
        self.wall.store(shown.unix_ms, Ordering::Relaxed);
        let wants = self.selector.wants_events();
        let events = if wants { &*shown.events } else { &[] };
        let load = Load {
            depth: shown.depth,
            events,
        };
        ask(self.selector.as_mut(), load)
    }

    fn compare(
        &mut self,
        (at, is_route): (u64, bool),
        load: &Shown,
        recorded: &[usize],
        replayed: Vec<usize>,
    ) {
        self.seen.decisions += 1;
        for (firsts, order) in [
            (&mut self.seen.recorded_first, recorded),
            (&mut self.seen.replayed_first, replayed.as_slice()),
        ] {
            let first = order.first().and_then(|sink| firsts.get_mut(*sink));
            if let Some(count) = first {
                *count += 1;
            }
        }
        let told = self.take_told();
        if recorded == replayed {
            return;
        }
        match recorded.first() == replayed.first() && !is_route {
            true => self.seen.order_differs += 1,
            false => self.seen.first_differs += 1,
        }
        if self.seen.differences.len() < self.most {
            self.seen.differences.push(Difference {
                number: self.seen.decisions,
                at: Duration::from_nanos(at),
                told,
                depth: load.depth,
                events: load.events.len(),
                recorded: recorded.to_vec(),
                replayed,
            });
        }
    }

    fn note(&mut self, sink: SinkIndex, change: impl FnOnce(&mut Told)) {
        if let (Some(told), Some(dirty)) = (self.told.get_mut(sink), self.dirty.get_mut(sink)) {
            change(told);
            *dirty = true;
        }
    }

    fn take_told(&mut self) -> Vec<Told> {
        let news = self.told.iter_mut().zip(&mut self.dirty);
        let taken = news.filter_map(|(told, dirty)| {
            let Told {
                sink, in_flight, ..
            } = *told;
            let rest = Told {
                sink,
                in_flight,
                ..Told::default()
            };
            std::mem::take(dirty).then(|| std::mem::replace(told, rest))
        });
        taken.collect()
    }
}

impl Replayed {
    /// Decisions that differ in any way.
    pub fn differing(&self) -> u64 {
        self.first_differs + self.order_differs
    }
}

#[cfg(test)]
mod shipped;
#[cfg(test)]
mod tests;
