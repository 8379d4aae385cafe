//! Three lives of a log, with a fault at each of their steps.

use std::time::Duration;

use super::model::Model;
use super::*;

/// A log in which syncs come later; when, the model says.
const LATE: Options = Options {
    sync: Sync::Interval(Duration::ZERO),
    ..SMALL
};

/// What a scenario is made of.
#[derive(Debug, Clone, Copy)]
struct Case {
    seed: u64,
    options: Options,
    disks: usize,
    fault: Option<(u64, Fault)>,
}

impl Case {
    fn new(seed: u64, fault: Option<(u64, Fault)>) -> Self {
        Self {
            seed,
            options: if seed.is_multiple_of(2) { SMALL } else { LATE },
            disks: 1 + usize::from(seed % 3 == 2),
            fault,
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault.is_some_and(|(_, it)| it == fault)
    }

    /// Lives through it with the fault at its step; returns how many steps there were.
    fn run(self) -> u64 {
        let what = format!("{self:?}");
        let disk = SimDisk::new(self.seed);
        let mut disks = vec![disk.clone()];
        disks.extend((1..self.disks).map(|at| disk.beside(self.seed + at as u64)));
        if let Some((step, fault)) = self.fault {
            disk.fault_at(step, fault);
        }
        let (mut random, mut model) = (Rng::with_seed(self.seed), Model::default());
        let mut seen = None;
        for _ in 0..3 {
            if let Ok(mut life) = self.begin(&disks) {
                life.inspection = seen.take();
                model.compare(&mut life, &what);
                life.reader = Reader::new(Arc::clone(&life.shared));
                model.live(&mut life, &mut random);
            }
            // After a late sync that failed, what is read may be in memory only, for more than one life.
            let has_failed = self.has(Fault::Error) || self.has(Fault::Dies);
            let is_late = self.options.sync != Sync::Always;
            let is_kill = random.u32(0..3) == 0 && !(has_failed && is_late);
            disks.iter().for_each(|disk| match is_kill {
                true => disk.kill(),
                false => disk.crash(),
            });
        }
        let life = self.begin(&disks);
        model.compare(
            &mut life.unwrap_or_else(|error| panic!("{what}: {error}")),
            &what,
        );
        disk.steps()
    }

    fn begin(&self, disks: &[SimDisk]) -> Result<Life, LogError> {
        match disks {
            [disk] => Life::begin(disk, self.options),
            _ => Life::on(striped(disks)?, self.options),
        }
    }
}

/// Disks as one.
pub(super) fn striped(disks: &[SimDisk]) -> Result<Arc<dyn Disk>, LogError> {
    let disks = disks
        .iter()
        .map(|disk| Arc::new(disk.clone()) as Arc<dyn Disk>);
    let folders = Folders::of(disks.collect()).map_err(LogError::disk("read the folders"))?;
    Ok(Arc::new(folders))
}

/// How many scenarios are cut at each of their steps; `FLUME_LOG_SEEDS` has more of them.
fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("FLUME_LOG_SEEDS").ok();
    0..count.and_then(|count| count.parse().ok()).unwrap_or(6)
}

fn at_every_step(fault: Fault) {
    let mut points = 0_u64;
    for seed in seeds() {
        let steps = Case::new(seed, None).run();
        for step in 1..=steps {
            Case::new(seed, Some((step, fault))).run();
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
fn a_disk_that_dies_at_any_step_loses_nothing_that_was_acknowledged() {
    at_every_step(Fault::Dies);
}

#[test]
fn a_full_disk_at_any_step_loses_nothing_that_was_acknowledged() {
    at_every_step(Fault::Full);
}

#[test]
fn a_log_on_a_full_disk_can_be_read_and_takes_puts_when_there_is_room() {
    let disk = SimDisk::new(1);
    let mut life = Life::begin(&disk, SMALL).unwrap();
    life.writer.commit(&mut [put(0..3, 10).draft()]).unwrap();
    disk.crash();
    disk.leave_room(0);
    let mut life = Life::begin(&disk, SMALL).unwrap();
    let (records, damage) = life.rest();
    assert_eq!((records.len(), damage.len()), (3, 0));
    let error = life
        .writer
        .commit(&mut [put(3..4, 10).draft()])
        .unwrap_err();
    assert!(error.is_full(), "{error}");
    disk.make_room();
    let committed = life.writer.commit(&mut [put(3..4, 10).draft()]).unwrap();
    assert_eq!(committed[0].first, 3);
    assert_eq!(life.rest().0, [(3, 3)]);
}

#[test]
fn a_full_disk_has_room_for_what_was_delivered() {
    let disk = SimDisk::new(1);
    let mut life = Life::begin(&disk, SMALL).unwrap();
    for at in 0..30 {
        let put = put(at..at + 1, 8_000);
        life.writer.commit(&mut [put.draft()]).unwrap();
    }
    drop(life);
    disk.crash();
    // Less than a segment.
    disk.leave_room(70_000);
    let mut life = Life::begin(&disk, SMALL).unwrap();
    let before = disk.list().unwrap().len();
    life.settle(0, 29);
    life.writer.commit(&mut []).unwrap();
    assert!(disk.list().unwrap().len() < before);
    disk.crash();
    let life = Life::begin(&disk, SMALL).unwrap();
    assert_eq!(life.recovered.waiting, 1);
}

#[test]
fn a_sequence_that_was_settled_and_lost_is_not_used_again() {
    let mut cases = 0;
    for seed in 0..400 {
        let disk = SimDisk::new(seed);
        let mut life = Life::begin(&disk, LATE).unwrap();
        life.writer.commit(&mut [put(0..3, 10).draft()]).unwrap();
        life.writer.sync().unwrap();
        life.writer.commit(&mut [put(3..6, 2_000).draft()]).unwrap();
        life.settle(4, 6);
        life.writer.commit(&mut []).unwrap();
        disk.crash();
        // Of the two that were not synced, often only what says that they are settled is there.
        let mut life = Life::begin(&disk, LATE).unwrap();
        cases += u64::from(life.recovered.torn == 1);
        let committed = life.writer.commit(&mut [put(6..9, 10).draft()]).unwrap();
        life.writer.sync().unwrap();
        assert!(committed[0].first == 3 || committed[0].first == 6);
        disk.crash();
        let (records, damage) = Life::begin(&disk, LATE).unwrap().rest();
        assert_eq!(damage, [], "seed {seed}");
        let numbers: Vec<u64> = records.iter().map(|(_, number)| *number).collect();
        assert!(numbers.starts_with(&[0, 1, 2]), "seed {seed}: {numbers:?}");
        assert!(numbers.ends_with(&[6, 7, 8]), "seed {seed}: {numbers:?}");
    }
    assert!(cases > 20, "{cases}");
}
