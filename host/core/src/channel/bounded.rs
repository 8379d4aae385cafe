//! A bounded queue whose takers and putters are woken, never polled: what all channels with limits
//! share.
//!
//! The arithmetic is in [`room`](super::room); this file has the lock and the waits. The lock is held
//! while one batch is moved, never across an await.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::room::{Room, SLOT_BYTES, slots_of};
use crate::clock;
use crate::context::Context;
use crate::diagnostic::Code;
use crate::event::Event;

/// What a channel keeps its events in.
pub trait Queue {
    /// Events that can be taken now.
    fn depth(&self) -> usize;

    /// Whether a taker that waits is to be woken.
    fn has_events(&self) -> bool {
        self.depth() > 0
    }
}

/// The limits of a bounded queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Events stored, or taken and not yet settled.
    pub capacity: u64,
    /// Events in one transaction.
    pub transaction_capacity: usize,
    /// How long a put waits for room.
    pub keep_alive: Duration,
    /// Byte slots of stored events; `None` if their bytes are not counted.
    pub byte_slots: Option<u64>,
}

/// Whether `transactionCapacity` is at most the capacity. If not, the context has an error that names both
/// keys.
pub fn transaction_fits(
    context: &mut Context,
    transaction_capacity: usize,
    capacity: usize,
) -> bool {
    if transaction_capacity <= capacity {
        return true;
    }
    let key = match context.value("transactionCapacity") {
        Some(_) => "transactionCapacity",
        None => "capacity",
    };
    let path = context.path();
    let message = format!(
        "`{path}.transactionCapacity` ({transaction_capacity}) is larger than `{path}.capacity` \
         ({capacity})"
    );
    let help = format!(
        "set both, for example `{path}.capacity = {transaction_capacity}` or \
         `{path}.transactionCapacity = {capacity}`"
    );
    context.error(key, Code::OutOfRange, message, &help);
    false
}

/// Reads how long a put waits for room, in seconds. A negative number means the same as 0, as in Flume: it
/// does not wait.
pub fn keep_alive(context: &mut Context, key: &str, default: i32) -> Duration {
    let seconds = context.number_or_default(key, default, i32::MIN..=i32::MAX);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// No byte slots came free in time.
    Bytes,
    /// No places came free in time.
    Places,
}

/// A queue, the room that is left, and who waits for either.
#[derive(Debug)]
pub struct Bounded<Q> {
    state: Mutex<State<Q>>,
    /// Holds a permit when events may be there; a taker that leaves some passes it on.
    events: Notify,
    /// Wakes every waiting putter when room is freed.
    room: Notify,
    /// The number of waiting putters.
    putters: AtomicUsize,
    /// Notified when a putter begins to wait.
    short: Notify,
    counts_bytes: bool,
}

/// What the lock guards.
#[derive(Debug)]
pub struct State<Q> {
    /// The events.
    pub queue: Q,
    /// The room that is left.
    pub room: Room,
    keep_alive: Duration,
    transaction_capacity: usize,
}

impl<Q> State<Q> {
    /// How long a put waits for room.
    pub fn keep_alive(&self) -> Duration {
        self.keep_alive
    }
}

impl<Q: Queue> Bounded<Q> {
    /// A queue with these limits.
    pub fn new(queue: Q, limits: &Limits) -> Self {
        Self {
            state: Mutex::new(State {
                queue,
                room: Room::new(limits.capacity, limits.byte_slots),
                keep_alive: limits.keep_alive,
                transaction_capacity: limits.transaction_capacity,
            }),
            events: Notify::new(),
            room: Notify::new(),
            putters: AtomicUsize::new(0),
            short: Notify::new(),
            counts_bytes: limits.byte_slots.is_some(),
        }
    }

    /// The queue and its room, locked.
    pub fn lock(&self) -> MutexGuard<'_, State<Q>> {
        self.state.lock()
    }

    /// Changes the limits, at once. A channel that holds more than its new limit takes nothing in
    /// until it holds less.
    pub fn resize(&self, limits: &Limits) {
        let mut state = self.state.lock();
        state.room.resize(limits.capacity, limits.byte_slots);
        state.keep_alive = limits.keep_alive;
        state.transaction_capacity = limits.transaction_capacity;
        drop(state);
        self.room.notify_waiters();
    }

    /// The most events that it holds.
    pub fn capacity(&self) -> usize {
        self.state.lock().room.capacity()
    }

    /// The most events in one transaction.
    pub fn transaction_capacity(&self) -> usize {
        self.state.lock().transaction_capacity
    }

    /// Events that wait.
    pub fn depth(&self) -> usize {
        self.state.lock().queue.depth()
    }

    /// Whether one of them can be taken now.
    pub fn has_events(&self) -> bool {
        self.state.lock().queue.has_events()
    }

    /// Whether there is no room at all.
    pub fn is_full(&self) -> bool {
        self.state.lock().room.is_full()
    }

    /// Bytes in use.
    pub fn bytes_used(&self) -> u64 {
        self.state.lock().room.bytes_used()
    }

    /// Reserves room for as many of the first events as fit now, and returns how many.
    pub fn try_reserve(&self, events: &[Event]) -> usize {
        self.state.lock().room.reserve_prefix(events, SLOT_BYTES)
    }

    /// Reserves room for all events, if there is room now.
    pub fn reserve_now(&self, events: &[Event]) -> bool {
        events.is_empty() || {
            let slots = self.slots_of(events);
            self.state.lock().room.reserve(events.len(), slots)
        }
    }

    /// Reserves room for all events, waiting no longer than `keep-alive`. Bytes first, then places,
    /// each with its own wait: that is Flume's order.
    ///
    /// # Errors
    /// Nothing stays reserved.
    pub async fn reserve(&self, events: &[Event]) -> Result<(), NoRoom> {
        if self.reserve_now(events) {
            return Ok(());
        }
        let (slots, keep_alive) = (self.slots_of(events), self.state.lock().keep_alive);
        let _waiting = WaitingPut::new(self);
        let deadline = clock::now() + keep_alive;
        let bytes = self.wait_for_room(deadline, |state| state.room.reserve_bytes(slots));
        if !bytes.await {
            return Err(NoRoom::Bytes);
        }
        let held = HeldBytes { store: self, slots };
        let deadline = clock::now() + keep_alive;
        let places = self.wait_for_room(deadline, |state| state.room.reserve_places(events.len()));
        if !places.await {
            return Err(NoRoom::Places);
        }
        held.keep();
        Ok(())
    }

    /// Waits for room in another way than [`reserve`](Self::reserve), no longer than `keep-alive`: tries again
    /// each time room is freed, and says whether that succeeded.
    pub async fn retry(&self, attempt: impl FnMut(&mut State<Q>) -> bool) -> bool {
        let keep_alive = self.state.lock().keep_alive;
        let _waiting = WaitingPut::new(self);
        self.wait_for_room(clock::now() + keep_alive, attempt).await
    }

    /// Tries again each time room is freed, until it succeeds or the deadline has passed.
    async fn wait_for_room(
        &self,
        deadline: clock::Instant,
        mut attempt: impl FnMut(&mut State<Q>) -> bool,
    ) -> bool {
        loop {
            let freed = self.room.notified();
            tokio::pin!(freed);
            // Registered before the attempt, so that room freed in between is not missed.
            freed.as_mut().enable();
            if attempt(&mut self.state.lock()) {
                return true;
            }
            if clock::timeout_at(deadline, freed).await.is_err() {
                return attempt(&mut self.state.lock());
            }
        }
    }

    /// Frees the room of events that had it reserved, or are delivered.
    pub fn release(&self, events: &[Event]) {
        if !events.is_empty() {
            let slots = self.slots_of(events);
            self.state.lock().room.free(events.len(), slots);
            self.room.notify_waiters();
        }
    }

    /// Turns a reservation into another one, if there is room.
    pub fn exchange(&self, reserved: &[Event], wanted: &[Event]) -> bool {
        let [reserved, wanted] = [reserved, wanted].map(|it| (it.len(), self.slots_of(it)));
        let exchanged = self.state.lock().room.exchange(reserved, wanted);
        if exchanged {
            self.room.notify_waiters();
        }
        exchanged
    }

    /// The byte slots of events, if they are counted. It looks at each, so it is called without the lock.
    fn slots_of(&self, events: &[Event]) -> u64 {
        match self.counts_bytes {
            true => slots_of(events),
            false => 0,
        }
    }

    /// Wakes a taker: events have come.
    pub fn notify_taker(&self) {
        self.events.notify_one();
    }

    /// Wakes all putters: room came free.
    pub fn notify_putters(&self) {
        self.room.notify_waiters();
    }

    /// Waits until an event can be taken. Another taker may still be faster.
    pub async fn ready(&self) {
        while !self.state.lock().queue.has_events() {
            self.events.notified().await;
            // The taker that is woken may not take after all, so the wake is passed on to the next
            // one.
            if self.state.lock().queue.has_events() {
                self.events.notify_one();
            }
        }
    }

    /// Whether a put waits for room.
    pub fn is_short_of_room(&self) -> bool {
        self.putters.load(SeqCst) > 0
    }

    /// Returns once a put waits for room.
    pub async fn short_of_room(&self) {
        loop {
            let short = self.short.notified();
            tokio::pin!(short);
            // Registered before the check, so that a put that starts to wait in between is not
            // missed.
            short.as_mut().enable();
            if self.is_short_of_room() {
                return;
            }
            short.await;
        }
    }
}

/// Counts a put as waiting until it is dropped.
struct WaitingPut<'a, Q>(&'a Bounded<Q>);

impl<'a, Q> WaitingPut<'a, Q> {
    fn new(store: &'a Bounded<Q>) -> Self {
        store.putters.fetch_add(1, SeqCst);
        store.short.notify_waiters();
        Self(store)
    }
}

impl<Q> Drop for WaitingPut<'_, Q> {
    fn drop(&mut self) {
        self.0.putters.fetch_sub(1, SeqCst);
    }
}

/// Bytes that are reserved while the put still waits for places. Dropping it releases them.
struct HeldBytes<'a, Q> {
    store: &'a Bounded<Q>,
    slots: u64,
}

impl<Q> HeldBytes<'_, Q> {
    fn keep(mut self) {
        self.slots = 0;
    }
}

impl<Q> Drop for HeldBytes<'_, Q> {
    fn drop(&mut self) {
        if self.slots > 0 {
            self.store.state.lock().room.free_bytes(self.slots);
            self.store.room.notify_waiters();
        }
    }
}
