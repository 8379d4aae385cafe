//! The kafka channel: its events rest in a topic, and a group of takers reads them.
//!
//! The laws: a put is committed when the brokers have every record of it, and a broker that is away is
//! an error to the source; an offset is committed only when all events below it are delivered. So what
//! was answered is there whatever becomes of this process, and what was delivered last may come again.
//!
//! | question | file |
//! |---|---|
//! | which keys are there? | `channel/keys.rs` |
//! | how do events get into the topic? | `channel/putter.rs` |
//! | which events are here, taken, delivered? | `channel/shelf.rs` |
//! | how do they come, and how are partitions handed over? | `channel/reader.rs` |
//!
//! Who only puts has no reader, and who only takes no writer: each begins with its first use.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use flume_core::channel::bounded::{Bounded, NoRoom};
use flume_core::channel::{Steps, Taken};
use flume_core::{
    Channel, ChannelCounter, ChannelError, ChannelFault, ChannelRecipe, ClientCounter, Commit,
    ComponentError, Context, Event,
};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use self::keys::Keys;
use self::putter::Putter;
use self::reader::Reader;
use self::shelf::Shelf;
use crate::Surroundings;
use crate::client::ClientError;
use crate::settings::Resolved;
use crate::vitals::Vitals;

mod keys;
mod putter;
mod reader;
mod shelf;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["kafka", "org.apache.flume.channel.kafka.KafkaChannel"];

/// The most events of puts that are under way at once.
pub const MOST_UNDER_WAY: usize = 100_000;

/// The most bytes of them, as `byteCapacity` of other channels counts.
pub const MOST_BYTES_UNDER_WAY: u64 = 64 << 20;

/// The most events that are read and not taken.
pub const MOST_READ: usize = 10_000;

/// No more is read while those have so many bytes.
pub const MOST_BYTES_READ: usize = 16 << 20;

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
        let counters = Arc::<ChannelCounter>::default();
        Arc::new(KafkaChannel(Arc::new(Shared {
            name: name.to_owned(),
            keys: self.keys.clone(),
            around: self.around.clone(),
            room: Bounded::new(Shelf::default(), &keys::limits()),
            vitals: Vitals::of(name, counters.client.get_or_init(ClientCounter::default)),
            counters,
            open: Mutex::default(),
            fault: Mutex::default(),
        })))
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
struct KafkaChannel(Arc<Shared>);

/// The parts of a channel that its tasks share.
struct Shared {
    name: String,
    keys: Keys,
    around: Surroundings,
    /// The events that are here, and the room of puts that are under way.
    room: Bounded<Shelf>,
    counters: Arc<ChannelCounter>,
    vitals: Vitals,
    open: Mutex<Option<Open>>,
    /// What is wrong with putting, and with taking.
    fault: Mutex<Faults>,
}

#[derive(Default)]
struct Faults {
    put: Option<String>,
    take: Option<String>,
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

impl Shared {
    /// What puts, begun if it is not there.
    fn putter(self: &Arc<Self>) -> Result<Arc<Putter>, ClientError> {
        let mut open = self.open.lock();
        let open = open.as_mut().ok_or_else(ClientError::closed)?;
        if let Some(putter) = &open.putter {
            return Ok(Arc::clone(putter));
        }
        let producer = self.around.engine.producer(&open.producer, &self.vitals)?;
        let putter = Putter::begin(self, producer, &open.runtime);
        open.putter = Some(Arc::clone(&putter));
        Ok(putter)
    }

    /// Begins to read, if nobody reads.
    fn read_on(self: &Arc<Self>) {
        let mut open = self.open.lock();
        let Some(open) = open.as_mut().filter(|open| open.reader.is_none()) else {
            return;
        };
        let stop = CancellationToken::new();
        let reader = Reader::new(self, open.consumer.clone(), stop.clone());
        let task = open.runtime.spawn(reader.run());
        open.reader = Some(Reading { stop, task });
    }

    /// Notes whether puts work.
    fn note_put(&self, failure: Option<String>) {
        self.fault.lock().put = failure;
    }

    /// Notes whether reading works.
    fn note_take(&self, failure: Option<String>) {
        self.fault.lock().take = failure;
    }
}

impl fmt::Debug for KafkaChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaChannel")
            .field("name", &self.0.name)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Channel for KafkaChannel {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn capacity(&self) -> usize {
        usize::MAX
    }

    fn transaction_capacity(&self) -> usize {
        MOST_UNDER_WAY
    }

    fn depth(&self) -> usize {
        let lag = self.0.vitals.numbers.behind().records;
        let lag = usize::try_from(lag).unwrap_or(usize::MAX);
        let state = self.0.room.lock();
        let shelf = &state.queue;
        // What is behind counts what is taken, too, and is a few seconds old.
        lag.saturating_sub(shelf.taken()).max(shelf.waiting())
    }

    fn has_events(&self) -> bool {
        self.0.room.has_events()
    }

    fn counters(&self) -> &Arc<ChannelCounter> {
        &self.0.counters
    }

    async fn ready(&self) {
        self.0.read_on();
        self.0.room.ready().await;
    }

    fn is_short_of_room(&self) -> bool {
        self.0.room.is_short_of_room()
    }

    async fn short_of_room(&self) {
        self.0.room.short_of_room().await;
    }

    fn can_become(&self, recipe: &dyn ChannelRecipe) -> bool {
        let any: &dyn Any = recipe;
        let same = any.downcast_ref::<KafkaRecipe>();
        same.is_some_and(|recipe| recipe.keys == self.0.keys)
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
        let stores = &*self.0.around.stores;
        let producer = self.0.keys.producer.resolve(stores)?;
        let consumer = self.0.keys.consumer.resolve(stores)?;
        *self.0.open.lock() = Some(Open {
            runtime: Handle::current(),
            producer,
            consumer,
            putter: None,
            reader: None,
        });
        Ok(())
    }

    async fn close(&self) -> usize {
        let Some(open) = self.0.open.lock().take() else {
            return 0;
        };
        if let Some(reading) = open.reader {
            reading.stop.cancel();
            if let Err(error) = reading.task.await {
                tracing::error!(channel = self.0.name, %error, "the reader of a channel ended");
            }
        }
        if let Some(putter) = open.putter {
            putter.end().await;
        }
        0
    }

    fn fault(&self) -> Option<ChannelFault> {
        let faults = self.0.fault.lock();
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
        self.0.room.try_reserve(events)
    }

    async fn reserve(&self, events: &[Event]) -> Result<(), ChannelError> {
        let reserved = self.0.room.reserve(events).await;
        reserved.map_err(|_: NoRoom| putter::FULL)
    }

    fn release(&self, events: &[Event]) {
        self.0.room.release(events);
    }

    fn exchange(&self, reserved: &[Event], wanted: &[Event]) -> bool {
        self.0.room.exchange(reserved, wanted)
    }

    fn append(&self, events: Vec<Event>) -> Commit {
        putter::append(&self.0, events)
    }

    fn take(&self, most: usize, into: &mut Taken) -> usize {
        self.0.read_on();
        let mut state = self.0.room.lock();
        let taken = state.queue.take(most, into);
        let is_left = state.queue.waiting() > 0;
        drop(state);
        self.0.counters.event_take_attempt.add(taken.max(1));
        if is_left {
            self.0.room.notify_taker();
        }
        taken
    }

    fn settle(&self, taken: Taken) -> Commit {
        self.0.counters.event_take_success.add(taken.len());
        self.0.room.lock().queue.settle(taken.marks());
        Commit::Done
    }

    fn give_back(&self, taken: Taken) {
        self.0.room.lock().queue.give_back(taken);
        self.0.room.notify_taker();
    }
}

#[cfg(test)]
mod tests;
