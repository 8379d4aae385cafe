//! Channels that the file has no more, on their way out. They take nothing in, and stay for as long
//! as it takes to empty them.
//!
//! | the sinks that drained it | its events |
//! |---|---|
//! | are gone from the file as well | are delivered by these sinks, as they were configured |
//! | alone drain another channel now | move into that channel, as room comes free |

use std::sync::Arc;
use std::time::Duration;

use flume_core::{Channel, PutTransaction, TakeTransaction, clock};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{GroupView, LAST_BATCH, RunningChannel, RunningGroup, end, ended, spawn};

/// What is on its way out, with what empties it.
pub(crate) struct Departing {
    /// The channels: several where one group drains them.
    pub channels: Vec<RunningChannel>,
    /// Since when it leaves.
    since: clock::Instant,
    way: Way,
}

/// The way that events leave by.
enum Way {
    Sinks(Box<RunningGroup>),
    Into(Mover),
}

/// A channel on its way out, as operators see it.
#[derive(Clone)]
pub(crate) struct DepartingView {
    /// The channels.
    pub channels: Vec<RunningChannel>,
    /// Since when they leave.
    pub since: clock::Instant,
    /// The sinks that drain them; none where the events move into another channel.
    pub group: Option<GroupView>,
    /// The name of that other channel.
    pub into: Option<String>,
}

impl Departing {
    /// The group drains its channels and ends.
    pub(super) fn by(group: RunningGroup, channels: Vec<RunningChannel>) -> Self {
        // Only what leaves: a channel that stays keeps what it has.
        if let Some(home) = group.view.runner.home()
            && channels
                .iter()
                .any(|gone| Arc::ptr_eq(&gone.channel, home.channel()))
        {
            home.empty_it();
        }
        group.drain.cancel();
        Self {
            channels,
            since: clock::now(),
            way: Way::Sinks(Box::new(group)),
        }
    }

    /// The events move into another channel.
    pub(super) fn into(agent: &str, from: RunningChannel, target: &RunningChannel) -> Self {
        let way = Way::Into(Mover::start(agent, &from, target));
        Self {
            channels: vec![from],
            since: clock::now(),
            way,
        }
    }

    /// Whether its events outlive a stop.
    pub(super) fn outlives_stop(&self) -> bool {
        let mut channels = self.channels.iter();
        channels.all(|channel| channel.channel.outlives_stop())
    }

    /// Whether it is over.
    pub(super) fn has_ended(&self) -> bool {
        let task = match &self.way {
            Way::Sinks(group) => &group.task,
            Way::Into(mover) => &mover.task,
        };
        task.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits a moment if nothing is left to deliver, so that what is empty does not linger.
    pub(super) async fn finish_if_empty(&mut self) {
        let mut channels = self.channels.iter();
        if channels.any(|channel| channel.channel.depth() > 0) {
            return;
        }
        let deadline = clock::now() + LAST_BATCH;
        let (task, name) = match &mut self.way {
            Way::Sinks(group) => (&mut group.task, group.view.runner.name()),
            Way::Into(mover) => (&mut mover.task, mover.target.as_str()),
        };
        ended(task, deadline, name).await;
    }

    /// Starts sinks that were not started before.
    #[cfg(test)]
    pub(super) fn start(&mut self) {
        if let Way::Sinks(group) = &mut self.way {
            group.start("a1", 1);
        }
    }

    /// Whether this very channel is among them.
    pub(super) fn has(&self, channel: &RunningChannel) -> bool {
        let mut channels = self.channels.iter();
        channels.any(|known| Arc::ptr_eq(&known.channel, &channel.channel))
    }

    /// Waits until it is over, or the deadline.
    pub(super) async fn finish(&mut self, deadline: clock::Instant, now: u64) {
        match &mut self.way {
            Way::Sinks(group) => group.finish(deadline, now).await,
            Way::Into(mover) => mover.finish(deadline).await,
        }
    }

    /// Ends it: events that are left stay in the channels.
    pub(super) async fn give_up(&mut self, deadline: clock::Instant, now: u64) {
        match &self.way {
            Way::Sinks(group) => group.stop.cancel(),
            Way::Into(mover) => mover.stop.cancel(),
        }
        self.finish(deadline, now).await;
    }

    /// What operators see.
    pub(super) fn view(&self) -> DepartingView {
        let (group, into) = match &self.way {
            Way::Sinks(group) => (Some(group.view.clone()), None),
            Way::Into(mover) => (None, Some(mover.target.clone())),
        };
        DepartingView {
            channels: self.channels.clone(),
            since: self.since,
            group,
            into,
        }
    }
}

/// Moves the events of one channel into another.
struct Mover {
    target: String,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

/// The pause after the target had no room within its `keep-alive`, which may be 0.
const NO_ROOM_PAUSE: Duration = Duration::from_millis(100);

impl Mover {
    fn start(agent: &str, from: &RunningChannel, target: &RunningChannel) -> Self {
        let stop = CancellationToken::new();
        let (source, into) = (Arc::clone(&from.channel), Arc::clone(&target.channel));
        let ended = stop.clone();
        let work = async move {
            tokio::select! {
                () = move_all(&source, &into) => {}
                () = ended.cancelled() => {}
            }
        };
        let name = from.names.join("+");
        Self {
            target: target.names.join("+"),
            stop,
            task: Some(spawn(agent, &name, work)),
        }
    }

    /// Waits until the channel is empty, or the deadline.
    async fn finish(&mut self, deadline: clock::Instant) {
        if !ended(&mut self.task, deadline, &self.target).await {
            self.stop.cancel();
            end(&mut self.task, clock::now() + LAST_BATCH, &self.target).await;
        }
    }
}

/// Moves batches until the channel is empty. An event is in one of the two at any time: it leaves
/// the first in the moment in which the second has it.
async fn move_all(from: &Arc<dyn Channel>, into: &Arc<dyn Channel>) {
    let mut most = usize::MAX;
    loop {
        let at_once = [from, into].map(|channel| channel.transaction_capacity());
        let at_once = at_once.into_iter().fold(most, usize::min);
        let mut taken = TakeTransaction::begin(from);
        if taken.take_batch(at_once) == 0 {
            drop(taken);
            if from.depth() == 0 {
                return;
            }
            from.ready().await;
            continue;
        }
        if move_batch(taken, into).await {
            most = usize::MAX;
            continue;
        }
        // The bytes of a batch may be more than the channel ever has room for.
        most = (at_once / 2).max(1);
        tokio::time::sleep(NO_ROOM_PAUSE).await;
    }
}

/// Moves a batch if there is room for it within `keep-alive`; says whether it did.
async fn move_batch(taken: TakeTransaction, into: &Arc<dyn Channel>) -> bool {
    let Ok(put) = PutTransaction::of(into, taken.events().to_vec()) else {
        return false;
    };
    if put.commit().await.is_err() {
        return false;
    }
    if let Err(error) = taken.commit().await {
        let doubled = "after a restart they come again";
        tracing::warn!(%error, "events that moved could not be noted: {doubled}");
    }
    true
}

#[cfg(test)]
mod tests {
    use crate::topology::ages::Ages;
    use crate::topology::fullness::Fullness;
    use flume_core::Event;
    use flume_core::channel::memory::{MemoryChannel, MemoryConfig};

    use super::*;
    use crate::runner::Senders;

    fn channel(name: &str, capacity: usize, byte_capacity: u64) -> Arc<dyn Channel> {
        let config = MemoryConfig {
            capacity,
            transaction_capacity: 10.min(capacity),
            byte_capacity,
            buffer_percentage: 0,
            ..MemoryConfig::defaults(1 << 30)
        };
        Arc::new(MemoryChannel::new(name, &config))
    }

    async fn filled(bodies: &[&'static str]) -> Arc<dyn Channel> {
        let from = channel("c1", 100, 1 << 20);
        for body in bodies {
            let put = PutTransaction::of(&from, vec![Event::new(*body)]);
            put.unwrap().commit().await.unwrap();
        }
        from
    }

    fn take_all(from: &Arc<dyn Channel>) -> Vec<Event> {
        let mut taken = TakeTransaction::begin(from);
        taken.take_batch(usize::MAX);
        let events = taken.events().to_vec();
        assert!(taken.commit().is_done());
        events
    }

    /// They wait for room, and keep their order.
    #[tokio::test(start_paused = true)]
    async fn events_move_as_room_comes_free() {
        let from = filled(&["0", "1", "2", "3", "4"]).await;
        let into = channel("c2", 2, 1 << 20);
        let moving = {
            let (from, into) = (Arc::clone(&from), Arc::clone(&into));
            tokio::spawn(async move { move_all(&from, &into).await })
        };
        let mut seen = Vec::new();
        while !moving.is_finished() || into.depth() > 0 {
            tokio::time::sleep(Duration::from_secs(10)).await;
            assert!(into.depth() <= 2);
            seen.extend(take_all(&into));
        }
        assert_eq!(seen, ["0", "1", "2", "3", "4"].map(Event::new));
        assert_eq!(from.depth(), 0);
    }

    /// A batch may be larger than all bytes that the target ever has.
    #[tokio::test(start_paused = true)]
    async fn a_batch_is_halved_until_it_fits() {
        let from = filled(&["0"; 8]).await;
        let into = channel("c2", 100, 300);
        let moving = {
            let (from, into) = (Arc::clone(&from), Arc::clone(&into));
            tokio::spawn(async move { move_all(&from, &into).await })
        };
        let mut count = 0;
        while !moving.is_finished() || into.depth() > 0 {
            tokio::time::sleep(Duration::from_secs(30)).await;
            count += take_all(&into).len();
        }
        assert_eq!((count, from.depth()), (8, 0));
    }

    /// What is under way when it is given up is back where it was.
    #[tokio::test(start_paused = true)]
    async fn what_has_no_room_stays_where_it_is() {
        let from = filled(&["0", "1", "2"]).await;
        let into = channel("c2", 1, 1 << 20);
        let running = |names: &str, channel: &Arc<dyn Channel>| RunningChannel {
            names: vec![names.to_owned()],
            kind: "memory",
            channel: Arc::clone(channel),
            ages: Ages::watch(channel),
            full: Fullness::watch(channel),
            senders: Senders::default(),
        };
        let mut departing = Departing::into("a1", running("c1", &from), &running("c2", &into));
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(!departing.has_ended());
        departing.give_up(clock::now(), 1).await;
        assert_eq!((from.depth(), into.depth()), (2, 1));
    }
}
