//! What the spare of a group has taken, and its way home.
//!
//! ```text
//! channel ═▶ group ═▶ sinks         while one of them works
//!              ║
//!              ╚═▶ spare ─▶ spill    while all of them are in penalty
//! channel ══▶ group ═▶ sinks        then, by turns
//! spill ═══════╝
//! ```
//!
//! The lanes of the other sinks take from both channels ([`next`](Home::next)). A batch is of one
//! of the two, and goes back to where it was taken. So what is in the spill comes home in its own
//! order, and new events may overtake it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use flume_core::clock::{self, Instant};
use flume_core::counters::Counter;
use flume_core::{Channel, DrainShare, SinkIndex};
use parking_lot::Mutex;

/// The way home of a group: the channel into which its spare puts events.
#[derive(Debug)]
pub(crate) struct Home {
    group: String,
    spare: String,
    channel: Arc<dyn Channel>,
    share: DrainShare,
    counts: Arc<HomeCounts>,
    /// Whether a group that ends empties a durable spill too.
    empties: AtomicBool,
    state: Mutex<State>,
}

/// The spare of a group.
#[derive(Debug, Clone)]
pub(super) struct Spare {
    pub(super) sink: SinkIndex,
    pub(super) home: Arc<Home>,
}

/// Events on both ways. They go on after a reload.
#[derive(Debug, Default)]
pub(crate) struct HomeCounts {
    /// Events that the spare took.
    pub(crate) spared: Counter,
    /// Events that came from there and were delivered.
    pub(crate) came_home: Counter,
}

#[derive(Debug, Default)]
struct State {
    credit: u16,
    /// Since when the spare takes events, and how many it had taken then.
    in_use: Option<(Instant, u64)>,
    /// Events that have come home since there were none.
    coming: u64,
}

impl Home {
    /// The way home through this channel.
    pub(crate) fn new(
        (group, spare): (&str, &str),
        channel: Arc<dyn Channel>,
        share: DrainShare,
        counts: Arc<HomeCounts>,
    ) -> Self {
        Self {
            group: group.to_owned(),
            spare: spare.to_owned(),
            channel,
            share,
            counts,
            empties: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// The spare.
    pub(crate) fn spare(&self) -> &str {
        &self.spare
    }

    /// The channel of the events that wait to come home.
    pub(crate) fn channel(&self) -> &Arc<dyn Channel> {
        &self.channel
    }

    /// The share of the batches that is for what comes home, while new events wait.
    pub(crate) fn share(&self) -> DrainShare {
        self.share
    }

    /// Events on both ways.
    pub(crate) fn counts(&self) -> &Arc<HomeCounts> {
        &self.counts
    }

    /// Since when the spare takes events, if it does.
    pub(crate) fn in_use_since(&self) -> Option<Instant> {
        self.state.lock().in_use.map(|(since, _)| since)
    }

    /// From now on a group that drains empties a durable spill too: the file has it no more.
    pub(crate) fn empty_it(&self) {
        self.empties.store(true, Relaxed);
    }

    /// Whether a group that drains is not at its end before this channel is empty.
    pub(super) fn has_to_be_empty(&self) -> bool {
        !self.channel.outlives_stop() || self.empties.load(Relaxed)
    }

    /// Which of the two channels the next batch is from.
    pub(super) fn next<'c>(&'c self, new: &'c Arc<dyn Channel>) -> &'c Arc<dyn Channel> {
        let is_home = match (new.has_events(), self.channel.has_events()) {
            (_, false) => false,
            (false, true) => true,
            (true, true) => self.share.turn(&mut self.state.lock().credit),
        };
        if is_home { &self.channel } else { new }
    }

    /// Whether events of this channel come home.
    pub(super) fn is(&self, channel: &Arc<dyn Channel>) -> bool {
        Arc::ptr_eq(&self.channel, channel)
    }

    /// Says that events of a run before wait.
    pub(super) fn begin(&self) {
        let events = self.channel.depth();
        if events > 0 {
            let (group, channel) = (&self.group, self.channel.name());
            tracing::info!(group, channel, events, "events wait to come home");
        }
    }

    /// Notes that the spare has taken events.
    pub(super) fn took(&self, events: u64) {
        let mut state = self.state.lock();
        if state.in_use.is_none() {
            state.in_use = Some((clock::now(), self.counts.spared.get()));
            let (group, sink, channel) = (&self.group, &self.spare, self.channel.name());
            tracing::warn!(
                group,
                sink,
                channel,
                "all other sinks are in penalty: the spare puts events into channel `{channel}`"
            );
        }
        self.counts.spared.add(size(events));
    }

    /// Notes that another sink has delivered.
    pub(super) fn delivers_again(&self) {
        let Some((since, before)) = self.state.lock().in_use.take() else {
            return;
        };
        tracing::info!(
            group = self.group,
            channel = self.channel.name(),
            seconds = clock::now().saturating_duration_since(since).as_secs(),
            spared = self.counts.spared.get().saturating_sub(before),
            waiting = self.channel.depth(),
            "another sink delivers: the spare rests, and what waits comes home"
        );
    }

    /// Notes that events of the spill are delivered.
    pub(super) fn came_home(&self, events: usize) {
        self.counts.came_home.add(events);
        let mut state = self.state.lock();
        state.coming = state.coming.saturating_add(events as u64);
    }

    /// Notes that events of the spill have left it, in whatever way.
    pub(super) fn left(&self) {
        let counters = self.channel.counters();
        if counters.entered() > counters.left() {
            return;
        }
        let events = std::mem::take(&mut self.state.lock().coming);
        if events > 0 {
            let (group, channel) = (&self.group, self.channel.name());
            tracing::info!(group, channel, events, "{events} events came home");
        }
    }
}

fn size(events: u64) -> usize {
    usize::try_from(events).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use flume_core::channel::memory::{MemoryChannel, MemoryConfig};
    use flume_core::{Event, PutTransaction};

    use super::*;

    fn channel(events: usize) -> Arc<dyn Channel> {
        let channel: Arc<dyn Channel> =
            Arc::new(MemoryChannel::new("c", &MemoryConfig::defaults(1 << 30)));
        for _ in 0..events {
            let put = PutTransaction::of(&channel, vec![Event::new("x")]).unwrap();
            let Ok(reserved) = put.try_reserve() else {
                panic!("no room");
            };
            assert!(reserved.commit().is_done());
        }
        channel
    }

    /// Of 100 batches, those that are taken from the spill.
    fn from_spill(new: usize, spilled: usize, share: f64) -> usize {
        let (new, spill) = (channel(new), channel(spilled));
        let share = DrainShare::new(share);
        let home = Home::new(("g1", "k9"), spill, share, Arc::default());
        (0..100).filter(|_| home.is(home.next(&new))).count()
    }

    #[test]
    fn what_waits_has_its_share_and_all_while_nothing_new_waits() {
        assert_eq!(from_spill(1, 1, 0.25), 25);
        assert_eq!(from_spill(1, 1, 1.0), 100);
        assert_eq!(from_spill(0, 1, 0.25), 100);
        assert_eq!(from_spill(1, 0, 1.0), 0);
        assert_eq!(from_spill(0, 0, 0.25), 0);
    }
}
