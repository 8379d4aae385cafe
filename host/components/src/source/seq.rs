//! The sequence generator: events `0`, `1`, `2`, … as fast as the channel takes them.
//!
//! A batch that the channel refuses is offered again with the same numbers, so the sequence has
//! no gaps and no repeats. Flume then tries again at once; here there is a pause, since the
//! channel's own wait may be 0.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use flume_core::{ComponentError, Context, Event, Recipe, Source, SourceContext};
use tokio::task::coop::consume_budget;

use crate::services::Services;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["seq", "org.apache.flume.source.SequenceGeneratorSource"];

/// The pause before a refused batch is offered again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Counts.
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceGeneratorSource {
    name: String,
    total: u64,
    batch_size: usize,
    /// The next number; a restart does not reset it.
    next: u64,
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
            let put = tokio::select! {
                biased;
                () = context.stop.cancelled() => return Ok(()),
                put = context.channels.process_batch(events) => put,
            };
            match put {
                Ok(()) => {
                    self.next = end;
                    context.counters.event_accepted.add(size);
                }
                Err(error) if error.is_transient() => {
                    tracing::warn!(source = self.name, %error, "unable to put; trying again");
                    context.counters.channel_write_fail.increment();
                    tokio::select! {
                        () = context.stop.cancelled() => return Ok(()),
                        () = tokio::time::sleep(RETRY_PAUSE) => {}
                    }
                }
                Err(error) => {
                    return Err(ComponentError::caused_by("the batch cannot be put", error));
                }
            }
        }
        tracing::info!(source = self.name, events = self.total, "sequence ended");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_can_never_fit_ends_the_source() {
        let behind = Behind::with_capacity(4);
        let mut source = configured(configure, &[("batchSize", "5")]);
        let error = source.run(behind.context.clone()).await.unwrap_err();
        assert_eq!(error.to_string(), "the batch cannot be put");
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
