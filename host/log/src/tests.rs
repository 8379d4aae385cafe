//! The log on a disk that crashes and fails at every step, compared with a queue in memory.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use fastrand::Rng;

use crate::log::{Options, open};
use crate::reader::{Read, Reader};
use crate::shared::Shared;
use crate::testing::{Fault, SimDisk};
use crate::writer::Writer;
use crate::{Damage, LogError, Put};

mod damage;
mod folder;

const SMALL: Options = Options {
    segment_bytes: 96 << 10,
};

/// One life of a process with a log.
struct Life {
    writer: Writer,
    shared: Shared,
    reader: Reader,
}

impl Life {
    fn begin(disk: &SimDisk) -> Result<Self, LogError> {
        let (writer, shared, _) = open(Arc::new(disk.clone()), SMALL)?;
        let reader = Reader::new(Arc::clone(&shared));
        Ok(Self {
            writer,
            shared,
            reader,
        })
    }

    /// All that can be read, with the sequence of each.
    fn rest(&mut self) -> (Vec<(u64, u64)>, Vec<Damage>) {
        let (mut records, mut damage) = (Vec::new(), Vec::new());
        loop {
            match self.reader.read().unwrap() {
                Read::Records(some) => {
                    records.extend(some.iter().map(|(at, bytes)| (at, number(bytes))));
                }
                Read::Damaged(some) => damage.push(some),
                Read::End => return (records, damage),
            }
        }
    }
}

/// A record of this number, and of some size.
fn record(number: u64, size: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(8 + size, number.to_le_bytes()[0]);
    bytes
}

/// The number of a record, all of whose bytes are right.
fn number(bytes: &[u8]) -> u64 {
    let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert!(
        bytes == record(number, bytes.len() - 8),
        "{number} is not as it was written"
    );
    number
}

/// What a reader of the log may expect.
#[derive(Default)]
struct Model {
    /// The number of the next record that is made.
    made: u64,
    /// Acknowledged records that are not settled.
    owed: BTreeMap<u64, u64>,
    /// Records of puts that were refused or never answered: they may be there.
    open: Vec<Vec<u64>>,
    /// Settled, which may come again after a crash.
    settled: HashSet<u64>,
}

impl Model {
    fn put(&mut self, random: &mut Rng) -> (Put, Vec<u64>) {
        let (mut put, mut numbers) = (Put::new(), Vec::new());
        let size = random.choice([0, 30, 600, 8_000]).unwrap();
        for _ in 0..random.u64(1..5) {
            assert!(put.push(&[&record(self.made, size)]));
            numbers.push(self.made);
            self.made += 1;
        }
        (put, numbers)
    }
}

/// One run: puts, reads and settles until the disk goes down or enough was done.
fn live(life: &mut Life, model: &mut Model, random: &mut Rng) {
    let mut read: Vec<(u64, u64)> = Vec::new();
    for _ in 0..random.u32(1..40) {
        match random.u32(0..4) {
            0 | 1 => {
                let puts: Vec<_> = (0..random.usize(1..4)).map(|_| model.put(random)).collect();
                let drafts: Vec<_> = puts.iter().map(|(put, _)| put.draft()).collect();
                match life.writer.commit(&drafts) {
                    Ok(first) => {
                        let numbers = puts.into_iter().flat_map(|(_, numbers)| numbers);
                        model.owed.extend((first..).zip(numbers));
                    }
                    Err(_) => model
                        .open
                        .extend(puts.into_iter().map(|(_, numbers)| numbers)),
                }
            }
            2 => {
                if let Read::Records(some) = life.reader.read().unwrap() {
                    let ends = some.places.first().zip(some.places.last());
                    read.extend(ends.map(|((first, _), (last, _))| (*first, last + 1)));
                }
            }
            _ => {
                random.shuffle(&mut read);
                if let Some((first, end)) = read.pop() {
                    life.shared.lock().settled.add(first, end);
                    let mut settled = model.owed.split_off(&first);
                    model.owed.extend(settled.split_off(&end));
                    model.settled.extend(settled.into_values());
                }
                if random.bool() {
                    // A settle alone; if it fails, it is doubled at worst.
                    drop(life.writer.commit(&[]));
                }
            }
        }
    }
}

/// What is there after a crash is what the model owes, in order, and nothing that it does not know.
fn compare(life: &mut Life, model: &mut Model, what: &str) {
    let (records, damage) = life.rest();
    assert_eq!(damage, [], "{what}");
    let sequences: Vec<u64> = records.iter().map(|(at, _)| *at).collect();
    assert!(
        sequences.is_sorted_by(|a, b| a < b),
        "{what}: {sequences:?}"
    );
    let there: Vec<u64> = records.iter().map(|(_, number)| *number).collect();
    let owed: Vec<u64> = model.owed.values().copied().collect();
    let is_owed: HashSet<u64> = owed.iter().copied().collect();
    let kept: Vec<u64> = there
        .iter()
        .copied()
        .filter(|it| is_owed.contains(it))
        .collect();
    assert_eq!(kept, owed, "{what}: what is owed is there once, in order");
    let is_more = |it: &u64| !is_owed.contains(it) && !model.settled.contains(it);
    let mut more: HashSet<u64> = there.into_iter().filter(is_more).collect();
    for put in &model.open {
        let found = put.iter().filter(|number| more.remove(number)).count();
        assert!(found == 0 || found == put.len(), "{what}: a part of a put");
    }
    assert!(more.is_empty(), "{what}: unknown records {more:?}");
    // From now on all that is there is owed.
    model.open.clear();
    model.settled.clear();
    model.owed = records.into_iter().collect();
}

/// Lives through one scenario with a fault at a step; returns how many steps there were.
fn scenario(seed: u64, fault: Option<(u64, Fault)>) -> u64 {
    let what = format!("seed {seed}, {fault:?}");
    let disk = SimDisk::new(seed);
    if let Some((step, fault)) = fault {
        disk.fault_at(step, fault);
    }
    let (mut random, mut model) = (Rng::with_seed(seed), Model::default());
    for _ in 0..3 {
        let life = Life::begin(&disk);
        if let Ok(mut life) = life {
            compare(&mut life, &mut model, &what);
            life.reader = Reader::new(Arc::clone(&life.shared));
            live(&mut life, &mut model, &mut random);
        }
        disk.make_room();
        disk.crash();
    }
    let mut life = Life::begin(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    compare(&mut life, &mut model, &what);
    disk.steps()
}

/// How many scenarios are cut at each of their steps; `FLUME_LOG_SEEDS` has more of them.
fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("FLUME_LOG_SEEDS").ok();
    0..count.and_then(|count| count.parse().ok()).unwrap_or(6)
}

fn at_every_step(fault: Fault) {
    let mut points = 0_u64;
    for seed in seeds() {
        let steps = scenario(seed, None);
        for step in 1..=steps {
            scenario(seed, Some((step, fault)));
            points += 1;
        }
    }
    assert!(points > 100, "{points}");
}

#[test]
fn a_crash_at_any_step_loses_nothing_that_was_acknowledged() {
    at_every_step(Fault::Crash);
}

#[test]
fn an_error_of_the_disk_at_any_step_loses_nothing_that_was_acknowledged() {
    at_every_step(Fault::Error);
}

#[test]
fn a_full_disk_at_any_step_loses_nothing_that_was_acknowledged() {
    at_every_step(Fault::Full);
}
