//! A seat: one place of a policy (a group, or an interceptor of a source) with what sits in it.
//!
//! The owner of a seat calls its policy and looks, between two calls, whether another version is
//! to run: so a swap drains by itself and needs no lock.
//!
//! | state | leaves it by |
//! |---|---|
//! | running | a violation: resting; the last one: the version before, or quarantine |
//! | resting | its time is over: a new instance, running; or starting, if a start takes long |
//! | starting | the instance is there: running |
//! | quarantined | another version |

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flume_core::clock::{self, Instant};
use parking_lot::Mutex;

use crate::error::{PolicyError, Violation, ViolationKind};
use crate::instance::Instance;
use crate::rate::Rate;
use crate::reload::{Generation, Policy};
use crate::setup::Setup;

mod replacement;

use replacement::Replacement;

/// First and longest rest before an instance is replaced.
const REST: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(30));

/// A rest this long ago counts no more.
const CALM: Duration = Duration::from_secs(60);

/// How a seat stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatState {
    /// Its policy is asked.
    Running,
    /// Its policy broke the contract and is made anew at this time; the fallback stands in.
    Resting {
        /// When.
        until: Instant,
    },
    /// An instance is being made beside the data path; the fallback stands in.
    Starting,
    /// Its policy broke the contract too often; the fallback stands in until another version comes.
    Quarantined,
}

/// The part of a seat that a reload sees.
pub(crate) struct SeatPost {
    /// Where it is, for messages.
    pub(crate) place: String,
    pub(crate) setup: Setup,
    /// The number of the generation that is to run.
    pub(crate) wanted: AtomicU64,
    /// Its instance, tried out.
    pub(crate) ready: Mutex<Option<Incumbent>>,
    /// How the seat stands, for operators.
    pub(crate) state: Mutex<(SeatState, u64)>,
    /// The last broken rule, and when it was broken.
    pub(crate) fault: Mutex<Option<(Violation, Instant)>>,
}

/// A generation at work.
pub(crate) struct Incumbent {
    pub(crate) generation: Arc<Generation>,
    pub(crate) instance: Option<Instance>,
    /// How long the last start took; `MAX` if that is not known, or longer than a batch may wait.
    took: Duration,
}

impl Incumbent {
    pub(crate) fn new(generation: Arc<Generation>, instance: Option<Instance>) -> Self {
        let took = instance.as_ref().map_or(Duration::MAX, Instance::took);
        Self {
            generation,
            instance,
            took,
        }
    }
}

/// A place of a policy; held by whoever calls it.
pub(crate) struct Seat {
    policy: Arc<Policy>,
    post: Arc<SeatPost>,
    current: Incumbent,
    /// The version before, kept warm.
    previous: Option<Incumbent>,
    violations: VecDeque<Instant>,
    rests: u32,
    rest_until: Option<Instant>,
    quarantined: bool,
    /// Whether the instance knows nothing of what was before it.
    fresh: bool,
    /// The next instance of the current generation, if it is being made beside the data path.
    replacement: Option<Replacement>,
    /// Lines about violations: a guest can break the contract a thousand times a second.
    complaints: Rate,
}

/// Lines in a second.
const COMPLAINTS: u32 = 10;

impl Seat {
    pub(crate) fn new(policy: Arc<Policy>, post: Arc<SeatPost>, current: Incumbent) -> Self {
        Self {
            policy,
            post,
            current,
            previous: None,
            violations: VecDeque::new(),
            rests: 0,
            rest_until: None,
            quarantined: false,
            fresh: true,
            replacement: None,
            complaints: Rate::new(COMPLAINTS),
        }
    }

    pub(crate) fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The headers that the policy asks to be shown; none while it is down.
    pub(crate) fn headers(&self) -> &[String] {
        let instance = self.current.instance.as_ref();
        instance.map_or(&[], |instance| &instance.needs().headers)
    }

    /// The instance that is to be asked, if there is one now. Takes in another version first.
    pub(crate) fn instance(&mut self, now: Instant) -> Option<&mut Instance> {
        if self.post.wanted.load(Ordering::Acquire) != self.current.generation.number {
            self.change(now);
        }
        if self.current.instance.is_none() && !self.is_down(now) {
            self.restart(now);
        }
        self.current.instance.as_mut()
    }

    /// Whether an instance is being made beside the data path.
    pub(crate) fn is_starting(&self) -> bool {
        self.replacement.is_some()
    }

    /// Why there is no instance to be asked.
    pub(crate) fn absence(&self) -> &'static str {
        match (self.quarantined, &self.replacement) {
            (true, _) => "its policy is quarantined",
            (false, Some(_)) => "its policy is being started",
            (false, None) => "its policy could not be started",
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
            _ if self.post.wanted.load(Ordering::Acquire) != self.current.generation.number => true,
            Some(instance) => instance.sees_events(),
            None => !self.quarantined,
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

    /// The policy broke the contract: the instance is given up, and the budget charged.
    pub(crate) fn violated(&mut self, violation: &Violation, now: Instant) {
        self.discard(violation, now);
        let (first, longest) = REST;
        let rest = first.saturating_mul(1 << self.rests.min(16)).min(longest);
        self.rests = self.rests.saturating_add(1);
        self.rest_until = Some(now + rest);
        self.note();
        self.charge(now);
    }

    /// The policy broke the contract over one event: the instance is given up and made anew at
    /// once, since the event is to blame.
    pub(crate) fn discard(&mut self, violation: &Violation, now: Instant) {
        self.policy.stats().violated(violation.kind);
        *self.post.fault.lock() = Some((violation.clone(), now));
        self.give_up_instance();
        if self.complaints.admits() {
            tracing::warn!(
                policy = %self.current.generation.artifact,
                place = self.post.place,
                violation = %violation,
                "policy broke the contract"
            );
        }
    }

    /// Charges the budget; when it is spent, this version has lost its place.
    pub(crate) fn charge(&mut self, now: Instant) {
        let limits = self.policy.limits();
        self.violations.push_back(now);
        while self
            .violations
            .front()
            .is_some_and(|first| *first + limits.window < now)
        {
            self.violations.pop_front();
        }
        if self.violations.len() < usize::try_from(limits.violations).unwrap_or(usize::MAX) {
            return;
        }
        self.violations.clear();
        let generation = self.current.generation.number;
        if self.policy.give_up(generation, &self.post.place) {
            self.change(now);
            return;
        }
        self.quarantined = true;
        self.give_up_instance();
        self.give_up_replacement();
        tracing::error!(
            policy = %self.current.generation.artifact,
            place = self.post.place,
            "policy is quarantined: the fallback stands in until another version comes"
        );
        self.note();
    }

    /// Its memory is given back by a thread that nobody waits for.
    fn give_up_instance(&mut self) {
        if let Some(instance) = self.current.instance.take() {
            self.policy.engine().retire(instance);
        }
    }

    /// A thread that is still at it ends by itself.
    fn give_up_replacement(&mut self) {
        let over = self.replacement.take().filter(Replacement::is_over);
        if let Some(Ok(unwanted)) = over.map(Replacement::finish) {
            self.policy.engine().retire(unwanted);
        }
    }

    fn is_down(&self, now: Instant) -> bool {
        self.quarantined || self.rest_until.is_some_and(|until| now < until)
    }

    /// Puts the wanted generation into the seat, on the account of swaps.
    fn change(&mut self, now: Instant) {
        let began = clock::now();
        if !self.exchange(now) {
            return;
        }
        let took = clock::now() - began;
        self.policy.stats().swap_latency.record(took);
        tracing::info!(
            policy = %self.current.generation.artifact,
            place = self.post.place,
            micros = took.as_micros(),
            "policy swapped"
        );
        self.note();
    }

    /// Takes in the wanted generation, if there is one, and keeps the current one warm.
    fn exchange(&mut self, now: Instant) -> bool {
        let wanted = self.post.wanted.load(Ordering::Acquire);
        let ready = self
            .post
            .ready
            .lock()
            .take()
            .filter(|i| i.generation.number == wanted);
        let warm = self.previous.take_if(|i| i.generation.number == wanted);
        let next = ready.or(warm).or_else(|| {
            let generation = self.policy.generation(wanted)?;
            Some(Incumbent::new(generation, None))
        });
        let Some(next) = next else { return false };
        let mut old = std::mem::replace(&mut self.current, next);
        self.quarantined = false;
        (self.rests, self.rest_until) = (0, None);
        self.violations.clear();
        self.fresh = true;
        self.give_up_replacement();
        if self.current.instance.is_none() {
            self.restart(now);
        }
        self.hand_over(&mut old);
        let oldest = self.previous.replace(old).and_then(|old| old.instance);
        if let Some(oldest) = oldest {
            self.policy.engine().retire(oldest);
        }
        true
    }

    /// State from the old instance to the new one. Whatever goes wrong, the new one begins afresh.
    fn hand_over(&mut self, old: &mut Incumbent) {
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
                self.complain(&generation, "policy begins afresh", &words);
            }
            Err(violation) => {
                let generation = Arc::clone(&self.current.generation);
                self.complain(&generation, "policy begins afresh", &violation.to_string());
                self.policy.stats().violated(violation.kind);
                // Poisoned: the next call makes another one.
                self.current.instance = None;
            }
        }
    }

    fn complain(&self, generation: &Generation, outcome: &'static str, why: &str) {
        tracing::warn!(policy = %generation.artifact, place = self.post.place, why, "{outcome}");
    }

    /// Makes a new instance of the current generation: here if that is quickly done, and beside the
    /// data path if not. In that case this is to be called again until the instance is there.
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
            let deadline = self.policy.limits().deadline;
            let started = self
                .policy
                .start(&generation.artifact, &self.post.setup, deadline);
            self.take_in(started, now);
            return;
        }
        match Replacement::begin(&self.policy, &generation, &self.post) {
            Ok(begun) => self.replacement = Some(begun),
            Err(error) => {
                // Not the policy's fault: nothing is charged.
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
                // The next one is made where it may take longer.
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

    /// How long a start may have taken for the next one to be made while a batch waits. An
    /// interceptor's batch waits for several, if one of its events is to be found; a group has its
    /// fallback.
    fn patience(&self) -> Duration {
        let deadline = self.policy.limits().deadline;
        match &self.post.setup {
            Setup::Selector(_) => deadline / 4,
            Setup::Interceptor(_) => deadline,
        }
    }

    fn note(&self) {
        let state = match (self.quarantined, self.rest_until) {
            (true, _) => SeatState::Quarantined,
            (false, _) if self.replacement.is_some() => SeatState::Starting,
            (false, Some(until)) if self.current.instance.is_none() => SeatState::Resting { until },
            _ => SeatState::Running,
        };
        *self.post.state.lock() = (state, self.current.generation.number);
    }
}
