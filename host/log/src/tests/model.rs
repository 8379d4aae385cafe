//! A queue in memory, which knows what a reader of the log may expect.

use std::collections::{BTreeMap, HashSet};

use super::*;

/// What a reader may expect.
#[derive(Default)]
pub(super) struct Model {
    /// The number of the next record that is made.
    made: u64,
    /// Acknowledged records that are not settled, by sequence.
    owed: BTreeMap<u64, u64>,
    /// Puts that were acknowledged before they were safe: generation of the segment, and sequences.
    late: Vec<(u64, std::ops::Range<u64>)>,
    /// First records of what was told to be lost.
    told: HashSet<u64>,
    /// Records of puts that were refused or never answered: they may be there.
    open: Vec<Vec<u64>>,
    /// Settled, which may come again after a crash.
    settled: HashSet<u64>,
    /// Bytes change between lives: records may be lost, if that is told; and what was settled may come
    /// again even later, if what says so has changed.
    rots: bool,
}

impl Model {
    pub(super) fn new(rots: bool) -> Self {
        Self {
            rots,
            ..Self::default()
        }
    }

    fn put(&mut self, random: &mut Rng) -> (Put, Vec<u64>) {
        let size = random.choice([0, 30, 600, 8_000]).unwrap();
        let numbers = self.made..self.made + random.u64(1..5);
        self.made = numbers.end;
        (put(numbers.clone(), size), numbers.collect())
    }

    /// One run: puts, reads, settles and late syncs, until enough was done.
    pub(super) fn live(&mut self, life: &mut Life, random: &mut Rng) {
        let mut read: Vec<(u64, u64)> = Vec::new();
        for _ in 0..random.u32(1..40) {
            match random.u32(0..9) {
                0..4 => self.commit(life, random),
                4..6 => {
                    if let Ok(Read::Records(some)) = life.reader.read() {
                        let ends = some.places.first().zip(some.places.last());
                        read.extend(ends.map(|((first, _), (last, _))| (*first, last + 1)));
                    }
                }
                6 => self.sync(life),
                _ => {
                    random.shuffle(&mut read);
                    if let Some((first, end)) = read.pop() {
                        self.settle(life, first, end);
                    }
                    if random.bool() {
                        // A settle alone; if it fails, it is doubled at worst.
                        drop(life.writer.commit(&mut []));
                    }
                }
            }
        }
    }

    fn commit(&mut self, life: &mut Life, random: &mut Rng) {
        let puts: Vec<_> = (0..random.usize(1..4)).map(|_| self.put(random)).collect();
        let mut drafts: Vec<_> = puts.iter().map(|(put, _)| put.draft()).collect();
        match life.writer.commit(&mut drafts) {
            Ok(committed) => {
                for (committed, (_, numbers)) in committed.iter().zip(puts) {
                    let end = committed.first + numbers.len() as u64;
                    if life.writer.is_behind() {
                        let late = (committed.place.generation, committed.first..end);
                        self.late.push(late);
                    }
                    self.owed.extend((committed.first..).zip(numbers));
                }
            }
            Err(_) => {
                let open = puts.into_iter().map(|(_, numbers)| numbers);
                self.open.extend(open);
            }
        }
    }

    fn settle(&mut self, life: &Life, first: u64, end: u64) {
        life.settle(first, end);
        let mut settled = self.owed.split_off(&first);
        self.owed.extend(settled.split_off(&end));
        self.settled.extend(settled.into_values());
    }

    /// A late sync. What an earlier segment holds stays as it is: its sync may have failed.
    fn sync(&mut self, life: &mut Life) {
        let state = life.shared.lock();
        let generation = state.segments.back().map(|segment| segment.generation);
        drop(state);
        if life.writer.is_behind() && life.writer.sync().is_ok() {
            self.late.retain(|(of, _)| Some(*of) != generation);
        }
    }

    /// What is there after a crash is what the model owes, in order, and nothing that it does not know.
    pub(super) fn compare(&mut self, life: &mut Life, what: &str) {
        let (records, damage) = life.rest();
        if let Some(inspection) = &life.inspection {
            super::verify::assert_same(inspection, life.recovered, &damage, what);
        }
        let lost: u64 = damage.iter().map(|damage| damage.lost).sum();
        assert_eq!(
            life.recovered.waiting,
            records.len() as u64 + lost,
            "{what}: waiting"
        );
        for damage in damage {
            let is_late = |at: u64| self.late.iter().any(|(_, late)| late.contains(&at));
            // It is told again if the process ends before that is safe.
            let is_told = self.told.contains(&damage.first);
            let may_be = is_late(damage.first) || is_told || self.rots;
            assert!(may_be, "{what}: {damage}");
            self.told.insert(damage.first);
        }
        let sequences: Vec<u64> = records.iter().map(|(at, _)| *at).collect();
        assert!(
            sequences.is_sorted_by(|a, b| a < b),
            "{what}: {sequences:?}"
        );
        let there: Vec<u64> = records.iter().map(|(_, number)| *number).collect();
        self.forget_late(&there, what);
        if self.rots {
            self.forget_told(&there, lost + life.recovered.torn, what);
        }
        let owed: Vec<u64> = self.owed.values().copied().collect();
        let is_owed: HashSet<u64> = owed.iter().copied().collect();
        let kept: Vec<u64> = there
            .iter()
            .copied()
            .filter(|it| is_owed.contains(it))
            .collect();
        assert_eq!(kept, owed, "{what}: what is owed is there once, in order");
        let is_more = |it: &u64| !is_owed.contains(it) && !self.settled.contains(it);
        let mut more: HashSet<u64> = there.into_iter().filter(is_more).collect();
        for put in &self.open {
            let found = put.iter().filter(|number| more.remove(number)).count();
            let is_whole = found == 0 || found == put.len();
            assert!(is_whole, "{what}: a part of a put");
        }
        assert!(more.is_empty(), "{what}: unknown records {more:?}");
        // From now on all that is there is owed.
        self.open.clear();
        if !self.rots {
            self.settled.clear();
        }
        self.owed = records.into_iter().collect();
    }

    /// Puts that were not safe are there as a whole, or not at all.
    fn forget_late(&mut self, there: &[u64], what: &str) {
        let there: HashSet<u64> = there.iter().copied().collect();
        for (_, late) in self.late.drain(..) {
            let owed: Vec<(u64, u64)> = self.owed.range(late).map(|(at, it)| (*at, *it)).collect();
            let found = owed.iter().filter(|(_, it)| there.contains(it)).count();
            assert!(
                found == 0 || found == owed.len(),
                "{what}: a part of a late put"
            );
            if found == 0 {
                self.owed
                    .retain(|at, _| owed.iter().all(|(lost, _)| lost != at));
            }
        }
    }

    /// Not more records are missing than it was told.
    fn forget_told(&mut self, there: &[u64], told: u64, what: &str) {
        let there: HashSet<u64> = there.iter().copied().collect();
        let before = self.owed.len();
        self.owed.retain(|_, number| there.contains(number));
        let missing = (before - self.owed.len()) as u64;
        assert!(
            missing <= told,
            "{what}: {missing} are missing, {told} were told"
        );
    }
}
