//! The stress source: equal events of one size, as many and as fast as its keys say.
//!
//! It measures, so what a channel refuses is part of the answer: events that are offered again, as
//! they left the interceptors, count as offered again. Flume sends the last batch whole, also above
//! `maxTotalEvents`; here the number is exact.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use flume_core::{
    ComponentError, Context, Event, ProcessError, PutInProgress, Recipe, Source, SourceContext,
    clock,
};
use tokio::task::coop::consume_budget;
use tokio::time::{sleep, sleep_until};

use crate::services::Services;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["stress", "org.apache.flume.source.StressSource"];

/// What Flume fills its bodies with.
const FILLER: u8 = 0x7F;

/// The pause after a refusal; the channel's own wait may be 0.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// Generates load.
#[derive(Debug, Clone, PartialEq)]
pub struct StressSource {
    name: String,
    body: Bytes,
    batch_size: usize,
    /// Events to offer, and events to bring in; `None` is without end.
    most_offered: Option<u64>,
    most_accepted: Option<u64>,
    /// Events a second; `None` is as fast as it goes.
    rate: Option<u32>,
    offered: u64,
    accepted: u64,
}

/// Reads `size` (500 bytes), `maxTotalEvents` (-1, without end), `maxSuccessfulEvents` (-1),
/// `batchSize` (1) and `maxEventsPerSecond` (0, as fast as it goes).
pub fn configure(context: &mut Context, _: &Services) -> Option<Recipe<dyn Source>> {
    let size = context.number_up_to("size", 500_usize, 0..=1 << 30);
    let most_offered = context.number("maxTotalEvents", -1_i64, -1..=i64::MAX);
    let most_accepted = context.number("maxSuccessfulEvents", -1_i64, -1..=i64::MAX);
    let batch_size = context.number_up_to("batchSize", 1, 1..=1 << 20);
    let rate = context.number("maxEventsPerSecond", 0, 0..=u32::MAX);
    super::without_backoff(context);
    let source = StressSource {
        name: context.name().to_owned(),
        body: vec![FILLER; size?].into(),
        batch_size: batch_size?,
        most_offered: u64::try_from(most_offered?).ok(),
        most_accepted: u64::try_from(most_accepted?).ok(),
        rate: Some(rate?).filter(|rate| *rate > 0),
        offered: 0,
        accepted: 0,
    };
    Some(Recipe::<dyn Source>::new(source, |source| {
        Box::new(source.clone())
    }))
}

#[async_trait]
impl Source for StressSource {
    fn batch_size(&self) -> Option<usize> {
        Some(self.batch_size)
    }

    async fn start(&mut self) -> Result<Option<SocketAddr>, ComponentError> {
        Ok(None)
    }

    async fn run(&mut self, context: SourceContext) -> Result<(), ComponentError> {
        let stop = context.stop.clone();
        stop.run_until_cancelled(self.load(&context)).await;
        tracing::info!(
            source = self.name,
            offered = self.offered,
            accepted = self.accepted,
            "stress source ended"
        );
        Ok(())
    }
}

impl StressSource {
    async fn load(&mut self, context: &SourceContext) {
        let mut due = clock::now();
        // Events that were refused, and how many there are.
        let mut held: Option<(PutInProgress<'_>, usize)> = None;
        loop {
            let size = self.next_size(held.as_ref().map_or(self.batch_size, |(_, left)| *left));
            if size == 0 {
                return;
            }
            // A channel with room never makes this wait; others want to run, too.
            consume_budget().await;
            if let Some(rate) = self.rate {
                sleep_until(due).await;
                let share = Duration::from_secs(1).mul_f64(size as f64 / f64::from(rate));
                // Time that was lost in waiting for room is not made up for.
                due = due.max(clock::now()) + share;
            }
            self.offered += size as u64;
            let offer = match held.take() {
                Some(refused) => refused,
                None => {
                    context.counters.event_received.add(size);
                    let events = vec![Event::new(self.body.clone()); size];
                    (context.channels.begin(events).await, size)
                }
            };
            held = self.offer(offer, context).await;
            if held.is_some() {
                sleep(REFUSED_PAUSE).await;
            }
        }
    }

    /// Puts events as far as there is room, and returns the others.
    async fn offer<'a>(
        &mut self,
        (mut put, mut left): (PutInProgress<'a>, usize),
        context: &SourceContext,
    ) -> Option<(PutInProgress<'a>, usize)> {
        let counters = &context.counters;
        while !put.is_complete() {
            let progress = put.advance().await;
            counters.event_accepted.add(progress.accepted);
            self.accepted += progress.accepted as u64;
            left -= progress.accepted;
            let Some(error) = progress.refused else {
                continue;
            };
            match &error {
                ProcessError::Channel { .. } => counters.channel_write_fail.increment(),
                ProcessError::Interceptor(_) => counters.generic_processing_fail.increment(),
            }
            tracing::debug!(source = self.name, %error, events = left, "refused");
            if error.is_transient() {
                return Some((put, left));
            }
            put.skip();
            left -= 1;
        }
        None
    }

    /// Events to offer next, at most so many; 0 if either number is reached.
    fn next_size(&self, most: usize) -> usize {
        if self.most_accepted.is_some_and(|most| self.accepted >= most) {
            return 0;
        }
        let left = self
            .most_offered
            .map_or(u64::MAX, |most| most.saturating_sub(self.offered));
        usize::try_from(left).unwrap_or(usize::MAX).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::harness::{Behind, configured};

    async fn run(behind: &Behind, properties: &[(&str, &str)]) {
        configured(configure, properties)
            .run(behind.context.clone())
            .await
            .unwrap();
    }

    /// Flume: TestStressSource.testMaxTotalEvents, testBatchEventsWithoutMatTotalEvents.
    #[tokio::test(start_paused = true)]
    async fn the_total_is_exact() {
        for size in ["1", "10", "64"] {
            let behind = Behind::with_capacity(1000);
            run(
                &behind,
                &[("maxTotalEvents", "35"), ("batchSize", size), ("size", "7")],
            )
            .await;
            assert_eq!(behind.take(), vec![Event::new(vec![FILLER; 7]); 35]);
        }
    }

    /// Flume: TestStressSource.testMaxSuccessfulEvents.
    #[tokio::test(start_paused = true)]
    async fn refused_events_do_not_count_as_successful() {
        let behind = Behind::with_capacity(10);
        let source = async { run(&behind, &[("maxSuccessfulEvents", "35")]).await };
        let (_, taken) = tokio::join!(source, async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            behind.wait_for(35).await.len()
        });
        assert_eq!(taken, 35);
        let counters = &behind.context.counters;
        let (refused, all) = (
            counters.channel_write_fail.get(),
            counters.event_received.get(),
        );
        assert!(refused > 0);
        assert_eq!(all, 35, "an event that is offered again is the same");
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_kept() {
        let behind = Behind::with_capacity(1000);
        let start = clock::now();
        let slow = [("maxTotalEvents", "101"), ("maxEventsPerSecond", "50")];
        run(&behind, &slow).await;
        let seconds = start.elapsed().as_secs_f64();
        assert!(
            (1.9..2.3).contains(&seconds),
            "100 gaps of 20 ms, took {seconds} s"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_it() {
        let behind = Behind::with_capacity(10);
        behind.context.stop.cancel();
        run(&behind, &[]).await;
    }
}
