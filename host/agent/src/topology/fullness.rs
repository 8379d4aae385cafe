//! Since when a channel has no room. A task looks four times a second, so that it is known to whoever
//! asks later.

use std::sync::{Arc, Weak};
use std::time::Duration;

use flume_core::Channel;
use flume_core::clock::{self, Instant};
use parking_lot::Mutex;

/// The time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The first look at which the channel had no room, if it has had none since.
#[derive(Debug, Default)]
pub(crate) struct Fullness(Mutex<Option<Instant>>);

impl Fullness {
    /// Watches a channel for as long as anybody has the result.
    pub(crate) fn watch(channel: &Arc<dyn Channel>) -> Arc<Self> {
        let fullness = Arc::<Self>::default();
        let (seen, channel) = (Arc::downgrade(&fullness), Arc::downgrade(channel));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let (Some(fullness), Some(channel)) =
                    (Weak::upgrade(&seen), Weak::upgrade(&channel))
                else {
                    return;
                };
                fullness.since(&*channel);
            }
        });
        fullness
    }

    /// Since when the channel has no room, if it has none now.
    pub(crate) fn since(&self, channel: &dyn Channel) -> Option<Instant> {
        let is_full = channel.is_full() || channel.is_short_of_room();
        let mut since = self.0.lock();
        *since = is_full.then(|| since.unwrap_or_else(clock::now));
        *since
    }
}
