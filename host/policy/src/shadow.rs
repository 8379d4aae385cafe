//! A candidate that gets the same calls as the live selector; its answers are only compared.
//!
//! The candidate works on its own thread. The data path leaves notes for it in a queue, which has a
//! limit: if the candidate is too slow, notes are dropped and counted, and no batch waits. So
//! whatever a candidate does with its time, or with its limits, the live selector is not affected.
//!
//! After a gap the candidate is brought up to date: what is under way, and which sinks last failed.
//! It never learns what happened in between, as after a restart.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use flume_core::clock::Instant;
use flume_core::counters::Counter;
use flume_core::sink_group::{Load, SinkIndex, SinkState, Step};
use flume_core::{Event, SinkSelector};
use parking_lot::Mutex;

use self::worker::Worker;

mod worker;

/// The most notes that wait for the candidate.
const MOST_NOTES: usize = 16_384;

/// The most events in them, which have their headers and no bodies.
const MOST_EVENTS: usize = 262_144;

/// How often the candidate looks for notes, unless half of the room is taken.
const LOOK: Duration = Duration::from_millis(10);

/// How a candidate has done so far.
#[derive(Debug, Default)]
pub struct ShadowStats {
    /// Decisions that were compared.
    pub compared: Counter,
    /// Decisions in which the candidate puts another sink first, or sends an event to another sink.
    pub first_differs: Counter,
    /// Decisions with the same sink first, and another order after it.
    pub order_differs: Counter,
    /// Decisions for which the candidate had no good answer: it broke the contract, rests, or is
    /// quarantined.
    pub unanswered: Counter,
    /// Decisions that the candidate did not get, since it was too slow.
    pub dropped: Counter,
}

/// The live selector, with a candidate in its shadow.
pub struct Shadow {
    live: Box<dyn SinkSelector>,
    /// The state of the sinks, for a candidate that missed something.
    standing: Vec<Standing>,
    shared: Arc<ShadowShared>,
    worker: thread::Thread,
}

/// The state of a sink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Standing {
    in_flight: u32,
    failed: bool,
}

/// What both sides have.
#[derive(Debug, Default)]
struct ShadowShared {
    notes: Mutex<Notes>,
    stats: Arc<ShadowStats>,
}

#[derive(Debug, Default)]
struct Notes {
    waiting: VecDeque<Note>,
    /// Events in them.
    events: usize,
    /// Whether a note was dropped since the last one that waits.
    has_gap: bool,
    /// Whether the candidate asks to see events.
    wants_events: bool,
    is_closed: bool,
}

/// Something that the live selector was given, or was asked and answered.
#[derive(Debug)]
enum Note {
    Order {
        at: Instant,
        depth: usize,
        events: Vec<Event>,
        answer: VecDeque<SinkIndex>,
    },
    Route {
        at: Instant,
        depth: usize,
        events: Vec<Event>,
        answer: Option<Vec<SinkIndex>>,
    },
    Step {
        at: Instant,
        sink: SinkIndex,
        step: Step,
    },
    Failed {
        at: Instant,
        sink: SinkIndex,
    },
    Delivered {
        at: Instant,
        sink: SinkIndex,
    },
    /// Notes were dropped; this is the present state.
    Gap {
        at: Instant,
        standing: Vec<Standing>,
    },
}

impl Shadow {
    /// Puts a candidate into the shadow of a live selector with `sinks` sinks. `name` is for the
    /// thread; `misses` counts what the candidate could not answer itself: a policy's
    /// [`Policy::misses`](crate::Policy::misses).
    ///
    /// # Errors
    /// No thread can be started; the live selector comes back.
    pub fn new(
        live: Box<dyn SinkSelector>,
        candidate: Box<dyn SinkSelector>,
        sinks: usize,
        name: &str,
        misses: impl Fn() -> u64 + Send + 'static,
    ) -> Result<Self, Box<dyn SinkSelector>> {
        let shared = Arc::new(ShadowShared::default());
        shared.notes.lock().wants_events = candidate.wants_events();
        let worker = Worker::new(candidate, sinks, Arc::clone(&shared), Box::new(misses));
        let thread = thread::Builder::new().name(format!("shadow-{name}"));
        match thread.spawn(move || worker.run()) {
            Ok(handle) => Ok(Self {
                live,
                standing: vec![Standing::default(); sinks],
                shared,
                worker: handle.thread().clone(),
            }),
            Err(error) => {
                tracing::warn!(name, %error, "no thread for a shadow");
                Err(live)
            }
        }
    }

    /// How the candidate has done so far.
    pub fn stats(&self) -> Arc<ShadowStats> {
        Arc::clone(&self.shared.stats)
    }

    /// What the live selector is to see of a load.
    fn own<'a>(&self, load: Load<'a>) -> Load<'a> {
        let events = if self.live.wants_events() {
            load.events
        } else {
            &[]
        };
        Load { events, ..load }
    }

    /// The headers of what was shown, if the candidate wants them and there is room.
    fn shown(&self, load: Load<'_>) -> Option<Vec<Event>> {
        let notes = self.shared.notes.lock();
        if !notes.wants_events {
            return Some(Vec::new());
        }
        let room = notes.has_room(load.events.len());
        drop(notes);
        let bare = |event: &Event| Event {
            headers: event.headers.clone(),
            ..Event::default()
        };
        room.then(|| load.events.iter().map(bare).collect())
    }

    /// Leaves a note if there is room for it; `None` is a note that has none. Returns
    /// whether it was left.
    fn leave(&self, at: Instant, note: Option<Note>) -> bool {
        let mut notes = self.shared.notes.lock();
        let events = note.as_ref().map_or(0, Note::events);
        let Some(note) = note.filter(|_| notes.has_room(events)) else {
            notes.has_gap = true;
            return false;
        };
        if std::mem::take(&mut notes.has_gap) {
            let standing = self.standing.clone();
            notes.waiting.push_back(Note::Gap { at, standing });
        }
        notes.events += events;
        notes.waiting.push_back(note);
        let is_half_full = notes.waiting.len() == MOST_NOTES / 2;
        drop(notes);
        if is_half_full {
            self.worker.unpark();
        }
        true
    }

    /// A decision; it counts as dropped if there is no room for it.
    fn leave_decision(&self, at: Instant, note: Option<Note>) {
        if !self.leave(at, note) {
            self.shared.stats.dropped.increment();
        }
    }
}

impl SinkSelector for Shadow {
    fn order(&mut self, now: Instant) -> VecDeque<SinkIndex> {
        self.order_load(now, Load::default())
    }

    fn order_load(&mut self, now: Instant, load: Load<'_>) -> VecDeque<SinkIndex> {
        let answer = self.live.order_load(now, self.own(load));
        let note = self.shown(load).map(|events| {
            let answer = answer.clone();
            Note::Order {
                at: now,
                depth: load.depth,
                events,
                answer,
            }
        });
        self.leave_decision(now, note);
        answer
    }

    fn route(&mut self, now: Instant, load: Load<'_>) -> Option<Vec<SinkIndex>> {
        let answer = self.live.route(now, self.own(load));
        let note = self.shown(load).map(|events| {
            let answer = answer.clone();
            Note::Route {
                at: now,
                depth: load.depth,
                events,
                answer,
            }
        });
        self.leave_decision(now, note);
        answer
    }

    fn wants_events(&self) -> bool {
        self.live.wants_events() || self.shared.notes.lock().wants_events
    }

    fn step(&mut self, sink: SinkIndex, step: Step, now: Instant) {
        self.live.step(sink, step, now);
        // Left before it is counted here: a gap gives the state before the note.
        self.leave(
            now,
            Some(Note::Step {
                at: now,
                sink,
                step,
            }),
        );
        if let Some(standing) = self.standing.get_mut(sink) {
            standing.take(step);
        }
    }

    fn failed(&mut self, sink: SinkIndex, now: Instant) {
        self.live.failed(sink, now);
        self.leave(now, Some(Note::Failed { at: now, sink }));
        if let Some(standing) = self.standing.get_mut(sink) {
            standing.failed = true;
        }
    }

    fn delivered(&mut self, sink: SinkIndex, now: Instant) {
        self.live.delivered(sink, now);
        self.leave(now, Some(Note::Delivered { at: now, sink }));
        if let Some(standing) = self.standing.get_mut(sink) {
            standing.failed = false;
        }
    }

    fn states(&self, now: Instant) -> Vec<SinkState> {
        self.live.states(now)
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        // The thread ends on its own: a candidate may take its deadline for each note, so nothing
        // waits for it.
        self.shared.notes.lock().is_closed = true;
        self.worker.unpark();
    }
}

impl Standing {
    fn take(&mut self, step: Step) {
        self.in_flight = match step {
            Step::Begun => self.in_flight.saturating_add(1),
            Step::Ended { .. } => self.in_flight.saturating_sub(1),
        };
    }
}

impl Notes {
    /// Whether the queue has room for a note with `events` events, and one about what was missed.
    fn has_room(&self, events: usize) -> bool {
        self.waiting.len() + 2 <= MOST_NOTES && self.events + events <= MOST_EVENTS
    }
}

impl Note {
    fn events(&self) -> usize {
        match self {
            Self::Order { events, .. } | Self::Route { events, .. } => events.len(),
            _ => 0,
        }
    }
}

impl std::fmt::Debug for Shadow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shadow")
            .field("stats", &self.shared.stats)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
