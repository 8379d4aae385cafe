//! Batches gather in the sink until a file is complete (an object store has nothing before).
//!
//! A batch leaves as soon as there is one, and nothing waits for its answer: it is held back. Held
//! batches are committed when the sink's file is full, when its time is over, when a put waits for
//! the room that they occupy, and at the end.

use flume_core::{EventDeliveryError, Gather, Status, clock};

use super::failed::Failed;
use super::takes::Takes;
use super::under_way::UnderWay;

/// A sink with the batches that it holds back.
pub(super) struct Gathering {
    pub(super) sink: Box<dyn Gather>,
    pub(super) held: UnderWay,
}

impl Gathering {
    pub(super) fn new(sink: Box<dyn Gather>) -> Self {
        Self {
            sink,
            held: UnderWay::default(),
        }
    }

    /// Hands the sink a batch, and commits what that completed.
    pub(super) async fn deliver_next(&mut self, takes: &mut Takes) -> Result<Status, Failed> {
        if self.sink.next_tick().is_some_and(|due| due <= clock::now()) {
            self.tick(takes).await?;
        }
        let most = takes.most(self.sink.batch_size());
        let Some(batch) = takes.take(most) else {
            return Ok(Status::Backoff);
        };
        let batch = self.held.push(batch, takes.sent());
        if let Err(error) = self.sink.gather(batch.events()).await {
            return Err(Failed::of(self.held.take_newest(), error));
        }
        self.commit_delivered(takes).await;
        Ok(Status::Ready)
    }

    /// Hands the sink an event that is aside.
    pub(super) async fn deliver_aside(
        &mut self,
        at: usize,
        takes: &mut Takes,
    ) -> Result<(), EventDeliveryError> {
        self.sink.gather(takes.aside(at)).await?;
        if let Some(event) = takes.end_aside(at) {
            self.held.push(event, takes.sent());
        }
        self.commit_delivered(takes).await;
        Ok(())
    }

    /// Calls the sink as it asked to be, and commits what that completed.
    pub(super) async fn tick(&mut self, takes: &mut Takes) -> Result<(), EventDeliveryError> {
        self.sink.tick().await?;
        self.commit_delivered(takes).await;
        Ok(())
    }

    /// Completes what the sink has begun, and commits everything.
    pub(super) async fn drain(&mut self, takes: &mut Takes) -> Result<(), EventDeliveryError> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.sink.complete().await?;
        self.commit_delivered(takes).await;
        if self.held.is_empty() {
            return Ok(());
        }
        let left = "the sink completed its files and left batches without an answer";
        Err(EventDeliveryError::new(left))
    }

    async fn commit_delivered(&mut self, takes: &mut Takes) {
        let delivered = self.sink.take_delivered();
        self.held.commit(delivered, takes).await;
    }
}
