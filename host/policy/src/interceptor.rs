//! A policy as an interceptor, and what becomes of events that it cannot handle.
//!
//! A batch is handed in in parts, so that each call takes about a quarter of its deadline, however
//! slow the policy is and however large the client's batches are ([`CallCost`]). For a fast policy
//! that is one call. Towards the source a batch is one all the same: it is put when all of its parts
//! have passed.
//!
//! A part that provokes a violation is given to fresh instances in halves, until the event that is
//! to blame is alone: that one goes where `on-error` says, the others go on. (A call that breaks the
//! contract has no effect, so no event has passed the policy twice.) Finding it takes about `2·log₂ n`
//! starts, a third of a millisecond for 100 events. The search has a limit: after it has cost
//! [`PATIENCE`] deadlines the events that are not handled yet are refused for now, or go on unchanged
//! under `pass`, and the policy's budget is charged. The same happens at once with a guest whose start
//! takes longer than a call may: its next instance is made off the data path.

use std::sync::Arc;
use std::time::Duration;

use cpu_time::ThreadTime;
use flume_core::clock::{self, Instant, WallClock};
use flume_core::dead_letter::By;
use flume_core::{
    Batch, Channel, DeadLetters, Event, Gate, Interceptor, InterceptorError, LogLimit,
    PutTransaction, ReservedPut,
};
use parking_lot::Mutex;

use crate::call_cost::CallCost;
use crate::columns::Columns;
use crate::edits::{Edits, EventVerdict};
use crate::error::{PolicyError, Violation, ViolationKind};
use crate::limits::Limits;
use crate::pace::CallPace;
use crate::policy::{Policy, StandIn};
use crate::seat::Seat;
use crate::setup::{InterceptorSetup, Setup};

mod parts;

use parts::{Part, Parts};

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

    /// The same with the channel itself, and a clock for what goes there; `None` if there is no such
    /// channel.
    pub fn resolve(
        &self,
        channel: impl FnOnce(&str) -> Option<Arc<dyn Channel>>,
        wall: &WallClock,
    ) -> Option<Remedy> {
        Some(match self {
            Self::Fail => Remedy::Fail,
            Self::Drop => Remedy::Drop,
            Self::Pass => Remedy::Pass,
            Self::DeadLetter(name) => Remedy::DeadLetter(DeadLetters {
                channel: channel(name)?,
                wall: wall.clone(),
            }),
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
    DeadLetter(DeadLetters),
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

/// An event that the policy cannot handle, by its place, why, and how many calls it was in.
struct Poison {
    at: usize,
    why: String,
    tries: u32,
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
        let (setup, stand_in) = (Setup::Interceptor(setup), remedy.stand_in());
        let seat = Seat::take(self, place, setup, limits, stand_in)?;
        Ok(PolicyInterceptor::of(seat, place, remedy))
    }

    /// An interceptor for a source for which no version can be used yet, and why.
    pub fn vacant_interceptor(
        self: &Arc<Self>,
        (place, why): (&str, &str),
        limits: Limits,
        setup: InterceptorSetup,
        remedy: Remedy,
    ) -> PolicyInterceptor {
        let (setup, stand_in) = (Setup::Interceptor(setup), remedy.stand_in());
        let seat = Seat::leave_vacant(self, place, setup, limits, (stand_in, why));
        PolicyInterceptor::of(seat, place, remedy)
    }
}

impl Remedy {
    /// What stands in for a policy that is not asked.
    fn stand_in(&self) -> StandIn {
        match self {
            Self::Pass => StandIn::Unchanged,
            // Unseen by the policy nothing is dropped, not even into a channel for dead letters.
            Self::Fail | Self::Drop | Self::DeadLetter(_) => StandIn::Nobody,
        }
    }
}

impl PolicyInterceptor {
    fn of(seat: Seat, place: &str, remedy: Remedy) -> Self {
        let shared = SharedSeat {
            seat,
            columns: Columns::default(),
            pace: CallPace::default(),
            in_vain: 0,
        };
        Self {
            name: place.to_owned(),
            remedy,
            gate: Gate::default(),
            complaints: Mutex::new(LogLimit::per_second(COMPLAINTS)),
            shared: Mutex::new(shared),
        }
    }

    /// What the calls of the policy cost, as far as they have shown.
    pub fn cost(&self) -> CallCost {
        self.shared.lock().seat.cost().clone()
    }

    /// What becomes of the poison of a batch. Events for the dead letters are set aside.
    fn dispose(&self, batch: &mut Batch, poison: &[Poison], digest: &str) -> Disposal {
        // One line for a batch and not for each event: a policy that rejects all would flood the log.
        if let Some(Poison { at, why, .. }) = poison.first()
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
            Remedy::DeadLetter(letters) => {
                let place = self.name.as_str();
                let by = By::Policy { place, digest };
                let letter = |Poison { at, why, tries }: &Poison| {
                    Some(letters.letter(batch.events().get(*at)?, by, why, *tries))
                };
                let events: Vec<Event> = poison.iter().filter_map(letter).collect();
                let channel = &letters.channel;
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
        let mut digest = String::new();
        let interrupted;
        {
            let shared = &mut *self.shared.lock();
            let mut search = Search {
                seat: &mut shared.seat,
                columns: &mut shared.columns,
                in_vain: &mut shared.in_vain,
                lost: None,
                patience: Duration::ZERO,
            };
            // A batch may take many calls, and a search for poison many starts.
            let version = search.seat.version();
            let handled = shared.pace.run(version, || {
                search.handle(batch.events_mut(), &mut becomes, &mut poison)
            });
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
            if !poison.is_empty() {
                digest.push_str(shared.seat.digest());
            }
        }
        let disposal = self.dispose(batch, &poison, &digest);
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

/// One call.
struct Call {
    asked: Instant,
    /// What the guest used of the processor.
    used: Duration,
    /// How many of the events that were offered it was about.
    events: usize,
    deadline: Duration,
    /// The edits of an answer are made.
    answer: Result<(), Violation>,
}

/// One batch on its way through a policy.
struct Search<'a> {
    seat: &'a mut Seat,
    columns: &'a mut Columns,
    in_vain: &'a mut u32,
    /// What calls that broke the contract used of the processor, and the starts after them; `None`
    /// before the first.
    lost: Option<Duration>,
    /// How much that may be.
    patience: Duration,
}

impl Search<'_> {
    /// Gives the policy the batch, in parts. The poison is found in the order of the batch.
    fn handle(
        &mut self,
        events: &mut [Event],
        becomes: &mut [EventVerdict],
        poison: &mut Vec<Poison>,
    ) -> Result<(), Interrupted> {
        let mut parts = Parts::of(events.len());
        while let Some(mut part) = parts.next() {
            let from = part.events.start;
            let interrupted = |Unavailable(why)| Interrupted { from, why };
            let places = part.events.clone();
            let (Some(offered), Some(becomes)) =
                (events.get_mut(places.clone()), becomes.get_mut(places))
            else {
                continue;
            };
            let call = self.hand_in(offered, &part, becomes).map_err(interrupted)?;
            parts.put_back(part.split_off(call.events));
            let tries = part.tries();
            let Err(violation) = &call.answer else {
                poison.extend(rejected(becomes.iter().take(call.events), from, tries));
                continue;
            };
            self.blame(violation, &call).map_err(interrupted)?;
            if let Some(at) = parts.halve(part, call.deadline) {
                let why = violation.to_string();
                poison.push(Poison { at, why, tries });
            }
        }
        Ok(())
    }

    /// One call about the first of these events, and what it does to them.
    fn hand_in(
        &mut self,
        offered: &mut [Event],
        part: &Part,
        becomes: &mut [EventVerdict],
    ) -> Result<Call, Unavailable> {
        let asked = clock::now();
        let at = self.seat.policy().moment(asked);
        // A pause does not help: the events wait for it.
        self.seat.wake();
        let starting = self.lost.map(|_| ThreadTime::now());
        let Some((instance, cost)) = self.seat.at_work(asked) else {
            let why = self.seat.absence();
            if self.lost.is_some() && self.seat.is_starting() {
                self.seat.charge(asked);
            }
            return Err(Unavailable(why));
        };
        if let (Some(lost), Some(starting)) = (&mut self.lost, starting) {
            *lost += starting.elapsed();
        }
        let most = cost.part(offered.len(), instance.limits());
        let shown = offered.get(..most).unwrap_or_default();
        let events = self.columns.fill(shown, instance.needs());
        let deadline = part.deadline(events, cost, instance.limits());
        let headers = self.columns.headers();
        let answer = instance.intercept(at, self.columns.batch(&headers), deadline);
        let (guest, used) = (instance.last_call(), instance.used());
        let (room, shown) = (instance.room(), shown.get(..events).unwrap_or_default());
        let answer = answer.and_then(|answer| Edits::checked(answer, shown, room));
        let stats = self.seat.policy().stats();
        stats.called(guest);
        stats.events.add(events);
        let answer = answer.map(|edits| {
            let done = offered.get_mut(..events).unwrap_or_default();
            let worked = self.make(edits, done, becomes);
            self.seat
                .cost()
                .learn(events, (used + worked).min(deadline));
            let whole = clock::now().saturating_duration_since(asked);
            self.seat.served(whole.saturating_sub(guest));
        });
        Ok(Call {
            asked,
            used,
            events,
            deadline,
            answer,
        })
    }

    /// Makes the edits of an answer; returns what they took if they were many.
    fn make(
        &mut self,
        edits: Edits,
        events: &mut [Event],
        becomes: &mut [EventVerdict],
    ) -> Duration {
        *self.in_vain = 0;
        // The processor's time, which a busy machine does not stretch; asking for it costs more than
        // small edits.
        let working = edits.are_many().then(ThreadTime::now);
        let most = self.seat.limits().deadline_for(events.len());
        edits.apply(events, |at, verdict| {
            if let Some(becomes) = becomes.get_mut(at) {
                *becomes = verdict;
            }
        });
        let worked = working.map(|working| working.elapsed()).unwrap_or_default();
        if worked > most {
            self.seat.overworked(worked);
        }
        worked
    }

    /// A violation is the event's fault as long as other events are handled well. If no event
    /// was, [`IN_VAIN`] times in sequence, it is the policy's.
    fn blame(&mut self, violation: &Violation, call: &Call) -> Result<(), Unavailable> {
        if violation.kind == ViolationKind::Deadline {
            self.seat.cost().overran(call.events);
        }
        self.seat.discard(violation, call.asked);
        *self.in_vain = self.in_vain.saturating_add(1);
        let lost = self.lost.get_or_insert_default();
        *lost += call.used;
        self.patience = self.patience.max(call.deadline.saturating_mul(PATIENCE));
        let is_too_long = *lost > self.patience;
        if *self.in_vain > IN_VAIN || is_too_long {
            self.seat.charge(call.asked);
        }
        match is_too_long {
            true => Err(Unavailable("its policy broke the contract for too long")),
            false => Ok(()),
        }
    }
}

/// The events that the policy rejects, of those from this place on.
fn rejected<'v>(
    verdicts: impl Iterator<Item = &'v EventVerdict>,
    from: usize,
    tries: u32,
) -> impl Iterator<Item = Poison> {
    let rejected = (from..)
        .zip(verdicts)
        .filter(|(_, verdict)| **verdict == EventVerdict::Reject);
    rejected.map(move |(at, _)| Poison {
        at,
        why: "the policy rejects it".to_owned(),
        tries,
    })
}

/// Violations in sequence that may be the events' fault. The search for one event in 10,000 takes 14.
const IN_VAIN: u32 = 16;

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
    fn what_is_rejected_was_tried_as_often_as_its_part() {
        let verdicts = [EventVerdict::Keep, EventVerdict::Reject].repeat(2);
        let poison = rejected(verdicts.iter(), 10, 3);
        let poison: Vec<_> = poison.map(|poison| (poison.at, poison.tries)).collect();
        assert_eq!(poison, [(11, 3), (13, 3)]);
    }

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
                .resolve(|_| None, &WallClock::fixed(0))
                .is_none()
        );
    }
}
