//! The lane's side of its channels: batches taken and committed, and counted as Flume counts them.

use std::sync::Arc;

use flume_core::{
    Blame, Channel, EventDeliveryError, LogLimit, SinkCounter, TakeTransaction, clock,
};

use super::aside::Aside;
use super::faults::Faults;
use super::remedy::Remedy;
use super::sent::Sent;
use crate::runner::home::Home;

/// Events in a row that may fail alone in a search before the place is to blame, at first.
pub(super) const FIRST_IN_A_ROW: usize = 4;

/// Takes from one channel for one sink, and from what its group has to take home.
pub(super) struct Takes {
    channel: Arc<dyn Channel>,
    counters: Arc<SinkCounter>,
    faults: Arc<Faults>,
    /// Events delivered so far.
    delivered: u64,
    /// Events that can never be delivered.
    pub(super) aside: Aside,
    /// Events in a row that may fail alone in a search.
    pub(super) in_a_row: usize,
    /// The way home of what the spare of the group has taken.
    pub(super) home: Option<Arc<Home>>,
    log: LogLimit,
}

impl Takes {
    pub(super) fn new(
        sink: &str,
        channel: Arc<dyn Channel>,
        counters: Arc<SinkCounter>,
        faults: Arc<Faults>,
    ) -> Self {
        Self {
            channel,
            counters,
            faults,
            delivered: 0,
            aside: Aside::new(sink, Remedy::default()),
            in_a_row: FIRST_IN_A_ROW,
            home: None,
            log: LogLimit::per_second(1),
        }
    }

    pub(super) fn channel(&self) -> &Arc<dyn Channel> {
        &self.channel
    }

    pub(super) fn counters(&self) -> &Arc<SinkCounter> {
        &self.counters
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// The most events in one transaction: what the sink wants, within what the channel allows.
    pub(super) fn most(&self, wanted: usize) -> usize {
        wanted.clamp(1, self.channel.transaction_capacity())
    }

    /// Takes the next batch. `None` if there is none.
    pub(super) fn take(&self, most: usize) -> Option<TakeTransaction> {
        let batch = self.next_batch(most);
        self.count(batch.events().len(), most);
        (!batch.events().is_empty()).then_some(batch)
    }

    /// The next batch, which may be empty, and is not counted.
    pub(super) fn next_batch(&self, most: usize) -> TakeTransaction {
        let home = self.home.as_ref();
        let from = home.map_or(&self.channel, |home| home.next(&self.channel));
        let mut batch = TakeTransaction::begin(from);
        if batch.take_batch(most) == 0 && !Arc::ptr_eq(from, &self.channel) {
            // Another lane was faster.
            batch = TakeTransaction::begin(&self.channel);
            batch.take_batch(most);
        }
        batch
    }

    /// Takes one more event for a batch of this channel.
    pub(super) fn take_one(&self, from: &Arc<dyn Channel>) -> Option<TakeTransaction> {
        let mut batch = TakeTransaction::begin(from);
        let taken = batch.take_batch(1);
        self.count(taken, 1);
        (taken > 0).then_some(batch)
    }

    /// Counts a batch that was taken, here or by the group.
    pub(super) fn count(&self, taken: usize, most: usize) {
        match taken {
            0 => self.counters.batch_empty.increment(),
            _ if taken < most => self.counters.batch_underflow.increment(),
            _ => self.counters.batch_complete.increment(),
        }
        self.counters.event_drain_attempt.add(taken);
    }

    /// A batch is on its way.
    pub(super) fn sent(&self) -> Sent {
        Sent::new(&self.counters)
    }

    /// A batch is delivered.
    pub(super) async fn commit(&mut self, batch: TakeTransaction) {
        let events = batch.events().len();
        self.counters.event_drain_success.add(events);
        let events = u64::try_from(events).unwrap_or(u64::MAX);
        self.delivered = self.delivered.saturating_add(events);
        if let Some(home) = self.home_of(&batch) {
            home.came_home(batch.events().len());
        }
        self.end(batch).await;
    }

    /// Commits what is delivered of a batch whose other events were refused. What is left are those,
    /// and they are to blame.
    pub(super) async fn commit_rest(
        &mut self,
        mut batch: TakeTransaction,
        error: EventDeliveryError,
    ) -> (TakeTransaction, EventDeliveryError) {
        let Blame::Refused(places) = error.blame() else {
            return (batch, error);
        };
        let mut refused = batch.split_off(batch.events().len());
        for event in batch.pick(places) {
            refused.append(event);
        }
        if !batch.events().is_empty() {
            self.commit(batch).await;
        }
        let all = (0..refused.events().len()).collect();
        (refused, error.blaming(Blame::Events(all)))
    }

    /// Ends a take for good. If the channel cannot note it, that is no failure of the sink.
    pub(super) async fn end(&mut self, take: TakeTransaction) {
        let channel = Arc::clone(take.channel());
        let ended = take.commit().await;
        if let Some(home) = self.home.as_ref().filter(|home| home.is(&channel)) {
            home.left();
        }
        if let Err(error) = ended
            && let Some(left_out) = self.log.admit(clock::now())
        {
            let channel = channel.name();
            tracing::warn!(
                channel,
                %error,
                left_out,
                "the channel could not note what was delivered: after a restart it comes again"
            );
        }
    }

    /// The way home, if the batch is on it.
    fn home_of(&self, batch: &TakeTransaction) -> Option<&Arc<Home>> {
        self.home.as_ref().filter(|home| home.is(batch.channel()))
    }

    /// Whether a batch of this size can be taken.
    pub(super) fn has(&self, events: usize) -> bool {
        let home = self.home.as_ref().map_or(0, |home| home.channel().depth());
        self.channel.depth().max(home) >= events
    }

    /// Lets puts that wait for room have what the last commit freed, if the next batch would not be
    /// full without them. Otherwise a small channel is emptied in halves: one under way, and one
    /// that is taken the moment that the first is delivered.
    pub(super) async fn let_puts_in(&self, most: usize) {
        if self.channel.is_short_of_room() && !self.has(most) {
            tokio::task::yield_now().await;
        }
    }
}
