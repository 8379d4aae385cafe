//! The kafka channel: its events rest in a topic, and a group of takers reads them.
//!
//! The laws: a put is committed when the brokers have every record of it, and a broker that is away is
//! an error to the source; an offset is committed only when all events below it are delivered. So what
//! was answered is there whatever becomes of this process, and what was delivered last may come again.
//!
//! | question | file |
//! |---|---|
//! | which keys are there? | `channel/keys.rs` |
//! | what do its parts share? | `channel/shared.rs` |
//! | how do events get into the topic? | `channel/putter.rs` |
//! | which events are here, taken, delivered? | `channel/shelf.rs` |
//! | how do they come, and how are partitions handed over? | `channel/reader.rs` |
//!
//! Who only puts has no reader, and who only takes no writer: each begins with its first use.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use flume_core::channel::bounded::NoRoom;
use flume_core::channel::{Steps, Taken};
use flume_core::{
    Channel, ChannelCounter, ChannelError, ChannelFault, ChannelRecipe, Commit, ComponentError,
    Context, Event,
};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use self::keys::Keys;
pub use self::limits::{MOST_BYTES_READ, MOST_BYTES_UNDER_WAY, MOST_READ, MOST_UNDER_WAY};
use self::putter::Putter;
use self::reader::Reader;
use self::shared::Shared;
use crate::Surroundings;
use crate::client::ClientError;
use crate::settings::Resolved;

mod keys;
mod limits;
mod putter;
mod reader;
mod shared;
mod shelf;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["kafka", "org.apache.flume.channel.kafka.KafkaChannel"];

/// What a file says about a kafka channel, with what it is made with.
#[derive(Debug)]
struct KafkaRecipe {
    keys: Keys,
    around: Surroundings,
}

impl PartialEq for KafkaRecipe {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys
    }
}

/// Reads the keys of a kafka channel.
pub fn configure(context: &mut Context, around: &Surroundings) -> Option<Arc<dyn ChannelRecipe>> {
    let keys = Keys::read(context)?;
    let around = around.clone();
    Some(Arc::new(KafkaRecipe { keys, around }))
}

impl ChannelRecipe for KafkaRecipe {
    fn make(&self, name: &str) -> Arc<dyn Channel> {
        Arc::new(KafkaChannel {
            shared: Arc::new(Shared::new(name, &self.keys, &self.around)),
            open: Mutex::default(),
        })
    }

    fn capacity(&self) -> usize {
        usize::MAX
    }

    fn transaction_capacity(&self) -> usize {
        MOST_UNDER_WAY
    }

    /// Two channels with one group share the events of a topic, and are not one for that.
    fn merged(&self, _: &dyn ChannelRecipe) -> Option<Arc<dyn ChannelRecipe>> {
        None
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn shown(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// Events in a topic.
struct KafkaChannel {
    shared: Arc<Shared>,
    open: Mutex<Option<Open>>,
}

/// What there is while the channel is open.
struct Open {
    runtime: Handle,
    producer: Resolved,
    consumer: Resolved,
    putter: Option<Arc<Putter>>,
    reader: Option<Reading>,
}

/// A reader at work.
struct Reading {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl KafkaChannel {
    /// What puts, begun if it is not there, or cannot go on.
    fn putter(&self) -> Result<Arc<Putter>, ClientError> {
        let mut open = self.open.lock();
        let open = open.as_mut().ok_or_else(ClientError::closed)?;
        if let Some(putter) = open.putter.as_ref().filter(|putter| !putter.is_broken()) {
            return Ok(Arc::clone(putter));
        }
        let engine = &self.shared.around.engine;
        let producer = engine.producer(&open.producer, &self.shared.vitals)?;
        let putter = Putter::begin(&self.shared, producer, &open.runtime);
        open.putter = Some(Arc::clone(&putter));
        Ok(putter)
    }

    /// Begins to read, if nobody reads.
    fn read_on(&self) {
        let mut open = self.open.lock();
        let Some(open) = open.as_mut().filter(|open| open.reader.is_none()) else {
            return;
        };
        let stop = CancellationToken::new();
        let reader = Reader::new(&self.shared, open.consumer.clone(), stop.clone());
        let task = open.runtime.spawn(reader.run());
        open.reader = Some(Reading { stop, task });
    }
}

impl fmt::Debug for KafkaChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaChannel")
            .field("name", &self.shared.name)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Channel for KafkaChannel {
    fn name(&self) -> &str {
        &self.shared.name
    }

    fn capacity(&self) -> usize {
        usize::MAX
    }

    fn transaction_capacity(&self) -> usize {
        MOST_UNDER_WAY
    }

    fn depth(&self) -> usize {
        let lag = self.shared.vitals.numbers.behind().records;
        let lag = usize::try_from(lag).unwrap_or(usize::MAX);
        let state = self.shared.room.lock();
        let shelf = &state.queue;
        // What is behind counts what is taken, too, and is a few seconds old.
        lag.saturating_sub(shelf.taken()).max(shelf.waiting())
    }

    fn has_events(&self) -> bool {
        self.shared.room.has_events()
    }

    fn counters(&self) -> &Arc<ChannelCounter> {
        &self.shared.counters
    }

    async fn ready(&self) {
        self.read_on();
        self.shared.room.ready().await;
    }

    fn is_short_of_room(&self) -> bool {
        self.shared.room.is_short_of_room()
    }

    async fn short_of_room(&self) {
        self.shared.room.short_of_room().await;
    }

    fn can_become(&self, recipe: &dyn ChannelRecipe) -> bool {
        let any: &dyn Any = recipe;
        let same = any.downcast_ref::<KafkaRecipe>();
        same.is_some_and(|recipe| recipe.keys == self.shared.keys)
    }

    fn resize(&self, _: &dyn ChannelRecipe) {}

    fn can_fail(&self) -> bool {
        true
    }

    fn outlives_stop(&self) -> bool {
        true
    }

    fn outlives_kill(&self) -> bool {
        true
    }

    async fn open(&self) -> Result<(), ComponentError> {
        let stores = &*self.shared.around.stores;
        let producer = self.shared.keys.producer.resolve(stores)?;
        let consumer = self.shared.keys.consumer.resolve(stores)?;
        *self.open.lock() = Some(Open {
            runtime: Handle::current(),
            producer,
            consumer,
            putter: None,
            reader: None,
        });
        Ok(())
    }

    async fn close(&self) -> usize {
        let Some(open) = self.open.lock().take() else {
            return 0;
        };
        if let Some(reading) = open.reader {
            reading.stop.cancel();
            if let Err(error) = reading.task.await {
                tracing::error!(channel = self.shared.name, %error, "the reader of a channel ended");
            }
        }
        if let Some(putter) = open.putter {
            putter.end().await;
        }
        0
    }

    fn fault(&self) -> Option<ChannelFault> {
        let faults = self.shared.faults();
        let causes = [&faults.put, &faults.take].into_iter().flatten();
        let causes: Vec<&str> = causes.map(String::as_str).collect();
        (!causes.is_empty()).then(|| ChannelFault {
            cause: causes.join("; "),
            refuses_puts: faults.put.is_some(),
        })
    }
}

#[async_trait]
impl Steps for KafkaChannel {
    fn transaction_name(&self) -> &'static str {
        "KafkaTransaction"
    }

    fn try_reserve(&self, events: &[Event]) -> usize {
        self.shared.room.try_reserve(events)
    }

    async fn reserve(&self, events: &[Event]) -> Result<(), ChannelError> {
        let reserved = self.shared.room.reserve(events).await;
        reserved.map_err(|_: NoRoom| putter::FULL)
    }

    fn release(&self, events: &[Event]) {
        self.shared.room.release(events);
    }

    fn exchange(&self, reserved: &[Event], wanted: &[Event]) -> bool {
        self.shared.room.exchange(reserved, wanted)
    }

    fn append(&self, events: Vec<Event>) -> Commit {
        match self.putter() {
            Ok(putter) => putter.put(events),
            Err(error) => {
                self.shared.counters.event_put_attempt.add(events.len());
                self.shared.room.release(&events);
                let error = putter::failed(&error);
                Commit::waits(async { Err(error) })
            }
        }
    }

    fn take(&self, most: usize, into: &mut Taken) -> usize {
        self.read_on();
        let mut state = self.shared.room.lock();
        let taken = state.queue.take(most, into);
        let is_left = state.queue.waiting() > 0;
        drop(state);
        self.shared.counters.event_take_attempt.add(taken.max(1));
        if is_left {
            self.shared.room.notify_taker();
        }
        taken
    }

    fn settle(&self, taken: Taken) -> Commit {
        self.shared.counters.event_take_success.add(taken.len());
        self.shared.room.lock().queue.settle(taken.marks());
        Commit::Done
    }

    fn give_back(&self, taken: Taken) {
        self.shared.room.lock().queue.give_back(taken);
        self.shared.room.notify_taker();
    }
}

#[cfg(test)]
mod tests;
