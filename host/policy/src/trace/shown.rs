//! What a selector was shown, as far as it is recorded.

use std::ops::Deref;
use std::sync::Arc;

use flume_core::Event;

/// What is to be routed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// Milliseconds since 1970.
    pub unix_ms: u64,
    /// Events in the channel.
    pub depth: usize,
    /// The events, with only the recorded headers.
    pub events: ShownEvents,
}

/// The events of a load. Where no headers are recorded they take no bytes of the file, however many
/// there are: all loads share them, so that a file does not take a thousand times its size.
#[derive(Debug, Clone, Default)]
pub struct ShownEvents {
    all: Arc<Vec<Event>>,
    count: usize,
}

impl ShownEvents {
    /// This many events without anything, and at least as many for those that come later.
    pub(super) fn bare(count: usize, shared: &mut Arc<Vec<Event>>) -> Self {
        if shared.len() < count {
            // At least twice as many, so that those that are replaced are together no more.
            *shared = Arc::new(vec![Event::default(); count.max(shared.len() * 2)]);
        }
        let all = Arc::clone(shared);
        Self { all, count }
    }
}

impl From<Vec<Event>> for ShownEvents {
    fn from(events: Vec<Event>) -> Self {
        Self {
            count: events.len(),
            all: Arc::new(events),
        }
    }
}

impl Deref for ShownEvents {
    type Target = [Event];

    fn deref(&self) -> &[Event] {
        self.all.get(..self.count).unwrap_or_default()
    }
}

impl PartialEq for ShownEvents {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for ShownEvents {}
