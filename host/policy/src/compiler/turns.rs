//! Whose turn it is to compile: a queue for each owner, and places that owners take turns for.
//!
//! An owner is an agent. It has one child at a time, so it cannot fill the places alone while there
//! are more of them than it. Of the owners that wait, the one goes first that has used the least
//! time: who compiled for minutes waits behind who has not compiled at all.

use std::collections::BTreeMap;
use std::time::Duration;

use flume_core::clock::{self, Instant};
use parking_lot::{Condvar, Mutex};

use crate::error::LoadError;

/// Owners whose time is remembered; those that used least are forgotten first.
const MOST_OWNERS: usize = 1000;

/// The places.
#[derive(Debug)]
pub(super) struct Turns {
    places: usize,
    state: Mutex<State>,
    /// Notified when a place is free, or somebody no longer waits.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Owners with a child.
    at_work: Vec<String>,
    /// Those that wait, by the order in which they came.
    waiting: BTreeMap<u64, String>,
    /// The next number in that order.
    next: u64,
    /// What each owner has used.
    used: BTreeMap<String, Duration>,
}

/// A place among the children, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'t> {
    turns: &'t Turns,
    owner: String,
    since: Instant,
}

impl Turns {
    pub(super) fn new(places: usize) -> Self {
        Self {
            places,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// There was none in this time.
    pub(super) fn take(&self, owner: &str, patience: Duration) -> Result<Turn<'_>, LoadError> {
        let deadline = clock::now() + patience;
        let mut state = self.state.lock();
        let number = state.next;
        state.next += 1;
        state.waiting.insert(number, owner.to_owned());
        while !(state.at_work.len() < self.places && state.is_next(number)) {
            let left = deadline.saturating_duration_since(clock::now());
            if left.is_zero() {
                state.waiting.remove(&number);
                drop(state);
                self.changed.notify_all();
                return Err(LoadError::NoTurn(patience));
            }
            self.changed.wait_for(&mut state, left);
        }
        state.waiting.remove(&number);
        state.at_work.push(owner.to_owned());
        drop(state);
        // A second place may be free.
        self.changed.notify_all();
        Ok(Turn {
            turns: self,
            owner: owner.to_owned(),
            since: clock::now(),
        })
    }
}

impl State {
    /// Whether this one goes before all others that could go.
    fn is_next(&self, number: u64) -> bool {
        let could = |owner: &String| !self.at_work.contains(owner);
        let waiting = self.waiting.iter().filter(|(_, owner)| could(owner));
        let next = waiting.min_by_key(|(number, owner)| (self.used_by(owner), **number));
        next.is_some_and(|(next, _)| *next == number)
    }

    fn used_by(&self, owner: &str) -> Duration {
        self.used.get(owner).copied().unwrap_or_default()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let used = clock::now().saturating_duration_since(self.since);
        {
            let mut state = self.turns.state.lock();
            if let Some(at) = state.at_work.iter().position(|owner| *owner == self.owner) {
                state.at_work.swap_remove(at);
            }
            *state.used.entry(self.owner.clone()).or_default() += used;
            if state.used.len() > MOST_OWNERS {
                let least = state.used.iter().min_by_key(|(_, used)| **used);
                if let Some(least) = least.map(|(owner, _)| owner.clone()) {
                    state.used.remove(&least);
                }
            }
        }
        self.turns.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc;
    use std::thread;

    const LONG: Duration = Duration::from_secs(60);

    /// Waits until so many wait.
    fn await_waiting(turns: &Turns, count: usize) {
        let began = clock::now();
        while turns.state.lock().waiting.len() != count {
            assert!(began.elapsed() < LONG, "nobody comes");
            thread::yield_now();
        }
    }

    #[test]
    fn an_owner_has_one_child_and_others_have_theirs() {
        let turns = Turns::new(2);
        let bad = turns.take("bad", LONG).unwrap();
        let moment = Duration::from_millis(10);
        let refused = turns.take("bad", moment).unwrap_err();
        assert_eq!(refused, LoadError::NoTurn(moment));
        let good = turns.take("good", moment).unwrap();
        assert!(turns.take("third", moment).is_err(), "two places");
        drop(bad);
        drop(turns.take("third", moment).unwrap());
        drop(good);
        assert!(turns.state.lock().waiting.is_empty());
    }

    /// Ten files of one owner came first; the other one has its turn after the one at work.
    #[test]
    fn who_used_less_goes_first() {
        let turns = Arc::new(Turns::new(1));
        turns
            .state
            .lock()
            .used
            .insert("bad".to_owned(), Duration::from_secs(100));
        let at_work = turns.take("bad", LONG).unwrap();
        let (order, came) = mpsc::channel();
        let mut threads = Vec::new();
        for (at, owner) in ["bad"; 10].into_iter().chain(["good"]).enumerate() {
            let (turns, order) = (Arc::clone(&turns), order.clone());
            let mine = Arc::clone(&turns);
            threads.push(thread::spawn(move || {
                let turn = turns.take(owner, LONG).unwrap();
                order.send(owner).unwrap();
                drop(turn);
            }));
            await_waiting(&mine, at + 1);
        }
        drop(at_work);
        for thread in threads {
            thread.join().unwrap();
        }
        drop(order);
        let came: Vec<&str> = came.into_iter().collect();
        assert_eq!(came.len(), 11);
        assert_eq!(came.first(), Some(&"good"));
    }

    #[test]
    fn what_is_remembered_of_owners_is_bounded() {
        let turns = Turns::new(1);
        for at in 0..MOST_OWNERS + 10 {
            drop(turns.take(&at.to_string(), LONG).unwrap());
        }
        assert_eq!(turns.state.lock().used.len(), MOST_OWNERS);
    }
}
