//! What has arrived: each event counted by its number.
//!
//! In a total, one lost and one duplicated event cancel out. So each number has its own counter: a
//! byte, touched in order, which costs a few nanoseconds an event.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

/// The events of one run.
pub struct Arrivals {
    began: Instant,
    first: u64,
    counts: Box<[AtomicU8]>,
    /// When each event first arrived, in nanoseconds since the start; empty if not requested.
    times: Box<[AtomicU64]>,
    arrived: AtomicU64,
    strange: AtomicU64,
    /// When the last batch arrived, in nanoseconds since the start.
    last: AtomicU64,
}

/// The outcome of a run: events lost, duplicated, and not sent by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Events that did not arrive.
    pub lost: u64,
    /// Arrivals beyond the first of each event.
    pub doubled: u64,
    /// Arrivals that this run did not send.
    pub strange: u64,
}

impl Verdict {
    /// Each event once, and nothing else.
    #[must_use]
    pub fn exact(&self) -> bool {
        *self == Self::default()
    }
}

impl Arrivals {
    /// For events with numbers from `first`, at most `most` of them.
    #[must_use]
    pub fn new(first: u64, most: usize) -> Arc<Self> {
        Self::build(first, most, 0)
    }

    /// The same with the time of each arrival.
    #[must_use]
    pub fn timed(first: u64, most: usize) -> Arc<Self> {
        Self::build(first, most, most)
    }

    fn build(first: u64, most: usize, timed: usize) -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            first,
            counts: (0..most).map(|_| AtomicU8::new(0)).collect(),
            times: (0..timed).map(|_| AtomicU64::new(0)).collect(),
            arrived: AtomicU64::new(0),
            strange: AtomicU64::new(0),
            last: AtomicU64::new(0),
        })
    }

    /// The number of the first event.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// How many events there is room for.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.counts.len() as u64
    }

    /// Records the arrival of an event. [`Self::batch`] must follow.
    pub fn add(&self, number: Option<u64>, now: u64) {
        let at = number.and_then(|number| number.checked_sub(self.first));
        let at = at.and_then(|at| usize::try_from(at).ok());
        match at.and_then(|at| Some((at, self.counts.get(at)?))) {
            Some((at, count)) => {
                let before = count.fetch_add(1, Ordering::Relaxed);
                if let (0, Some(time)) = (before, self.times.get(at)) {
                    time.store(now.max(1), Ordering::Relaxed);
                }
            }
            None => {
                self.strange.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Records that `events` events were added at `now`, a value of [`Self::now`].
    pub fn batch(&self, events: u64, now: u64) {
        self.last.fetch_max(now, Ordering::Relaxed);
        self.arrived.fetch_add(events, Ordering::Release);
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.since(Instant::now())
    }

    /// Nanoseconds from the start to `then`.
    #[must_use]
    pub fn since(&self, then: Instant) -> u64 {
        let since = then.saturating_duration_since(self.began);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Arrivals so far, including duplicates.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Acquire)
    }

    /// When the last batch arrived.
    #[must_use]
    pub fn last(&self) -> Instant {
        self.began + Duration::from_nanos(self.last.load(Ordering::Relaxed))
    }

    /// When the event at this place arrived, in nanoseconds since the start.
    #[must_use]
    pub fn time(&self, at: usize) -> Option<u64> {
        let time = self.times.get(at)?.load(Ordering::Relaxed);
        (time > 0).then_some(time)
    }

    /// Waits until `sent` different events have arrived or `patience` is over, and then a little
    /// longer to catch duplicates.
    #[must_use]
    pub fn settle(&self, sent: u64, patience: Duration) -> Verdict {
        let end = Instant::now() + patience;
        let mut verdict = self.verdict(sent);
        loop {
            while self.arrived() < sent && Instant::now() < end {
                std::thread::sleep(Duration::from_micros(500));
            }
            verdict = if self.arrived() < sent {
                verdict
            } else {
                self.verdict(sent)
            };
            if verdict.lost == 0 || Instant::now() >= end {
                return self.verdict(sent);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The outcome of the first `sent` events.
    #[must_use]
    pub fn verdict(&self, sent: u64) -> Verdict {
        let sent = usize::try_from(sent)
            .unwrap_or(usize::MAX)
            .min(self.counts.len());
        let (of_run, beyond) = self.counts.split_at(sent);
        let mut verdict = Verdict {
            strange: self.strange.load(Ordering::Relaxed),
            ..Verdict::default()
        };
        for count in of_run {
            match count.load(Ordering::Relaxed) {
                0 => verdict.lost += 1,
                count => verdict.doubled += u64::from(count) - 1,
            }
        }
        for count in beyond {
            verdict.strange += u64::from(count.load(Ordering::Relaxed));
        }
        verdict
    }
}

/// Where receivers find the count of the current run.
#[derive(Clone)]
pub struct Slot(Arc<RwLock<Arc<Arrivals>>>);

impl Slot {
    /// Nothing is expected yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(RwLock::new(Arrivals::new(0, 0))))
    }

    /// A run begins.
    pub fn begin(&self, arrivals: &Arc<Arrivals>) {
        *self.0.write().expect("no holder panics") = Arc::clone(arrivals);
    }

    /// The count of this run.
    #[must_use]
    pub fn get(&self) -> Arc<Arrivals> {
        Arc::clone(&self.0.read().expect("no holder panics"))
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_and_duplicate_events_do_not_cancel_out() {
        let arrivals = Arrivals::new(100, 5);
        for number in [Some(100), Some(102), Some(102), Some(99), Some(103), None] {
            arrivals.add(number, 1);
        }
        arrivals.batch(6, 1);
        let verdict = Verdict {
            lost: 1,
            doubled: 1,
            strange: 3,
        };
        assert_eq!((arrivals.verdict(3), arrivals.arrived()), (verdict, 6));
        assert_eq!(arrivals.settle(3, Duration::from_millis(20)), verdict);
    }

    #[test]
    fn the_first_arrival_counts_for_the_time() {
        let arrivals = Arrivals::timed(0, 2);
        arrivals.add(Some(1), 5);
        arrivals.add(Some(1), 9);
        assert_eq!((arrivals.time(0), arrivals.time(1)), (None, Some(5)));
    }
}
