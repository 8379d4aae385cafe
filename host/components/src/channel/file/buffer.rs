//! The events of a channel with a log that are in memory: the next to be taken.
//!
//! Everything is on the disk, or, where memory comes first ([`Spill`]), without a mark. While takers keep up,
//! what is put is kept here too, and nothing is read. When the buffer is full, puts stay on the disk only, and
//! a reader fetches them later, in order.
//!
//! | the rest is | a put | a taker that finds the buffer half empty |
//! |---|---|---|
//! | nowhere: all is here | is kept, if there is room; else it is the first that is not | |
//! | on the disk | stays there | has the reader go on |
//! | on the disk, and being read | stays there, unless the reader was faster | |

use std::collections::VecDeque;
use std::ops::Range;

use flume_core::Event;
use flume_core::channel::bounded::Queue;
use flume_core::channel::{Taken, UNMARKED};
use flume_log::{Committed, Place};

use super::spill::Spill;

/// Bytes of events that are on the disk and kept in memory, too. Batches that sinks have, and what they give
/// back, come on top.
pub(super) const MOST_KEPT: usize = 16 << 20;

/// What an event costs in memory besides its bytes.
const OVERHEAD: usize = 128;

/// Events in order, each with its sequence in the log.
#[derive(Debug)]
pub(super) struct Buffer {
    /// Those that are in memory only have [`UNMARKED`] for a sequence.
    ready: VecDeque<(Event, u64)>,
    /// How many of them are on the disk.
    marked: usize,
    /// Bytes of these.
    bytes: usize,
    /// The sequence behind the last event that was kept or read.
    next: u64,
    /// The sequence behind the last event that is known to be committed.
    end: u64,
    /// Where the events from `next` on are.
    rest: Rest,
    /// Events on the disk that are known, and neither kept nor read.
    unread: u64,
    /// Sequences that were read before their turn.
    early: Range<u64>,
    /// What goes to the disk, if memory comes first.
    spill: Option<Spill>,
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
    /// The buffer of a log that is not open yet.
    pub(super) fn new(spill: Option<Spill>) -> Self {
        Self {
            spill,
            ..Self::of(0, 0)
        }
    }

    /// Forgets all but its limits, for a log with so many events that are not delivered, whose next one will
    /// have this sequence.
    pub(super) fn open(&mut self, waiting: u64, next: u64) {
        let spill = self.spill.take().map(|spill| spill.opened(waiting));
        *self = Self {
            spill,
            ..Self::of(waiting, next)
        };
    }

    fn of(waiting: u64, next: u64) -> Self {
        Self {
            ready: VecDeque::new(),
            marked: 0,
            bytes: 0,
            next: if waiting == 0 { next } else { 0 },
            end: next,
            rest: if waiting == 0 {
                Rest::Nowhere
            } else {
                Rest::Here
            },
            unread: waiting,
            early: 0..0,
            spill: None,
        }
    }

    /// Its events are kept in memory, if there is room and all that was put before is here.
    pub(super) fn spill(&mut self) -> Option<&mut Spill> {
        self.spill.as_mut()
    }

    /// Whether what is put in memory now comes behind all that is on the disk.
    pub(super) fn keeps_order(&self) -> bool {
        self.rest == Rest::Nowhere && self.spill.as_ref().is_none_or(Spill::is_quiet)
    }

    /// Whether nothing is left of what was spilled, but for what takers have.
    pub(super) fn is_drained(&self) -> bool {
        self.marked == 0 && self.unread == 0 && self.keeps_order()
    }

    /// Keeps events in memory alone.
    pub(super) fn keep(&mut self, events: impl IntoIterator<Item = Event>) {
        let unmarked = events.into_iter().map(|event| (event, UNMARKED));
        self.ready.extend(unmarked);
    }

    /// Events that come before all others, and up to which sequence they were read.
    pub(super) fn read_early(&mut self, events: Vec<(Event, u64)>, first: u64, next: u64) {
        self.early = first..next;
        for (event, sequence) in events {
            self.unread -= 1.min(self.unread);
            self.push(event, sequence);
        }
    }

    /// Whether events that were read before their turn are here.
    pub(super) fn has_early(&self) -> bool {
        let mut marks = self.ready.iter().map(|(_, mark)| mark);
        marks.any(|mark| self.early.contains(mark))
    }

    /// Parts with all events up to the last one that is in memory only, in order; and says whether others
    /// come behind them. Nothing is kept any more.
    pub(super) fn part_with_memory(&mut self) -> (Vec<(Event, u64)>, bool) {
        let last = self.ready.iter().rposition(|(_, mark)| *mark == UNMARKED);
        let count = last.map_or(0, |last| last + 1);
        let events: Vec<_> = self.ready.drain(..count).collect();
        for (event, _) in events.iter().filter(|(_, mark)| *mark != UNMARKED) {
            self.marked -= 1;
            self.bytes = self.bytes.saturating_sub(cost(event));
        }
        let is_writing = self.spill.as_mut().is_some_and(Spill::close);
        let has_more = !self.ready.is_empty() || self.unread > 0 || is_writing;
        (events, has_more)
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
            if !self.early.contains(&sequence) {
                self.unread -= u64::from(sequence < self.end).min(self.unread);
                self.push(event, sequence);
            }
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
        if self.marked == 0 {
            into.extend(self.ready.drain(..taken).map(|(event, _)| event));
            return taken;
        }
        for (event, sequence) in self.ready.drain(..taken) {
            let is_marked = sequence != UNMARKED;
            if is_marked {
                self.marked -= 1;
                self.bytes = self.bytes.saturating_sub(cost(&event));
            }
            into.push(event, is_marked.then_some(sequence));
        }
        taken
    }

    /// Taken events come back, in front.
    pub(super) fn give_back(&mut self, taken: Taken) {
        for (event, sequence) in taken.into_iter().rev() {
            if sequence.is_some() {
                self.marked += 1;
                self.bytes += cost(&event);
            }
            self.ready.push_front((event, sequence.unwrap_or(UNMARKED)));
        }
    }

    fn push(&mut self, event: Event, sequence: u64) {
        self.marked += 1;
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
