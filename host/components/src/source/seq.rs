//! The sequence generator: events `0`, `1`, `2`, … as fast as the channel takes them.
//!
//! Events that a channel refuses are offered again as they left the interceptors, so the sequence has
//! no gaps and no repeats, whatever an interceptor remembers. Flume then tries again at once; here
//! there is a pause, since the channel's own wait may be 0.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use flume_core::{ComponentError, Context, Event, Recipe, Source, SourceContext};
use tokio::task::coop::consume_budget;

use super::patient;
use crate::net::complaint::Refusals;
use crate::services::Services;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["seq", "org.apache.flume.source.SequenceGeneratorSource"];

/// The pause before refused events are offered again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Counts.
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceGeneratorSource {
    name: String,
    total: u64,
    batch_size: usize,
    /// The next number; a restart does not reset it.
    next: u64,
    /// Log lines about refused events.
    refused: Refusals,
}

/// Reads `totalEvents` (without end) and `batchSize` (1).
pub fn configure(context: &mut Context, _: &Services) -> Option<Recipe<dyn Source>> {
    // The largest `long`, which is what Flume says for "without end".
    let total = context.number("totalEvents", i64::MAX as u64, 0..=u64::MAX);
    let batch_size = context.number_up_to("batchSize", 1, 1..=1 << 20);
    super::without_backoff(context);
    let name = context.name().to_owned();
    let source = SequenceGeneratorSource {
        name,
        total: total?,
        batch_size: batch_size?,
        next: 0,
        refused: Refusals::default(),
    };
    Some(Recipe::<dyn Source>::new(source, |source| {
        Box::new(source.clone())
    }))
}

#[async_trait]
impl Source for SequenceGeneratorSource {
    fn batch_size(&self) -> Option<usize> {
        Some(self.batch_size)
    }

    async fn start(&mut self) -> Result<Option<SocketAddr>, ComponentError> {
        Ok(None)
    }

    async fn run(&mut self, context: SourceContext) -> Result<(), ComponentError> {
        while self.next < self.total {
            // A channel with room never makes this wait; others want to run, too.
            consume_budget().await;
            let end = self
                .total
                .min(self.next.saturating_add(self.batch_size as u64));
            let events: Vec<Event> = (self.next..end)
                .map(|n| Event::new(n.to_string()))
                .collect();
            let size = events.len();
            context.counters.event_received.add(size);
            tokio::select! {
                biased;
                () = context.stop.cancelled() => return Ok(()),
                () = self.put(events, &context) => {}
            }
            self.next = end;
        }
        tracing::info!(source = self.name, events = self.total, "sequence ended");
        Ok(())
    }
}

impl SequenceGeneratorSource {
    /// Puts events in their order, waiting as long as it takes.
    async fn put(&self, events: Vec<Event>, context: &SourceContext) {
        let of = (self.name.as_str(), "number");
        let pauses = (RETRY_PAUSE, RETRY_PAUSE);
        patient::put(events, context, of, &self.refused, pauses).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flume_core::testing::Balky;

    use crate::source::harness::{Behind, complaints, configured};

    /// Flume: TestSequenceGeneratorSource.testLifecycle, testBatchProcessWithLifeCycle.
    #[tokio::test(start_paused = true)]
    async fn numbers_come_in_order_and_end() {
        for size in ["1", "3", "10"] {
            let behind = Behind::with_capacity(100);
            let properties = [("totalEvents", "10"), ("batchSize", size)];
            let mut source = configured(configure, &properties);
            assert_eq!(source.batch_size(), size.parse().ok());
            assert_eq!(source.start().await.unwrap(), None);
            source.run(behind.context.clone()).await.unwrap();
            let expected: Vec<String> = (0..10).map(|n| n.to_string()).collect();
            assert_eq!(behind.bodies(), expected);
            assert_eq!(behind.context.counters.event_accepted.get(), 10);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_channel_makes_no_gap() {
        let behind = Behind::with_capacity(4);
        let mut source = configured(configure, &[("totalEvents", "20"), ("batchSize", "4")]);
        let context = behind.context.clone();
        let running = tokio::spawn(async move { source.run(context).await });
        // Longer than `keep-alive`, so that batches are refused.
        tokio::time::sleep(Duration::from_secs(10)).await;
        let expected: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        assert_eq!(behind.wait_for(20).await, expected);
        running.await.unwrap().unwrap();
        assert!(behind.context.counters.channel_write_fail.get() > 0);
    }

    /// Flume's channel refuses it, again and again.
    #[tokio::test(start_paused = true)]
    async fn a_batch_above_the_transaction_capacity_goes_in_parts() {
        let behind = Behind::with_capacity(4);
        let mut source = configured(configure, &[("totalEvents", "20"), ("batchSize", "5")]);
        let context = behind.context.clone();
        let running = tokio::spawn(async move { source.run(context).await });
        let expected: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        assert_eq!(behind.wait_for(20).await, expected);
        running.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_interceptor_that_rests_makes_no_gap_and_one_that_refuses_costs_its_event() {
        let balky = Balky::never(&["3"]);
        balky.rest_from(Some(0));
        let behind = Behind::new(100, 3, vec![Box::new(balky.clone())]);
        let mut source = configured(configure, &[("totalEvents", "10"), ("batchSize", "5")]);
        let context = behind.context.clone();
        let running = tokio::spawn(async move { source.run(context).await });
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(behind.bodies(), Vec::<String>::new());
        balky.rest_from(None);
        let expected: Vec<String> = (0..10).filter(|n| *n != 3).map(|n| n.to_string()).collect();
        assert_eq!(behind.wait_for(9).await, expected);
        running.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_an_endless_sequence() {
        let behind = Behind::with_capacity(4);
        let mut source = configured(configure, &[]);
        behind.context.stop.cancel();
        source.run(behind.context.clone()).await.unwrap();
        assert_eq!(behind.bodies(), Vec::<String>::new());
    }

    #[test]
    fn configuration_mistakes_are_told() {
        assert_eq!(
            complaints(configure, &[("batchSize", "0")]),
            ["`a1.sources.r1.batchSize` is out of range: `0`",]
        );
    }
}
