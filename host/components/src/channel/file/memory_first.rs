//! The steps of a channel whose events are in memory, and on the disk when that is full.

use std::sync::Arc;
use std::vec;

use flume_core::channel::UNMARKED;
use flume_core::channel::bounded::State;
use flume_core::channel::room::{SLOT_BYTES, cost};
use flume_core::counters::SpillCounter;
use flume_core::{ChannelError, Commit, Event, Taken, clock};

use super::FULL;
use super::buffer::Buffer;
use super::spill::{self, Found};
use super::store::Store;

impl Store {
    /// Whether a put of an event has room in memory now.
    pub(super) fn has_memory(&self) -> bool {
        let state = self.events.lock();
        self.is_memory_first() && state.queue.keeps_order() && !state.room.is_full()
    }

    /// Whether there is no room at all.
    pub(super) fn is_full_everywhere(&self) -> bool {
        let has_disk = || {
            let mut state = self.events.lock();
            state.queue.spill().is_some_and(|spill| spill.free() > 0) && !self.space.is_short()
        };
        !self.has_memory() && !has_disk()
    }

    /// The most events on the disk.
    pub(super) fn disk_capacity(&self) -> usize {
        let mut state = self.events.lock();
        let capacity = state.queue.spill().map_or(0, |spill| spill.capacity());
        usize::try_from(capacity).unwrap_or(usize::MAX)
    }

    /// Bytes of memory that events take.
    pub(super) fn memory_used(&self) -> u64 {
        let (_, slots) = self.events.lock().room.charged();
        slots.saturating_mul(self.slot_bytes())
    }

    /// From now on the disk may hold so many events.
    pub(super) fn resize_disk(&self, capacity: u64) {
        if let Some(spill) = self.events.lock().queue.spill() {
            spill.resize(capacity);
        }
        self.events.notify_putters();
    }

    /// As `Steps::try_reserve`. Who never waits for room begins to spill when memory was full for as long as
    /// others would have waited.
    pub(super) fn try_reserve_first(&self, events: &[Event]) -> usize {
        let mut state = self.events.lock();
        let fitting = spill::reserve_prefix(&mut state, events, self.slot_bytes());
        let Some(first) = events.first().filter(|_| fitting == 0) else {
            return fitting;
        };
        let slots = cost(first, self.slot_bytes());
        let is_in_vain = !state.queue.keeps_order() || !state.room.can_hold(1, slots);
        let keep_alive = state.keep_alive();
        let Some(spill) = state.queue.spill().filter(|spill| !spill.is_off()) else {
            return 0;
        };
        if !spill.is_active() && !is_in_vain {
            let now = clock::now();
            let since = *spill.full_since.get_or_insert(now);
            if now.saturating_duration_since(since) < keep_alive {
                return 0;
            }
            drop(state);
            self.begin_to_spill();
            state = self.events.lock();
        }
        let free = state.queue.spill().map_or(0, |spill| spill.free());
        drop(state);
        let fitting = usize::try_from(free).map_or(events.len(), |free| free.min(events.len()));
        if fitting == 0 || self.has_space().is_err() {
            return 0;
        }
        let slots = self.slots_of(events.get(..fitting).unwrap_or_default());
        match spill::reserve_disk(&mut self.events.lock(), fitting, slots) {
            true => fitting,
            false => 0,
        }
    }

    /// As `Steps::reserve`.
    pub(super) async fn reserve_first(&self, events: &[Event]) -> Result<(), ChannelError> {
        let (count, slots) = (events.len(), self.slots_of(events));
        let found = spill::reserve(&mut self.events.lock(), count, slots);
        match found {
            Found::Room => Ok(()),
            // Apart, so that a put that has room carries nothing of a wait.
            _ => Box::pin(self.reserve_beyond(found, count, slots)).await,
        }
    }

    /// Memory is full: waits for it, if that is not in vain, and then for the disk.
    async fn reserve_beyond(
        &self,
        mut found: Found,
        count: usize,
        slots: u64,
    ) -> Result<(), ChannelError> {
        if found == Found::Full {
            let attempt = |state: &mut State<Buffer>| {
                found = spill::reserve(state, count, slots);
                found != Found::Full
            };
            if !self.events.retry(attempt).await {
                self.begin_to_spill();
            }
        }
        if found == Found::Room {
            return Ok(());
        }
        if self.is_off() {
            return Err(self.memory_full(count));
        }
        self.has_space()?;
        let attempt = |state: &mut State<Buffer>| {
            spill::reserve(state, count, slots) == Found::Room
                || spill::reserve_disk(state, count, slots)
        };
        match self.events.retry(attempt).await {
            true => Ok(()),
            false => Err(FULL),
        }
    }

    /// As `Steps::release`.
    pub(super) fn release_first(&self, events: &[Event]) {
        let slots = self.slots_of(events);
        spill::release(&mut self.events.lock(), events.len(), slots);
        self.events.notify_putters();
    }

    /// As `Steps::exchange`.
    pub(super) fn exchange_first(&self, reserved: &[Event], wanted: &[Event]) -> bool {
        let [reserved, wanted] = [reserved, wanted].map(|it| (it.len(), self.slots_of(it)));
        let exchanged = spill::exchange(&mut self.events.lock(), reserved, wanted);
        if exchanged {
            self.events.notify_putters();
        }
        exchanged
    }

    /// As `Steps::append`.
    pub(super) fn append_first(self: &Arc<Self>, events: Vec<Event>) -> Commit {
        let count = events.len();
        let mut state = self.events.lock();
        if spill::keeps(&mut state, count) {
            state.queue.keep(events);
            drop(state);
            self.kept(count);
            return Commit::Done;
        }
        spill::send(&mut state, count);
        self.note_spilled(&mut state);
        drop(state);
        let slots = self.slots_of(&events);
        self.events.lock().room.free(count, slots);
        self.events.notify_putters();
        self.put(events)
    }

    /// As `Steps::append_now`.
    pub(super) fn append_now(&self, batch: &mut vec::IntoIter<Event>, count: usize) -> bool {
        let mut state = self.events.lock();
        let keeps = spill::keeps(&mut state, count);
        if keeps {
            state.queue.keep(batch.by_ref().take(count));
            drop(state);
            self.kept(count);
        }
        keeps
    }

    /// Events are in memory.
    fn kept(&self, count: usize) {
        self.counters.event_put_attempt.add(count);
        self.counters.event_put_success.add(count);
        self.spills().kept.add(count);
        self.events.notify_taker();
    }

    /// As `Steps::settle`.
    pub(super) fn settle_first(&self, taken: &Taken) -> Commit {
        self.counters.event_take_success.add(taken.len());
        let (events, marks) = (taken.events(), taken.marks());
        if marks.is_empty() {
            let slots = self.slots_of(events);
            self.events.lock().room.free(events.len(), slots);
            self.events.notify_putters();
            return Commit::Done;
        }
        let commit = self.settle_marks(marks);
        let kept = events.iter().zip(marks);
        let kept = kept.filter(|(_, mark)| **mark == UNMARKED);
        let (count, slots) = kept.fold((0, 0), |(count, slots), (event, _)| {
            (count + 1, slots + cost(event, self.slot_bytes()))
        });
        let mut state = self.events.lock();
        state.room.free(count, slots);
        self.left(&mut state, (events.len() - count) as u64);
        drop(state);
        self.events.notify_putters();
        commit
    }

    /// As `Steps::give_back`.
    pub(super) fn give_back(&self, taken: Taken) {
        self.events.lock().queue.give_back(taken);
        self.events.notify_taker();
    }

    /// What it counts of this.
    pub(super) fn spills(&self) -> &SpillCounter {
        self.durable().spill.get_or_init(SpillCounter::default)
    }

    /// Has the counters say how many events are on the disk, and whether more follow.
    pub(super) fn note_spilled(&self, state: &mut State<Buffer>) {
        if let Some(spill) = state.queue.spill() {
            self.spills().on_disk.set(spill.stored());
            self.spills().is_active.set(spill.is_active().into());
        }
    }

    /// Puts that wait for memory go to the disk instead, and so do those that come, until all that is there
    /// has been taken.
    fn begin_to_spill(&self) {
        let mut state = self.events.lock();
        let has_begun = state.queue.spill().is_some_and(spill::Spill::begin);
        self.note_spilled(&mut state);
        drop(state);
        if has_begun {
            self.spills().begun.increment();
            self.events.notify_putters();
            self.say("memory is full: events go to the disk");
        }
    }

    /// All that went to the disk has been taken.
    pub(super) fn say_calm(&self) {
        self.spills().is_active.set(0);
        self.say("all events have been read from the disk: what comes is kept in memory");
    }

    fn say(&self, words: &str) {
        if let Some(left_out) = self.lines.lock().admit(clock::now()) {
            tracing::info!(channel = self.name, left_out, "{words}");
        }
    }

    fn is_off(&self) -> bool {
        let mut state = self.events.lock();
        state.queue.spill().is_none_or(|spill| spill.is_off())
    }

    /// No room came free in time, and there is no disk to use, in Flume's words.
    fn memory_full(&self, events: usize) -> ChannelError {
        let has_places = self.events.lock().room.has_places(events);
        ChannelError::Full {
            words: match has_places {
                true => NO_BYTES,
                false => NO_PLACES,
            },
        }
    }

    fn slot_bytes(&self) -> u64 {
        self.slot.unwrap_or(SLOT_BYTES)
    }

    fn slots_of(&self, events: &[Event]) -> u64 {
        let slot = self.slot_bytes();
        events.iter().map(|event| cost(event, slot)).sum()
    }
}

const NO_PLACES: &str = "Spillable Memory Channel's memory capacity has been reached and overflow is disabled. \
                         Consider increasing memoryCapacity.";
const NO_BYTES: &str = "Spillable Memory Channel's memory capacity has been reached and overflow is disabled. \
                        Consider increasing byteCapacity or capacity.";
