//! Which events are not delivered: the rules of a replay, on pointers alone.
//!
//! | record | effect |
//! |---|---|
//! | put, take | is remembered under its transaction |
//! | rollback | the transaction is forgotten; what it had taken was in the queue all the time |
//! | commit of puts | they come to the end of the queue, in the order of writing |
//! | commit of takes | they leave the queue; one that is not there yet is struck out in advance |
//! | end | puts without a commit are forgotten, unless it may be in a damaged place |
//!
//! So no order of commits can lose an event, or bring a delivered one back.

use std::collections::{HashMap, HashSet};

use crate::checkpoint::Checkpoint;
use crate::limits::Limits;
use crate::record::{Head, Pointer};
use crate::scan::Kind;

/// Where an event stands: held by a sink at the checkpoint, in its queue, committed since, or
/// unsure.
#[derive(Debug, Clone, Copy)]
enum Rank {
    Held = 0,
    Queued = 1,
    Committed = 2,
    Unsure = 3,
}

/// A rank in two bits, and a number within the rank: one word for an event.
fn place(rank: Rank, number: u64) -> u64 {
    (rank as u64) << 62 | (number & (u64::MAX >> 2))
}

/// More than the limits allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("more than {most} {what} at once")]
pub struct TooMany {
    /// Of what.
    pub what: &'static str,
    /// The limit.
    pub most: usize,
}

/// What an open transaction has done.
#[derive(Debug, Default)]
struct Open {
    puts: Vec<Pointer>,
    takes: Vec<Pointer>,
    /// Which directory it is in, and how many damaged places were met there before it.
    lane: usize,
    born: u64,
}

/// The queue, and the open transactions.
#[derive(Debug)]
pub(crate) struct Index {
    queue: HashMap<Pointer, u64>,
    open: HashMap<u64, Open>,
    /// Taken before it was put: threads may write in that order.
    struck: HashSet<Pointer>,
    /// Damaged places of each directory that may hide a commit.
    damages: Vec<u64>,
    logs: Logs,
    limits: Limits,
    /// Events in open transactions.
    pending: usize,
    committed: u64,
    /// Commits of transactions of which nothing is known.
    strays: u64,
}

/// What the logs are that are read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Logs {
    /// The directory of each log.
    pub(crate) lanes: HashMap<u32, usize>,
    /// Everything since the start is there: no log was deleted that counts.
    pub(crate) is_all: bool,
}

/// What is left at the end.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// In the order of delivery.
    pub(crate) events: Vec<Pointer>,
    pub(crate) in_flight: u64,
    pub(crate) put_in_damage: u64,
    pub(crate) strays: u64,
}

impl Index {
    /// Begins at a checkpoint.
    pub(crate) fn new(start: Option<&Checkpoint>, logs: Logs, limits: Limits) -> Self {
        let lanes = logs.lanes.values().max().map_or(0, |most| most + 1);
        let mut index = Self {
            queue: HashMap::new(),
            open: HashMap::new(),
            struck: HashSet::new(),
            damages: vec![0; lanes],
            logs,
            limits,
            pending: 0,
            committed: 0,
            strays: 0,
        };
        let Some(start) = start else {
            return index;
        };
        for (number, pointer) in (0..).zip(&start.queue) {
            index.queue.insert(*pointer, place(Rank::Queued, number));
        }
        for (transaction, takes) in &start.takes {
            for pointer in takes {
                // Its number comes with its record ([`Self::held`]).
                index.queue.insert(*pointer, place(Rank::Held, pointer.0));
                let lane = index.lane(*pointer);
                index.opened(*transaction, lane).takes.push(*pointer);
            }
        }
        for (transaction, puts) in &start.puts {
            for pointer in puts {
                let lane = index.lane(*pointer);
                index.opened(*transaction, lane).puts.push(*pointer);
            }
        }
        index
    }

    fn lane(&self, pointer: Pointer) -> usize {
        let lane = self.logs.lanes.get(&pointer.log());
        lane.copied().unwrap_or_default()
    }

    fn opened(&mut self, transaction: u64, lane: usize) -> &mut Open {
        self.pending += 1;
        let born = self.damages.get(lane).copied().unwrap_or_default();
        let new = || Open {
            lane,
            born,
            ..Open::default()
        };
        self.open.entry(transaction).or_insert_with(new)
    }

    /// The place in the order of an event that a sink held at the checkpoint.
    pub(crate) fn held(&mut self, pointer: Pointer, order: u64) {
        if let Some(place_of) = self.queue.get_mut(&pointer)
            && *place_of < place(Rank::Queued, 0)
        {
            *place_of = place(Rank::Held, order);
        }
    }

    /// A place of a directory may hide commits.
    pub(crate) fn damaged(&mut self, lane: usize) {
        if let Some(damages) = self.damages.get_mut(lane) {
            *damages += 1;
        }
    }

    /// Follows one record.
    pub(crate) fn record(
        &mut self,
        lane: usize,
        pointer: Pointer,
        head: Head,
        kind: Kind,
    ) -> Result<(), TooMany> {
        match kind {
            Kind::Put => self.opened(head.transaction, lane).puts.push(pointer),
            Kind::Take(of) => self.opened(head.transaction, lane).takes.push(of),
            Kind::Rollback => {
                self.close(head.transaction);
            }
            Kind::CommitOfPuts => match self.close(head.transaction) {
                Some(open) if !open.puts.is_empty() => self.commit_puts(open.puts),
                _ => self.stray(lane),
            },
            Kind::CommitOfTakes => match self.close(head.transaction) {
                Some(open) if !open.takes.is_empty() => self.commit_takes(&open.takes),
                _ => self.strays += u64::from(self.logs.is_all),
            },
        }
        self.within_limits()
    }

    fn within_limits(&self) -> Result<(), TooMany> {
        let known = self.queue.len() + self.pending + self.struck.len();
        for (what, count, most) in [
            ("events", known, self.limits.events),
            (
                "open transactions",
                self.open.len(),
                self.limits.transactions,
            ),
        ] {
            if count > most {
                return Err(TooMany { what, most });
            }
        }
        Ok(())
    }

    fn close(&mut self, transaction: u64) -> Option<Open> {
        let open = self.open.remove(&transaction)?;
        self.pending -= open.puts.len() + open.takes.len();
        Some(open)
    }

    fn commit_puts(&mut self, mut puts: Vec<Pointer>) {
        // All are in one directory, where pointers grow.
        puts.sort_unstable();
        for pointer in puts {
            if !self.struck.remove(&pointer) {
                let at = place(Rank::Committed, self.committed);
                self.queue.insert(pointer, at);
                self.committed += 1;
            }
        }
    }

    fn commit_takes(&mut self, takes: &[Pointer]) {
        for pointer in takes {
            let is_known = self.logs.lanes.contains_key(&pointer.log());
            if self.queue.remove(pointer).is_none() && is_known {
                self.struck.insert(*pointer);
            }
        }
    }

    /// A commit of puts that nobody made: those whose commit it is may be open under another
    /// number.
    fn stray(&mut self, lane: usize) {
        if self.logs.is_all {
            self.strays += 1;
            self.damaged(lane);
        }
    }

    /// Ends: what is not delivered, in order.
    pub(crate) fn end(mut self) -> Outcome {
        let mut outcome = Outcome {
            strays: self.strays,
            ..Outcome::default()
        };
        let mut unsure = Vec::new();
        for open in self.open.into_values() {
            let taken = open.takes.iter();
            let waits = taken.filter(|pointer| self.queue.contains_key(pointer));
            outcome.in_flight += u64::try_from(waits.count()).unwrap_or(u64::MAX);
            let damages = self.damages.get(open.lane).copied().unwrap_or_default();
            if damages > open.born {
                unsure.extend(open.puts);
            }
        }
        unsure.retain(|pointer| !self.struck.remove(pointer) && !self.queue.contains_key(pointer));
        unsure.sort_unstable();
        outcome.strays += u64::try_from(self.struck.len()).unwrap_or(u64::MAX);
        outcome.put_in_damage = u64::try_from(unsure.len()).unwrap_or(u64::MAX);
        for (number, pointer) in (0..).zip(unsure) {
            self.queue.insert(pointer, place(Rank::Unsure, number));
        }
        let mut events: Vec<(u64, Pointer)> = Vec::with_capacity(self.queue.len());
        events.extend(self.queue.into_iter().map(|(pointer, at)| (at, pointer)));
        events.sort_unstable();
        outcome.events = events.into_iter().map(|(_, pointer)| pointer).collect();
        outcome
    }
}
