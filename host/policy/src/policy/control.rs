//! What a policy knows about one of its seats, and how it assigns versions to it.
//!
//! The policy assigns a version, with an instance if one was made; the owner of the seat takes it
//! between two calls. Neither waits for the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flume_core::clock::{self, Instant};
use parking_lot::Mutex;

use super::history::Generation;
use super::report::{SeatReport, SeatState, StandIn};
use crate::call_cost::CallCost;
use crate::error::Violation;
use crate::instance::Instance;
use crate::terms::Terms;

/// The policy's side of a seat.
pub(crate) struct SeatControl {
    /// The place, for messages.
    pub(crate) place: String,
    pub(crate) terms: Terms,
    /// The number of the generation that is to run: all that a call looks at.
    wanted: AtomicU64,
    assigned: Mutex<Assigned>,
    stand_in: StandIn,
    noted: Mutex<Noted>,
    /// Why it began without a policy, if it did.
    vacancy: Option<String>,
    /// The last broken rule, and when it was broken.
    fault: Mutex<Option<(Violation, Instant)>>,
}

/// A generation in a seat.
pub(crate) struct Occupant {
    pub(crate) generation: Arc<Generation>,
    pub(crate) instance: Option<Instance>,
    /// How long the last start took; `MAX` if that is not known, or longer than a batch may wait.
    pub(crate) took: Duration,
    /// What its calls cost, whichever instance they were made in.
    pub(crate) cost: CallCost,
}

/// The state of a seat, for operators.
struct Noted {
    state: SeatState,
    at: Instant,
    /// The generation that runs there.
    generation: u64,
    down_since: Option<Instant>,
}

/// Generations by number, as the seat has taken them.
struct Assigned {
    /// What it has not taken yet.
    next: Option<Occupant>,
    taken: u64,
    before: Option<u64>,
}

impl Occupant {
    pub(crate) fn new(generation: Arc<Generation>, instance: Option<Instance>) -> Self {
        let took = instance.as_ref().map_or(Duration::MAX, Instance::took);
        Self {
            generation,
            instance,
            took,
            cost: CallCost::default(),
        }
    }

    pub(crate) fn runs_the_same(&self, other: &Self) -> bool {
        self.generation.artifact.digest() == other.generation.artifact.digest()
    }
}

impl SeatControl {
    pub(crate) fn new(
        place: &str,
        terms: Terms,
        stand_in: StandIn,
        generation: &Generation,
        vacancy: Option<&str>,
    ) -> Self {
        let number = generation.number;
        let (state, now) = match vacancy {
            Some(_) => (SeatState::Vacant, clock::now()),
            None => (SeatState::Running, clock::now()),
        };
        Self {
            place: place.to_owned(),
            terms,
            wanted: AtomicU64::new(number),
            assigned: Mutex::new(Assigned {
                next: None,
                // A version that was not accepted here is none to go back to.
                taken: if vacancy.is_some() { 0 } else { number },
                before: None,
            }),
            stand_in,
            noted: Mutex::new(Noted {
                state,
                at: now,
                generation: number,
                down_since: vacancy.map(|_| now),
            }),
            vacancy: vacancy.map(str::to_owned),
            fault: Mutex::default(),
        }
    }

    /// The number of the generation that is to run.
    pub(crate) fn wanted(&self) -> u64 {
        self.wanted.load(Ordering::Acquire)
    }

    /// What stands in for the policy while it is not asked.
    pub(crate) fn stand_in(&self) -> StandIn {
        self.stand_in
    }

    /// Assigns a version. An instance that was tried out comes with it, unless the seat has one:
    /// see [`Self::can_restore`].
    pub(crate) fn assign(&self, generation: &Arc<Generation>, instance: Option<Instance>) {
        let mut assigned = self.assigned.lock();
        assigned.next = Some(Occupant::new(Arc::clone(generation), instance));
        // Last, so that a seat that sees the number finds all that it needs.
        self.wanted.store(generation.number, Ordering::Release);
    }

    /// Whether the version of this generation is at work or warm here, beside the wanted one.
    pub(crate) fn can_restore(&self, number: u64) -> bool {
        let assigned = self.assigned.lock();
        match assigned.next {
            Some(_) => assigned.taken == number,
            None => assigned.before == Some(number),
        }
    }

    /// The version that was assigned, once.
    pub(crate) fn take(&self) -> Option<Occupant> {
        let mut assigned = self.assigned.lock();
        let next = assigned.next.take()?;
        let before = std::mem::replace(&mut assigned.taken, next.generation.number);
        assigned.before = Some(before);
        Some(next)
    }

    pub(crate) fn note(&self, state: SeatState, generation: u64) {
        let now = clock::now();
        let mut noted = self.noted.lock();
        let down_since = match state {
            SeatState::Running => None,
            // Rests and starts in a row are one absence.
            _ => noted.down_since.or(Some(now)),
        };
        *noted = Noted {
            state,
            at: now,
            generation,
            down_since,
        };
    }

    pub(crate) fn note_fault(&self, violation: &Violation, now: Instant) {
        *self.fault.lock() = Some((violation.clone(), now));
    }

    pub(crate) fn report(&self) -> SeatReport {
        let noted = self.noted.lock();
        SeatReport {
            place: self.place.clone(),
            limits: self.terms.limits.clone(),
            state: noted.state,
            down_since: noted.down_since,
            stand_in: self.stand_in,
            tries_next: self.tries_next(&noted, clock::now()),
            generation: noted.generation,
            vacancy: match noted.state {
                SeatState::Vacant => self.vacancy.clone(),
                _ => None,
            },
            fault: self.fault.lock().clone(),
        }
    }

    fn tries_next(&self, noted: &Noted, now: Instant) -> bool {
        let limits = &self.terms.limits;
        let waits = self.wanted() != noted.generation;
        waits
            || match noted.state {
                SeatState::Running => true,
                SeatState::Resting { until } => until <= now,
                // Whatever comes of a start, it is over by then.
                SeatState::Starting => noted.at + limits.start_deadline.max(limits.deadline) <= now,
                SeatState::Quarantined | SeatState::Vacant => false,
            }
    }
}
