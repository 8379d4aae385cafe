//! Faults at every step of many scenarios.

use super::case::{Case, LATE};
use super::*;

/// How many scenarios are cut at each of their steps.
const SEEDS: u64 = 6;

/// Returns how many points there were.
pub(super) fn at_every_step(seed: u64, fault: Fault) -> u64 {
    let steps = Case::new(seed, None).run();
    for step in 1..=steps {
        Case::new(seed, Some((step, fault))).run();
    }
    steps
}

fn for_some_seeds(fault: Fault) {
    let points: u64 = (0..SEEDS).map(|seed| at_every_step(seed, fault)).sum();
    assert!(points > 100, "{points}");
}

#[test]
fn what_once_failed_does_not() {
    // Two renames of which only the second had come to the disk: one file had two names.
    Case::new(1_000_400, Some((24, Fault::Dies))).run();
    // A segment that was given up came back without the one after it, and had what was written again.
    Case::new(1_000_655, Some((7, Fault::Error))).run();
}

#[test]
fn a_crash_at_any_step_loses_nothing_that_was_acknowledged() {
    for_some_seeds(Fault::Crash);
}

#[test]
fn an_error_of_the_disk_at_any_step_loses_nothing_that_was_acknowledged() {
    for_some_seeds(Fault::Error);
}

#[test]
fn a_disk_that_dies_at_any_step_loses_nothing_that_was_acknowledged() {
    for_some_seeds(Fault::Dies);
}

#[test]
fn a_full_disk_at_any_step_loses_nothing_that_was_acknowledged() {
    for_some_seeds(Fault::Full);
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
