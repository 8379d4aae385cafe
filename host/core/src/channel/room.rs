//! The arithmetic of a channel's room: how much of its limits is free. All have a limit of events; those
//! that keep them in memory have one of bytes, too.
//!
//! | step | places | byte slots |
//! |---|---|---|
//! | reserve | − events | − cost |
//! | release | + events | + cost |
//! | exchange | as release, then reserve | the same |
//! | settle | + events | + cost |
//!
//! As in Flume, bytes are freed when a take commits, not when it takes. Unlike in Flume, which
//! skips the charge of some mixed transactions, every charge here has exactly one credit.
//!
//! A new limit holds at once, also one below what is in use: what is freed then pays the excess
//! first, and there is no room until it is paid.

use crate::event::Event;

/// Bytes in one slot of the byte accounting: an event costs whole slots, at least one.
pub const SLOT_BYTES: u64 = 100;

/// Bytes of an event's headers that cost nothing. Flume counts no headers at all, which an event of one
/// character with megabytes of them can use; of usual events the bodies count, as in Flume.
const FREE_HEADER_BYTES: usize = 1 << 10;

/// Room for events and for their bytes.
#[derive(Debug)]
pub struct Room {
    places: Limit,
    /// `None` if bytes are not limited, and not counted.
    bytes: Option<Limit>,
}

/// A limit, and how much of it is free.
#[derive(Debug, Clone, Copy)]
struct Limit {
    total: u64,
    free: u64,
    /// How much more than the limit is in use. Nothing is free then.
    excess: u64,
}

impl Limit {
    fn full(total: u64) -> Self {
        Self {
            total,
            free: total,
            excess: 0,
        }
    }

    fn used(self) -> u64 {
        self.total - self.free + self.excess
    }

    /// Moves the limit, whatever is in use.
    fn resize(&mut self, total: u64) {
        let used = self.used();
        *self = Self {
            total,
            free: total.saturating_sub(used),
            excess: used.saturating_sub(total),
        };
    }

    fn charge(&mut self, amount: u64) {
        let free = self.free.min(amount);
        self.free -= free;
        self.excess += amount - free;
    }

    fn take(&mut self, amount: u64) -> bool {
        match self.free.checked_sub(amount) {
            Some(free) => {
                self.free = free;
                true
            }
            None => false,
        }
    }

    fn give(&mut self, amount: u64) {
        let paid = amount.min(self.excess);
        self.excess -= paid;
        self.free += amount - paid;
        debug_assert!(self.free <= self.total, "credited more than was charged");
    }
}

/// The slots of so many bytes that an event costs: those of its body, and of its headers beyond what is free.
/// `slot` is at least 1.
#[inline]
pub fn cost(event: &Event, slot: u64) -> u64 {
    let mut bytes = event.body.len();
    // Most events have none, and this is asked twice of each.
    if !event.headers.is_empty() {
        bytes += event.headers.bytes().saturating_sub(FREE_HEADER_BYTES);
    }
    // Rounded up, and at least one.
    (bytes as u64).saturating_sub(1) / slot + 1
}

/// The byte slots that a batch costs. It looks at every header, so it is called without the lock.
pub fn slots_of(events: &[Event]) -> u64 {
    events.iter().map(|event| cost(event, SLOT_BYTES)).sum()
}

impl Room {
    /// Room for so many events with so many byte slots, if these are limited.
    pub fn new(places: u64, slots: Option<u64>) -> Self {
        Self {
            places: Limit::full(places),
            bytes: slots.map(Limit::full),
        }
    }

    /// The most events.
    pub fn capacity(&self) -> usize {
        usize::try_from(self.places.total).unwrap_or(usize::MAX)
    }

    /// Whether there is none for events, or none for bytes.
    pub fn is_full(&self) -> bool {
        self.places.free == 0 || self.bytes.is_some_and(|bytes| bytes.free == 0)
    }

    /// Bytes in use, by the slots in which they are counted.
    pub fn bytes_used(&self) -> u64 {
        self.slots_used().saturating_mul(SLOT_BYTES)
    }

    /// Whether so many events have room now, if not for their bytes.
    pub fn has_places(&self, events: usize) -> bool {
        self.places.free >= events as u64
    }

    /// Whether more is charged than there is room for.
    pub fn is_exceeded(&self) -> bool {
        self.places.excess > 0 || self.bytes.is_some_and(|bytes| bytes.excess > 0)
    }

    /// Whether so many events with so many slots ever have room.
    pub fn can_hold(&self, events: usize, slots: u64) -> bool {
        let fits = self.places.total >= events as u64;
        fits && self.bytes.is_none_or(|bytes| bytes.total >= slots)
    }

    /// Places and byte slots in use.
    pub fn charged(&self) -> (u64, u64) {
        (self.places.used(), self.slots_used())
    }

    fn slots_used(&self) -> u64 {
        self.bytes.map_or(0, Limit::used)
    }

    /// Charges what is there already, whether there is room for it or not.
    pub fn charge(&mut self, places: u64, slots: u64) {
        self.places.charge(places);
        if let Some(bytes) = &mut self.bytes {
            bytes.charge(slots);
        }
    }

    /// Reserves room for all of so many events with so many slots, or for none.
    pub fn reserve(&mut self, events: usize, slots: u64) -> bool {
        if !self.reserve_bytes(slots) {
            return false;
        }
        let reserved = self.reserve_places(events);
        if !reserved {
            self.free_bytes(slots);
        }
        reserved
    }

    /// Reserves room for other events in place of these, or changes nothing.
    pub fn exchange(&mut self, reserved: (usize, u64), wanted: (usize, u64)) -> bool {
        let before = (self.places, self.bytes);
        self.free(reserved.0, reserved.1);
        let exchanged = self.reserve(wanted.0, wanted.1);
        if !exchanged {
            (self.places, self.bytes) = before;
        }
        exchanged
    }

    /// Reserves room for as many of the first events as fit, and returns how many. A slot has so many bytes.
    pub fn reserve_prefix(&mut self, events: &[Event], slot: u64) -> usize {
        let mut fitting = 0;
        for event in events {
            if self.places.free == 0 {
                break;
            }
            if let Some(bytes) = &mut self.bytes
                && !bytes.take(cost(event, slot))
            {
                break;
            }
            self.places.free -= 1;
            fitting += 1;
        }
        fitting
    }

    pub(super) fn reserve_bytes(&mut self, slots: u64) -> bool {
        self.bytes.as_mut().is_none_or(|bytes| bytes.take(slots))
    }

    pub(super) fn reserve_places(&mut self, events: usize) -> bool {
        self.places.take(events as u64)
    }

    pub(super) fn free_bytes(&mut self, slots: u64) {
        if let Some(bytes) = &mut self.bytes {
            bytes.give(slots);
        }
    }

    /// Frees the places and bytes of events that had room reserved, or were taken.
    pub fn free(&mut self, events: usize, slots: u64) {
        self.places.give(events as u64);
        self.free_bytes(slots);
    }

    /// Moves the limits, whatever is in use. Bytes that were not counted so far stay so.
    pub(super) fn resize(&mut self, places: u64, slots: Option<u64>) {
        self.places.resize(places);
        if let (Some(bytes), Some(slots)) = (&mut self.bytes, slots) {
            bytes.resize(slots);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_without_a_limit_are_not_counted() {
        let mut room = Room::new(3, None);
        let large = vec![Event::new(vec![0; 1 << 20]); 4];
        assert_eq!(room.reserve_prefix(&large, SLOT_BYTES), 3);
        assert!(room.is_full());
        assert_eq!((room.charged(), room.bytes_used()), ((3, 0), 0));
        room.free(3, 0);
        room.resize(2, Some(1));
        assert!(room.reserve(2, 1_000) && !room.reserve(1, 0));
        assert_eq!(room.charged(), (2, 0));
    }
}
