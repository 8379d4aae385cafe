//! Which batches are delivered, in a store where a batch is delivered once every file with a part
//! of it is complete. Each batch counts its holders.
//!
//! | step | the batch |
//! |---|---|
//! | `begin` | has one holder: the call that writes it |
//! | `join` | has one more holder: a file |
//! | `leave` | has one holder less: a file is complete, or the call has written everything |
//! | `delivered` | is counted and removed, if no batch up to it has a holder |
//! | `forget` | is removed: what a file reports about it later has no effect |

use std::collections::VecDeque;

/// A batch by its number.
pub(crate) type BatchId = u64;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The oldest batch.
    first: BatchId,
    /// The number of holders, by batch.
    holds: VecDeque<usize>,
}

impl Ledger {
    pub(crate) fn begin(&mut self) -> BatchId {
        self.holds.push_back(1);
        self.first + self.holds.len() as u64 - 1
    }

    pub(crate) fn join(&mut self, batch: BatchId) {
        if let Some(holds) = self.holds_of(batch) {
            *holds += 1;
        }
    }

    pub(crate) fn leave(&mut self, batch: BatchId) {
        if let Some(holds) = self.holds_of(batch) {
            *holds = holds.saturating_sub(1);
        }
    }

    pub(crate) fn delivered(&mut self) -> usize {
        let delivered = self.holds.iter().take_while(|holds| **holds == 0).count();
        self.holds.drain(..delivered);
        self.first += delivered as u64;
        delivered
    }

    pub(crate) fn forget(&mut self) {
        self.first += self.holds.len() as u64;
        self.holds.clear();
    }

    fn holds_of(&mut self, batch: BatchId) -> Option<&mut usize> {
        let at = usize::try_from(batch.checked_sub(self.first)?).ok()?;
        self.holds.get_mut(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_delivered_in_order() {
        let mut ledger = Ledger::default();
        let (one, two) = (ledger.begin(), ledger.begin());
        ledger.join(one);
        ledger.join(two);
        ledger.leave(two);
        ledger.leave(two);
        assert_eq!(ledger.delivered(), 0, "the first is still held twice");
        ledger.leave(one);
        assert_eq!(ledger.delivered(), 0);
        ledger.leave(one);
        assert_eq!(ledger.delivered(), 2);
        assert_eq!(ledger.delivered(), 0);
    }

    #[test]
    fn a_forgotten_batch_does_not_come_back() {
        let mut ledger = Ledger::default();
        let old = ledger.begin();
        ledger.join(old);
        ledger.forget();
        let new = ledger.begin();
        ledger.leave(old);
        ledger.leave(old);
        assert_eq!(ledger.delivered(), 0);
        ledger.leave(new);
        assert_eq!(ledger.delivered(), 1);
    }
}
