//! Three lives of a log, with a fault at each of their steps.

use std::time::Duration;

use super::model::Model;
use super::*;

/// A log in which syncs come later; when, the model says.
const LATE: Options = Options {
    sync: Sync::Interval(Duration::ZERO),
    ..SMALL
};

/// Lives through one scenario with a fault at a step; returns how many steps there were.
fn scenario(seed: u64, options: Options, fault: Option<(u64, Fault)>) -> u64 {
    let what = format!("seed {seed}, {:?}, {fault:?}", options.sync);
    let disk = SimDisk::new(seed);
    if let Some((step, fault)) = fault {
        disk.fault_at(step, fault);
    }
    let is_error = fault.is_some_and(|(_, fault)| fault == Fault::Error);
    let (mut random, mut model) = (Rng::with_seed(seed), Model::default());
    for _ in 0..3 {
        let life = Life::begin(&disk, options);
        if let Ok(mut life) = life {
            model.compare(&mut life, &what);
            life.reader = Reader::new(Arc::clone(&life.shared));
            model.live(&mut life, &mut random);
        }
        disk.make_room();
        // After a late sync that failed, what is read may be in memory only, for more than one life.
        let is_late = options.sync != Sync::Always;
        if random.u32(0..3) == 0 && !(is_error && is_late) {
            disk.kill();
        } else {
            disk.crash();
        }
    }
    let mut life = Life::begin(&disk, options).unwrap_or_else(|error| panic!("{what}: {error}"));
    model.compare(&mut life, &what);
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
        let options = if seed % 2 == 0 { SMALL } else { LATE };
        let steps = scenario(seed, options, None);
        for step in 1..=steps {
            scenario(seed, options, Some((step, fault)));
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

#[test]
fn a_log_on_a_full_disk_can_be_read_and_takes_puts_when_there_is_room() {
    let disk = SimDisk::new(1);
    let mut life = Life::begin(&disk, SMALL).unwrap();
    life.writer.commit(&[put(0..3, 10).draft()]).unwrap();
    disk.crash();
    disk.fill();
    let mut life = Life::begin(&disk, SMALL).unwrap();
    let (records, damage) = life.rest();
    assert_eq!((records.len(), damage.len()), (3, 0));
    let error = life.writer.commit(&[put(3..4, 10).draft()]).unwrap_err();
    assert!(error.is_full(), "{error}");
    disk.make_room();
    let committed = life.writer.commit(&[put(3..4, 10).draft()]).unwrap();
    assert_eq!(committed[0].first, 3);
    assert_eq!(life.rest().0, [(3, 3)]);
}
