//! Events that were taken, each with the mark by which its channel knows it.

use crate::event::Event;

/// Taken events, oldest first.
///
/// A channel that has to tell its events apart gives each a mark, and gets it back when the event is
/// settled or given back. A channel that need not (memory) gives none, and pays for none.
#[derive(Debug, Default)]
pub struct Taken {
    events: Vec<Event>,
    /// As many as events, or none.
    marks: Vec<u64>,
}

impl Taken {
    /// The events.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Adds events of a channel that gives no marks.
    pub fn extend(&mut self, events: impl IntoIterator<Item = Event>) {
        debug_assert!(self.marks.is_empty(), "a channel gives marks or does not");
        self.events.extend(events);
    }

    /// Adds one event.
    pub fn push(&mut self, event: Event, mark: Option<u64>) {
        self.events.push(event);
        self.marks.extend(mark);
        debug_assert!(self.is_consistent(), "a channel gives marks or does not");
    }

    /// Parts with the events from a place on.
    #[must_use]
    pub fn split_off(&mut self, at: usize) -> Self {
        let at = at.min(self.events.len());
        Self {
            events: self.events.split_off(at),
            marks: self.marks.split_off(at.min(self.marks.len())),
        }
    }

    /// Adds what was taken later.
    pub fn append(&mut self, mut later: Self) {
        self.events.append(&mut later.events);
        self.marks.append(&mut later.marks);
        debug_assert!(self.is_consistent(), "a channel gives marks or does not");
    }

    /// The marks of a channel that gives them, in the order of the events.
    pub fn marks(&self) -> &[u64] {
        &self.marks
    }

    /// The events, without marks.
    pub fn into_events(self) -> Vec<Event> {
        self.events
    }

    fn is_consistent(&self) -> bool {
        self.marks.is_empty() || self.marks.len() == self.events.len()
    }
}

impl IntoIterator for Taken {
    type Item = (Event, Option<u64>);
    type IntoIter = Each;

    fn into_iter(self) -> Each {
        Each {
            events: self.events.into_iter(),
            marks: self.marks.into_iter(),
        }
    }
}

/// Each event with its mark.
#[derive(Debug)]
pub struct Each {
    events: std::vec::IntoIter<Event>,
    marks: std::vec::IntoIter<u64>,
}

impl Iterator for Each {
    type Item = (Event, Option<u64>);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.events.next()?, self.marks.next()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.events.size_hint()
    }
}

impl DoubleEndedIterator for Each {
    fn next_back(&mut self) -> Option<Self::Item> {
        Some((self.events.next_back()?, self.marks.next_back()))
    }
}

impl ExactSizeIterator for Each {}
