//! A channel that refuses chosen reservations, for tests that fail step N and check that nothing is
//! lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use async_trait::async_trait;

use crate::channel::{Channel, ChannelError, ChannelRecipe, Commit, Steps, Taken};
use crate::counters::ChannelCounter;
use crate::event::Event;

/// Passes everything on to another channel, except the reservations that it has to refuse.
#[derive(Debug)]
pub struct FlakyChannel {
    inner: Arc<dyn Channel>,
    refuse: BTreeSet<usize>,
    reservations: AtomicUsize,
    /// The commits that fail, if the channel acts as a durable one.
    failing: Option<BTreeSet<usize>>,
    commits: AtomicUsize,
}

impl FlakyChannel {
    /// Refuses the reservations with these numbers, counted from 0. One that would wait fails at
    /// once with [`ChannelError::Full`]; one that would not finds no room.
    pub fn new(inner: Arc<dyn Channel>, refuse: impl IntoIterator<Item = usize>) -> Self {
        let refuse = refuse.into_iter().collect();
        Self {
            inner,
            refuse,
            reservations: AtomicUsize::new(0),
            failing: None,
            commits: AtomicUsize::new(0),
        }
    }

    /// Acts as a durable channel: a put waits for its disk, and the commits with these numbers fail.
    pub fn durable(inner: Arc<dyn Channel>, fail: impl IntoIterator<Item = usize>) -> Self {
        Self {
            failing: Some(fail.into_iter().collect()),
            ..Self::new(inner, [])
        }
    }

    /// Reservations that were asked for so far.
    pub fn reservations(&self) -> usize {
        self.reservations.load(Relaxed)
    }

    fn refuses(&self) -> bool {
        self.refuse
            .contains(&self.reservations.fetch_add(1, Relaxed))
    }
}

#[async_trait]
impl Channel for FlakyChannel {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capacity(&self) -> usize {
        self.inner.capacity()
    }

    fn transaction_capacity(&self) -> usize {
        self.inner.transaction_capacity()
    }

    fn depth(&self) -> usize {
        self.inner.depth()
    }

    fn has_events(&self) -> bool {
        self.inner.has_events()
    }

    fn counters(&self) -> &Arc<ChannelCounter> {
        self.inner.counters()
    }

    fn is_full(&self) -> bool {
        self.inner.is_full()
    }

    async fn ready(&self) {
        self.inner.ready().await;
    }

    async fn short_of_room(&self) {
        self.inner.short_of_room().await;
    }

    fn is_short_of_room(&self) -> bool {
        self.inner.is_short_of_room()
    }

    fn can_become(&self, recipe: &dyn ChannelRecipe) -> bool {
        self.inner.can_become(recipe)
    }

    fn resize(&self, recipe: &dyn ChannelRecipe) {
        self.inner.resize(recipe);
    }

    fn can_fail(&self) -> bool {
        self.failing.is_some()
    }
}

#[async_trait]
impl Steps for FlakyChannel {
    fn transaction_name(&self) -> &'static str {
        self.inner.transaction_name()
    }

    fn try_reserve(&self, events: &[Event]) -> usize {
        if self.refuses() {
            0
        } else {
            self.inner.try_reserve(events)
        }
    }

    async fn reserve(&self, events: &[Event]) -> Result<(), ChannelError> {
        if self.refuses() {
            return Err(ChannelError::Full { words: "refused" });
        }
        self.inner.reserve(events).await
    }

    fn release(&self, events: &[Event]) {
        self.inner.release(events);
    }

    fn exchange(&self, reserved: &[Event], wanted: &[Event]) -> bool {
        !self.refuses() && self.inner.exchange(reserved, wanted)
    }

    fn append(&self, events: Vec<Event>) -> Commit {
        let Some(failing) = &self.failing else {
            return self.inner.append(events);
        };
        let fails = failing.contains(&self.commits.fetch_add(1, Relaxed));
        let inner = Arc::clone(&self.inner);
        let disk = tokio::spawn(async move {
            tokio::task::yield_now().await;
            if !fails {
                return inner.append(events).await;
            }
            inner.counters().event_put_attempt.add(events.len());
            inner.release(&events);
            let reason = "the disk failed".into();
            Err(ChannelError::Place { reason })
        });
        Commit::waits(async move { disk.await.unwrap_or(Ok(())) })
    }

    fn take(&self, most: usize, into: &mut Taken) -> usize {
        self.inner.take(most, into)
    }

    fn settle(&self, taken: Taken) -> Commit {
        self.inner.settle(taken)
    }

    fn give_back(&self, taken: Taken) {
        self.inner.give_back(taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::memory::{MemoryChannel, MemoryConfig};
    use crate::channel_processor::ChannelProcessor;
    use crate::channel_selector::replicating::ReplicatingSelector;
    use crate::interceptor::InterceptorChain;
    use crate::transaction::TakeTransaction;

    /// Two required channels, and each step that can be refused is refused once. Events reported as
    /// accepted are in both channels, those reported as refused in neither.
    #[tokio::test(start_paused = true)]
    async fn a_refusal_at_any_step_loses_and_duplicates_nothing() {
        for refused in 0..6 {
            let config = MemoryConfig::defaults(1 << 30);
            let plain: Arc<dyn Channel> = Arc::new(MemoryChannel::new("a", &config));
            let inner: Arc<dyn Channel> = Arc::new(MemoryChannel::new("b", &config));
            let flaky: Arc<dyn Channel> = Arc::new(FlakyChannel::new(
                Arc::clone(&inner),
                [refused, refused + 1],
            ));
            let processor = ChannelProcessor::new(
                InterceptorChain::default(),
                Box::new(ReplicatingSelector::all_required(2)),
                vec![Arc::clone(&plain), Arc::clone(&flaky)],
            );
            let mut accepted = Vec::new();
            for number in 0..5 {
                let event = Event::new(number.to_string());
                let each = processor.process_each(vec![event.clone()]).await;
                if each.all_accepted() {
                    accepted.push(event);
                }
                let event = Event::new(format!("batch {number}"));
                if processor.process_batch(vec![event.clone()]).await.is_ok() {
                    accepted.push(event);
                }
            }
            assert!(accepted.len() < 10, "nothing was refused at {refused}");
            for channel in [plain, inner] {
                let mut transaction = TakeTransaction::begin(&channel);
                transaction.take_batch(100);
                assert_eq!(transaction.events(), accepted, "refused at {refused}");
            }
        }
    }
}
