//! A channel with a log at work: the log, what of it is in memory, and who reads the rest.
//!
//! Where memory comes first, what is different is in `memory_first.rs`, `spill.rs` and `order.rs`.

use std::sync::Arc;
use std::time::Duration;

use flume_core::channel::UNMARKED;
use flume_core::channel::bounded::{Bounded, Queue as _, State};
use flume_core::clock;
use flume_core::{
    ChannelCounter, ChannelError, ChannelFault, Commit, ComponentError, DurableCounter, Event,
    LogLimit, Taken,
};
use flume_log::{Committed, Done, Log, LogError, OnDamage, Options, Put, Read, Reader};
use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::adopt::adopt;
use super::buffer::{Buffer, Rest};
use super::health::{Asked, Health};
use super::keys::{MemoryFirst, Place, Settings};
use super::order;
use super::record;
use super::space::Space;
use super::spill::{self, Spill};

/// Why a disk that cannot be read holds up what is on others.
const WAITS: &str = "what was put after it waits, so that the order is kept";

/// The pause after a read of the disk that failed.
const READ_PAUSE: Duration = Duration::from_secs(1);

/// The parts of a channel that its tasks share.
pub(super) struct Store {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) events: Bounded<Buffer>,
    pub(super) space: Space,
    pub(super) counters: Arc<ChannelCounter>,
    /// If memory comes first: bytes of a slot of memory.
    pub(super) slot: Option<u64>,
    open: RwLock<Option<Open>>,
    /// What reads the log, unless it is reading.
    reader: Mutex<Option<Reader>>,
    health: Health,
    /// Lines about the use of the disk.
    pub(super) lines: Mutex<LogLimit>,
}

/// What there is while the channel is open.
pub(super) struct Open {
    pub(super) log: Log,
    runtime: Handle,
}

impl Store {
    /// A store that is not open yet.
    pub(super) fn new(name: &str, settings: &Settings<'_>) -> Self {
        let counters = Arc::<ChannelCounter>::default();
        let memory_first = settings.memory_first.as_ref();
        let spill = memory_first.map(|it| Spill::new(it.overflow));
        let store = Self {
            name: name.to_owned(),
            place: settings.log.place.clone(),
            events: Bounded::new(Buffer::new(spill), &settings.limits),
            slot: memory_first.map(|it| it.slot),
            space: Space::new(settings.log.required_space),
            counters,
            open: RwLock::new(None),
            reader: Mutex::new(None),
            health: Health::default(),
            lines: Mutex::new(LogLimit::per_second(1)),
        };
        // What it counts is shown from the beginning.
        store.durable();
        if store.is_memory_first() {
            store.spills();
        }
        store
    }

    /// Whether events are in memory, and on the disk only when that is full.
    pub(super) fn is_memory_first(&self) -> bool {
        self.slot.is_some()
    }

    /// Whether it can take on these settings while it is open.
    pub(super) fn can_become(&self, settings: &Settings<'_>) -> bool {
        let slot = settings.memory_first.as_ref().map(|it| it.slot);
        settings.log.place == self.place && slot == self.slot
    }

    pub(super) fn resize(&self, settings: &Settings<'_>) {
        self.events.resize(&settings.limits);
        self.space.require(settings.log.required_space);
        if let Some(MemoryFirst { overflow, .. }) = settings.memory_first {
            self.resize_disk(overflow);
        }
    }

    /// Opens the log, and begins to read what is in it.
    pub(super) async fn open(self: Arc<Self>) -> Result<(), ComponentError> {
        let runtime = Handle::current();
        let (store, own) = (Arc::clone(&self), runtime.clone());
        let opened = runtime.spawn_blocking(move || store.open_here(own)).await;
        opened.map_err(|error| ComponentError::caused_by("opening it was cut off", error))??;
        self.read_on();
        Ok(())
    }

    fn open_here(&self, runtime: Handle) -> Result<(), ComponentError> {
        let failed = |error: LogError| ComponentError::caused_by("its log", error);
        let options = Options {
            segment_bytes: self.place.segment_bytes,
            sync: self.place.sync,
        };
        let disk = self.place.disk()?;
        let (log, recovered) = Log::open(disk, options).map_err(failed)?;
        let (waiting, torn) = (recovered.waiting, recovered.torn);
        tracing::info!(
            channel = self.name,
            events = waiting,
            "the log of the channel is open"
        );
        if torn > 0 {
            tracing::warn!(
                channel = self.name,
                events = torn,
                "the last put was not finished, and nobody was told that it was"
            );
        }
        let waiting = waiting + adopt(&self.name, &self.place, &log)?;
        let found = usize::try_from(waiting).unwrap_or(usize::MAX);
        self.durable().found.add(found);
        let mut state = self.events.lock();
        state.queue.open(waiting, log.next());
        match self.is_memory_first() {
            true => self.note_spilled(&mut state),
            false => state.room.charge(waiting, 0),
        }
        drop(state);
        order::read_first(self, &log);
        *self.reader.lock() = Some(log.reader().on_damage(self.place.on_damage));
        *self.open.write() = Some(Open { log, runtime });
        Ok(())
    }

    /// Writes what has to be written, and lets the folders go. Returns how many events are lost.
    pub(super) async fn close(self: Arc<Self>) -> usize {
        let closing = tokio::task::spawn_blocking(move || {
            let open = self.open.write().take();
            *self.reader.lock() = None;
            let Some(open) = open else { return 0 };
            let lost = match self.is_memory_first() {
                true => order::write_memory(&self, &open.log),
                false => 0,
            };
            open.log.close();
            lost
        });
        closing.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a channel was not closed");
            0
        })
    }

    /// Whether the disk has the room that has to stay free.
    pub(super) fn has_space(&self) -> Result<(), ChannelError> {
        let room = || self.open.read().as_ref()?.log.room().ok();
        self.space.check(room)
    }

    /// Puts events for which there is room on the disk.
    pub(super) fn put(self: &Arc<Self>, events: Vec<Event>) -> Commit {
        self.counters.event_put_attempt.add(events.len());
        let mut put = Put::with_room(
            events
                .iter()
                .map(record::room)
                .sum::<usize>()
                .min(flume_log::MOST_FRAME),
        );
        let mut head = Vec::new();
        let mut all = events.iter();
        if !all.all(|event| record::write(&mut put, event, &mut head)) {
            self.take_back(&events);
            return Commit::waits(async { Err(too_large()) });
        }
        let (tell, told) = oneshot::channel();
        let store = Arc::clone(self);
        let done: Done = Box::new(move |committed| {
            let answer = store.committed(committed, events);
            // Nobody may wait for it any more.
            tell.send(answer).ok();
        });
        match &*self.open.read() {
            Some(open) => open.log.put(put, done),
            None => done(Err(Arc::new(LogError::Closed))),
        }
        Commit::waits(async move { told.await.unwrap_or_else(|_| Err(cut_off())) })
    }

    /// A put has ended, in the thread that commits.
    fn committed(
        &self,
        committed: Result<Committed, Arc<LogError>>,
        events: Vec<Event>,
    ) -> Result<(), ChannelError> {
        let count = events.len();
        match committed {
            Ok(put) => {
                self.counters.event_put_success.add(count);
                let mut state = self.events.lock();
                state.queue.committed(put, events);
                if let Some(spill) = state.queue.spill() {
                    spill.written();
                    self.spills().spilled.add(count);
                }
                drop(state);
                self.events.notify_taker();
                self.health.works(&self.name, Asked::Put);
                Ok(())
            }
            Err(error) => {
                self.take_back(&events);
                self.durable().put_error.increment();
                let reason = format!("Put failed due to IO error: {error}");
                self.health.failed(&self.name, Asked::Put, &reason);
                let reason = format!("{reason} [channel={}]", self.name).into();
                Err(ChannelError::Place { reason })
            }
        }
    }

    /// Moves events to a taker.
    pub(super) fn take(self: &Arc<Self>, most: usize, into: &mut Taken) -> usize {
        let mut state = self.events.lock();
        let taken = state.queue.take(most, into);
        let (is_left, is_low) = (state.queue.has_events(), !state.queue.has_all());
        let is_calm = spill::calm(&mut state);
        drop(state);
        if is_calm {
            self.say_calm();
        }
        self.counters.event_take_attempt.add(taken.max(1));
        if is_left {
            self.events.notify_taker();
        }
        if is_low {
            self.read_on();
        }
        taken
    }

    /// Notes what was delivered.
    pub(super) fn settle(&self, taken: &Taken) -> Commit {
        self.counters.event_take_success.add(taken.len());
        let commit = self.settle_marks(taken.marks());
        self.events.release(taken.events());
        commit
    }

    /// Notes that events on the disk were delivered.
    pub(super) fn settle_marks(&self, marks: &[u64]) -> Commit {
        match &*self.open.read() {
            Some(open) => {
                runs(marks, |first, end| open.log.settle(first, end));
                match self.place.settle_synced {
                    true => flushed(&open.log),
                    false => Commit::Done,
                }
            }
            None => Commit::waits(async { Err(cut_off()) }),
        }
    }

    /// Events that should have gone to the disk are not there.
    fn take_back(&self, events: &[Event]) {
        if self.slot.is_none() {
            return self.events.release(events);
        }
        let mut state = self.events.lock();
        if let Some(spill) = state.queue.spill() {
            spill.written();
        }
        self.left(&mut state, events.len() as u64);
        drop(state);
        self.events.notify_putters();
    }

    /// So many events are not on the disk any more.
    pub(super) fn left(&self, state: &mut State<Buffer>, events: u64) {
        match state.queue.spill() {
            Some(spill) => {
                spill.left(events);
                self.note_spilled(state);
            }
            None => state
                .room
                .free(usize::try_from(events).unwrap_or(usize::MAX), 0),
        }
    }

    /// Has the reader go on, if there is something to read and room for it.
    fn read_on(self: &Arc<Self>) {
        let Some(runtime) = self.open.read().as_ref().map(|open| open.runtime.clone()) else {
            return;
        };
        let Some(from) = self.events.lock().queue.begin_to_read() else {
            return;
        };
        let store = Arc::clone(self);
        runtime.spawn(async move {
            let mut from = from;
            loop {
                let own = Arc::clone(&store);
                match tokio::task::spawn_blocking(move || own.read(from)).await {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => store.read_failed(&error.to_string()),
                    Err(error) => store.read_failed(&error.to_string()),
                }
                from = Rest::Here;
                clock::sleep_until(clock::now() + READ_PAUSE).await;
            }
        });
    }

    /// Reads until the buffer is full, or everything was read.
    fn read(&self, from: Rest) -> Result<(), LogError> {
        let mut at = self.reader.lock();
        let Some(reader) = at.as_mut() else {
            // The channel is closed.
            return Ok(());
        };
        if let Rest::From(place) = from {
            reader.seek(place);
        }
        loop {
            let read = reader.read()?;
            let is_at_end = matches!(read, Read::End);
            match read {
                Read::Records(records) => self.found(records, reader.next()),
                Read::Damaged(damage) if self.place.on_damage == OnDamage::Refuse => {
                    self.stop_at(&damage.to_string());
                    return Ok(());
                }
                Read::Damaged(damage) => {
                    self.note_damage(&damage.to_string(), damage.lost);
                    let mut state = self.events.lock();
                    state.queue.lost(damage.lost, reader.next());
                    self.left(&mut state, damage.lost);
                    drop(state);
                    self.events.notify_putters();
                }
                // What is delivered already, or was read before its turn, is passed in silence.
                Read::End => self.events.lock().queue.passed(reader.next()),
            }
            if self.events.lock().queue.pause(is_at_end) {
                self.health.works(&self.name, Asked::Read);
                return Ok(());
            }
        }
    }

    /// Records were read.
    fn found(&self, records: flume_log::Records, next: u64) {
        let (events, strange) = record::read_all(records);
        let mut state = self.events.lock();
        state.queue.read(events, next);
        if strange > 0 {
            state.queue.lost(strange, next);
            self.left(&mut state, strange);
        }
        drop(state);
        self.events.notify_taker();
        if strange > 0 {
            self.note_damage("records that are no events", strange);
        }
    }

    /// Nothing is read any more, as `on-damage` says.
    fn stop_at(&self, damage: &str) {
        let reason = format!(
            "{damage}; nothing behind it is delivered, as `on-damage = refuse` says: repair it with \
             `flume-host channel repair`, or set `on-damage = set-aside`"
        );
        tracing::error!(channel = self.name, "{reason}");
        self.health.stopped(Asked::Read, &reason);
    }

    fn note_damage(&self, text: &str, lost: u64) {
        let events = usize::try_from(lost).unwrap_or(usize::MAX);
        self.durable().damaged.add(events);
        tracing::error!(
            channel = self.name,
            events = lost,
            damage = text,
            "stored events are damaged and lost; those behind them are delivered"
        );
        self.health.damaged(text, lost);
    }

    fn read_failed(&self, error: &str) {
        self.durable().take_error.increment();
        let reason = format!("Take failed due to IO error: {error}; {WAITS}");
        self.health.failed(&self.name, Asked::Read, &reason);
    }

    /// What is wrong, for operators.
    pub(super) fn fault(&self) -> Option<ChannelFault> {
        let space = self.has_space().err().map(|error| error.to_string());
        let faults = self.health.faults();
        let refuses_puts = (space.is_some() || faults.put.is_some()) && !self.has_memory();
        let damage = faults.damage.map(|(text, lost)| {
            format!("{lost} events are lost, because what was stored is damaged: {text}")
        });
        let faults = [space, faults.put, faults.read, damage];
        let faults: Vec<String> = faults.into_iter().flatten().collect();
        (!faults.is_empty()).then(|| ChannelFault {
            cause: faults.join("; "),
            refuses_puts,
        })
    }

    pub(super) fn durable(&self) -> &DurableCounter {
        self.counters.durable.get_or_init(DurableCounter::default)
    }
}

/// Calls a function with the first and the end of each run of sequences.
pub(super) fn runs(marks: &[u64], mut each: impl FnMut(u64, u64)) {
    let goes_on = |one: &u64, next: &u64| *one != UNMARKED && one + 1 == *next;
    for run in marks.chunk_by(goes_on) {
        if let (Some(first), Some(last)) = (run.first(), run.last())
            && *first != UNMARKED
        {
            each(*first, last + 1);
        }
    }
}

/// Waits until what is settled is safe.
fn flushed(log: &Log) -> Commit {
    let (tell, told) = oneshot::channel();
    log.flush(Box::new(move |flushed| {
        let flushed = flushed.map_err(|error| ChannelError::Place {
            reason: error.to_string().into(),
        });
        tell.send(flushed).ok();
    }));
    Commit::waits(async move { told.await.unwrap_or_else(|_| Err(cut_off())) })
}

fn cut_off() -> ChannelError {
    ChannelError::Place {
        reason: "Channel closed".into(),
    }
}

fn too_large() -> ChannelError {
    ChannelError::TooLarge {
        limit: flume_log::MOST_FRAME,
    }
}
