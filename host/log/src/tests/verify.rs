//! The second reader says of the files what the first one does.

use std::ops::{ControlFlow, Range};

use super::case::striped;
use super::*;
use crate::disk::Folder;
use crate::verify::{Progress, export, inspect, repair};

/// What the second reader sees on disks.
pub(super) fn seen(disks: &[SimDisk], what: &str) -> Inspection {
    let mut done = 0;
    let disk = striped(disks).unwrap();
    let mut progress = |progress: Progress| {
        assert!(progress.done > done && progress.done <= progress.all);
        done = progress.done;
    };
    let mut next = 0;
    let inspection = export(disk.as_ref(), 0..0, &mut progress, &mut |sequence, _| {
        assert!(
            sequence >= next,
            "{what}: {sequence} is exported behind {next}"
        );
        next = sequence + 1;
        ControlFlow::Continue(())
    });
    inspection.unwrap()
}

/// Both readers agree about what is there and what is not.
pub(super) fn assert_same(
    inspection: &Inspection,
    recovered: Recovered,
    damage: &[Damage],
    what: &str,
) {
    let counts = (inspection.waiting, inspection.torn);
    assert_eq!(
        counts,
        (recovered.waiting, recovered.torn),
        "{what}: {inspection:#?}"
    );
    let mut ranges = Vec::new();
    for segment in &inspection.segments {
        let lost = segment.damaged.iter().filter(|range| range.lost > 0);
        ranges.extend(lost.map(|range| (segment.file.clone(), range.clone())));
    }
    let told: Vec<_> = damage
        .iter()
        .map(|damage| {
            let range = crate::verify::DamagedRange {
                bytes: damage.bytes.clone(),
                first: damage.first,
                lost: damage.lost,
            };
            (damage.file.clone(), range)
        })
        .collect();
    assert_eq!(ranges, told, "{what}");
}

/// A log with puts of three records each, of which some are settled.
fn filled(disk: &SimDisk) -> Life {
    let mut life = Life::begin(disk, SMALL).unwrap();
    for at in 0..40 {
        let put = put(at * 3..at * 3 + 3, 1_000);
        life.writer.commit(&mut [put.draft()]).unwrap();
    }
    life.settle(0, 10);
    life.settle(50, 70);
    life.writer.commit(&mut []).unwrap();
    life
}

#[test]
fn what_is_in_the_files_is_said_in_full() {
    let disk = SimDisk::new(1);
    let life = filled(&disk);
    let inspection = seen(std::slice::from_ref(&disk), "repaired");
    assert_eq!((inspection.next, inspection.waiting), (120, 90));
    assert_eq!(
        (inspection.settled_low, &inspection.settled[..]),
        (10, &[(50, 70)][..])
    );
    assert_eq!((inspection.lost, inspection.torn), (0, 0));
    let state = life.shared.lock();
    assert_eq!(inspection.segments.len(), state.segments.len());
    for (said, is) in inspection.segments.iter().zip(&state.segments) {
        let said_is = (said.generation, said.end, said.next, said.bytes);
        assert_eq!(said_is, (is.generation, is.end, is.next, is.length));
        assert!(said.has_head && said.damaged.is_empty(), "{said:?}");
    }
    // Each segment begins with a settle frame, and each put comes with one; and there was one alone.
    let frames: u64 = inspection
        .segments
        .iter()
        .map(|segment| segment.frames)
        .sum();
    assert_eq!(frames, inspection.segments.len() as u64 + 40 * 2 + 1);
    assert_eq!(
        (inspection.unused.len(), inspection.spares.len()),
        (0, state.spares.len())
    );
}

#[test]
fn all_records_that_wait_are_exported() {
    let disk = SimDisk::new(1);
    drop(filled(&disk));
    disk.flip("00000000000000000002.log", 20_000);
    let mut exported = Vec::new();
    let inspection = export(&disk, 0..0, &mut |_| {}, &mut |sequence, record| {
        exported.push((sequence, number(record)));
        ControlFlow::Continue(())
    });
    let (records, damage) = Life::begin(&disk, SMALL).unwrap().rest();
    assert_eq!(exported, records);
    assert_eq!(damage.len(), 1);
    assert_eq!(inspection.unwrap().lost, damage[0].lost);
}

/// The sequences that are exported where these come first, up to this one.
fn exported(disk: &SimDisk, first: Range<u64>, last: u64) -> Vec<u64> {
    let (mut exported, mut done) = (Vec::new(), 0);
    let progress = &mut |now: Progress| {
        assert!(now.done > done && now.done <= now.all);
        done = now.done;
    };
    let each = &mut |sequence, _: &[u8]| {
        exported.push(sequence);
        match sequence == last {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    export(disk, first, progress, each).unwrap();
    exported
}

#[test]
fn what_comes_first_is_exported_first_up_to_what_is_lost() {
    let disk = SimDisk::new(1);
    drop(filled(&disk));
    let waiting = (10..50).chain(70..120);
    let behind = waiting.clone().filter(|at| !(45..80).contains(at));
    let wanted: Vec<u64> = (45..50).chain(70..80).chain(behind).collect();
    assert_eq!(exported(&disk, 45..80, u64::MAX), wanted);
    assert_eq!(
        exported(&disk, 45..80, 72),
        wanted[..8],
        "it was broken off"
    );
    disk.flip("00000000000000000002.log", 20_000);
    let lost = inspect(&disk, &mut |_| {}).unwrap();
    let lost = &lost.segments[1].damaged[0];
    let lost = lost.first..lost.first + lost.lost;
    let others = waiting.filter(|at| !lost.contains(at));
    // Who delivers finds nothing more there, and goes on from the beginning.
    let first = lost.start - 2..lost.start;
    let behind = others.clone().filter(|at| !first.contains(at));
    let wanted: Vec<u64> = first.clone().chain(behind).collect();
    assert_eq!(exported(&disk, first.start..120, u64::MAX), wanted);
    let others: Vec<u64> = others.collect();
    assert_eq!(exported(&disk, lost.start..120, u64::MAX), others);
}

#[test]
fn a_log_opens_clean_after_its_repair() {
    let disk = SimDisk::new(1);
    drop(filled(&disk));
    for at in [3_000, 8_000, 20_000] {
        disk.flip("00000000000000000002.log", at);
    }
    let mut expected = Life::begin(&disk, SMALL).unwrap();
    let (records, damage) = expected.rest();
    assert!(damage.len() > 1, "{damage:?}");
    drop(expected);
    disk.crash();
    let on: Arc<dyn Disk> = Arc::new(disk.clone());
    let repaired = repair(&on, SMALL, &mut |_| {}).unwrap();
    assert_eq!(repaired, damage);
    assert!(repaired.iter().all(|damage| damage.kept.is_some()));
    disk.crash();
    assert_eq!(seen(std::slice::from_ref(&disk), "repaired").lost, 0);
    let (left, damage) = Life::begin(&disk, SMALL).unwrap().rest();
    assert_eq!((left, damage), (records, vec![]));
    disk.crash();
    let names = disk.list().unwrap();
    assert_eq!(repair(&on, SMALL, &mut |_| {}).unwrap(), []);
    assert_eq!(
        disk.list().unwrap(),
        names,
        "nothing to repair, nothing is done"
    );
}

#[test]
fn a_folder_is_looked_at_while_another_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let owned = Arc::new(Folder::own(folder.path()).unwrap());
    let (log, _) = crate::Log::open(owned, SMALL).unwrap();
    let (done, told) = std::sync::mpsc::channel();
    log.put(
        put(0..3, 10),
        Box::new(move |put| done.send(put.map(drop)).unwrap()),
    );
    told.recv().unwrap().unwrap();
    let looked = Folder::look(folder.path());
    assert_eq!(inspect(&looked, &mut |_| {}).unwrap().waiting, 3);
    let error = looked.remove("00000000000000000001.log").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    let looked: Arc<dyn Disk> = Arc::new(looked);
    drop(log);
    assert_eq!(repair(&looked, SMALL, &mut |_| {}).unwrap(), []);
}

#[test]
fn a_folder_with_files_of_others_is_no_log() {
    let disk = SimDisk::new(1);
    for name in ["log-1", "owner.lock", "1.log"] {
        disk.create(name, 8).unwrap();
    }
    assert!(!crate::verify::is_log(&disk).unwrap());
    filled(&disk);
    assert!(crate::verify::is_log(&disk).unwrap());
}
