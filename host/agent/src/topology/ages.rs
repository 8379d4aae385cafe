//! How long the oldest event of a channel has waited for its delivery, without a clock in the
//! channel.
//!
//! A task looks at the channel every quarter of a second, and notes how many events had been put by
//! then. Events keep their order, so the first of those that are not delivered has a number, and was
//! put after the last look that had not counted it. The age is too high by the time between two
//! looks, at most.
//!
//! Events that a sink has set aside are out of this order. They were taken at some time, and were
//! put no earlier than what was the oldest at the look before. (Back in the channel, because their
//! sink is changed, they are as old as those around them.)
//!
//! Marks that are passed are kept for a minute, because a batch may come back. There are a bounded
//! number of them; beyond it every second one goes, and the age of old events becomes coarser.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use flume_core::Channel;
use flume_core::clock::{self, Instant};
use parking_lot::Mutex;

use crate::runner::Faults;

/// The time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Marks that are kept although all their events are gone: a minute of them.
const PASSED: usize = 240;

/// The most marks. Of a channel that nobody empties it is a quarter of an hour at full precision.
const MOST: usize = 4_096;

/// The most looks at the oldest event that are kept. An event may be aside for days; an age that
/// is read from the oldest of these is too high by a few thousandths.
const MOST_LOOKS: usize = 1_024;

/// What was seen of a channel so far.
#[derive(Debug, Default)]
pub(crate) struct Ages {
    seen: Mutex<Seen>,
    /// The lanes that drain it, which may set events aside.
    lanes: Mutex<Vec<Weak<Faults>>>,
}

#[derive(Debug, Default)]
struct Seen {
    marks: VecDeque<Mark>,
    looks: VecDeque<Look>,
}

/// At this time, so many events had been put.
#[derive(Debug, Clone, Copy)]
struct Mark {
    put: u64,
    at: Instant,
}

/// At this time, the oldest event that was not delivered and not aside had been put at that time.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    oldest: Instant,
}

impl Ages {
    /// Watches a channel for as long as anybody has the result.
    pub(crate) fn watch(channel: &Arc<dyn Channel>) -> Arc<Self> {
        let ages = Arc::new(Self::default());
        ages.look(&**channel, clock::now());
        let (seen, channel) = (Arc::downgrade(&ages), Arc::downgrade(channel));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let (Some(ages), Some(channel)) = (Weak::upgrade(&seen), Weak::upgrade(&channel))
                else {
                    return;
                };
                ages.look(&*channel, clock::now());
            }
        });
        ages
    }

    /// From now on events that this lane sets aside count.
    pub(crate) fn note_aside_of(&self, lane: &Arc<Faults>) {
        let mut lanes = self.lanes.lock();
        lanes.retain(|lane| lane.strong_count() > 0);
        lanes.push(Arc::downgrade(lane));
    }

    /// How long the oldest event has waited; 0 if none waits.
    pub(crate) fn oldest(&self, channel: &dyn Channel, now: Instant) -> Duration {
        let (aside, taken) = self.aside();
        let seen = self.seen.lock();
        let waiting = Waiting::of(channel, aside);
        let in_order = (waiting.events > 0).then(|| seen.put_of(waiting.first));
        let aside = taken.map(|taken| seen.put_before(taken));
        let oldest = in_order.flatten().into_iter().chain(aside.flatten()).min();
        oldest.map_or(Duration::ZERO, |put| now.saturating_duration_since(put))
    }

    /// How many events are aside, and when the first of them was taken.
    fn aside(&self) -> (usize, Option<Instant>) {
        let lanes: Vec<_> = self.lanes.lock().iter().filter_map(Weak::upgrade).collect();
        let all = lanes.iter().map(|lane| lane.aside());
        all.fold((0, None), |(events, first), (more, taken)| {
            (events + more, first.into_iter().chain(taken).min())
        })
    }

    fn look(&self, channel: &dyn Channel, now: Instant) {
        let (aside, _) = self.aside();
        let mut seen = self.seen.lock();
        let waiting = Waiting::of(channel, aside);
        seen.mark(waiting, now);
        let oldest = match waiting.events {
            0 => now,
            _ => seen.put_of(waiting.first).unwrap_or(now),
        };
        seen.looks.push_back(Look { at: now, oldest });
        thin(&mut seen.looks, MOST_LOOKS);
    }
}

impl Seen {
    fn mark(&mut self, waiting: Waiting, now: Instant) {
        let marks = &mut self.marks;
        match marks.back_mut() {
            // Nothing was put since: what comes is younger than this look.
            Some(last) if last.put == waiting.put => last.at = now,
            _ => marks.push_back(Mark {
                put: waiting.put,
                at: now,
            }),
        }
        let passed = marks.partition_point(|mark| mark.put <= waiting.first);
        // The last of them is the mark of the oldest event.
        let gone = passed.saturating_sub(1 + PASSED);
        marks.drain(..gone);
        thin(marks, MOST);
    }

    /// When the event of this number was put, at the earliest.
    fn put_of(&self, number: u64) -> Option<Instant> {
        let after = self.marks.partition_point(|mark| mark.put <= number);
        let mark = self.marks.get(after.saturating_sub(1));
        mark.map(|mark| mark.at)
    }

    /// When an event was put, at the earliest, that was taken at this time.
    fn put_before(&self, taken: Instant) -> Option<Instant> {
        let after = self.looks.partition_point(|look| look.at < taken);
        let look = self.looks.get(after.saturating_sub(1));
        look.map(|look| look.oldest)
    }
}

/// Leaves out every second one if there are too many; the first stays.
fn thin<T>(all: &mut VecDeque<T>, most: usize) {
    if all.len() > most {
        let mut number = 0;
        all.retain(|_| {
            number += 1;
            number % 2 == 1
        });
    }
}

/// The events that are not delivered and not aside.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    /// How many there are.
    events: u64,
    /// The number of the first of them.
    first: u64,
    /// How many events were put so far.
    put: u64,
}

impl Waiting {
    fn of(channel: &dyn Channel, aside: usize) -> Self {
        let counters = channel.counters();
        // In this order, what happens meanwhile makes them more, and none is left out.
        let delivered = counters.left();
        let put = counters.entered();
        let events = put.saturating_sub(delivered).saturating_sub(aside as u64);
        Self {
            events,
            first: put - events,
            put,
        }
    }
}

#[cfg(test)]
mod tests {
    use flume_core::channel::memory::{MemoryChannel, MemoryConfig};
    use flume_core::{Event, PutTransaction, TakeTransaction};

    use super::*;
    use crate::runner::AsideHealth;

    fn channel() -> Arc<dyn Channel> {
        let config = MemoryConfig {
            capacity: 100_000,
            transaction_capacity: 100_000,
            ..MemoryConfig::defaults(1 << 30)
        };
        Arc::new(MemoryChannel::new("c1", &config))
    }

    async fn put(channel: &Arc<dyn Channel>) {
        let put = PutTransaction::of(channel, vec![Event::new("e")]).unwrap();
        put.commit().await.unwrap();
    }

    fn take(channel: &Arc<dyn Channel>, most: usize) -> TakeTransaction {
        let mut taken = TakeTransaction::begin(channel);
        assert_eq!(taken.take_batch(most), most);
        taken
    }

    async fn pass(millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    /// That the age is right, or too high by the time between two looks.
    fn assert_age(ages: &Ages, channel: &Arc<dyn Channel>, millis: u64) {
        let age = ages.oldest(&**channel, clock::now());
        let right = Duration::from_millis(millis);
        assert!(
            age >= right && age <= right + LOOK_EVERY,
            "{age:?} {right:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_event_is_as_old_as_its_put() {
        let channel = channel();
        let ages = Ages::watch(&channel);
        pass(10_010).await;
        assert_eq!(ages.oldest(&*channel, clock::now()), Duration::ZERO);
        for _ in 0..10 {
            put(&channel).await;
            pass(1_000).await;
        }
        assert_age(&ages, &channel, 10_000);
        assert!(take(&channel, 4).commit().is_done());
        assert_age(&ages, &channel, 6_000);
        let batch = take(&channel, 6);
        pass(20_000).await;
        assert_age(&ages, &channel, 26_000);
        batch.rollback();
        assert_age(&ages, &channel, 26_000);
        assert!(take(&channel, 6).commit().is_done());
        assert_eq!(ages.oldest(&*channel, clock::now()), Duration::ZERO);
    }

    /// An event every second; the sink cannot deliver the fourth, which was in the channel for six
    /// seconds when it was taken. For a day the others come and go.
    #[tokio::test(start_paused = true)]
    async fn an_event_aside_is_as_old_as_its_put() {
        let channel = channel();
        let ages = Ages::watch(&channel);
        let lane = Arc::<Faults>::default();
        ages.note_aside_of(&lane);
        for _ in 0..10 {
            pass(1_000).await;
            put(&channel).await;
        }
        assert!(take(&channel, 3).commit().is_done());
        pass(500).await;
        let mut batch = take(&channel, 3);
        let aside = batch.pick(&[0]).remove(0);
        lane.set_aside(AsideHealth {
            events: 1,
            taken: aside.taken(),
            ..AsideHealth::default()
        });
        assert!(batch.commit().is_done());
        assert!(take(&channel, 4).commit().is_done());
        assert_age(&ages, &channel, 6_500);
        for _ in 0..6 * 3_600 {
            pass(4_000).await;
            assert!(ages.oldest(&*channel, clock::now()) > Duration::from_secs(10));
            put(&channel).await;
            assert!(take(&channel, 1).commit().is_done());
        }
        let age = ages.oldest(&*channel, clock::now()).as_secs();
        let day = 24 * 3_600;
        assert!(age >= day && age < day + day / 200, "{age}");
        assert!(aside.commit().is_done());
        lane.set_aside(AsideHealth::default());
        assert_eq!(ages.oldest(&*channel, clock::now()), Duration::ZERO);
    }

    /// Failures at the place before it is known that the event is to blame.
    #[tokio::test(start_paused = true)]
    async fn an_event_that_failed_with_its_batch_before_it_is_aside_is_not_younger() {
        let channel = channel();
        let ages = Ages::watch(&channel);
        let lane = Arc::<Faults>::default();
        ages.note_aside_of(&lane);
        pass(1_000).await;
        put(&channel).await;
        for _ in 0..3 {
            let batch = take(&channel, 1);
            pass(20_000).await;
            batch.rollback();
        }
        let aside = take(&channel, 1);
        lane.set_aside(AsideHealth {
            events: 1,
            taken: aside.taken(),
            ..AsideHealth::default()
        });
        pass(1_000).await;
        assert_age(&ages, &channel, 61_000);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_is_bounded() {
        let channel = channel();
        let ages = Ages::watch(&channel);
        pass(10).await;
        for _ in 0..3 * MOST {
            put(&channel).await;
            pass(250).await;
        }
        assert!(ages.seen.lock().marks.len() <= MOST);
        let all = 3 * MOST as u64 * 250;
        assert_age(&ages, &channel, all);
        assert!(take(&channel, 3 * MOST).commit().is_done());
        pass(300).await;
        put(&channel).await;
        pass(300).await;
        let seen = ages.seen.lock();
        assert!(seen.marks.len() <= PASSED + 3);
        assert!(seen.looks.len() <= MOST_LOOKS);
        drop(seen);
        assert_age(&ages, &channel, 300);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_watches_a_channel_that_is_gone() {
        let channel = channel();
        let ages = Ages::watch(&channel);
        let watched = Arc::downgrade(&channel);
        drop(channel);
        pass(300).await;
        assert!(watched.upgrade().is_none());
        assert_eq!(Arc::weak_count(&ages), 0);
    }
}
