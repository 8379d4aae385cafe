//! What the parts of a channel share: its keys, the events that are here, its numbers.

use std::sync::Arc;

use flume_core::channel::bounded::Bounded;
use flume_core::{ChannelCounter, ClientCounter};
use parking_lot::Mutex;

use super::keys::{self, Keys};
use super::shelf::Shelf;
use crate::Surroundings;
use crate::vitals::Vitals;

/// The parts of a channel that its tasks share.
pub(super) struct Shared {
    pub(super) name: String,
    pub(super) keys: Keys,
    pub(super) around: Surroundings,
    /// The events that are here, and the room of puts that are under way.
    pub(super) room: Bounded<Shelf>,
    pub(super) counters: Arc<ChannelCounter>,
    pub(super) vitals: Vitals,
    faults: Mutex<Faults>,
}

/// What is wrong with putting, and with taking.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    pub(super) put: Option<String>,
    pub(super) take: Option<String>,
}

impl Shared {
    pub(super) fn new(name: &str, keys: &Keys, around: &Surroundings) -> Self {
        let counters = Arc::<ChannelCounter>::default();
        Self {
            name: name.to_owned(),
            keys: keys.clone(),
            around: around.clone(),
            room: Bounded::new(Shelf::default(), &keys::limits()),
            vitals: Vitals::of(name, counters.client.get_or_init(ClientCounter::default)),
            counters,
            faults: Mutex::default(),
        }
    }

    /// Notes whether puts work.
    pub(super) fn note_put(&self, failure: Option<String>) {
        self.faults.lock().put = failure;
    }

    /// Notes whether reading works.
    pub(super) fn note_take(&self, failure: Option<String>) {
        self.faults.lock().take = failure;
    }

    /// What is wrong.
    pub(super) fn faults(&self) -> Faults {
        self.faults.lock().clone()
    }
}
