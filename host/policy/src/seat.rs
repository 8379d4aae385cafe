//! A seat: one place of a policy (a group, or an interceptor of a source) with its instance.
//!
//! The owner of a seat calls its policy and checks, between two calls, whether another version is
//! to run: so a swap needs neither a lock nor a wait.
//!
//! | state | leaves it by |
//! |---|---|
//! | running | a violation: resting; the last one of the budget: the previous version, or quarantine |
//! | resting | its time is over: a new instance, running; or starting, if a start takes long |
//! | starting | the instance is there: running |
//! | quarantined | another version |
//! | vacant: it began without a version that it accepts | another version |

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use flume_core::LogLimit;
use flume_core::clock::{self, Instant};

use crate::call_cost::CallCost;
use crate::error::{PolicyError, Violation, ViolationKind};
use crate::instance::Instance;
use crate::limits::Limits;
use crate::pace::aside;
use crate::policy::control::{Occupant, SeatControl};
use crate::policy::history::Generation;
use crate::policy::{Policy, SeatState, StandIn};
use crate::probe;
use crate::setup::Setup;

mod background_start;

use background_start::BackgroundStart;

/// First and longest rest before an instance is replaced.
const REST: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(30));

/// A rest this long ago does not count any more.
const CALM: Duration = Duration::from_secs(60);

/// A seat of a policy; held by the selector or interceptor that calls it.
pub(crate) struct Seat {
    policy: Arc<Policy>,
    control: Arc<SeatControl>,
    current: Occupant,
    /// What ran here before, with its instance: a roll-back need not start one.
    warm: Option<Occupant>,
    violations: VecDeque<Instant>,
    rests: u32,
    rest_until: Option<Instant>,
    /// Why it is not asked until another version comes: quarantined, or vacant.
    barred: Option<SeatState>,
    /// Whether the instance knows nothing of what happened before it.
    fresh: bool,
    /// The next instance of the current generation, if it is being made off the data path.
    replacement: Option<BackgroundStart>,
    /// Limits lines about violations: a guest can break the contract a thousand times a second.
    complaints: LogLimit,
    /// Counts violations that were the events' fault, as long as there are few.
    surge: LogLimit,
}

/// Lines in a second.
const COMPLAINTS: u32 = 10;

/// Violations in a second that may all be the events' fault. More of them cost the place its seat in
/// the end, however well the calls between them go: each takes a new instance.
const SURGE: u32 = 100;

impl Seat {
    /// Puts a policy into one more seat, tried out.
    ///
    /// # Errors
    /// It is of another kind, does not accept its properties, or broke the contract.
    pub(crate) fn take(
        policy: &Arc<Policy>,
        place: &str,
        setup: Setup,
        limits: Limits,
        stand_in: StandIn,
    ) -> Result<Self, PolicyError> {
        let terms = policy.terms(setup, limits);
        let generation = policy.current();
        let instance = probe::tried_out(
            policy.engine(),
            &generation.artifact,
            &terms,
            policy.clock(),
        )?;
        let control = SeatControl::new(place, terms, stand_in, &generation, None);
        let occupant = Occupant::new(generation, Some(instance));
        Ok(Self::of(policy, control, occupant))
    }

    /// One more seat in which no version can be used yet, and why. It waits for another one, as if
    /// it were quarantined.
    pub(crate) fn leave_vacant(
        policy: &Arc<Policy>,
        place: &str,
        setup: Setup,
        limits: Limits,
        (stand_in, why): (StandIn, &str),
    ) -> Self {
        let terms = policy.terms(setup, limits);
        let generation = policy.current();
        let control = SeatControl::new(place, terms, stand_in, &generation, Some(why));
        let mut seat = Self::of(policy, control, Occupant::new(generation, None));
        seat.barred = Some(SeatState::Vacant);
        seat
    }

    fn of(policy: &Arc<Policy>, control: SeatControl, current: Occupant) -> Self {
        let control = Arc::new(control);
        policy.enlist(&control);
        Self {
            policy: Arc::clone(policy),
            control,
            current,
            warm: None,
            violations: VecDeque::new(),
            rests: 0,
            rest_until: None,
            barred: None,
            fresh: true,
            replacement: None,
            complaints: LogLimit::per_second(COMPLAINTS),
            surge: LogLimit::per_second(SURGE),
        }
    }

    pub(crate) fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The number of the version that is to run.
    pub(crate) fn version(&self) -> u64 {
        self.control.wanted()
    }

    /// The digest of the version that runs.
    pub(crate) fn digest(&self) -> &str {
        self.current.generation.artifact.digest()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.control.terms.limits
    }

    /// What the host did for a call, besides the guest's own time: showing events, checking the
    /// answer, making the edits.
    pub(crate) fn served(&mut self, host: Duration) {
        self.control.terms.account.spent(host);
    }

    /// An answer kept the processor busy for longer than a call may. It stands, and the budget is
    /// charged.
    pub(crate) fn overworked(&mut self, worked: Duration) {
        let detail = format!("the edits took the host {worked:?}");
        let violation = Violation::new(ViolationKind::Deadline, detail);
        let now = clock::now();
        self.policy.stats().violated(violation.kind);
        self.control.note_fault(&violation, now);
        self.say(&violation);
        self.charge(now);
    }

    /// What the calls of this version cost here.
    pub(crate) fn cost(&mut self) -> &mut CallCost {
        &mut self.current.cost
    }

    /// How long the policy may not be called here, because its share of the processors is used up.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        self.control.terms.account.share.wait(now)
    }

    /// The headers that the policy asks to be shown; none while it is down.
    pub(crate) fn headers(&self) -> &[String] {
        let instance = self.current.instance.as_ref();
        instance.map_or(&[], |instance| &instance.needs().headers)
    }

    /// The instance to call, if there is one now. Takes another version first, if one is assigned.
    pub(crate) fn instance(&mut self, now: Instant) -> Option<&mut Instance> {
        // A guest takes part in both, for as long as a call may take.
        if self.control.wanted() != self.current.generation.number {
            aside(|| self.change(now));
        }
        if self.current.instance.is_none() && !self.is_down(now) {
            aside(|| self.restart(now));
        }
        self.current.instance.as_mut()
    }

    /// The same, with what the calls of this version cost here.
    pub(crate) fn at_work(&mut self, now: Instant) -> Option<(&mut Instance, &mut CallCost)> {
        self.instance(now)?;
        let Occupant { instance, cost, .. } = &mut self.current;
        Some((instance.as_mut()?, cost))
    }

    /// Whether an instance is being made off the data path.
    pub(crate) fn is_starting(&self) -> bool {
        self.replacement.is_some()
    }

    /// Why there is no instance to call.
    pub(crate) fn absence(&self) -> &'static str {
        match (self.barred, &self.replacement) {
            (Some(SeatState::Vacant), _) => "its policy could not be loaded",
            (Some(_), _) => "its policy is quarantined",
            (None, Some(_)) => "its policy is being started",
            (None, None) => "its policy could not be started",
        }
    }

    /// Whether the instance was made since this was last asked, and took over no state.
    pub(crate) fn take_fresh(&mut self) -> bool {
        std::mem::take(&mut self.fresh)
    }

    /// Whether the policy is to see events before they are routed. Also while that cannot be known:
    /// the next call may be the first one of another instance.
    pub(crate) fn wants_events(&self) -> bool {
        match &self.current.instance {
            _ if self.control.wanted() != self.current.generation.number => true,
            Some(instance) => instance.sees_events(),
            None => self.barred.is_none(),
        }
    }

    /// Ends a rest.
    pub(crate) fn wake(&mut self) {
        self.rest_until = None;
    }

    /// A call went well.
    pub(crate) fn succeeded(&mut self, now: Instant) {
        if self.rests > 0 && self.rest_until.is_some_and(|until| now > until + CALM) {
            self.rests = 0;
        }
    }

    /// The policy broke the contract: the instance is dropped, and the budget charged.
    pub(crate) fn violated(&mut self, violation: &Violation, now: Instant) {
        self.drop_instance(violation, now);
        let (first, longest) = REST;
        let rest = first.saturating_mul(1 << self.rests.min(16)).min(longest);
        self.rests = self.rests.saturating_add(1);
        self.rest_until = Some(now + rest);
        self.note();
        self.charge(now);
    }

    /// The policy broke the contract over one event: the instance is dropped and replaced at
    /// once, since the event is to blame. Many of them in a second are the policy's fault.
    pub(crate) fn discard(&mut self, violation: &Violation, now: Instant) {
        self.drop_instance(violation, now);
        if self.surge.left(now) == 0 {
            self.surge = LogLimit::per_second(SURGE);
            self.charge(now);
        }
        self.surge.admit(now);
    }

    fn drop_instance(&mut self, violation: &Violation, now: Instant) {
        self.policy.stats().violated(violation.kind);
        self.control.note_fault(violation, now);
        self.give_up_instance();
        self.say(violation);
    }

    fn say(&mut self, violation: &Violation) {
        if let Some(left_out) = self.complaints.admit(clock::now()) {
            tracing::warn!(
                policy = %self.current.generation.artifact,
                place = self.control.place,
                violation = %violation,
                left_out,
                "policy broke the contract"
            );
        }
    }

    /// Charges the budget; when it is spent, this version has lost its place.
    pub(crate) fn charge(&mut self, now: Instant) {
        let (window, most) = (self.limits().window, self.limits().violations);
        self.violations.push_back(now);
        let is_over = |first: &Instant| *first + window < now;
        while self.violations.front().is_some_and(is_over) {
            self.violations.pop_front();
        }
        if self.violations.len() < usize::try_from(most).unwrap_or(usize::MAX) {
            return;
        }
        self.violations.clear();
        let generation = self.current.generation.number;
        if self.policy.give_up(generation, &self.control) {
            self.change(now);
            return;
        }
        self.barred = Some(SeatState::Quarantined);
        self.give_up_instance();
        self.give_up_replacement();
        tracing::error!(
            policy = %self.current.generation.artifact,
            place = self.control.place,
            "policy is quarantined until another version comes: {}",
            match self.control.stand_in() {
                StandIn::Fallback => "the fallback stands in",
                StandIn::Unchanged => "events go on unchanged",
                StandIn::Nobody => "events are refused",
            }
        );
        self.note();
    }

    /// Its memory is given back by another thread, in the background.
    fn give_up_instance(&mut self) {
        if let Some(instance) = self.current.instance.take() {
            self.policy.engine().retire(instance);
        }
    }

    /// A thread that still makes one ends on its own.
    fn give_up_replacement(&mut self) {
        let over = self.replacement.take().filter(BackgroundStart::is_over);
        if let Some(Ok(unwanted)) = over.map(BackgroundStart::finish) {
            self.policy.engine().retire(unwanted);
        }
    }

    fn is_down(&self, now: Instant) -> bool {
        self.barred.is_some() || self.rest_until.is_some_and(|until| now < until)
    }

    /// Puts the wanted generation into the seat, and counts it as a swap.
    fn change(&mut self, now: Instant) {
        let began = clock::now();
        if !self.exchange(now) {
            return;
        }
        let took = clock::now() - began;
        self.policy.stats().swap_latency.record(took);
        tracing::info!(
            policy = %self.current.generation.artifact,
            place = self.control.place,
            micros = took.as_micros(),
            "policy swapped"
        );
        self.note();
    }

    /// Takes the assigned generation, if there is one, and keeps the current one warm.
    fn exchange(&mut self, now: Instant) -> bool {
        let Some(mut next) = self.control.take() else {
            return false;
        };
        if next.instance.is_none() && next.runs_the_same(&self.current) {
            // The version between was never taken.
            self.current.generation = next.generation;
            self.note();
            return false;
        }
        if next.instance.is_none()
            && let Some(warm) = self.warm.take_if(|warm| warm.runs_the_same(&next))
        {
            (next.instance, next.took, next.cost) = (warm.instance, warm.took, warm.cost);
        }
        let mut old = std::mem::replace(&mut self.current, next);
        self.barred = None;
        (self.rests, self.rest_until) = (0, None);
        self.violations.clear();
        self.fresh = true;
        self.give_up_replacement();
        if self.current.instance.is_none() {
            self.restart(now);
        }
        self.hand_over(&mut old);
        let oldest = self.warm.replace(old).and_then(|old| old.instance);
        if let Some(oldest) = oldest {
            self.policy.engine().retire(oldest);
        }
        true
    }

    /// Moves the state from the old instance to the new one. If anything goes wrong, the new one
    /// begins without state.
    fn hand_over(&mut self, old: &mut Occupant) {
        let (Some(from), Some(into)) = (&mut old.instance, &mut self.current.instance) else {
            return;
        };
        if !from.has_state() || !into.has_state() {
            return;
        }
        let snapshot = match from.export_state() {
            Ok(Some(snapshot)) => snapshot,
            Ok(None) => return,
            Err(violation) => {
                old.instance = None;
                self.complain(
                    &old.generation,
                    "no state is handed over",
                    &violation.to_string(),
                );
                self.policy.stats().violated(violation.kind);
                return;
            }
        };
        match into.import_state(&snapshot) {
            Ok(Ok(())) => self.fresh = false,
            Ok(Err(words)) => {
                let generation = Arc::clone(&self.current.generation);
                self.complain(&generation, "policy begins without state", &words);
            }
            Err(violation) => {
                let generation = Arc::clone(&self.current.generation);
                self.complain(
                    &generation,
                    "policy begins without state",
                    &violation.to_string(),
                );
                self.policy.stats().violated(violation.kind);
                // Poisoned: the next call makes another one.
                self.current.instance = None;
            }
        }
    }

    fn complain(&self, generation: &Generation, outcome: &'static str, why: &str) {
        tracing::warn!(policy = %generation.artifact, place = self.control.place, why, "{outcome}");
    }

    /// Makes a new instance of the current generation: here if that is quick, and off the data path if
    /// not. In that case this must be called again until the instance is there.
    fn restart(&mut self, now: Instant) {
        if let Some(begun) = self.replacement.take() {
            if begun.is_over() {
                self.take_in(begun.finish(), now);
            } else {
                self.replacement = Some(begun);
            }
            return;
        }
        let generation = Arc::clone(&self.current.generation);
        if self.current.took < self.patience() {
            let terms = &self.control.terms;
            let deadline = terms.limits.deadline;
            let engine = self.policy.engine();
            let started = Instance::start(engine, &generation.artifact, terms, deadline);
            self.take_in(started, now);
            return;
        }
        let (engine, terms) = (self.policy.engine(), &self.control.terms);
        match BackgroundStart::begin(engine, &generation.artifact, terms) {
            Ok(begun) => self.replacement = Some(begun),
            Err(error) => {
                // Not the policy's fault, so nothing is charged.
                self.rest_until = Some(now + REST.0);
                self.complain(&generation, "policy is not started", &error.to_string());
            }
        }
        self.note();
    }

    /// What came of a start.
    fn take_in(&mut self, started: Result<Instance, PolicyError>, now: Instant) {
        match started {
            Ok(instance) => {
                self.current.took = instance.took();
                self.current.instance = Some(instance);
                self.policy.stats().replacements.increment();
                self.fresh = true;
                self.note();
            }
            Err(error) => {
                // The next one is made off the data path.
                self.current.took = Duration::MAX;
                let violation = match error {
                    PolicyError::Violation(violation) => violation,
                    // It was accepted before: what it says now depends on more than its setup.
                    other => Violation::new(ViolationKind::Trap, other.to_string()),
                };
                self.violated(&violation, now);
            }
        }
    }

    /// How long a start may have taken for the next one to be made while a batch waits. A batch of an
    /// interceptor waits for several if one of its events has to be found; a group has its fallback.
    fn patience(&self) -> Duration {
        let deadline = self.limits().deadline;
        match &self.control.terms.setup {
            Setup::Selector(_) => deadline / 4,
            Setup::Interceptor(_) => deadline,
        }
    }

    fn note(&self) {
        let state = match (self.barred, self.rest_until) {
            (Some(state), _) => state,
            (None, _) if self.replacement.is_some() => SeatState::Starting,
            (None, Some(until)) if self.current.instance.is_none() => SeatState::Resting { until },
            _ => SeatState::Running,
        };
        self.control.note(state, self.current.generation.number);
    }
}
