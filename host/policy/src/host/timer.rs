//! The deadline of a call, in time that the guest itself has used.
//!
//! The engine counts ticks of real time. On a busy machine those also pass while the guest's thread
//! waits for a processor, so that one tenant's load could cost another tenant's policy its place. So
//! when the ticks are over, the thread's processor time is read, and the call goes on for what is left
//! of its deadline. A fast call never gets here and costs nothing more: the thread's time is first
//! read after [`FIRST`], which counts as used. After [`PATIENCE`] deadlines of real time, but not
//! within [`STALL`], a call ends in any case.

use std::time::Duration;

use cpu_time::ThreadTime;
use flume_core::clock::{self, Instant};
/// How often the clock ticks: the resolution of deadlines.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// When the thread's time is first read.
pub(super) const FIRST: Duration = TICK;

/// Deadlines of real time that may pass.
const PATIENCE: u32 = 10;

/// For so long a thread may well be kept from a processor: a guest that has used nothing of it has
/// done nothing wrong.
const STALL: Duration = Duration::from_secs(1);

/// The deadline of the call under way.
#[derive(Debug)]
pub(super) struct Timer {
    deadline: Duration,
    began: Instant,
    /// The thread's time when it was first read.
    thread: Option<Duration>,
}

impl Timer {
    pub(super) fn new(deadline: Duration, began: Instant) -> Self {
        Self {
            deadline,
            began,
            thread: None,
        }
    }

    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// A tick was reached: what is left, if anything is.
    pub(super) fn left(&mut self) -> Option<Duration> {
        let used = match self.thread {
            Some(since) => ThreadTime::now().as_duration().saturating_sub(since) + FIRST,
            None => {
                self.thread = Some(ThreadTime::now().as_duration());
                FIRST
            }
        };
        let waited = clock::now().saturating_duration_since(self.began);
        let left = self.deadline.saturating_sub(used);
        let patience = (self.deadline * PATIENCE).max(STALL);
        (!left.is_zero() && waited < patience).then_some(left)
    }

    /// What a call that has just returned after `took` of real time used of the processor. Of a fast
    /// one nothing else is known; one that passed a tick without coming here was waiting.
    pub(super) fn used(&self, took: Duration) -> Duration {
        let Some(since) = self.thread else {
            return took.min(FIRST + TICK);
        };
        let used = ThreadTime::now().as_duration().saturating_sub(since) + FIRST;
        used.min(took)
    }
}

/// A time in ticks of the engine, rounded up.
pub(super) fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(deadline: u64) -> Timer {
        Timer::new(Duration::from_millis(deadline), clock::now())
    }

    #[test]
    fn a_deadline_of_a_tick_is_over_with_the_first() {
        assert_eq!(timer(1).left(), None);
    }

    /// The runtime's clock stands still, and so does that of a thread that waits: neither alone
    /// ends a call.
    #[tokio::test(start_paused = true)]
    async fn time_spent_waiting_is_not_the_guests() {
        for (deadline, patience) in [(5, 1000), (100, 1000), (101, 1010), (2000, 20_000)] {
            let mut timer = timer(deadline);
            tokio::time::advance(Duration::from_millis(patience - 1)).await;
            assert_eq!(timer.left(), Some(Duration::from_millis(deadline - 1)));
            assert!(timer.left().is_some());
            tokio::time::advance(Duration::from_millis(1)).await;
            assert_eq!(timer.left(), None, "{deadline}");
        }
    }

    /// Of a call that went on after its first tick only the processor's time counts.
    #[test]
    fn what_a_call_used_is_not_what_it_waited() {
        let (short, long) = (Duration::from_micros(9), Duration::from_secs(3600));
        let mut timer = timer(5);
        assert_eq!((timer.used(short), timer.used(long)), (short, FIRST + TICK));
        assert!(timer.left().is_some());
        assert_eq!(timer.used(short), short);
        assert!(timer.used(long) < long / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn time_spent_working_is() {
        let mut timer = timer(5);
        let since = ThreadTime::now();
        assert!(timer.left().is_some());
        while since.elapsed() < Duration::from_millis(5) {
            std::hint::spin_loop();
        }
        assert_eq!(timer.left(), None);
    }
}
