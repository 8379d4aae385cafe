//! A policy in all its seats, and the swap of one version for another.
//!
//! | step | where | if it fails |
//! |---|---|---|
//! | load: complete, check, compile | off the data path | what runs goes on |
//! | [prepare](Policy::prepare): try it out in each seat | off the data path | what runs goes on |
//! | [install](Policy::install): assign it to each seat | anywhere | cannot fail |
//! | take it, with the old one's state | between two batches | the new one begins without state |
//!
//! [`history`] holds the versions. The instance of the version before stays warm in each seat:
//! [`Policy::roll_back`] brings it back, and so does the error budget of any seat. A seat that
//! began with the version that is rolled back has no such instance; one is tried out for it, off
//! the data path, and until then it keeps what it has.

use std::sync::{Arc, Weak};

use flume_core::clock::{self, Instant, WallClock};
use parking_lot::Mutex;

use self::control::SeatControl;
use self::history::{Generation, History};
use crate::artifact::Artifact;
use crate::bindings::types::Moment;
use crate::cpu_share::CpuShares;
use crate::engine::PolicyEngine;
use crate::error::PolicyError;
use crate::guest_clock::GuestClock;
use crate::instance::Instance;
use crate::limits::Limits;
use crate::probe;
use crate::setup::Setup;
use crate::stats::Stats;
use crate::terms::{Account, Terms};

mod candidate;
pub(crate) mod control;
mod difference;
pub(crate) mod history;
mod report;

pub use candidate::Candidate;
pub use history::RollBack;
pub use report::{PolicyReport, SeatReport, SeatState, StandIn};

/// A policy by name, in every seat that uses it.
pub struct Policy {
    engine: PolicyEngine,
    stats: Arc<Stats>,
    shares: CpuShares,
    clock: GuestClock,
    history: Mutex<History>,
    seats: Mutex<Vec<Weak<SeatControl>>>,
}

/// There is no version to go back to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy {policy}: there is no version before the one that runs")]
pub struct RollBackError {
    policy: String,
}

impl Policy {
    /// A policy that nothing uses yet.
    pub fn new(engine: PolicyEngine, artifact: Artifact, wall: WallClock) -> Arc<Self> {
        Arc::new(Self {
            engine,
            stats: Arc::default(),
            shares: CpuShares::default(),
            clock: GuestClock::begin(wall),
            history: Mutex::new(History::new(artifact)),
            seats: Mutex::default(),
        })
    }

    /// Tries a new version out in every seat of this policy. Takes as long as the slowest start:
    /// call it off the data path.
    ///
    /// # Errors
    /// A seat does not accept it; nothing has changed.
    pub fn prepare(&self, artifact: Artifact) -> Result<Candidate, PolicyError> {
        let mut differences = Vec::new();
        let mut ready = Vec::new();
        let old = self.artifact();
        difference::artifacts(&old, &artifact, &mut differences);
        for seat in self.seats() {
            let instance = probe::tried_out(&self.engine, &artifact, &seat.terms, &self.clock)?;
            let deadline = seat.terms.limits.start_deadline;
            if let Ok(before) = Instance::start(&self.engine, &old, &seat.terms, deadline) {
                let (old, new) = (before.needs(), instance.needs());
                difference::needs(&seat.place, old, new, &mut differences);
            }
            ready.push((Arc::downgrade(&seat), instance));
        }
        Ok(Candidate {
            artifact,
            uploaded: false,
            ready,
            differences,
        })
    }

    /// Puts a version into every seat; each takes it before its next batch.
    pub fn install(&self, mut candidate: Candidate) {
        let mut history = self.history.lock();
        history.install(candidate.artifact.clone(), candidate.uploaded);
        for seat in self.seats() {
            let instance = candidate.take_instance(&seat);
            seat.assign(history.current(), instance);
        }
        self.stats.swaps.increment();
    }

    /// Makes a version the one for new seats. The others keep what they have until another version
    /// is installed.
    pub fn install_for_new_seats(&self, artifact: Artifact) {
        self.history.lock().install_for_new_seats(artifact);
    }

    /// Brings the previous version back into every seat, and forgets the current one. May take as
    /// long as a trial: call it off the data path.
    ///
    /// # Errors
    /// There is no version before the current one.
    pub fn roll_back(&self) -> Result<RollBack, RollBackError> {
        let begun = self.begin_roll_back(&mut self.history.lock());
        let Some(roll_back) = begun else {
            let policy = self.artifact().name().to_owned();
            return Err(RollBackError { policy });
        };
        self.catch_up(&roll_back);
        Ok(roll_back)
    }

    /// Ends a roll-back that began in a seat whose error budget was spent, if there is one. Takes
    /// as long as [`Self::roll_back`].
    pub fn finish_roll_back(&self) -> Option<RollBack> {
        let roll_back = self.history.lock().take_begun()?;
        self.catch_up(&roll_back);
        Some(roll_back)
    }

    /// When the time that guests see begins.
    pub fn zero(&self) -> Instant {
        self.clock.zero()
    }

    /// Calls that it could not answer: they broke the contract, or it was paused.
    pub fn misses(&self) -> u64 {
        let stats = &self.stats;
        stats.fallbacks.get() + stats.throttled.get() + stats.all_violations()
    }

    /// What it has done so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The version that is to run.
    pub fn artifact(&self) -> Artifact {
        self.history.lock().current().artifact.clone()
    }

    /// Whether it has any seat.
    pub fn is_used(&self) -> bool {
        !self.seats().is_empty()
    }

    /// Its state.
    pub fn report(&self) -> PolicyReport {
        let history = self.history.lock();
        let current = history.current();
        let digest = |of: &Arc<Generation>| of.artifact.digest().to_owned();
        PolicyReport {
            name: current.artifact.name().to_owned(),
            digest: digest(current),
            world: current.artifact.world().words(),
            generation: current.number,
            previous: history.previous().map(digest),
            uploaded: current.uploaded,
            seats: self.seats().iter().map(|seat| seat.report()).collect(),
        }
    }

    pub(crate) fn engine(&self) -> &PolicyEngine {
        &self.engine
    }

    /// The time of a call, as the guest gets it.
    pub(crate) fn moment(&self, now: Instant) -> Moment {
        self.clock.moment(now)
    }

    /// A point of time as the guest gets it. Never 0, which means "never".
    pub(crate) fn nanos(&self, at: Instant) -> u64 {
        self.clock.nanos(at)
    }

    /// The clock of its calls.
    pub(crate) fn clock(&self) -> &GuestClock {
        &self.clock
    }

    /// What a seat with this setup and these limits is made from.
    pub(crate) fn terms(&self, setup: Setup, limits: Limits) -> Terms {
        let share = self.shares.of(limits.cpu_percent, clock::now());
        let account = Account::new(Arc::clone(&self.stats), share, &limits);
        Terms {
            setup,
            limits,
            account,
        }
    }

    /// The generation for a new seat.
    pub(crate) fn current(&self) -> Arc<Generation> {
        Arc::clone(self.history.lock().current())
    }

    /// Adds a new seat.
    pub(crate) fn enlist(&self, seat: &Arc<SeatControl>) {
        let history = self.history.lock();
        // A version may have come while the seat was made.
        if history.current().number != seat.wanted() {
            seat.assign(history.current(), None);
        }
        self.seats.lock().push(Arc::downgrade(seat));
    }

    /// A seat gives up a generation. Returns whether another one is assigned to it.
    pub(crate) fn give_up(&self, number: u64, seat: &SeatControl) -> bool {
        let mut history = self.history.lock();
        if history.current().number == number
            && let Some(begun) = self.begin_roll_back(&mut history)
        {
            let policy = begun.to();
            tracing::error!(
                %policy,
                place = seat.place,
                "error budget spent: the version before takes over"
            );
            history.begin(begun);
        }
        // Another seat may have been faster, or another version has come.
        seat.wanted() != number
    }

    /// Rolls back in the seats where that takes no time.
    fn begin_roll_back(&self, history: &mut History) -> Option<RollBack> {
        let begun = history.roll_back()?;
        for seat in self.seats() {
            if seat.can_restore(begun.restored) {
                seat.assign(&begun.to, None);
            }
        }
        self.stats.roll_backs.increment();
        Some(begun)
    }

    /// Rolls back in the seats that had to be left out.
    fn catch_up(&self, RollBack { from, to, .. }: &RollBack) {
        let seats = self.seats().into_iter();
        for seat in seats.filter(|seat| seat.wanted() == from.number) {
            match probe::tried_out(&self.engine, &to.artifact, &seat.terms, &self.clock) {
                Ok(instance) => {
                    let history = self.history.lock();
                    if history.current().number == to.number {
                        seat.assign(to, Some(instance));
                    }
                }
                Err(error) => tracing::error!(
                    policy = %to.artifact,
                    place = seat.place,
                    %error,
                    "the seat cannot go back to the version before"
                ),
            }
        }
    }

    /// The seats that are still in use.
    fn seats(&self) -> Vec<Arc<SeatControl>> {
        let mut seats = self.seats.lock();
        seats.retain(|seat| seat.strong_count() > 0);
        seats.iter().filter_map(Weak::upgrade).collect()
    }
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Policy").field(&self.artifact()).finish()
    }
}
