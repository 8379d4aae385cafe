//! A column: the values of one header, or the bodies, joined, with a list of ends.

/// The bit of an end that says that the row has no value.
const ABSENT: u32 = 0x8000_0000;

/// One value for each row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ends: Vec<u32>,
}

impl Column {
    /// The value of a row, if it has one.
    pub(crate) fn get(&self, row: usize) -> Option<&[u8]> {
        let end = *self.ends.get(row)?;
        if end & ABSENT != 0 {
            return None;
        }
        let start = match row.checked_sub(1) {
            Some(before) => self.ends.get(before)? & !ABSENT,
            None => 0,
        };
        self.bytes.get(start as usize..end as usize)
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, value: Option<&[u8]>) {
        let absent = match value {
            Some(value) => {
                self.bytes.extend_from_slice(value);
                0
            }
            None => ABSENT,
        };
        // 2 GiB of values do not fit into a guest's memory.
        self.ends.push(self.bytes.len() as u32 | absent);
    }
}

/// Rows for some events, ascending, as an edit requires.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) events: Vec<u32>,
    pub(crate) values: Column,
}

impl Rows {
    pub(crate) fn set(&mut self, event: u32, value: Option<&[u8]>) {
        self.events.push(event);
        self.values.push(value);
    }

    /// Puts rows in the order of the events, the last of an event's rows only, and leaves out the
    /// list of events if it names all of them.
    pub(crate) fn finish(mut self, count: u32) -> Self {
        if !self.events.is_sorted_by(|a, b| a < b) {
            let mut last = std::collections::BTreeMap::new();
            for (row, event) in self.events.iter().enumerate() {
                last.insert(*event, row);
            }
            let mut sorted = Self::default();
            for (event, row) in last {
                sorted.set(event, self.values.get(row));
            }
            self = sorted;
        }
        if self.events.len() == count as usize {
            self.events = Vec::new();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_and_empty_are_two_things() {
        let mut column = Column::default();
        for value in [Some("ab"), None, Some(""), Some("c")] {
            column.push(value.map(str::as_bytes));
        }
        let values: Vec<_> = (0..5).map(|row| column.get(row)).collect();
        assert_eq!(
            values,
            [Some(&b"ab"[..]), None, Some(b""), Some(b"c"), None]
        );
    }

    #[test]
    fn the_last_edit_of_an_event_counts() {
        let mut rows = Rows::default();
        rows.set(2, Some(b"x"));
        rows.set(0, Some(b"y"));
        rows.set(2, None);
        let rows = rows.finish(3);
        assert_eq!(rows.events, [0, 2]);
        assert_eq!(
            (rows.values.get(0), rows.values.get(1)),
            (Some(&b"y"[..]), None)
        );
        let all = Rows {
            events: vec![0],
            values: rows.values.clone(),
        }
        .finish(1);
        assert!(all.events.is_empty());
    }
}
