//! One pass over all logs: which events are not delivered, and what is damaged.

use std::collections::HashSet;

use crate::checkpoint::Checkpoint;
use crate::found::Log;
use crate::index::{Index, Logs, Outcome, TooMany};
use crate::lane::{self, Failed, Lane, Step};
use crate::limits::Limits;
use crate::record::{Head, Pointer, TAKE};
use crate::report::{Damage, LISTED, Report};
use crate::scan::{Item, Kind};

/// What a pass has found.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    pub(crate) outcome: Outcome,
    /// Events of an older order may have been taken in a log that was deleted.
    pub(crate) doubted_below: u64,
    pub(crate) report: Report,
}

/// Why a pass did not get to its end.
#[derive(Debug)]
pub(crate) enum Stopped {
    Disk(Failed),
    TooMany(TooMany),
    /// The checkpoint points to places where no event is.
    WrongCheckpoint,
}

/// Where a directory's pass is.
#[derive(Debug, Default, Clone)]
struct Place {
    log: u32,
    /// The next pointer of the checkpoint that is to be met.
    next: usize,
    /// Damage since the last record, in takes that it could hold at most.
    hidden: Vec<u64>,
    first_log: Option<u32>,
    first_order: Option<u64>,
}

struct Pass<'a> {
    start: Option<&'a Checkpoint>,
    index: Index,
    places: Vec<Place>,
    /// All that the checkpoint points to, sorted.
    expected: Vec<Pointer>,
    /// What of it was not met, and where damage was.
    missing: Vec<Pointer>,
    damages: Vec<(Pointer, u64)>,
    /// What Flume's integrity tool has taken out.
    void: HashSet<Pointer>,
    report: Report,
}

/// Reads all logs, which are sorted by number.
pub(crate) fn replay(
    logs: &[Log],
    start: Option<&Checkpoint>,
    limits: Limits,
) -> Result<Replayed, Stopped> {
    let count = logs.iter().map(|log| log.lane + 1).max().unwrap_or(0);
    let mut lanes: Vec<Lane> = (0..count)
        .map(|lane| {
            let own = logs.iter().filter(|log| log.lane == lane);
            let own = own.map(|log| (log.number, log.path.clone()));
            Lane::new(own.collect(), limits.record)
        })
        .collect();
    let is_first_there = (1..).zip(logs).all(|(number, log)| log.number == number);
    let known = Logs {
        lanes: logs.iter().map(|log| (log.number, log.lane)).collect(),
        is_all: start.is_some() || is_first_there,
    };
    let mut expected: Vec<Pointer> = start.into_iter().flat_map(Checkpoint::pointers).collect();
    expected.sort_unstable();
    let mut pass = Pass {
        start,
        index: Index::new(start, known, limits),
        places: vec![Place::default(); count],
        expected,
        missing: Vec::new(),
        damages: Vec::new(),
        void: HashSet::new(),
        report: Report::default(),
    };
    while let Some((lane, step)) = lane::next(&mut lanes).map_err(Stopped::Disk)? {
        pass.step(lane, step).map_err(Stopped::TooMany)?;
    }
    pass.report.logs = u64::try_from(logs.len()).unwrap_or(u64::MAX);
    pass.report.log_bytes = lanes.iter().map(|lane| lane.bytes).sum();
    pass.end(logs)
}

impl Pass<'_> {
    fn step(&mut self, lane: usize, step: Step) -> Result<(), TooMany> {
        match step {
            Step::Log(number) => self.log(lane, number),
            Step::Record(pointer, head, kind) => self.record(lane, pointer, head, kind)?,
            Step::Other(Item::Damage(damage)) => self.damage(lane, damage),
            Step::Other(Item::Void(pointer, head)) => self.void(lane, pointer, head)?,
            Step::Other(Item::Record(..)) => {}
        }
        Ok(())
    }

    fn log(&mut self, lane: usize, number: u32) {
        self.leave(lane);
        let next = self.expected.partition_point(|at| at.log() < number);
        if let Some(place) = self.places.get_mut(lane) {
            (place.log, place.next) = (number, next);
            place.first_log.get_or_insert(number);
        }
    }

    /// What the checkpoint expects behind the last record of a log is not there.
    fn leave(&mut self, lane: usize) {
        if let Some(place) = self.places.get(lane) {
            let rest = self.expected.get(place.next..).unwrap_or_default();
            let rest = rest.iter().take_while(|at| at.log() == place.log);
            self.missing.extend(rest);
        }
    }

    /// Whether the checkpoint points here. What it pointed to before is missing.
    fn meet(&mut self, lane: usize, pointer: Pointer) -> bool {
        let Some(place) = self.places.get_mut(lane) else {
            return false;
        };
        while let Some(expected) = self.expected.get(place.next)
            && *expected <= pointer
            && expected.log() == place.log
        {
            place.next += 1;
            if *expected == pointer {
                return true;
            }
            self.missing.push(*expected);
        }
        false
    }

    fn record(
        &mut self,
        lane: usize,
        pointer: Pointer,
        head: Head,
        kind: Kind,
    ) -> Result<(), TooMany> {
        self.report.records += 1;
        if self.meet(lane, pointer) {
            if kind == Kind::Put {
                self.index.held(pointer, head.order);
            } else {
                self.missing.push(pointer);
            }
        }
        let since = self.start.map_or(0, |start| start.order);
        if let Some(place) = self.places.get_mut(lane) {
            place.first_order.get_or_insert(head.order);
            if head.order <= since {
                // Whatever was hidden there, the checkpoint knows it.
                place.hidden.clear();
                return Ok(());
            }
        }
        self.hide(lane);
        self.index.record(lane, pointer, head, kind)
    }

    /// A put that was made void still belongs to its transaction, and is no event.
    fn void(&mut self, lane: usize, pointer: Pointer, head: Option<Head>) -> Result<(), TooMany> {
        self.meet(lane, pointer);
        self.void.insert(pointer);
        let since = self.start.map_or(0, |start| start.order);
        match head.filter(|head| head.kind == Head::PUT && head.order > since) {
            Some(head) => self.index.record(lane, pointer, head, Kind::Put),
            None => Ok(()),
        }
    }

    fn damage(&mut self, lane: usize, damage: Damage) {
        let place = self.places.get_mut(lane);
        if let Some(place) = place {
            let offset = u32::try_from(damage.offset).unwrap_or(u32::MAX);
            self.damages
                .push((Pointer::new(place.log, offset), damage.length));
            if damage.harm.hides() {
                place.hidden.push(damage.length / TAKE);
            }
        }
        self.report.damage(damage);
    }

    /// Damage that the checkpoint does not cover.
    fn hide(&mut self, lane: usize) {
        let hidden = self
            .places
            .get_mut(lane)
            .map(|place| std::mem::take(&mut place.hidden));
        for takes in hidden.unwrap_or_default() {
            self.index.damaged(lane);
            self.report.doubles.taken_in_damage += takes;
        }
    }

    fn end(mut self, logs: &[Log]) -> Result<Replayed, Stopped> {
        for lane in 0..self.places.len() {
            self.leave(lane);
            self.hide(lane);
        }
        if self.is_wrong() {
            return Err(Stopped::WrongCheckpoint);
        }
        let mut doubted_below = 0;
        if self.start.is_none() {
            doubted_below = self.doubted_below(logs);
            self.report.missing_logs = missing(logs);
        }
        let mut outcome = self.index.end();
        let all = outcome.events.len();
        outcome.events.retain(|event| !self.void.contains(event));
        let voided = all - outcome.events.len();
        self.report.voided = u64::try_from(voided).unwrap_or(u64::MAX);
        self.report.doubles.in_flight = outcome.in_flight;
        self.report.doubles.put_in_damage = outcome.put_in_damage;
        self.report.strays = outcome.strays;
        Ok(Replayed {
            outcome,
            doubted_below,
            report: self.report,
        })
    }

    /// Whether the checkpoint points to a place without an event that no damage explains.
    fn is_wrong(&self) -> bool {
        let mut damages = self.damages.clone();
        damages.sort_unstable();
        self.missing.iter().any(|pointer| {
            let behind = damages.partition_point(|(from, _)| from <= pointer);
            let before = behind.checked_sub(1).and_then(|at| damages.get(at));
            before.is_none_or(|(from, length)| {
                from.log() != pointer.log() || pointer.0 - from.0 >= *length
            })
        })
    }

    /// Without a checkpoint, and with several directories: an event that is older than the oldest
    /// log of another directory may have been taken in a log that was deleted there.
    fn doubted_below(&self, logs: &[Log]) -> u64 {
        if self.places.len() < 2 {
            return 0;
        }
        // How many numbers from 1 on are there without a gap.
        let whole = (1..)
            .zip(logs)
            .take_while(|(number, log)| log.number == *number);
        let whole = whole.last().map_or(0, |(number, _)| number);
        let lacks = |place: &&Place| place.first_log.is_some_and(|first| first > whole + 1);
        let lacking = self.places.iter().filter(lacks);
        let orders = lacking.map(|place| place.first_order.unwrap_or(u64::MAX));
        orders.max().unwrap_or(0)
    }
}

/// The numbers that are missing between the first log and the last.
fn missing(logs: &[Log]) -> Vec<u32> {
    let pairs = logs.iter().zip(logs.iter().skip(1));
    let gaps = pairs.flat_map(|(one, next)| one.number + 1..next.number);
    gaps.take(LISTED).collect()
}
