//! Calls of a processor that looks at events before it routes them, and may split a batch.
//!
//! Here the group takes the batch itself, once, so that what the processor was shown is what the
//! sinks are offered, whatever other workers take. A batch that no sink delivers goes back to the
//! head of the channel in its old order; of a split one, the part that was not delivered.
//!
//! Only for groups over one channel, and not for pipelined lanes, which take for themselves.

use flume_core::clock::{self, Instant};
use flume_core::sink_group::{Load, SinkIndex};
use flume_core::sink_processor::{Call, Outcome};
use flume_core::sink_schedule::Attempts;
use flume_core::{Share, Status, TakeTransaction};
use futures_util::future::join_all;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncGuard};

use super::GroupRunner;
use super::beside::Errand;
use super::call::End;
use crate::runner::lane::Lane;

impl GroupRunner {
    /// Whether a processor that wants to see events can be shown them.
    pub(super) fn can_show_events(&self) -> bool {
        self.one_channel && !self.pipelined
    }

    /// One call, with the batch in hand.
    pub(super) async fn call_showing(&self, now: Instant) -> End {
        let Some(channel) = self.channels.first() else {
            return End::Returned(Status::Backoff, 0);
        };
        let mut batch = TakeTransaction::begin(channel);
        if batch.take_batch(self.batch_size) == 0 {
            return End::Returned(Status::Backoff, 0);
        }
        let routed = self.processor.lock().route(now, self.load(&batch));
        if let Some((call, route)) = routed {
            return self.deliver_shares(&call, batch.split(&route)).await;
        }
        match self.deliver_whole(now, batch, None).await {
            Ok(sink) => End::Returned(Status::Ready, sink),
            Err(batch) => {
                batch.rollback();
                self.exhausted()
            }
        }
    }

    /// Delivers the shares of a batch to their sinks, side by side.
    async fn deliver_shares(&self, call: &Call, shares: Vec<(SinkIndex, Share)>) -> End {
        let sink = shares.first().map_or(0, |(sink, _)| *sink);
        let all = shares.len();
        let deliveries = shares.into_iter().map(|(sink, share)| {
            let call = call.clone();
            share.offer(move |batch| self.deliver_share(call, sink, batch))
        });
        let delivered = join_all(deliveries).await;
        let failed: Vec<Share> = delivered.into_iter().filter_map(Result::err).collect();
        let nothing_went = failed.len() == all;
        if let Some(batch) = TakeTransaction::rejoin(failed) {
            batch.rollback();
        }
        if nothing_went {
            return self.exhausted();
        }
        End::Returned(Status::Ready, sink)
    }

    /// Delivers a share to its sink. If that fails, or the sink is away, it goes to another sink, as a separate batch.
    async fn deliver_share(
        &self,
        mut call: Call,
        sink: SinkIndex,
        batch: TakeTransaction,
    ) -> Result<(), TakeTransaction> {
        let Some(lane) = self.lanes.get(sink) else {
            return Err(batch);
        };
        let offered = match self.own_lane(&call, sink, lane).await {
            Some(mut lane) => self.offer(&mut call, sink, &mut lane, batch).await,
            None => Err(batch),
        };
        let Err(batch) = offered else {
            return Ok(());
        };
        let delivered = self.deliver_whole(clock::now(), batch, Some(sink)).await;
        delivered.map(|_| ())
    }

    /// The lane of a sink that has its share of a batch, unless it is away.
    async fn own_lane<'a>(
        &self,
        call: &Call,
        sink: SinkIndex,
        lane: &'a AsyncMutex<Lane>,
    ) -> Option<AsyncGuard<'a, Lane>> {
        if self.beside.is_away(sink) {
            return None;
        }
        let lane = lane.lock().await;
        if self.beside.is_slow(sink) && !self.beside.is_connected(sink) {
            self.run_beside(call, sink, Errand::Connect);
        }
        (!self.beside.is_away(sink)).then_some(lane)
    }

    /// Asks for an order, and offers the batch to one sink after the other, except to one that has
    /// just failed it. Returns the sink that delivered.
    async fn deliver_whole(
        &self,
        now: Instant,
        mut batch: TakeTransaction,
        except: Option<SinkIndex>,
    ) -> Result<SinkIndex, TakeTransaction> {
        let call = self.processor.lock().begin_load(now, self.load(&batch));
        let mut attempts = Attempts::of(call).except(except);
        while let Some((sink, mut lane)) = self.next_lane(&mut attempts).await {
            let offered = self.offer(attempts.call(), sink, &mut lane, batch).await;
            match offered {
                Ok(()) => return Ok(sink),
                Err(back) => batch = back,
            }
        }
        Err(batch)
    }

    /// Offers the batch to one sink. One that kept the group waiting takes it away.
    async fn offer(
        &self,
        call: &mut Call,
        sink: SinkIndex,
        lane: &mut Lane,
        batch: TakeTransaction,
    ) -> Result<(), TakeTransaction> {
        if self.beside.is_slow(sink) {
            self.run_beside(call, sink, Errand::Deliver(batch));
            return Ok(());
        }
        self.offer_here(call, sink, lane, batch).await
    }

    pub(super) async fn offer_here(
        &self,
        call: &mut Call,
        sink: SinkIndex,
        lane: &mut Lane,
        batch: TakeTransaction,
    ) -> Result<(), TakeTransaction> {
        let (began, before) = (self.begin_step(sink), lane.delivered());
        let (outcome, answer) = match lane.deliver(batch).await {
            Ok(()) => (Outcome::Returned(Status::Ready), Ok(())),
            Err((batch, error)) => (self.sink_failed(sink, &error), Err(batch)),
        };
        let events = lane.delivered().saturating_sub(before);
        self.end_step(call, sink, outcome, began, events);
        answer
    }

    fn load<'a>(&self, batch: &'a TakeTransaction) -> Load<'a> {
        let events = batch.events();
        // For everyone but this call the events are still in the channel.
        let depth = self.depth() + events.len();
        Load { depth, events }
    }
}

#[cfg(test)]
mod tests;
