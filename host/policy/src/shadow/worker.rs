//! The thread of the candidate: takes the notes, asks the candidate, and compares.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use flume_core::SinkSelector;
use flume_core::clock::Instant;
use flume_core::sink_group::{Load, Step};

use super::{LOOK, Note, ShadowShared, Standing};

pub(super) struct Worker {
    candidate: Box<dyn SinkSelector>,
    /// The state of the sinks, as far as the candidate knows.
    told: Vec<Standing>,
    shared: Arc<ShadowShared>,
    misses: Box<dyn Fn() -> u64 + Send>,
}

impl Worker {
    pub(super) fn new(
        candidate: Box<dyn SinkSelector>,
        sinks: usize,
        shared: Arc<ShadowShared>,
        misses: Box<dyn Fn() -> u64 + Send>,
    ) -> Self {
        let told = vec![Standing::default(); sinks];
        Self {
            candidate,
            told,
            shared,
            misses,
        }
    }

    /// Works until the live selector is gone.
    pub(super) fn run(mut self) {
        loop {
            let waiting = {
                let mut notes = self.shared.notes.lock();
                if notes.is_closed {
                    return;
                }
                // What the candidate wants may have changed in a swap.
                notes.wants_events = self.candidate.wants_events();
                notes.events = 0;
                std::mem::take(&mut notes.waiting)
            };
            if waiting.is_empty() {
                thread::park_timeout(LOOK);
            }
            for note in waiting {
                self.take(note);
            }
        }
    }

    fn take(&mut self, note: Note) {
        match note {
            Note::Order {
                at,
                depth,
                events,
                answer,
            } => {
                let load = Load {
                    depth,
                    events: &events,
                };
                let own = self.ask(|candidate| candidate.order_load(at, load));
                self.compare(own, |own| (own.front() == answer.front(), *own == answer));
            }
            Note::Route {
                at,
                depth,
                events,
                answer,
            } => {
                let load = Load {
                    depth,
                    events: &events,
                };
                let own = self.ask(|candidate| candidate.route(at, load));
                // If both leave the batch whole, the orders that follow are compared.
                if own.as_ref().is_some_and(Option::is_none) && answer.is_none() {
                    return;
                }
                self.compare(own, |own| (*own == answer, *own == answer));
            }
            Note::Step { at, sink, step } => {
                self.candidate.step(sink, step, at);
                if let Some(told) = self.told.get_mut(sink) {
                    told.take(step);
                }
            }
            Note::Failed { at, sink } => self.tell(at, sink, true),
            Note::Delivered { at, sink } => self.tell(at, sink, false),
            Note::Gap { at, standing } => self.catch_up(at, &standing),
        }
    }

    /// The candidate's answer; `None` if its fallback gave it.
    fn ask<T>(&mut self, ask: impl FnOnce(&mut dyn SinkSelector) -> T) -> Option<T> {
        let before = (self.misses)();
        let answer = ask(self.candidate.as_mut());
        ((self.misses)() == before).then_some(answer)
    }

    /// Counts an answer; `judge` says whether its first sink is the same, and all of it.
    fn compare<T>(&self, own: Option<T>, judge: impl FnOnce(&T) -> (bool, bool)) {
        let stats = &self.shared.stats;
        let Some(own) = own else {
            stats.unanswered.increment();
            return;
        };
        stats.compared.increment();
        match judge(&own) {
            (_, true) => {}
            (true, false) => stats.order_differs.increment(),
            (false, false) => stats.first_differs.increment(),
        }
    }

    fn tell(&mut self, at: Instant, sink: usize, failed: bool) {
        match failed {
            true => self.candidate.failed(sink, at),
            false => self.candidate.delivered(sink, at),
        }
        if let Some(told) = self.told.get_mut(sink) {
            told.failed = failed;
        }
    }

    /// Gives the candidate what has changed in a gap.
    fn catch_up(&mut self, at: Instant, standing: &[Standing]) {
        for (sink, now) in standing.iter().enumerate() {
            let Some(told) = self.told.get(sink).copied() else {
                continue;
            };
            if now.failed != told.failed {
                self.tell(at, sink, now.failed);
            }
            let nothing = Step::Ended {
                events: 0,
                latency: Duration::ZERO,
            };
            for _ in told.in_flight..now.in_flight {
                self.candidate.step(sink, Step::Begun, at);
            }
            for _ in now.in_flight..told.in_flight {
                self.candidate.step(sink, nothing, at);
            }
            if let Some(told) = self.told.get_mut(sink) {
                *told = *now;
            }
        }
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}
