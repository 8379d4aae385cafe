//! What all connections of a source may hold together.
//!
//! A request takes memory from its first byte until the channels have it, also while it waits for
//! room in them. One connection is bounded by `max-frame-size`; a thousand of them, each with
//! all but the last byte of a large request, are bounded by this.
//!
//! The laws: bytes are counted as they arrive and not as a length field announces them; a
//! connection that would exceed the total is refused, since waiting could make all wait for each other;
//! the first [`FREE`] bytes of a connection are not counted, so that clients that hold much cannot
//! shut out those that send little.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of a connection that are not counted: a usual batch.
const FREE: usize = 64 * 1024;

/// The total of one source.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    used: AtomicUsize,
}

/// There is no room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "requests that are unfinished or wait for a channel take max-pending-bytes ({limit}) already, \
     over all connections; raise it, or lower the batch size of the senders"
)]
pub(super) struct Exhausted {
    limit: usize,
}

impl Budget {
    /// A budget of this many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: AtomicUsize::new(0),
        }
    }

    /// The share of a new connection: nothing.
    pub(super) fn share(&self) -> PendingBytes<'_> {
        PendingBytes {
            budget: self,
            counted: 0,
        }
    }
}

/// What one connection holds; given back when it ends.
#[derive(Debug)]
pub(super) struct PendingBytes<'a> {
    budget: &'a Budget,
    counted: usize,
}

impl PendingBytes<'_> {
    /// Takes or gives back, so that this many bytes are held.
    ///
    /// # Errors
    /// The total does not allow it; the share is what it was.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let counted = bytes.saturating_sub(FREE);
        let Budget { limit, ref used } = *self.budget;
        if let Some(more) = counted.checked_sub(self.counted) {
            used.try_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(more).filter(|used| *used <= limit)
            })
            .map_err(|_| Exhausted { limit })?;
        } else {
            used.fetch_sub(self.counted - counted, Ordering::Relaxed);
        }
        self.counted = counted;
        Ok(())
    }
}

impl Drop for PendingBytes<'_> {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_shared() {
        let budget = Budget::new(1000);
        let (mut first, mut second, mut third) = (budget.share(), budget.share(), budget.share());
        first.hold(FREE + 600).unwrap();
        second.hold(FREE + 400).unwrap();
        assert_eq!(third.hold(FREE + 1), Err(Exhausted { limit: 1000 }));
        third.hold(FREE).unwrap();
        first.hold(FREE + 599).unwrap();
        third.hold(FREE + 1).unwrap();
        assert!(second.hold(usize::MAX).is_err());
        drop(first);
        third.hold(FREE + 600).unwrap();
        drop((second, third));
        assert_eq!(budget.used.into_inner(), 0);
    }
}
