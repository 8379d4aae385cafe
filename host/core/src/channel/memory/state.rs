//! The arithmetic of a memory channel: a queue, and what is free of its two limits.
//!
//! | step | places | byte slots | queue |
//! |---|---|---|---|
//! | reserve | − events | − cost | |
//! | append | | | + at the end |
//! | release | + events | + cost | |
//! | take | | | − at the head |
//! | settle | + events | + cost | |
//! | give back | | | + at the head |
//!
//! Flume frees bytes at the commit of a take and not at the take, and so does this; but where Flume
//! skips the charge of some mixed transactions, every charge here has exactly one credit.

use std::collections::VecDeque;
use std::time::Duration;

use super::{MemoryConfig, SLOT_BYTES};
use crate::event::Event;

#[derive(Debug)]
pub(super) struct State {
    queue: VecDeque<Event>,
    places: Limit,
    bytes: Limit,
    byte_capacity: u64,
    pub(super) transaction_capacity: usize,
    pub(super) keep_alive: Duration,
}

/// A limit and what is free of it.
#[derive(Debug, Clone, Copy)]
struct Limit {
    total: u64,
    free: u64,
}

impl Limit {
    fn full(total: u64) -> Self {
        Self { total, free: total }
    }

    /// Moves the limit; refused if more than the new one is in use.
    fn resize(&mut self, total: u64) -> bool {
        let used = self.total - self.free;
        if used > total {
            return false;
        }
        *self = Self {
            total,
            free: total - used,
        };
        true
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
        self.free += amount;
        debug_assert!(self.free <= self.total, "credited more than was charged");
    }
}

/// The byte slots that a body costs.
fn cost(event: &Event) -> u64 {
    (event.body.len() as u64).div_ceil(SLOT_BYTES).max(1)
}

/// The byte slots that a batch costs.
pub(super) fn slots_of(events: &[Event]) -> u64 {
    events.iter().map(cost).sum()
}

impl State {
    pub(super) fn new(config: &MemoryConfig) -> Self {
        Self {
            queue: VecDeque::new(),
            places: Limit::full(config.capacity as u64),
            bytes: Limit::full(config.byte_slots()),
            byte_capacity: config.byte_capacity,
            transaction_capacity: config.transaction_capacity,
            keep_alive: config.keep_alive,
        }
    }

    pub(super) fn capacity(&self) -> usize {
        usize::try_from(self.places.total).unwrap_or(usize::MAX)
    }

    pub(super) fn byte_capacity(&self) -> u64 {
        self.byte_capacity
    }

    /// Places and byte slots that are charged.
    #[cfg(test)]
    pub(super) fn charged(&self) -> (u64, u64) {
        let charged = |limit: Limit| limit.total - limit.free;
        (charged(self.places), charged(self.bytes))
    }

    pub(super) fn depth(&self) -> usize {
        self.queue.len()
    }

    /// Reserves for all of these events, or for none.
    pub(super) fn reserve(&mut self, events: &[Event]) -> bool {
        let slots = slots_of(events);
        if !self.reserve_bytes(slots) {
            return false;
        }
        let reserved = self.reserve_places(events.len());
        if !reserved {
            self.bytes.give(slots);
        }
        reserved
    }

    /// Reserves for as many of the first events as fit; says for how many.
    pub(super) fn reserve_prefix(&mut self, events: &[Event]) -> usize {
        let mut fitting = 0;
        for event in events {
            if self.places.free == 0 || !self.bytes.take(cost(event)) {
                break;
            }
            self.places.free -= 1;
            fitting += 1;
        }
        fitting
    }

    pub(super) fn reserve_bytes(&mut self, slots: u64) -> bool {
        self.bytes.take(slots)
    }

    pub(super) fn reserve_places(&mut self, events: usize) -> bool {
        self.places.take(events as u64)
    }

    pub(super) fn free_bytes(&mut self, slots: u64) {
        self.bytes.give(slots);
    }

    /// Frees places and bytes of events that were reserved for, or taken.
    pub(super) fn free(&mut self, events: &[Event]) {
        self.places.give(events.len() as u64);
        self.bytes.give(slots_of(events));
    }

    pub(super) fn append(&mut self, events: Vec<Event>) {
        self.queue.extend(events);
    }

    pub(super) fn take(&mut self, most: usize, into: &mut Vec<Event>) -> usize {
        let taken = most.min(self.queue.len());
        into.extend(self.queue.drain(..taken));
        taken
    }

    pub(super) fn give_back(&mut self, events: Vec<Event>) {
        self.queue.reserve(events.len());
        for event in events.into_iter().rev() {
            self.queue.push_front(event);
        }
    }

    pub(super) fn resize_events(&mut self, config: &MemoryConfig) -> bool {
        self.places.resize(config.capacity as u64)
    }

    pub(super) fn resize_bytes(&mut self, config: &MemoryConfig) -> bool {
        let resized = self.bytes.resize(config.byte_slots());
        if resized {
            self.byte_capacity = config.byte_capacity;
        }
        resized
    }

    pub(super) fn adopt(&mut self, config: &MemoryConfig) {
        self.transaction_capacity = config.transaction_capacity;
        self.keep_alive = config.keep_alive;
    }
}
