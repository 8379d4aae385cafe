//! The schedule of a group: which sink a call tries next, and what follows the call.
//!
//! Two pure machines, one for each question. The agent's group runner drives them with tasks and
//! locks; the simulator drives them with an agenda in virtual time. So both decide alike.
//!
//! [`Attempts`] of one call:
//!
//! ```text
//!            free                      failed, or nothing to deliver
//! ask ─▶ sink ───▶ try it ──────────────────────────────────────────┐
//!  ▲      │ in use                                                   │
//!  │      └─▶ pass it by ─┐                                          │
//!  └──────────────────────┴──────────────────────────────────────────┘
//! no sink left to ask for ─▶ wait for the first one passed by, try it, … ─▶ exhausted
//! no sink to ask for at all ─▶ try the one whose penalty ends first, if it failed quickly
//! ```
//!
//! [`Pace`] of one worker:
//!
//! | the call | then |
//! |---|---|
//! | delivered | the next call at once |
//! | found nothing, and all sinks drain one channel | the next call, when there is an event |
//! | found nothing in one of several channels | the next call once for each other channel; then wait 1, 2, … 5 s at most |
//! | every sink failed | pause 0.25, 0.5, … 5 s |

use std::collections::VecDeque;
use std::time::Duration;

use crate::sink::Status;
use crate::sink_group::SinkIndex;
use crate::sink_processor::{Call, SinkProcessor};

/// First and longest pause after a call in which every sink failed.
const FAILURE_PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Flume's pause after BACKOFF grows by this much each time, up to five times this.
const BACKOFF_STEP: Duration = Duration::from_secs(1);
const BACKOFF_STEPS: u32 = 5;

/// What a call does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Try this sink, which is free.
    Try(SinkIndex),
    /// Wait for this sink, which was in use, and then try it.
    WaitFor(SinkIndex),
    /// Nothing is left to try: the call has failed.
    Exhausted,
}

/// The sinks that one call tries, one after the other.
#[derive(Debug)]
pub struct Attempts {
    call: Call,
    /// A sink that this call skips.
    except: Option<SinkIndex>,
    /// Sinks that were skipped because they were in use.
    passed_by: VecDeque<SinkIndex>,
    asked_for_all: bool,
}

impl Attempts {
    /// The attempts of a call.
    pub fn of(call: Call) -> Self {
        let (except, passed_by, asked_for_all) = (None, VecDeque::new(), false);
        Self {
            call,
            except,
            passed_by,
            asked_for_all,
        }
    }

    /// The same, without a sink at which this batch has just failed.
    pub fn except(self, except: Option<SinkIndex>) -> Self {
        Self { except, ..self }
    }

    /// The call, to report outcomes to.
    pub fn call(&mut self) -> &mut Call {
        &mut self.call
    }

    /// What to do next. Free sinks come first, in the processor's order, then those that were in
    /// use when their turn came.
    pub fn next(
        &mut self,
        processor: &mut dyn SinkProcessor,
        mut is_free: impl FnMut(SinkIndex) -> bool,
    ) -> Attempt {
        while !self.asked_for_all {
            match processor.next(&mut self.call) {
                None => self.asked_for_all = true,
                Some(sink) if self.except == Some(sink) => {}
                Some(sink) if is_free(sink) => return Attempt::Try(sink),
                Some(sink) => self.passed_by.push_back(sink),
            }
        }
        if let Some(sink) = self.passed_by.pop_front() {
            return Attempt::WaitFor(sink);
        }
        if !self.call.tried().is_empty() {
            return Attempt::Exhausted;
        }
        match processor.nearest(&mut self.call) {
            Some(sink) if self.except != Some(sink) && is_free(sink) => Attempt::Try(sink),
            _ => Attempt::Exhausted,
        }
    }
}

/// What a worker does after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// The next call, if there is something to deliver.
    Call,
    /// The sink's channel was empty: wait for an event in it, at most this long.
    Event {
        /// The longest wait.
        at_most: Duration,
        /// Whether the wait is skipped while another channel of the group has events.
        others_first: bool,
    },
}

/// The pace of one worker's calls.
#[derive(Debug, Clone)]
pub struct Pace {
    channels: usize,
    /// Consecutive calls that found nothing.
    backoffs: u32,
    /// Consecutive calls in which every sink failed.
    failures: u32,
}

impl Pace {
    /// The longest pause after a failure.
    pub const LONGEST_PAUSE: Duration = FAILURE_PAUSE.1;

    /// The pace of a worker in a group over this many channels.
    pub fn new(channels: usize) -> Self {
        let (backoffs, failures) = (0, 0);
        Self {
            channels,
            backoffs,
            failures,
        }
    }

    /// What follows a call with this result.
    pub fn returned(&mut self, status: Status) -> Rest {
        match status {
            Status::Ready => {
                (self.backoffs, self.failures) = (0, 0);
                Rest::Call
            }
            Status::Backoff if self.channels < 2 => Rest::Call,
            Status::Backoff => {
                self.backoffs = self.backoffs.saturating_add(1);
                Rest::Event {
                    at_most: BACKOFF_STEP * self.backoffs.min(BACKOFF_STEPS),
                    others_first: (self.backoffs as usize) < self.channels,
                }
            }
        }
    }

    /// How long a worker pauses after a call in which every sink failed.
    pub fn exhausted(&mut self) -> Duration {
        let (first, longest) = FAILURE_PAUSE;
        let pause = first.saturating_mul(1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        pause.min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{self, Instant};
    use crate::sink_group::Step;
    use crate::sink_processor::{FailoverProcessor, LoadBalancingProcessor, Outcome};
    use crate::sink_selector::{Backoff, round_robin};

    fn attempts(sinks: usize) -> (LoadBalancingProcessor, Attempts) {
        let selector = round_robin::configure(Backoff::none(sinks), 0);
        let mut processor = LoadBalancingProcessor::new(sinks, selector);
        let call = processor.begin(clock::now());
        (processor, Attempts::of(call))
    }

    fn all(attempts: &mut Attempts, processor: &mut LoadBalancingProcessor) -> Vec<Attempt> {
        let is_free = |sink| sink % 2 == 1;
        let next = std::iter::from_fn(|| Some(attempts.next(processor, is_free)));
        next.take_while(|next| *next != Attempt::Exhausted)
            .collect()
    }

    #[test]
    fn free_sinks_come_first_and_those_in_use_keep_their_order() {
        let (mut processor, mut attempts) = attempts(4);
        let seen = all(&mut attempts, &mut processor);
        let [try_1, try_3] = [1, 3].map(Attempt::Try);
        let [wait_0, wait_2] = [0, 2].map(Attempt::WaitFor);
        assert_eq!(seen, [try_1, try_3, wait_0, wait_2]);
        assert_eq!(attempts.next(&mut processor, |_| true), Attempt::Exhausted);
    }

    #[test]
    fn a_sink_that_is_left_out_is_neither_tried_nor_waited_for() {
        let (mut processor, attempts) = attempts(4);
        let mut attempts = attempts.except(Some(1));
        let seen = all(&mut attempts, &mut processor);
        assert_eq!(
            seen.get(..2),
            Some(&[Attempt::Try(3), Attempt::WaitFor(0)][..])
        );
        assert_eq!(seen.len(), 3);
    }

    /// Fails each sink that a call tries, after this long each, and returns them.
    fn fail_all(processor: &mut dyn SinkProcessor, now: Instant, took: Duration) -> Vec<SinkIndex> {
        let mut attempts = Attempts::of(processor.begin(now));
        let mut tried = Vec::new();
        while let Attempt::Try(sink) = attempts.next(processor, |_| true) {
            tried.push(sink);
            processor.report(attempts.call(), sink, Outcome::Failed, now);
            let ended = Step::Ended {
                events: 0,
                latency: took,
            };
            processor.step(sink, ended, now);
        }
        tried
    }

    /// While all sinks are excluded, the one whose penalty ends first is tried, once in a call. One
    /// that was waited for is left alone until its penalty is over.
    #[test]
    fn a_group_without_a_usable_sink_tries_the_nearest() {
        let cap = Duration::from_secs(30);
        let make = |balances: bool| -> Box<dyn SinkProcessor> {
            let selector = round_robin::configure(Backoff::capped(2, cap), 0);
            match balances {
                true => Box::new(LoadBalancingProcessor::new(2, selector)),
                false => Box::new(FailoverProcessor::new(&[2, 1], cap)),
            }
        };
        for balances in [true, false] {
            let quick = Duration::from_millis(1);
            let mut processor = make(balances);
            let mut now = clock::now();
            assert_eq!(fail_all(&mut *processor, now, quick), [0, 1]);
            now += Duration::from_millis(100);
            // The first one failed first; then it is excluded for longer than the second.
            assert_eq!(fail_all(&mut *processor, now, quick), [0]);
            now += Duration::from_millis(100);
            assert_eq!(fail_all(&mut *processor, now, quick), [1]);

            let slow = Duration::from_secs(20);
            let mut processor = make(balances);
            assert_eq!(fail_all(&mut *processor, now, slow), [0, 1]);
            assert_eq!(fail_all(&mut *processor, now, slow), []);
            now += Duration::from_millis(2_001);
            assert_eq!(fail_all(&mut *processor, now, slow).len(), 2);
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_a_delivery_ends_them() {
        let mut pace = Pace::new(1);
        let millis = |pace: &mut Pace| pace.exhausted().as_millis();
        let seen: Vec<u128> = (0..7).map(|_| millis(&mut pace)).collect();
        assert_eq!(seen, [250, 500, 1000, 2000, 4000, 5000, 5000]);
        assert_eq!(pace.returned(Status::Backoff), Rest::Call);
        assert_eq!(millis(&mut pace), 5000);
        assert_eq!(pace.returned(Status::Ready), Rest::Call);
        assert_eq!(millis(&mut pace), 250);
    }

    #[test]
    fn empty_channels_are_waited_for_longer_each_time() {
        let mut pace = Pace::new(2);
        let mut wait = || match pace.returned(Status::Backoff) {
            Rest::Call => (0, false),
            Rest::Event {
                at_most,
                others_first,
            } => (at_most.as_secs(), others_first),
        };
        let seen: Vec<_> = (0..6).map(|_| wait()).collect();
        let expected = [(1, true), (2, false), (3, false), (4, false), (5, false)];
        assert_eq!(seen.get(..5), Some(&expected[..]));
        assert_eq!(seen.get(5), Some(&(5, false)));
        pace.returned(Status::Ready);
        let first = Rest::Event {
            at_most: Duration::from_secs(1),
            others_first: true,
        };
        assert_eq!(pace.returned(Status::Backoff), first);
    }
}
