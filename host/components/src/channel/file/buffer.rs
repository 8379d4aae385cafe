//! The events of a file channel that are in memory: the next to be taken.
//!
//! Everything is on the disk. While takers keep up, what is put is kept here too, and nothing is read.
//! When the buffer is full, puts stay on the disk only, and a reader fetches them later, in order.
//!
//! | the rest is | a put | a taker that finds the buffer half empty |
//! |---|---|---|
//! | nowhere: all is here | is kept, if there is room; else it is the first that is not | |
//! | on the disk | stays there | has the reader go on |
//! | on the disk, and being read | stays there, unless the reader was faster | |

use std::collections::VecDeque;

use flume_core::Event;
use flume_core::channel::Taken;
use flume_core::channel::bounded::Queue;
use flume_log::{Committed, Place};

/// Bytes of events that are kept in memory. Batches that sinks have, and what they give back, come on
/// top.
pub(super) const MOST_KEPT: usize = 16 << 20;

/// What an event costs in memory besides its bytes.
const OVERHEAD: usize = 128;

/// Events in order, each with its sequence in the log.
#[derive(Debug)]
pub(super) struct Buffer {
    ready: VecDeque<(Event, u64)>,
    /// Bytes of what is ready.
    bytes: usize,
    /// The sequence behind the last event that was kept or read.
    next: u64,
    /// The sequence behind the last event that is known to be committed.
    end: u64,
    /// Where the events from `next` on are.
    rest: Rest,
    /// Events on the disk that are known, and neither kept nor read.
    unread: u64,
}

/// Where the reader has to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// There is nothing to read.
    Nowhere,
    /// At this put.
    From(Place),
    /// Where it is.
    Here,
    /// It is reading.
    Reading,
}

impl Buffer {
    /// The buffer of a log with so many events that are not delivered, whose next one will have this
    /// sequence.
    pub(super) fn new(waiting: u64, next: u64) -> Self {
        Self {
            ready: VecDeque::new(),
            bytes: 0,
            next: if waiting == 0 { next } else { 0 },
            end: next,
            rest: if waiting == 0 {
                Rest::Nowhere
            } else {
                Rest::Here
            },
            unread: waiting,
        }
    }

    /// Events were committed. They are kept if all before them are here and there is room.
    pub(super) fn committed(&mut self, put: Committed, events: Vec<Event>) {
        let count = events.len() as u64;
        self.end = put.first + count;
        if self.next > put.first {
            // The reader was faster.
            return;
        }
        if self.rest == Rest::Nowhere && self.bytes < MOST_KEPT {
            let with_sequence = events.into_iter().zip(put.first..);
            with_sequence.for_each(|(event, sequence)| self.push(event, sequence));
            self.next = self.end;
            return;
        }
        self.unread += count;
        if self.rest == Rest::Nowhere {
            self.rest = Rest::From(put.place);
        }
    }

    /// Begins to read if there is something to read and room for it; says where to go on.
    pub(super) fn begin_to_read(&mut self) -> Option<Rest> {
        if self.bytes >= MOST_KEPT / 2 || matches!(self.rest, Rest::Nowhere | Rest::Reading) {
            return None;
        }
        Some(std::mem::replace(&mut self.rest, Rest::Reading))
    }

    /// Events were read, up to this sequence.
    pub(super) fn read(&mut self, events: Vec<(Event, u64)>, next: u64) {
        for (event, sequence) in events {
            self.unread -= u64::from(sequence < self.end).min(self.unread);
            self.push(event, sequence);
        }
        self.next = self.next.max(next);
    }

    /// So many events are lost, up to this sequence.
    pub(super) fn lost(&mut self, events: u64, next: u64) {
        self.unread -= events.min(self.unread);
        self.next = self.next.max(next);
    }

    /// Nothing that is to be read is before this sequence.
    pub(super) fn passed(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    /// The reader has found the end, or the buffer is full; says whether it stops.
    pub(super) fn pause(&mut self, is_at_end: bool) -> bool {
        if is_at_end && self.next >= self.end {
            debug_assert_eq!(self.unread, 0, "all that is known was read");
            self.rest = Rest::Nowhere;
            return true;
        }
        if self.bytes >= MOST_KEPT {
            self.rest = Rest::Here;
            return true;
        }
        false
    }

    /// Whether all is in memory that is there.
    pub(super) fn has_all(&self) -> bool {
        self.rest == Rest::Nowhere
    }

    /// Moves up to so many events to a taker; returns how many.
    pub(super) fn take(&mut self, most: usize, into: &mut Taken) -> usize {
        let taken = most.min(self.ready.len());
        for (event, sequence) in self.ready.drain(..taken) {
            self.bytes = self.bytes.saturating_sub(cost(&event));
            into.push(event, Some(sequence));
        }
        taken
    }

    /// Taken events come back, in front.
    pub(super) fn give_back(&mut self, taken: Taken) {
        for (event, sequence) in taken.into_iter().rev() {
            self.bytes += cost(&event);
            self.ready.push_front((event, sequence.unwrap_or_default()));
        }
    }

    /// Bytes that are kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn push(&mut self, event: Event, sequence: u64) {
        self.bytes += cost(&event);
        self.ready.push_back((event, sequence));
    }
}

impl Queue for Buffer {
    fn depth(&self) -> usize {
        let unread = usize::try_from(self.unread).unwrap_or(usize::MAX);
        self.ready.len().saturating_add(unread)
    }

    fn has_events(&self) -> bool {
        !self.ready.is_empty()
    }
}

fn cost(event: &Event) -> usize {
    event.headers.bytes() + event.body.len() + OVERHEAD
}
