//! A policy as an interceptor, and what becomes of events that it cannot handle.
//!
//! A batch that provokes a violation is handed in again in halves, on fresh instances, until the
//! event that is to blame is alone: that one goes where `on-error` says, the others go on. Which
//! event it is costs some `2·log₂ n` starts, a third of a millisecond for 100 events. A guest that
//! makes the search long ends it: after [`PATIENCE`] deadlines the batch is refused, or goes on as
//! it is under `pass`, and the policy's budget is charged. So it is at once with a guest whose start
//! takes longer than a call may: its next instance is made beside the data path.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use flume_core::clock::{self, Instant};
use flume_core::{Batch, Channel, Event, Gate, Interceptor, InterceptorError};
use parking_lot::Mutex;

use crate::aside::Pace;
use crate::columns::Columns;
use crate::edits::{Edits, Verdict};
use crate::error::Violation;
use crate::rate::Rate;
use crate::seat::Seat;

/// The least time for a part of a batch, however small: the clock of deadlines is not finer.
const LEAST: Duration = Duration::from_millis(2);

/// Deadlines that a batch may spend on the search for its poison.
const PATIENCE: u32 = 10;

/// Lines in a second about events that were not handled.
const COMPLAINTS: u32 = 10;

/// What the configuration says about events that a policy cannot handle.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OnError {
    /// The source is told, and its client sends again: nothing is lost, nothing gets past.
    #[default]
    Fail,
    /// They are dropped.
    Drop,
    /// They go on as they are.
    Pass,
    /// They go to this channel, as they are.
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
    /// The source is told.
    Fail,
    /// Dropped.
    Drop,
    /// Passed on.
    Pass,
    /// Put into this channel. If it has no room at once, the source is told.
    DeadLetter(Arc<dyn Channel>),
}

/// Hands batches to a policy. One instance serves all connections of the source, one after the
/// other: a policy that remembers, remembers all of them. So a slow guest delays the connections of
/// its own source, which wait at the gate, and nobody else.
pub struct PolicyInterceptor {
    name: String,
    remedy: Remedy,
    gate: Gate,
    complaints: Mutex<Rate>,
    desk: Mutex<Desk>,
}

struct Desk {
    seat: Seat,
    columns: Columns,
    pace: Pace,
    /// Violations since an event was last handled well.
    in_vain: u32,
}

/// An event that the policy cannot handle, by its place, and why.
struct Poison {
    at: usize,
    why: String,
}

impl PolicyInterceptor {
    pub(crate) fn new(name: &str, seat: Seat, remedy: Remedy) -> Self {
        let desk = Desk {
            seat,
            columns: Columns::default(),
            pace: Pace::default(),
            in_vain: 0,
        };
        Self {
            name: name.to_owned(),
            remedy,
            gate: Gate::default(),
            complaints: Mutex::new(Rate::new(COMPLAINTS)),
            desk: Mutex::new(desk),
        }
    }

    /// What becomes of the poison of a batch; says whether it goes on.
    fn dispose(&self, batch: &Batch, poison: &[Poison]) -> Result<bool, InterceptorError> {
        // One line for a batch, and not for each: a policy that rejects all would flood the log.
        if let Some(Poison { at, why }) = poison.first()
            && self.complaints.lock().admits()
        {
            tracing::warn!(
                interceptor = self.name,
                events = poison.len(),
                first = batch.origin(*at),
                why,
                "events not handled"
            );
        }
        match (&self.remedy, poison.first()) {
            (_, None) | (Remedy::Pass, _) => Ok(true),
            (Remedy::Drop, _) => Ok(false),
            (Remedy::Fail, Some(first)) => Err(self.error(first.why.clone())),
            (Remedy::DeadLetter(channel), _) => {
                let find = |poison: &Poison| batch.events().get(poison.at).cloned();
                let events: Vec<Event> = poison.iter().filter_map(find).collect();
                let room = channel.try_reserve(&events);
                if room < events.len() {
                    channel.release(events.get(..room).unwrap_or_default());
                    return Err(self.error(format!("no room in channel {}", channel.name())));
                }
                channel.append(events);
                Ok(false)
            }
        }
    }

    fn error(&self, message: String) -> InterceptorError {
        InterceptorError {
            interceptor: self.name.clone(),
            message,
        }
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
        let mut becomes = vec![Verdict::Keep; batch.events().len()];
        let mut poison = Vec::new();
        {
            let desk = &mut *self.desk.lock();
            let (seat, columns, in_vain) = (&mut desk.seat, &mut desk.columns, &mut desk.in_vain);
            let mut search = Search {
                seat,
                columns,
                in_vain,
                is_searching: false,
                began: clock::now(),
            };
            let handled = desk
                .pace
                .run(|| search.handle(batch.events_mut(), &mut becomes, &mut poison));
            let policy = desk.seat.policy();
            let now = clock::now();
            if let Some(wait) = policy.wait(now) {
                policy.stats().throttled.increment();
                self.gate.close_until(now + wait);
            }
            match (handled, &self.remedy) {
                // What was not handled goes on as it is.
                (Ok(()), _) | (Err(_), Remedy::Pass) => {}
                // Without a policy nothing is dropped: a client that sends again loses nothing.
                (Err(Unavailable(why)), _) => return Err(self.error(why.to_owned())),
            }
            policy.stats().poison.add(poison.len());
        }
        let goes_on = self.dispose(batch, &poison)?;
        let verdict = if goes_on {
            Verdict::Keep
        } else {
            Verdict::Drop
        };
        for Poison { at, .. } in poison {
            if let Some(becomes) = becomes.get_mut(at) {
                *becomes = verdict;
            }
        }
        if becomes.iter().any(|verdict| *verdict != Verdict::Keep) {
            let mut becomes = becomes.into_iter();
            batch.retain(|_| becomes.next() == Some(Verdict::Keep));
        }
        Ok(())
    }
}

/// The policy cannot be asked, and why.
struct Unavailable(&'static str);

/// One batch on its way through a policy.
struct Search<'a> {
    seat: &'a mut Seat,
    columns: &'a mut Columns,
    in_vain: &'a mut u32,
    /// Whether a part of the batch has provoked a violation.
    is_searching: bool,
    began: Instant,
}

impl Search<'_> {
    /// Hands in the batch, in parts if need be. The poison is found in the order of its places.
    fn handle(
        &mut self,
        events: &mut [Event],
        becomes: &mut [Verdict],
        poison: &mut Vec<Poison>,
    ) -> Result<(), Unavailable> {
        let total = events.len();
        if total == 0 {
            return Ok(());
        }
        let mut parts = VecDeque::new();
        parts.push_back(0..total);
        while let Some(part) = parts.pop_front() {
            let now = clock::now();
            let Some(shown) = events.get_mut(part.clone()) else {
                continue;
            };
            match self.hand_in(shown, total, now)? {
                Ok((edits, handled)) => {
                    *self.in_vain = 0;
                    let done = shown.get_mut(..handled).unwrap_or_default();
                    edits.apply(done, |at, verdict| {
                        if let Some(becomes) = becomes.get_mut(part.start + at) {
                            *becomes = verdict;
                        }
                    });
                    if handled < part.len() {
                        parts.push_front(part.start + handled..part.end);
                    }
                }
                Err(violation) => {
                    self.blame(&violation, now)?;
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
        let rejected = becomes
            .iter()
            .enumerate()
            .filter(|(_, v)| **v == Verdict::Reject);
        let why = || "the policy rejects it".to_owned();
        poison.extend(rejected.map(|(at, _)| Poison { at, why: why() }));
        poison.sort_by_key(|poison| poison.at);
        Ok(())
    }

    /// One call; says how many of the events it was about.
    fn hand_in(
        &mut self,
        events: &[Event],
        total: usize,
        now: Instant,
    ) -> Result<Result<(Edits, usize), Violation>, Unavailable> {
        let at = self.seat.policy().moment(now);
        // A rest does not help: the events wait for it.
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
        // A part of a batch gets its part of the time, so that looking for the culprit takes a few
        // deadlines and not one for each step.
        let whole = instance.deadline();
        let deadline = match events.len() == total {
            true => whole,
            false => part_of(whole, events.len(), total),
        };
        let answer = instance.intercept(at, self.columns.batch(&headers), deadline);
        let took = instance.last_call();
        let stats = self.seat.policy().stats();
        stats.called(took);
        stats.events.add(handled);
        let most = self.seat.policy().limits().result_bytes;
        Ok(answer.and_then(|answer| Ok((Edits::checked(answer, handled, most)?, handled))))
    }

    /// A violation is the event's fault as long as other events are handled well. When none was,
    /// so many times in sequence, it is the policy's.
    fn blame(&mut self, violation: &Violation, now: Instant) -> Result<(), Unavailable> {
        self.seat.discard(violation, now);
        self.is_searching = true;
        *self.in_vain = self.in_vain.saturating_add(1);
        let patience = self
            .seat
            .policy()
            .limits()
            .deadline
            .saturating_mul(PATIENCE);
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

/// Violations in sequence that may be the events' fault. Looking for one event in 10,000 meets 14.
const IN_VAIN: u32 = 16;

/// The time for so many events of so many.
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
