//! Batches that a sink has and has not answered for.
//!
//! The law: they are committed oldest first and rolled back newest first, also when they are
//! dropped. Each rollback puts its events at the head of the channel, so their order is kept.

use std::collections::VecDeque;

use flume_core::TakeTransaction;

use super::sent::Sent;
use super::takes::Takes;

/// Transactions in the order in which they were taken.
#[derive(Debug, Default)]
pub(super) struct UnderWay(VecDeque<(TakeTransaction, Sent)>);

impl UnderWay {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a batch before it is sent: if sending fails, it rolls back with the others, in order.
    pub(super) fn push(&mut self, batch: TakeTransaction, sent: Sent) -> &TakeTransaction {
        &self.0.push_back_mut((batch, sent)).0
    }

    /// The oldest batches, this many of them, are delivered.
    pub(super) async fn commit(&mut self, delivered: usize, takes: &mut Takes) {
        for _ in 0..delivered {
            if let Some((batch, sent)) = self.0.pop_front() {
                takes.commit(batch).await;
                sent.delivered();
            }
        }
    }

    /// The newest batch.
    pub(super) fn take_newest(&mut self) -> Option<TakeTransaction> {
        self.0.pop_back().map(|(batch, _)| batch)
    }

    /// The oldest batch.
    pub(super) fn take_oldest(&mut self) -> Option<TakeTransaction> {
        self.0.pop_front().map(|(batch, _)| batch)
    }

    /// All of them are not delivered.
    pub(super) fn roll_back(&mut self) {
        while let Some((batch, _)) = self.0.pop_back() {
            batch.rollback();
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.roll_back();
    }
}
