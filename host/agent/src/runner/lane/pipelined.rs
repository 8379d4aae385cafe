//! Several batches under way, each answered in its turn.
//!
//! The sink is kept busy with *full* batches up to its window. A batch that is not full leaves only
//! when nothing else is under way. So a lone event is sent at once, and under load the next batch
//! fills while the last one is answered: no timer is needed.

use flume_core::{Pipeline, Status};

use super::failed::Failed;
use super::takes::Takes;
use super::under_way::UnderWay;

/// A sink with its unanswered batches.
pub(super) struct Pipelined {
    pub(super) sink: Box<dyn Pipeline>,
    window: usize,
    pub(super) under_way: UnderWay,
}

impl Pipelined {
    pub(super) fn new(sink: Box<dyn Pipeline>) -> Self {
        Self {
            window: sink.window().max(1),
            sink,
            under_way: UnderWay::default(),
        }
    }

    /// Sends what may be sent, and waits for the next answer.
    pub(super) async fn deliver_next(&mut self, takes: &mut Takes) -> Result<Status, Failed> {
        let most = takes.most(self.sink.batch_size());
        if self.under_way.is_empty() {
            takes.let_puts_in(most).await;
        }
        while self.under_way.len() < self.window {
            if !self.under_way.is_empty() && !takes.has(most) {
                break;
            }
            let Some(batch) = takes.take(most) else {
                break;
            };
            let batch = self.under_way.push(batch, takes.sent());
            if let Err(error) = self.sink.send(batch.events()).await {
                return Err(Failed::of(self.under_way.take_newest(), error));
            }
        }
        if self.under_way.is_empty() {
            return Ok(Status::Backoff);
        }
        self.settle(takes).await?;
        Ok(Status::Ready)
    }

    /// Waits for all answers.
    pub(super) async fn drain(&mut self, takes: &mut Takes) -> Result<(), Failed> {
        while !self.under_way.is_empty() {
            self.settle(takes).await?;
        }
        Ok(())
    }

    async fn settle(&mut self, takes: &mut Takes) -> Result<(), Failed> {
        match self.sink.settle().await {
            Ok(delivered) => {
                self.under_way.commit(delivered, takes).await;
                Ok(())
            }
            Err(error) => Err(Failed::of_oldest(&mut self.under_way, error)),
        }
    }
}
