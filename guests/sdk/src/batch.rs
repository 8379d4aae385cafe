//! A batch as events: reading uses the columns from the host, editing those that are returned.
//!
//! Editing takes `&self`, because authors read and edit in one loop. Nothing is copied until it is
//! edited.

use std::cell::RefCell;

use crate::bindings::types;
use crate::column::{Column, Rows};

/// Verdicts, as the contract counts them.
const DROP: u8 = 0;
const KEEP: u8 = 1;
const REJECT: u8 = 2;

/// Some events, with the parts that the policy asked for.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    pub(crate) count: u32,
    pub(crate) headers: Vec<(String, Column)>,
    pub(crate) bodies: Column,
    pub(crate) lengths: Vec<u32>,
    pub(crate) edits: RefCell<Edits>,
}

/// The changes to a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Edits {
    pub(crate) verdicts: Vec<u8>,
    pub(crate) headers: Vec<(String, Rows)>,
    pub(crate) bodies: Rows,
}

impl Batch {
    /// The number of events.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are no events.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The events in their order.
    pub fn events(&self) -> Events<'_> {
        Events {
            batch: self,
            next: 0,
        }
    }

    /// One event, by its place.
    pub fn get(&self, at: usize) -> Option<Event<'_>> {
        let at = u32::try_from(at).ok().filter(|at| *at < self.count)?;
        Some(Event { batch: self, at })
    }

    /// Sets a header of all events to one value, which costs as much as for one event.
    pub fn set_header(&self, name: &str, value: &str) {
        let mut rows = Rows::default();
        rows.values.push(Some(value.as_bytes()));
        // Setting a header for all events replaces earlier edits of it.
        let headers = &mut self.edits.borrow_mut().headers;
        headers.retain(|(known, _)| known != name);
        headers.push((name.to_owned(), rows));
    }

    /// A batch with these columns, empty so far.
    pub(crate) fn of_headers(names: &[String]) -> Self {
        let column = |name: &String| (name.clone(), Column::default());
        Self {
            headers: names.iter().map(column).collect(),
            ..Self::default()
        }
    }

    /// Replaces the columns.
    pub(crate) fn show(&mut self, columns: Vec<types::Column>) {
        for ((_, shown), column) in self.headers.iter_mut().zip(columns) {
            *shown = column.into();
        }
    }

    /// The edits, as returned to the host.
    pub(crate) fn finish(&self) -> Edits {
        let mut edits = self.edits.take();
        for (_, rows) in &mut edits.headers {
            // One row without events is a value for all.
            if !rows.events.is_empty() {
                *rows = std::mem::take(rows).finish(self.count);
            }
        }
        edits.bodies = edits.bodies.finish(self.count);
        edits
    }

    fn judge(&self, at: u32, verdict: u8) {
        let verdicts = &mut self.edits.borrow_mut().verdicts;
        if verdicts.is_empty() {
            verdicts.resize(self.len(), KEEP);
        }
        if let Some(slot) = verdicts.get_mut(at as usize) {
            *slot = verdict;
        }
    }

    fn edit_header(&self, at: u32, name: &str, value: Option<&str>) {
        let headers = &mut self.edits.borrow_mut().headers;
        // A value for all stays before this one; edits apply in their order.
        let known = headers
            .iter_mut()
            .rev()
            .find(|(known, _)| known == name)
            .filter(|(_, rows)| !rows.events.is_empty());
        let rows = match known {
            Some((_, rows)) => rows,
            None => {
                headers.push((name.to_owned(), Rows::default()));
                match headers.last_mut() {
                    Some((_, rows)) => rows,
                    None => return,
                }
            }
        };
        rows.set(at, value.map(str::as_bytes));
    }
}

/// One event of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    batch: &'a Batch,
    at: u32,
}

impl<'a> Event<'a> {
    /// Its place in the batch.
    pub fn place(&self) -> usize {
        self.at as usize
    }

    /// A header, if the event has it and the projection names it.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let (_, column) = self.batch.headers.iter().find(|(known, _)| known == name)?;
        // The host passes in valid text; checking only the values that are read is cheaper than
        // checking all.
        std::str::from_utf8(column.get(self.place())?).ok()
    }

    /// The part of the body in the projection; empty if there is none.
    pub fn body(&self) -> &'a [u8] {
        self.batch.bodies.get(self.place()).unwrap_or_default()
    }

    /// The length of the whole body; 0 if the projection has no bodies.
    pub fn body_len(&self) -> usize {
        match self.batch.lengths.get(self.place()) {
            Some(length) => *length as usize,
            None => self.body().len(),
        }
    }

    /// Sets a header.
    pub fn set_header(&self, name: &str, value: &str) {
        self.batch.edit_header(self.at, name, Some(value));
    }

    /// Removes a header, if it is there.
    pub fn remove_header(&self, name: &str) {
        self.batch.edit_header(self.at, name, None);
    }

    /// Replaces the body.
    pub fn set_body(&self, body: impl AsRef<[u8]>) {
        self.batch
            .edits
            .borrow_mut()
            .bodies
            .set(self.at, Some(body.as_ref()));
    }

    /// Drops the event.
    pub fn drop(&self) {
        self.batch.judge(self.at, DROP);
    }

    /// Says that the event cannot be handled: it goes where the configuration says.
    pub fn reject(&self) {
        self.batch.judge(self.at, REJECT);
    }
}

/// The events of a batch.
#[derive(Debug)]
pub struct Events<'a> {
    batch: &'a Batch,
    next: usize,
}

impl<'a> Iterator for Events<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        let event = self.batch.get(self.next)?;
        self.next += 1;
        Some(event)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.batch.len() - self.next;
        (left, Some(left))
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = Event<'a>;
    type IntoIter = Events<'a>;

    fn into_iter(self) -> Events<'a> {
        self.events()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, event};

    fn batch() -> Batch {
        let events = [
            event(&[("h", "1")], "one"),
            event(&[], "two"),
            event(&[("h", "3")], ""),
        ];
        let wanted = crate::Projection::headers(["h"]).with(crate::Bodies::Prefix(2));
        testing::batch(&events, &wanted)
    }

    #[test]
    fn events_show_what_was_asked_for() {
        let batch = batch();
        let seen: Vec<_> = batch
            .events()
            .map(|e| (e.header("h"), e.body(), e.body_len()))
            .collect();
        let expected: [(Option<&str>, &[u8], usize); 3] =
            [(Some("1"), b"on", 3), (None, b"tw", 3), (Some("3"), b"", 0)];
        assert_eq!(seen, expected);
        assert_eq!(batch.get(0).unwrap().header("other"), None);
    }

    #[test]
    fn without_an_edit_nothing_goes_out() {
        let batch = batch();
        for event in &batch {
            assert!(event.body_len() < 9);
        }
        assert_eq!(batch.finish(), Edits::default());
    }

    #[test]
    fn edits_go_out_as_columns() {
        let batch = batch();
        batch.get(1).unwrap().set_header("h", "void");
        batch.set_header("all", "x");
        for event in &batch {
            event.set_header("h", "y");
        }
        batch.get(2).unwrap().drop();
        batch.get(0).unwrap().remove_header("all");
        let edits = batch.finish();
        assert_eq!(edits.verdicts, [KEEP, KEEP, DROP]);
        let names: Vec<_> = edits
            .headers
            .iter()
            .map(|(name, rows)| (&**name, &*rows.events))
            .collect();
        let expected: [(&str, &[u32]); 3] = [("h", &[]), ("all", &[]), ("all", &[0])];
        assert_eq!(names, expected);
        assert_eq!(edits.headers[0].1.values.get(1), Some(&b"y"[..]));
        assert_eq!(edits.headers[2].1.values.get(0), None);
    }
}
