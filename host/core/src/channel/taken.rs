//! Events that were taken, each with the mark by which its channel knows it.

use crate::event::Event;

/// Taken events, oldest first.
///
/// A channel that has to tell its events apart gives them marks, and gets each back when the event is
/// settled or given back. Events in memory have none, and while there are no others, nothing is paid for
/// marks.
#[derive(Debug, Default)]
pub struct Taken {
    events: Vec<Event>,
    /// As many as events, or none.
    marks: Vec<u64>,
}

/// Among [marks](Taken::marks): this event has none.
pub const UNMARKED: u64 = u64::MAX;

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

    /// Adds events without marks.
    pub fn extend(&mut self, events: impl IntoIterator<Item = Event>) {
        self.events.extend(events);
        if !self.marks.is_empty() {
            self.fill();
        }
    }

    /// Adds one event.
    pub fn push(&mut self, event: Event, mark: Option<u64>) {
        if let Some(mark) = mark {
            self.fill();
            self.marks.push(mark);
        }
        self.events.push(event);
        if !self.marks.is_empty() {
            self.fill();
        }
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
        if !later.marks.is_empty() {
            self.fill();
        }
        self.events.append(&mut later.events);
        self.marks.append(&mut later.marks);
        if !self.marks.is_empty() {
            self.fill();
        }
    }

    /// The marks in the order of the events, [`UNMARKED`] where one has none; nothing if none has.
    pub fn marks(&self) -> &[u64] {
        &self.marks
    }

    /// The events, without marks.
    pub fn into_events(self) -> Vec<Event> {
        self.events
    }

    /// Those without a mark say so.
    fn fill(&mut self) {
        self.marks.resize(self.events.len(), UNMARKED);
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
        Some((self.events.next()?, marked(self.marks.next())))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.events.size_hint()
    }
}

impl DoubleEndedIterator for Each {
    fn next_back(&mut self) -> Option<Self::Item> {
        Some((self.events.next_back()?, marked(self.marks.next_back())))
    }
}

impl ExactSizeIterator for Each {}

fn marked(mark: Option<u64>) -> Option<u64> {
    mark.filter(|mark| *mark != UNMARKED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(taken: Taken) -> Vec<Option<u64>> {
        let bodies: Vec<String> = taken
            .events()
            .iter()
            .map(|event| format!("{event:?}"))
            .collect();
        let each: Vec<_> = taken.into_iter().collect();
        let again: Vec<String> = each.iter().map(|(event, _)| format!("{event:?}")).collect();
        assert_eq!(bodies, again);
        each.into_iter().map(|(_, mark)| mark).collect()
    }

    #[test]
    fn events_with_and_without_marks_keep_theirs() {
        let event = |number: u64| Event::new(number.to_string());
        let mut taken = Taken::default();
        taken.extend([event(0), event(1)]);
        assert!(taken.marks().is_empty());
        taken.push(event(2), Some(7));
        taken.push(event(3), None);
        taken.extend([event(4)]);
        let mut later = Taken::default();
        later.push(event(5), Some(8));
        later.extend([event(6)]);
        taken.append(later);
        let mut plain = Taken::default();
        plain.extend([event(7)]);
        taken.append(plain);
        let end = taken.split_off(5);
        assert_eq!(marks(taken), [None, None, Some(7), None, None]);
        assert_eq!(marks(end), [Some(8), None, None]);
        let mut front = Taken::default();
        front.extend([event(0)]);
        let mut back = Taken::default();
        back.push(event(1), Some(1));
        front.append(back);
        let reversed: Vec<_> = front.into_iter().rev().map(|(_, mark)| mark).collect();
        assert_eq!(reversed, [Some(1), None]);
    }
}
