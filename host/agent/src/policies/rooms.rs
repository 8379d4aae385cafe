//! Room for modules on their way to the admin port, which stay in memory until they are compiled.
//!
//! A module either takes a room that its agent has for itself, or a part of the room of all. The first
//! kind is what other agents' uploads cannot fill, however many of them there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of all modules that have no room of their own.
pub(crate) const MOST_ARRIVING: usize = 128 << 20;

/// The share of them that those for one agent may have: the largest module fits.
pub(crate) const MOST_OF_ONE: usize = 64 << 20;

/// Bytes of one module for which each agent has room of its own: what the languages with the largest
/// modules make fits.
pub(crate) const OWN_ROOM: usize = 24 << 20;

/// Room for a module on its way, which is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Room(#[expect(dead_code, reason = "held")] Vec<OwnedSemaphorePermit>);

/// All the room there is.
#[derive(Debug)]
pub(super) struct Rooms {
    /// In KiB.
    shared: Arc<Semaphore>,
    own: Mutex<BTreeMap<String, OwnRoom>>,
}

/// What one agent may have on its way.
#[derive(Debug)]
struct OwnRoom {
    /// For one module, which no other agent can take.
    reserve: Arc<Semaphore>,
    /// In KiB, of the room of all.
    share: Arc<Semaphore>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            shared: Arc::new(Semaphore::new(MOST_ARRIVING >> 10)),
            own: Mutex::default(),
        }
    }
}

impl Default for OwnRoom {
    fn default() -> Self {
        Self {
            reserve: Arc::new(Semaphore::new(1)),
            share: Arc::new(Semaphore::new(MOST_OF_ONE >> 10)),
        }
    }
}

impl Rooms {
    /// Room for a module of this size for an agent; `None` while too many are on their way.
    pub(super) fn take(&self, agent: &str, bytes: usize) -> Option<Room> {
        let kib = u32::try_from(bytes.div_ceil(1 << 10)).ok()?.max(1);
        let mut own = self.own.lock();
        let own = own.entry(agent.to_owned()).or_default();
        if bytes <= OWN_ROOM
            && let Ok(reserve) = Arc::clone(&own.reserve).try_acquire_owned()
        {
            return Some(Room(vec![reserve]));
        }
        let share = Arc::clone(&own.share).try_acquire_many_owned(kib).ok()?;
        let shared = Arc::clone(&self.shared).try_acquire_many_owned(kib).ok()?;
        Some(Room(vec![share, shared]))
    }
}
