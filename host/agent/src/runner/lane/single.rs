//! One batch at a time: the next is taken when the sink has answered for the one before.

use flume_core::{Sink, Status};

use super::failed::Failed;
use super::takes::Takes;

/// A sink that gets one batch at a time.
pub(super) struct Single {
    pub(super) sink: Box<dyn Sink>,
}

impl Single {
    pub(super) fn new(sink: Box<dyn Sink>) -> Self {
        Self { sink }
    }

    /// Delivers the next batch.
    pub(super) async fn deliver_next(&mut self, takes: &mut Takes) -> Result<Status, Failed> {
        let most = takes.most(self.sink.batch_size());
        takes.let_puts_in(most).await;
        let Some(batch) = takes.take(most) else {
            return Ok(Status::Backoff);
        };
        let sent = takes.sent();
        match self.sink.deliver(batch.events()).await {
            Ok(()) => {
                takes.commit(batch).await;
                sent.delivered();
                Ok(Status::Ready)
            }
            Err(error) => Err(Failed::with(batch, error)),
        }
    }
}
