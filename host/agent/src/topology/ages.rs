//! How long the oldest event of a channel has waited, without a clock in the channel.
//!
//! A task looks at the channel every quarter of a second, and notes how many events had been put by
//! then. Events keep their order, so the first of those that wait has a number, and was put after
//! the last look that had not counted it. The age is too high by the time between two looks, at most.
//!
//! Marks that are passed are kept for a minute, because a batch may come back. There are a bounded
//! number of them; beyond it every second one goes, and the age of old events becomes coarser.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use flume_core::Channel;
use flume_core::clock::{self, Instant};
use parking_lot::Mutex;

/// The time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Marks that are kept although all their events are gone: a minute of them.
const PASSED: usize = 240;

/// The most marks. Of a channel that nobody empties it is a quarter of an hour at full precision.
const MOST: usize = 4_096;

/// What was seen of a channel so far.
#[derive(Debug, Default)]
pub(crate) struct Ages(Mutex<VecDeque<Mark>>);

/// At this time, so many events had been put.
#[derive(Debug, Clone, Copy)]
struct Mark {
    put: u64,
    at: Instant,
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

    /// How long the oldest event has waited; 0 if none waits.
    pub(crate) fn oldest(&self, channel: &dyn Channel, now: Instant) -> Duration {
        if channel.depth() == 0 {
            return Duration::ZERO;
        }
        let marks = self.0.lock();
        let after = marks.partition_point(|mark| mark.put <= first(channel));
        let mark = marks.get(after.saturating_sub(1));
        mark.map_or(Duration::ZERO, |mark| {
            now.saturating_duration_since(mark.at)
        })
    }

    fn look(&self, channel: &dyn Channel, now: Instant) {
        let (put, first) = (channel.counters().event_put_success.get(), first(channel));
        let mut marks = self.0.lock();
        match marks.back_mut() {
            // Nothing was put since: what comes is younger than this look.
            Some(last) if last.put == put => last.at = now,
            _ => marks.push_back(Mark { put, at: now }),
        }
        let passed = marks.partition_point(|mark| mark.put <= first);
        // The last of them is the mark of the oldest event.
        let gone = passed.saturating_sub(1 + PASSED);
        marks.drain(..gone);
        if marks.len() > MOST {
            let mut number = 0;
            marks.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
    }
}

/// The number of the first event that waits.
fn first(channel: &dyn Channel) -> u64 {
    let put = channel.counters().event_put_success.get();
    put.saturating_sub(channel.depth() as u64)
}

#[cfg(test)]
mod tests {
    use flume_core::channel::memory::{MemoryChannel, MemoryConfig};
    use flume_core::{Event, PutTransaction, TakeTransaction};

    use super::*;

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
        take(&channel, 4).commit();
        assert_age(&ages, &channel, 6_000);
        let batch = take(&channel, 6);
        assert_eq!(ages.oldest(&*channel, clock::now()), Duration::ZERO);
        pass(20_000).await;
        batch.rollback();
        assert_age(&ages, &channel, 26_000);
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
        assert!(ages.0.lock().len() <= MOST);
        let all = 3 * MOST as u64 * 250;
        assert_age(&ages, &channel, all);
        take(&channel, 3 * MOST).commit();
        pass(300).await;
        put(&channel).await;
        pass(300).await;
        assert!(ages.0.lock().len() <= PASSED + 3);
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
