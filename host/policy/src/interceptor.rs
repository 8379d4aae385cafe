//! A policy as an interceptor, and what becomes of events that it cannot handle.
//!
//! A batch that provokes a violation is given to fresh instances in halves, until the event that is
//! to blame is alone: that one goes where `on-error` says, the others go on. (A call that breaks the
//! contract has no effect, so no event has passed the policy twice.) Finding it takes about `2·log₂ n`
//! starts, a third of a millisecond for 100 events. The search has a limit: after [`PATIENCE`]
//! deadlines the events that are not handled yet are refused for now, or go on unchanged under `pass`,
//! and the policy's budget is charged. The same happens at once with a guest whose start takes longer
//! than a call may: its next instance is made off the data path.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use cpu_time::ThreadTime;
use flume_core::clock::{self, Instant};
use flume_core::{
    Batch, Channel, Event, Gate, Interceptor, InterceptorError, LogLimit, PutTransaction,
    ReservedPut,
};
use parking_lot::Mutex;

use crate::columns::Columns;
use crate::edits::{Edits, EventVerdict};
use crate::error::{PolicyError, Violation};
use crate::limits::Limits;
use crate::pace::CallPace;
use crate::policy::{Policy, StandIn};
use crate::seat::Seat;
use crate::setup::{InterceptorSetup, Setup};

/// The least time for a part of a batch, however small: deadlines have no finer resolution.
const LEAST: Duration = Duration::from_millis(2);

/// Deadlines that a batch may spend on the search for its poison.
const PATIENCE: u32 = 10;

/// Log lines in a second about events that were not handled.
const COMPLAINTS: u32 = 10;

/// What the configuration says about events that a policy cannot handle.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OnError {
    /// The source gets an error, and its client sends again: nothing is lost or passed on unhandled.
    #[default]
    Fail,
    /// They are dropped.
    Drop,
    /// They go on unchanged.
    Pass,
    /// They go to this channel, unchanged.
    DeadLetter(String),
}

impl OnError {
    /// Reads `fail`, `drop`, `pass` or `dead-letter:<channel>`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "fail" => Self::Fail,
            "drop" => Self::Drop,
            "pass" => Self::Pass,
            _ => Self::DeadLetter(
                text.strip_prefix("dead-letter:")
                    .filter(|name| !name.is_empty())?
                    .to_owned(),
            ),
        })
    }

    /// The same with the channel itself; `None` if there is no such channel.
    pub fn resolve(
        &self,
        channel: impl FnOnce(&str) -> Option<Arc<dyn Channel>>,
    ) -> Option<Remedy> {
        Some(match self {
            Self::Fail => Remedy::Fail,
            Self::Drop => Remedy::Drop,
            Self::Pass => Remedy::Pass,
            Self::DeadLetter(name) => Remedy::DeadLetter(channel(name)?),
        })
    }
}

/// [`OnError`], resolved.
#[derive(Debug, Clone)]
pub enum Remedy {
    /// The source gets an error.
    Fail,
    /// Dropped.
    Drop,
    /// Passed on.
    Pass,
    /// Put into this channel. If it has no room at once, the source gets an error, and can offer
    /// them again.
    DeadLetter(Arc<dyn Channel>),
}

/// Gives batches to a policy. One instance serves all connections of the source, one after the
/// other, so what a policy remembers is about all of them. A slow guest delays the connections of its
/// own source, which wait at the gate, and no others.
pub struct PolicyInterceptor {
    name: String,
    remedy: Remedy,
    gate: Gate,
    complaints: Mutex<LogLimit>,
    shared: Mutex<SharedSeat>,
}

/// What the calls of all connections share, one after the other.
struct SharedSeat {
    seat: Seat,
    columns: Columns,
    pace: CallPace,
    /// Violations since an event was last handled well.
    in_vain: u32,
}

/// An event that the policy cannot handle, by its place, and why.
struct Poison {
    at: usize,
    why: String,
}

impl Policy {
    /// An interceptor for a source, tried out.
    ///
    /// # Errors
    /// The policy is not an interceptor, does not accept its properties, or broke the contract.
    pub fn interceptor(
        self: &Arc<Self>,
        place: &str,
        limits: Limits,
        setup: InterceptorSetup,
        remedy: Remedy,
    ) -> Result<PolicyInterceptor, PolicyError> {
        let stand_in = match remedy {
            Remedy::Pass => StandIn::Unchanged,
            // Unseen by the policy nothing is dropped, not even into a channel for dead letters.
            Remedy::Fail | Remedy::Drop | Remedy::DeadLetter(_) => StandIn::Nobody,
        };
        let seat = Seat::take(self, place, Setup::Interceptor(setup), limits, stand_in)?;
        let shared = SharedSeat {
            seat,
            columns: Columns::default(),
            pace: CallPace::default(),
            in_vain: 0,
        };
        Ok(PolicyInterceptor {
            name: place.to_owned(),
            remedy,
            gate: Gate::default(),
            complaints: Mutex::new(LogLimit::per_second(COMPLAINTS)),
            shared: Mutex::new(shared),
        })
    }
}

impl PolicyInterceptor {
    /// What becomes of the poison of a batch. Events for the dead letters are set aside.
    fn dispose(&self, batch: &mut Batch, poison: &[Poison]) -> Disposal {
        // One line for a batch and not for each event: a policy that rejects all would flood the log.
        if let Some(Poison { at, why }) = poison.first()
            && let Some(left_out) = self.complaints.lock().admit(clock::now())
        {
            tracing::warn!(
                interceptor = self.name,
                events = poison.len(),
                first = batch.origin(*at),
                why,
                left_out,
                "events not handled"
            );
        }
        match &self.remedy {
            Remedy::Pass => Disposal::Keep,
            Remedy::Drop => Disposal::Drop,
            Remedy::Fail => Disposal::Refuse,
            Remedy::DeadLetter(channel) => {
                let find = |poison: &Poison| batch.events().get(poison.at).cloned();
                let events: Vec<Event> = poison.iter().filter_map(find).collect();
                match reserve_now(channel, events) {
                    Some(puts) => {
                        batch.set_aside(puts);
                        Disposal::Drop
                    }
                    None => Disposal::Wait(format!("no room in channel {}", channel.name())),
                }
            }
        }
    }

    /// Takes out of a batch what the policy dropped, the poison, and what was not handled. Without a
    /// policy nothing is dropped: a client that sends again loses nothing. What the policy has
    /// handled goes on, since it has seen that.
    fn apply(
        &self,
        batch: &mut Batch,
        becomes: &[EventVerdict],
        poison: Vec<Poison>,
        (disposal, interrupted): (&Disposal, Option<&Interrupted>),
    ) {
        let all_kept = becomes.iter().all(|verdict| *verdict == EventVerdict::Keep);
        if poison.is_empty() && interrupted.is_none() && all_kept {
            return;
        }
        let mut places = becomes.iter().enumerate();
        let mut poison = poison.into_iter().peekable();
        batch.try_retain(|_| {
            let Some((at, verdict)) = places.next() else {
                return Ok(true);
            };
            if let Some(Interrupted { why, .. }) = interrupted.filter(|it| it.from <= at) {
                return Err(InterceptorError::later(&self.name, *why));
            }
            let Some(Poison { why, .. }) = poison.next_if(|poison| poison.at == at) else {
                return Ok(*verdict == EventVerdict::Keep);
            };
            match disposal {
                Disposal::Keep => Ok(true),
                Disposal::Drop => Ok(false),
                Disposal::Refuse => Err(InterceptorError::never(&self.name, why)),
                Disposal::Wait(why) => Err(InterceptorError::later(&self.name, why)),
            }
        });
    }
}

impl Interceptor for PolicyInterceptor {
    fn name(&self) -> &str {
        &self.name
    }

    fn gate(&self) -> Option<&Gate> {
        Some(&self.gate)
    }

    fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
        let mut becomes = vec![EventVerdict::Keep; batch.events().len()];
        let mut poison = Vec::new();
        let interrupted;
        {
            let shared = &mut *self.shared.lock();
            let (seat, columns, in_vain) =
                (&mut shared.seat, &mut shared.columns, &mut shared.in_vain);
            let mut search = Search {
                seat,
                columns,
                in_vain,
                is_searching: false,
                began: clock::now(),
                guest: Duration::ZERO,
            };
            let handled = shared
                .pace
                .run(|| search.handle(batch.events_mut(), &mut becomes, &mut poison));
            let policy = shared.seat.policy();
            let now = clock::now();
            if let Some(wait) = shared.seat.wait(now) {
                policy.stats().throttled.increment();
                self.gate.close_until(now + wait);
            }
            interrupted = match (handled, &self.remedy) {
                // What was not handled goes on unchanged.
                (Ok(()), _) | (Err(_), Remedy::Pass) => None,
                (Err(Interrupted { from, why }), _) if from <= poison.len() => {
                    return Err(InterceptorError::later(&self.name, why));
                }
                (Err(interrupted), _) => Some(interrupted),
            };
            policy.stats().poison.add(poison.len());
        }
        let disposal = self.dispose(batch, &poison);
        self.apply(batch, &becomes, poison, (&disposal, interrupted.as_ref()));
        Ok(())
    }
}

/// What becomes of events that a policy cannot handle.
enum Disposal {
    /// They go on.
    Keep,
    /// They are dropped, or set aside.
    Drop,
    /// The source is told the reason of each.
    Refuse,
    /// The source is told this, and can offer them again.
    Wait(String),
}

/// Reserves room for all events, in as many transactions as the channel's `transactionCapacity`
/// needs; `None` if there is no room for all of them now.
fn reserve_now(channel: &Arc<dyn Channel>, mut events: Vec<Event>) -> Option<Vec<ReservedPut>> {
    let most = channel.transaction_capacity().max(1);
    let mut puts = Vec::with_capacity(1);
    while !events.is_empty() {
        let rest = events.split_off(events.len().min(most));
        let put = PutTransaction::of(channel, std::mem::replace(&mut events, rest)).ok()?;
        puts.push(put.try_reserve().ok()?);
    }
    Some(puts)
}

/// The policy cannot be asked, and why.
struct Unavailable(&'static str);

/// The policy could not be asked about the events from this place on, and why.
struct Interrupted {
    from: usize,
    why: &'static str,
}

/// One batch on its way through a policy.
struct Search<'a> {
    seat: &'a mut Seat,
    columns: &'a mut Columns,
    in_vain: &'a mut u32,
    /// Whether a part of the batch has provoked a violation.
    is_searching: bool,
    began: Instant,
    /// The guest's own part of the time of the call under way.
    guest: Duration,
}

impl Search<'_> {
    /// Gives the policy the batch, in parts if needed. The poison is found in the order of the batch.
    fn handle(
        &mut self,
        events: &mut [Event],
        becomes: &mut [EventVerdict],
        poison: &mut Vec<Poison>,
    ) -> Result<(), Interrupted> {
        let handled = self.hand_in_parts(events, becomes, poison);
        let rejected = becomes
            .iter()
            .enumerate()
            .filter(|(_, v)| **v == EventVerdict::Reject);
        let why = || "the policy rejects it".to_owned();
        poison.extend(rejected.map(|(at, _)| Poison { at, why: why() }));
        poison.sort_by_key(|poison| poison.at);
        handled
    }

    fn hand_in_parts(
        &mut self,
        events: &mut [Event],
        becomes: &mut [EventVerdict],
        poison: &mut Vec<Poison>,
    ) -> Result<(), Interrupted> {
        let total = events.len();
        if total == 0 {
            return Ok(());
        }
        let mut parts = VecDeque::new();
        parts.push_back(0..total);
        while let Some(part) = parts.pop_front() {
            let now = clock::now();
            let from = part.start;
            self.guest = Duration::ZERO;
            let interrupted = |Unavailable(why)| Interrupted { from, why };
            let Some(shown) = events.get_mut(part.clone()) else {
                continue;
            };
            match self.hand_in(shown, total, now).map_err(interrupted)? {
                Ok((edits, handled)) => {
                    *self.in_vain = 0;
                    let done = shown.get_mut(..handled).unwrap_or_default();
                    // The processor's time, which a busy machine does not stretch; asking for it
                    // costs more than small edits.
                    let working = edits.are_many().then(ThreadTime::now);
                    edits.apply(done, |at, verdict| {
                        if let Some(becomes) = becomes.get_mut(part.start + at) {
                            *becomes = verdict;
                        }
                    });
                    let whole = clock::now().saturating_duration_since(now);
                    self.seat.served(whole.saturating_sub(self.guest));
                    let worked = working.map(|working| working.elapsed());
                    if let Some(worked) = worked.filter(|w| *w > self.seat.limits().deadline) {
                        self.seat.overworked(worked);
                    }
                    if handled < part.len() {
                        parts.push_front(part.start + handled..part.end);
                    }
                }
                Err(violation) => {
                    self.blame(&violation, now).map_err(interrupted)?;
                    match halves(&part) {
                        Some([first, second]) => {
                            parts.push_front(second);
                            parts.push_front(first);
                        }
                        None => {
                            let why = violation.to_string();
                            poison.push(Poison {
                                at: part.start,
                                why,
                            });
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// One call; returns how many of the events it was about.
    fn hand_in(
        &mut self,
        events: &[Event],
        total: usize,
        now: Instant,
    ) -> Result<Result<(Edits, usize), Violation>, Unavailable> {
        let at = self.seat.policy().moment(now);
        // A pause does not help: the events wait for it.
        self.seat.wake();
        let Some(instance) = self.seat.instance(now) else {
            let why = self.seat.absence();
            if self.is_searching && self.seat.is_starting() {
                self.seat.charge(now);
            }
            return Err(Unavailable(why));
        };
        let handled = self.columns.fill(events, instance.needs());
        let headers = self.columns.headers();
        // A part of a batch gets its part of the time, so that the search takes a few deadlines and
        // not one for each step.
        let whole = instance.deadline();
        let deadline = match events.len() == total {
            true => whole,
            false => part_of(whole, events.len(), total),
        };
        let answer = instance.intercept(at, self.columns.batch(&headers), deadline);
        let room = instance.room();
        let took = instance.last_call();
        self.guest = took;
        let stats = self.seat.policy().stats();
        stats.called(took);
        stats.events.add(handled);
        let shown = events.get(..handled).unwrap_or_default();
        Ok(answer.and_then(|answer| Ok((Edits::checked(answer, shown, room)?, handled))))
    }

    /// A violation is the event's fault as long as other events are handled well. If no event
    /// was, [`IN_VAIN`] times in sequence, it is the policy's.
    fn blame(&mut self, violation: &Violation, now: Instant) -> Result<(), Unavailable> {
        self.seat.discard(violation, now);
        self.is_searching = true;
        *self.in_vain = self.in_vain.saturating_add(1);
        let patience = self.seat.limits().deadline.saturating_mul(PATIENCE);
        let is_too_long = clock::now().saturating_duration_since(self.began) > patience;
        if *self.in_vain > IN_VAIN || is_too_long {
            self.seat.charge(now);
        }
        match is_too_long {
            true => Err(Unavailable("its policy broke the contract for too long")),
            false => Ok(()),
        }
    }
}

/// Violations in sequence that may be the events' fault. The search for one event in 10,000 takes 14.
const IN_VAIN: u32 = 16;

/// The share of the deadline for `events` out of `total` events.
fn part_of(whole: Duration, events: usize, total: usize) -> Duration {
    let share = u32::try_from(events).unwrap_or(u32::MAX);
    let of = u32::try_from(total).unwrap_or(u32::MAX).max(1);
    (whole.saturating_mul(share) / of).max(LEAST).min(whole)
}

fn halves(part: &Range<usize>) -> Option<[Range<usize>; 2]> {
    let middle = part.start + part.len() / 2;
    (part.len() > 1).then_some([part.start..middle, middle..part.end])
}

impl std::fmt::Debug for PolicyInterceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyInterceptor")
            .field("name", &self.name)
            .field("remedy", &self.remedy)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_error_is_one_of_four() {
        let dead = OnError::DeadLetter("c9".to_owned());
        for (text, expected) in [
            ("fail", Some(OnError::Fail)),
            ("drop", Some(OnError::Drop)),
            ("pass", Some(OnError::Pass)),
            ("dead-letter:c9", Some(dead)),
            ("dead-letter:", None),
            ("ignore", None),
        ] {
            assert_eq!(OnError::parse(text), expected, "{text}");
        }
        assert!(
            OnError::parse("dead-letter:c9")
                .unwrap()
                .resolve(|_| None)
                .is_none()
        );
    }
}
