//! Where the groups of a match are.

use std::ops::Range;

use regex_automata::util::primitives::NonMaxUsize;

/// The places of a match and its groups, for one pattern. It is used for many searches, so that a
/// search allocates nothing.
#[derive(Debug)]
pub(crate) struct Groups {
    /// Start and end of the whole match, then of each group.
    pub(super) slots: Vec<Option<NonMaxUsize>>,
}

impl Groups {
    /// For a pattern with this many groups, the whole match not counted.
    pub(super) fn new(groups: usize) -> Self {
        Self {
            slots: vec![None; 2 * (groups + 1)],
        }
    }

    /// The place of a group, or of the whole match (0); `None` if it did not take part.
    pub(crate) fn get(&self, group: usize) -> Option<Range<usize>> {
        let start = (*self.slots.get(2 * group)?)?;
        let end = (*self.slots.get(2 * group + 1)?)?;
        Some(start.get()..end.get())
    }

    /// The part of the text that a group matched.
    pub(crate) fn text<'t>(&self, group: usize, text: &'t str) -> Option<&'t str> {
        text.get(self.get(group)?)
    }
}
