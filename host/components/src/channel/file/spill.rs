//! Memory first: which events of a channel are kept in memory alone, and which go to the disk.
//!
//! There are two limits: of memory ([`Room`], events and bytes), and of the disk (events). Where a put goes
//! is decided when it is committed, since only then it is known what was put before it.
//!
//! | step | memory | disk |
//! |---|---|---|
//! | a put reserves room | − cost; beyond the limit, if it will be spilled | must have room for all that is reserved |
//! | it is kept: all that was put before is here, and memory is not exceeded | | |
//! | it is spilled: else | + cost | − events |
//! | kept events are settled | + cost | |
//! | spilled events are settled | | + events |
//!
//! A put that finds memory full waits first, and begins to spill when that was in vain. From then on nobody
//! waits for memory, until all that was spilled has been taken.

use flume_core::channel::bounded::State;
use flume_core::channel::room::Room;
use flume_core::clock::Instant;

use super::buffer::Buffer;

/// What is on the disk, because memory was full.
#[derive(Debug)]
pub(super) struct Spill {
    /// The most events on the disk; 0 if it is not to be used.
    capacity: u64,
    /// Events that are there, or on their way, and not settled.
    stored: u64,
    /// Events of puts that have room and are not committed yet.
    reserved: u64,
    /// Puts on their way to the disk.
    writing: usize,
    /// Whether the log is open. If not, nothing is kept, since nothing would write it.
    is_open: bool,
    /// Whether a put that finds memory full goes to the disk at once.
    is_active: bool,
    /// Since when puts that do not wait have found memory full.
    pub(super) full_since: Option<Instant>,
}

/// Where a put has found room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// There is some.
    Room,
    /// Memory is full, and the put may wait for it.
    Full,
    /// It has to go to the disk, where there may be room.
    Spills,
}

impl Spill {
    /// A disk for so many events.
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            capacity,
            stored: 0,
            reserved: 0,
            writing: 0,
            is_open: false,
            is_active: false,
            full_since: None,
        }
    }

    /// With so many events on it. What was reserved before it was open is not forgotten.
    pub(super) fn opened(self, stored: u64) -> Self {
        Self {
            stored,
            is_open: true,
            is_active: stored > 0,
            writing: 0,
            ..self
        }
    }

    pub(super) fn resize(&mut self, capacity: u64) {
        self.capacity = capacity;
    }

    /// Whether the log is open, and no put is on its way to it.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_open && self.writing == 0
    }

    /// Nothing is kept any more. Says whether a put is on its way to the disk.
    pub(super) fn close(&mut self) -> bool {
        self.is_open = false;
        self.writing > 0
    }

    /// Whether a put that finds memory full goes to the disk at once.
    pub(super) fn is_active(&self) -> bool {
        self.is_active
    }

    /// The most events on the disk.
    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Whether the disk is never used.
    pub(super) fn is_off(&self) -> bool {
        self.capacity == 0
    }

    /// Events on the disk, those included that takers have.
    pub(super) fn stored(&self) -> u64 {
        self.stored
    }

    /// Events of puts that have room and are not committed yet.
    pub(super) fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Events for which the disk has room.
    pub(super) fn free(&self) -> u64 {
        let used = self.stored.saturating_add(self.reserved);
        self.capacity.saturating_sub(used)
    }

    /// Begins to use the disk at once; says whether it did not before.
    pub(super) fn begin(&mut self) -> bool {
        !self.is_off() && !std::mem::replace(&mut self.is_active, true)
    }

    /// A put on its way to the disk has ended.
    pub(super) fn written(&mut self) {
        self.writing = self.writing.saturating_sub(1);
    }

    /// So many events are not on the disk any more.
    pub(super) fn left(&mut self, events: u64) {
        self.stored = self.stored.saturating_sub(events);
    }
}

/// Reserves room in memory for all events, or says why there is none.
pub(super) fn reserve(state: &mut State<Buffer>, events: usize, slots: u64) -> Found {
    let keeps_order = state.queue.keeps_order();
    let kept = keeps_order && state.room.reserve(events, slots);
    let Some(spill) = state.queue.spill() else {
        return Found::Full;
    };
    if kept {
        spill.reserved += events as u64;
        spill.full_since = None;
        return Found::Room;
    }
    let is_in_vain = !keeps_order || !state.room.can_hold(events, slots);
    match !spill.is_off() && (spill.is_active || is_in_vain) {
        true => Found::Spills,
        false => Found::Full,
    }
}

/// Reserves room for as many of the first events as have it in memory now; returns how many.
pub(super) fn reserve_prefix(
    state: &mut State<Buffer>,
    events: &[flume_core::Event],
    slot: u64,
) -> usize {
    if !state.queue.keeps_order() {
        return 0;
    }
    let fitting = state.room.reserve_prefix(events, slot);
    if let Some(spill) = state.queue.spill() {
        spill.reserved += fitting as u64;
        if fitting > 0 {
            spill.full_since = None;
        }
    }
    fitting
}

/// Reserves room on the disk for all events; says whether there is some.
pub(super) fn reserve_disk(state: &mut State<Buffer>, events: usize, slots: u64) -> bool {
    let Some(spill) = state.queue.spill() else {
        return false;
    };
    let fits = spill.free() >= events as u64;
    if fits {
        spill.reserved += events as u64;
        state.room.charge(events as u64, slots);
    }
    fits
}

/// Gives back what was reserved.
pub(super) fn release(state: &mut State<Buffer>, events: usize, slots: u64) {
    state.room.free(events, slots);
    if let Some(spill) = state.queue.spill() {
        spill.reserved = spill.reserved.saturating_sub(events as u64);
    }
}

/// Turns a reservation into another one, if there is room.
pub(super) fn exchange(
    state: &mut State<Buffer>,
    reserved: (usize, u64),
    wanted: (usize, u64),
) -> bool {
    let is_no_larger = wanted.0 <= reserved.0 && wanted.1 <= reserved.1;
    let keeps_order = state.queue.keeps_order();
    let exchanged = keeps_order && state.room.exchange(reserved, wanted);
    let Some(spill) = state.queue.spill() else {
        return exchanged;
    };
    let fits_disk = spill.is_active && spill.free() + reserved.0 as u64 >= wanted.0 as u64;
    if !exchanged && !is_no_larger && !fits_disk {
        return false;
    }
    spill.reserved = (spill.reserved + wanted.0 as u64).saturating_sub(reserved.0 as u64);
    if !exchanged {
        free_and_charge(&mut state.room, reserved, wanted);
    }
    true
}

fn free_and_charge(room: &mut Room, reserved: (usize, u64), wanted: (usize, u64)) {
    room.free(reserved.0, reserved.1);
    room.charge(wanted.0 as u64, wanted.1);
}

/// Whether a put that is committed now is kept in memory. If so, its room is not reserved any more but used.
pub(super) fn keeps(state: &mut State<Buffer>, events: usize) -> bool {
    let keeps_order = state.queue.keeps_order();
    let is_exceeded = state.room.is_exceeded();
    let Some(spill) = state.queue.spill() else {
        return false;
    };
    let keeps = keeps_order && (!is_exceeded || spill.is_off());
    if keeps {
        spill.reserved = spill.reserved.saturating_sub(events as u64);
    }
    keeps
}

/// A put that is committed is on its way to the disk. Its room in memory is to be freed.
pub(super) fn send(state: &mut State<Buffer>, events: usize) {
    if let Some(spill) = state.queue.spill() {
        spill.reserved = spill.reserved.saturating_sub(events as u64);
        spill.stored += events as u64;
        spill.writing += 1;
    }
}

/// Ends the time in which nobody waits for memory, if all that was spilled has been taken; says whether it
/// did.
pub(super) fn calm(state: &mut State<Buffer>) -> bool {
    let is_drained = state.queue.is_drained();
    let Some(spill) = state.queue.spill() else {
        return false;
    };
    spill.is_active && is_drained && {
        spill.is_active = false;
        true
    }
}
