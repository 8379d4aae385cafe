//! The events of a channel that are here: read and not taken, or taken and not delivered.
//!
//! ```text
//! read ─▶ waiting ─▶ taken ─▶ settled        a partition is done below its oldest unsettled offset
//!            ▲─── give back ──┘
//! ```
//!
//! An event's mark says to which stay it belongs, of a partition at this channel, and its offset. When
//! the partition leaves, the stay is over: what waited is forgotten, and marks of it mean nothing.

use std::collections::{BTreeSet, VecDeque};

use flume_core::Event;
use flume_core::channel::bounded::Queue;
use flume_core::channel::{Taken, UNMARKED};

use crate::client::Partition;

/// Bits of a mark that are the offset; the others are the stay.
const OFFSET_BITS: u32 = 44;

/// Events that are here.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    waiting: VecDeque<(Event, u64)>,
    /// Bytes of those.
    bytes: usize,
    taken: usize,
    stays: Vec<Stay>,
}

/// A partition's time at this channel.
#[derive(Debug)]
struct Stay {
    partition: Partition,
    /// Whether it has ended.
    is_over: bool,
    /// Offsets that were read and are not settled.
    unsettled: BTreeSet<u64>,
    /// Behind the last offset that was read.
    next: u64,
}

/// A stay by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StayId(u64);

impl StayId {
    fn mark(self, offset: u64) -> u64 {
        self.0 << OFFSET_BITS | offset
    }

    fn of(mark: u64) -> (Self, u64) {
        (Self(mark >> OFFSET_BITS), mark & ((1 << OFFSET_BITS) - 1))
    }

    fn at(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Shelf {
    /// A partition comes. `None` if more have come and gone than marks can tell apart.
    pub(super) fn begin(&mut self, partition: Partition) -> Option<StayId> {
        let stay = Stay {
            partition,
            is_over: false,
            unsettled: BTreeSet::new(),
            next: 0,
        };
        let is_free = |stay: &Stay| stay.is_over && stay.unsettled.is_empty();
        let free = self.stays.iter().position(is_free);
        let at = match free {
            Some(at) => {
                *self.stays.get_mut(at)? = stay;
                at
            }
            None => {
                self.stays.push(stay);
                self.stays.len() - 1
            }
        };
        let id = StayId(u64::try_from(at).ok()?);
        // The last number is kept for events without a mark.
        (id.0 < UNMARKED >> OFFSET_BITS).then_some(id)
    }

    /// Stays end: what waits of them is forgotten.
    pub(super) fn withdraw(&mut self, leaving: &[StayId]) {
        let (stays, bytes) = (&mut self.stays, &mut self.bytes);
        self.waiting.retain(|(event, mark)| {
            let (id, offset) = StayId::of(*mark);
            if !leaving.contains(&id) {
                return true;
            }
            if let Some(stay) = stays.get_mut(id.at()) {
                stay.unsettled.remove(&offset);
                stay.next = stay.next.min(offset);
            }
            *bytes -= size(event);
            false
        });
        for id in leaving {
            if let Some(stay) = self.stays.get_mut(id.at()) {
                stay.is_over = true;
            }
        }
    }

    /// Whether events of these stays are taken and not settled.
    pub(super) fn is_busy(&self, stays: &[StayId]) -> bool {
        let mut known = stays.iter().filter_map(|id| self.stays.get(id.at()));
        known.any(|stay| !stay.unsettled.is_empty())
    }

    /// A record of a partition was read.
    pub(super) fn read(&mut self, id: StayId, offset: u64, event: Event) {
        let Some(stay) = self.stays.get_mut(id.at()).filter(|stay| !stay.is_over) else {
            return;
        };
        stay.next = offset + 1;
        stay.unsettled.insert(offset);
        self.bytes += size(&event);
        self.waiting.push_back((event, id.mark(offset)));
    }

    /// Events that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes of those.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Events that are taken and not settled.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Moves events to a taker.
    pub(super) fn take(&mut self, most: usize, into: &mut Taken) -> usize {
        let count = most.min(self.waiting.len());
        for (event, mark) in self.waiting.drain(..count) {
            self.bytes -= size(&event);
            into.push(event, Some(mark));
        }
        self.taken += count;
        count
    }

    /// Events are delivered.
    pub(super) fn settle(&mut self, marks: &[u64]) {
        self.taken = self.taken.saturating_sub(marks.len());
        for mark in marks {
            let (id, offset) = StayId::of(*mark);
            if let Some(stay) = self.stays.get_mut(id.at()) {
                stay.unsettled.remove(&offset);
            }
        }
    }

    /// Events wait again, before all others. Those of a partition that has left wait elsewhere.
    pub(super) fn give_back(&mut self, taken: Taken) {
        self.taken = self.taken.saturating_sub(taken.len());
        for (event, mark) in taken.into_iter().rev() {
            let Some(mark) = mark else { continue };
            let (id, offset) = StayId::of(mark);
            match self.stays.get_mut(id.at()) {
                Some(stay) if stay.is_over => {
                    stay.unsettled.remove(&offset);
                    stay.next = stay.next.min(offset);
                }
                Some(_) => {
                    self.bytes += size(&event);
                    self.waiting.push_front((event, mark));
                }
                None => {}
            }
        }
    }

    /// Of each of these stays the partition and the first offset that is not done, if any was read.
    pub(super) fn done(&self, stays: &[StayId]) -> Vec<(Partition, u64)> {
        let known = stays.iter().filter_map(|id| self.stays.get(id.at()));
        let read = known.filter(|stay| stay.next > 0);
        let done = read.map(|stay| {
            let oldest = stay.unsettled.first().copied();
            let done = oldest.unwrap_or(stay.next).min(stay.next);
            (stay.partition.clone(), done)
        });
        done.collect()
    }
}

fn size(event: &Event) -> usize {
    event.body.len() + event.headers.bytes()
}

impl Queue for Shelf {
    fn depth(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32) -> Partition {
        let topic = "t".into();
        Partition { topic, number }
    }

    /// A shelf with one partition, of which offsets 10 to 13 were read.
    fn shelf() -> (Shelf, StayId) {
        let mut shelf = Shelf::default();
        let id = shelf.begin(partition(0)).unwrap();
        for offset in 10..14 {
            shelf.read(id, offset, Event::new(offset.to_string()));
        }
        (shelf, id)
    }

    fn take(shelf: &mut Shelf, most: usize) -> Taken {
        let mut taken = Taken::default();
        shelf.take(most, &mut taken);
        taken
    }

    fn bodies(taken: &Taken) -> Vec<String> {
        let each = taken.events().iter();
        each.map(|it| String::from_utf8_lossy(&it.body).into_owned())
            .collect()
    }

    #[test]
    fn what_is_done_ends_before_the_oldest_event_that_is_not_settled() {
        let (mut shelf, id) = shelf();
        let done = |shelf: &Shelf| shelf.done(&[id])[0].1;
        let (first, second) = (take(&mut shelf, 2), take(&mut shelf, 1));
        assert_eq!((done(&shelf), shelf.taken(), shelf.waiting()), (10, 3, 1));
        shelf.settle(second.marks());
        assert_eq!(done(&shelf), 10);
        shelf.settle(first.marks());
        assert_eq!((done(&shelf), shelf.taken()), (13, 0));
        let last = take(&mut shelf, 9);
        shelf.settle(last.marks());
        assert_eq!(done(&shelf), 14);
    }

    /// Flume: TestKafkaChannel.testStopAndStartWithRollback (KC2): what is rolled back comes again,
    /// first and in order.
    #[test]
    fn what_is_given_back_comes_first() {
        let (mut shelf, _) = shelf();
        let taken = take(&mut shelf, 3);
        shelf.give_back(taken);
        assert_eq!((shelf.taken(), shelf.bytes()), (0, 8));
        assert_eq!(bodies(&take(&mut shelf, 9)), ["10", "11", "12", "13"]);
    }

    #[test]
    fn a_partition_that_leaves_takes_what_waits_along() {
        let (mut shelf, id) = shelf();
        let other = shelf.begin(partition(1)).unwrap();
        let leaving = [id];
        let (settled, given_back) = (take(&mut shelf, 1), take(&mut shelf, 1));
        shelf.read(other, 0, Event::new("other"));
        shelf.withdraw(&leaving);
        assert_eq!(shelf.waiting(), 1);
        assert!(shelf.is_busy(&leaving));
        shelf.settle(settled.marks());
        shelf.give_back(given_back);
        assert!(!shelf.is_busy(&leaving));
        // The one that was given back is read by the next member.
        assert_eq!(shelf.done(&leaving), [(partition(0), 11)]);
        assert_eq!(shelf.bytes(), 5);
        assert_eq!(bodies(&take(&mut shelf, 9)), ["other"]);
        assert_eq!(shelf.bytes(), 0);
        // It comes back, and old marks mean nothing to its new stay.
        let again = shelf.begin(partition(0)).unwrap();
        assert_eq!(shelf.done(&[again]), []);
        shelf.read(again, 11, Event::new("11"));
        assert_eq!(shelf.done(&[again]), [(partition(0), 11)]);
    }
}
