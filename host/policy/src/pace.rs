//! Keeps slow calls out of the way of other tenants' calls.
//!
//! Calls are synchronous, and run on a worker of the runtime that all tenants share. For a call of
//! a microsecond that is right. A guest that needs milliseconds each time would keep its worker from
//! other tenants' sources and sinks. So its calls are announced to the runtime, which gives the
//! worker's other tasks to another thread. That costs some microseconds, so it is only done for
//! places that have been slow in one of their last calls, or whose version is new: a guest that is
//! slow now and then is slow for its neighbours, too, and of a new one nobody knows. Those that have
//! been slow also run in long turns, so that a thread that wakes up for a short time has the
//! processor at once.

use std::time::Duration;

use flume_core::clock;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::long_turns;

/// A call that takes longer is slow.
const SLOW: Duration = Duration::from_micros(500);

/// Calls after a slow one that are announced, too.
const WARY: u32 = 100;

/// How the last calls of one place went.
#[derive(Debug)]
pub(crate) struct CallPace {
    /// The next calls that are announced.
    wary: u32,
    /// Whether that is because a call was slow.
    was_slow: bool,
    /// The version that they were about.
    version: u64,
}

impl Default for CallPace {
    fn default() -> Self {
        Self {
            wary: WARY,
            was_slow: false,
            version: 0,
        }
    }
}

impl CallPace {
    /// Runs a call of a version, or the calls for one batch, and remembers if that was slow.
    pub(crate) fn run<R>(&mut self, version: u64, call: impl FnOnce() -> R) -> R {
        if self.version != version {
            *self = Self {
                version,
                ..Self::default()
            };
        }
        let mut took = Duration::ZERO;
        let call = || {
            let began = clock::now();
            let answer = call();
            took = clock::now().saturating_duration_since(began);
            answer
        };
        let answer = match (self.wary > 0, self.was_slow) {
            (true, true) => aside(|| long_turns::during(call)),
            (true, false) => aside(call),
            (false, _) => call(),
        };
        if took > SLOW {
            (self.wary, self.was_slow) = (WARY, true);
        } else {
            self.wary = self.wary.saturating_sub(1);
            self.was_slow &= self.wary > 0;
        }
        answer
    }
}

/// Runs what may take long, and has the runtime give the worker's other tasks to another thread.
pub(crate) fn aside<R>(work: impl FnOnce() -> R) -> R {
    match is_worker() {
        true => block_in_place(work),
        false => work(),
    }
}

/// Whether this thread also works for others. (A runtime of one thread has no other thread for its
/// tasks.)
fn is_worker() -> bool {
    Handle::try_current()
        .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::long_turns::tests::{long, turn};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn slow(pace: &mut CallPace) {
        pace.run(1, || {
            let began = clock::now();
            while began.elapsed() <= SLOW {}
        });
    }

    /// A call that waits for another task of its worker: it only ends soon if the task was given to
    /// another thread.
    async fn lets_others_go(pace: &mut CallPace) {
        let done = Arc::new(AtomicBool::new(false));
        let other = Arc::clone(&done);
        let task = tokio::spawn(async move { other.store(true, Ordering::Release) });
        let began = clock::now();
        let is_late = || began.elapsed() > Duration::from_secs(60);
        pace.run(1, || while !done.load(Ordering::Acquire) && !is_late() {});
        assert!(!is_late());
        task.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_slow_place_does_not_hold_up_other_tasks() {
        let slow = tokio::spawn(async {
            let mut pace = CallPace::default();
            slow(&mut pace);
            lets_others_go(&mut pace).await;
        });
        slow.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn the_first_call_of_a_version_does_not_either() {
        let mut known = CallPace::default();
        (0..WARY).for_each(|_| known.run(2, || ()));
        known.wary = 0;
        for mut pace in [CallPace::default(), known] {
            let first = tokio::spawn(async move { lets_others_go(&mut pace).await });
            first.await.unwrap();
        }
    }

    /// Slow in every second call, or in every fiftieth.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_place_that_is_slow_now_and_then_does_not_either() {
        let slow = tokio::spawn(async {
            for quick in [1, 49, WARY - 1] {
                let mut pace = CallPace::default();
                slow(&mut pace);
                for _ in 0..quick {
                    pace.run(1, || ());
                }
                lets_others_go(&mut pace).await;
            }
        });
        slow.await.unwrap();
    }

    #[test]
    fn a_place_that_was_slow_gives_way_and_one_that_nobody_knows_does_not() {
        let usual = turn();
        let mut pace = CallPace::default();
        assert_eq!(pace.run(1, turn), usual);
        slow(&mut pace);
        assert_eq!(pace.run(1, turn), long());
        assert_eq!(pace.run(2, turn), usual);
    }

    #[test]
    fn a_place_that_is_quick_again_is_forgiven() {
        let mut pace = CallPace::default();
        slow(&mut pace);
        assert!(pace.was_slow);
        // The system may interrupt a thread in any call, but not in every one.
        let forgiven = (0..100).any(|_| {
            (0..WARY).for_each(|_| pace.run(1, || ()));
            pace.wary == 0 && !pace.was_slow
        });
        assert!(forgiven);
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_does_without() {
        let mut pace = CallPace {
            wary: 1,
            was_slow: true,
            version: 1,
        };
        assert_eq!(pace.run(1, || 7), 7);
    }
}
