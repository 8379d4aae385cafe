//! Groups that may put dead letters into a channel.
//!
//! A group that drains this channel is not at its end before they are: what they give up at their
//! end would stay.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::Notify;

/// The groups that may put dead letters into a channel now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Senders(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    groups: AtomicUsize,
    ended: Notify,
}

/// A group that may do so, until this is dropped.
#[derive(Debug)]
pub(crate) struct Sending(Arc<Count>);

impl Senders {
    /// One group more.
    pub(crate) fn begin(&self) -> Sending {
        self.0.groups.fetch_add(1, Relaxed);
        Sending(Arc::clone(&self.0))
    }

    /// Whether there is any.
    pub(super) fn any(&self) -> bool {
        self.0.groups.load(Relaxed) > 0
    }

    /// Waits until one ends, if there is any.
    pub(super) async fn one_ends(&self) {
        // Before the look, so that none ends unseen.
        let ended = self.0.ended.notified();
        if self.any() {
            ended.await;
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.groups.fetch_sub(1, Relaxed);
        self.0.ended.notify_waiters();
    }
}
