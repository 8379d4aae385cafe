//! What a call costs in one place: so much for itself, and so much for each of its events.
//!
//! A deadline is a call's, and the client of a source chooses how large a batch is. So a place learns
//! what its calls take, and a batch is handed in in parts that take about a quarter of their
//! deadline. Most guests cost the same for each event; some do something of their own in each call
//! (tidy up, look for what is too old), and for those small parts are dear. So both are learnt, as a
//! line through the last calls: least squares, in which a call counts an eighth less than the one
//! after it. One call that takes longer than all others moves little.
//!
//! What is not known yet is tried with care:
//!
//! | what is known | a call is about |
//! |---|---|
//! | nothing | one event |
//! | that a call was over in time | at most four times as many events |
//! | what calls take, but not why | as many as fit if all of it is for their events |
//! | the line | at most twice as many as that, or as a call before |
//! | that a call was not over in time | a quarter of its events, and nothing else is known |

use std::time::Duration;

use crate::limits::Limits;

/// Calls that count, about.
const MEMORY: f64 = 8.0;

/// The part of a deadline that a call is to take.
const SHARE: f64 = 0.25;

/// How many times more events than one before it a call may be about.
const GROWTH: f64 = 4.0;

/// Once [`MEMORY`] is full, what is longer than so many times what was expected counts as so many times:
/// it is an exception, or will be seen again.
const OUTLIER: f64 = 4.0;

/// In seconds: less than this is not measured well, since it is the time that passed for all.
const NOISE: f64 = 1e-3;

/// How far the number of events has to vary, as a part of it, for the line to be believed rather
/// than that each event costs the same.
const SPREAD: f64 = 1.0 / 8.0;

/// A line through what calls took. Times are in seconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallCost {
    /// How many calls were seen, up to [`MEMORY`].
    calls: f64,
    /// The most events that any of the last calls was about; slowly forgotten, too.
    most: f64,
    /// Means of the last calls.
    events: f64,
    took: f64,
    /// The variance of the number of events, and its covariance with the time.
    variance: f64,
    covariance: f64,
}

/// What a call and each of its events cost, in seconds.
#[derive(Clone, Copy)]
struct Line {
    call: f64,
    event: f64,
}

impl CallCost {
    /// A call about this many events took so long.
    pub fn learn(&mut self, events: usize, took: Duration) {
        if events == 0 {
            return;
        }
        let (events, mut took) = (events as f64, took.as_secs_f64());
        if self.calls >= MEMORY {
            let Line { call, event } = self.line();
            took = took.min(OUTLIER * (call + event * events) + NOISE);
        }
        self.calls = (self.calls + 1.0).min(MEMORY);
        let weight = 1.0 / self.calls;
        self.most = events.max(self.most - (self.most - events) / MEMORY);
        let more = events - self.events;
        let longer = took - self.took;
        self.events += weight * more;
        self.took += weight * longer;
        let old = 1.0 - weight;
        self.variance = old * (self.variance + weight * more * more);
        self.covariance = old * (self.covariance + weight * more * longer);
    }

    /// A call about this many events was not over at its deadline: what was known is not true any
    /// more, or not of these events.
    pub(crate) fn overran(&mut self, events: usize) {
        *self = Self {
            most: events as f64 / GROWTH.powi(2),
            ..Self::default()
        };
    }

    /// How many of this many events the next call is to be about.
    pub fn part(&self, events: usize, limits: &Limits) -> usize {
        let most = GROWTH * self.most;
        let fits = |events: usize| events as f64 <= most && self.is_quarter(events, limits);
        match fits(events) {
            true => events,
            false => largest(events, fits),
        }
    }

    /// How many events a call is to be about once such calls are usual.
    pub fn usual_part(&self, limits: &Limits) -> usize {
        largest(usize::MAX, |events| self.is_quarter(events, limits))
    }

    /// Whether a call about this many events takes about a quarter of its deadline at most.
    fn is_quarter(&self, events: usize, limits: &Limits) -> bool {
        let deadline = limits.deadline.as_secs_f64();
        let each = limits.deadline_per_event.as_secs_f64();
        let events = events as f64;
        let meets = |line: Line, events: f64| {
            let left = deadline + events * each - line.call;
            events * line.event <= SHARE * left
        };
        if events * each > deadline {
            return false;
        }
        let same = self.same_for_each();
        // Two events can take twice the time of one. If they do not, a line can be seen.
        let can_be_tried = || events <= 2.0 && self.took <= 1.5 * SHARE * deadline;
        let is_near = || events <= 2.0 * self.most || meets(same, events / 2.0);
        meets(same, events) || can_be_tried() || meets(self.line(), events) && is_near()
    }

    /// As if a call cost nothing by itself: nothing that is larger than the usual call takes longer
    /// than this says.
    fn same_for_each(&self) -> Line {
        let event = if self.events > 0.0 {
            self.took / self.events
        } else {
            0.0
        };
        Line { call: 0.0, event }
    }

    fn line(&self) -> Line {
        let same = self.same_for_each().event;
        let doubt = (SPREAD * self.events).powi(2);
        if doubt <= 0.0 {
            return Line {
                call: 0.0,
                event: 0.0,
            };
        }
        let slope = (self.covariance + doubt * same) / (self.variance + doubt);
        let event = slope.clamp(0.0, same);
        let call = (self.took - event * self.events).max(0.0);
        Line { call, event }
    }

    /// What a call costs, however few events it is about.
    pub fn per_call(&self) -> Duration {
        duration(self.line().call)
    }

    /// What each of its events costs.
    pub fn per_event(&self) -> Duration {
        duration(self.line().event)
    }

    /// What a call about this many events will take; nothing if nothing is known.
    pub fn of(&self, events: usize) -> Duration {
        let Line { call, event } = self.line();
        duration(call + event * events as f64)
    }

    /// The most events for which a call meets its deadline, though it takes all of it; `None` if
    /// there is no such number.
    pub fn most_within(&self, limits: &Limits) -> Option<usize> {
        let Line { call, event } = self.line();
        let room = limits.deadline.checked_sub(duration(call));
        let Some(room) = room else {
            return Some(0);
        };
        let beyond = duration(event).checked_sub(limits.deadline_per_event)?;
        let most = room.as_nanos().checked_div(beyond.as_nanos())?;
        Some(usize::try_from(most).unwrap_or(usize::MAX))
    }
}

/// The largest number up to `most` that fits, if all up to it do; at least one.
fn largest(most: usize, fits: impl Fn(usize) -> bool) -> usize {
    let (mut fitting, mut too_many) = (1.min(most), most);
    while too_many - fitting > 1 {
        let middle = fitting + (too_many - fitting) / 2;
        match fits(middle) {
            true => fitting = middle,
            false => too_many = middle,
        }
    }
    fitting
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(call: u64, event: u64, batches: &[u64]) -> CallCost {
        let mut cost = CallCost::default();
        for events in batches {
            let took = Duration::from_micros(call + event * events);
            cost.learn(usize::try_from(*events).unwrap(), took);
        }
        cost
    }

    #[test]
    fn of_what_is_not_known_one_event_is_tried() {
        let (unknown, limits) = (CallCost::default(), Limits::default());
        assert_eq!(
            (unknown.part(500, &limits), unknown.part(0, &limits)),
            (1, 0)
        );
        assert_eq!(unknown.of(500), Duration::ZERO);
        let fast = learnt(0, 1, &[1]);
        assert_eq!(
            [3, 4, 5].map(|events| fast.part(events, &limits)),
            [3, 4, 4]
        );
    }

    #[test]
    fn a_call_and_an_event_are_told_apart() {
        let near = |is: Duration, micros: u64| {
            let is = is.as_secs_f64() * 1e6;
            (is - micros as f64).abs() <= 0.05 * micros as f64 + 0.1
        };
        let cost = learnt(300, 7, &[1, 10, 100, 50, 100, 10]);
        assert!(
            near(cost.per_call(), 300) && near(cost.per_event(), 7),
            "{cost:?}"
        );
        assert!(near(cost.of(200), 1700), "{cost:?}");
        // As long as all calls are about as many events, nobody can know.
        let alike = learnt(300, 7, &[100; 20]);
        assert!(
            near(alike.per_call(), 0) && near(alike.per_event(), 10),
            "{alike:?}"
        );
    }

    /// To the event: a call about so many takes all of its deadline.
    #[test]
    fn the_largest_call_within_its_deadline_is_known() {
        let limits = |each| Limits {
            deadline_per_event: Duration::from_micros(each),
            ..Limits::default()
        };
        let cost = learnt(0, 100, &[1, 10, 100]);
        for (each, most) in [
            (0, Some(200)),
            (50, Some(400)),
            (99, Some(20_000)),
            (100, None),
        ] {
            assert_eq!(cost.most_within(&limits(each)), most, "{each}");
        }
        let heavy = learnt(21_000, 1, &[1, 10, 100]);
        assert_eq!(heavy.most_within(&limits(0)), Some(0));
    }

    /// However cheap they are, a call is about no more events than double its deadline.
    #[test]
    fn the_client_does_not_choose_how_long_a_call_may_take() {
        let limits = Limits::default();
        let cost = learnt(0, 0, &[1, 1000, 5000]);
        assert_eq!(cost.part(5000, &limits), 2000);
        assert_eq!(limits.deadline_for(2000), 2 * limits.deadline);
    }
}
