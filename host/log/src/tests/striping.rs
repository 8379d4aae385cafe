//! A log in several folders.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::field::Field;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::case::striped;
use super::*;

fn names(disk: &SimDisk) -> usize {
    disk.list().unwrap().len()
}

#[test]
fn segments_go_to_each_disk_in_turn() {
    let disk = SimDisk::new(1);
    let disks = [disk.clone(), disk.beside(2), disk.beside(3)];
    let mut life = Life::on(striped(&disks).unwrap(), SMALL).unwrap();
    for at in 0..60 {
        life.writer
            .commit(&mut [put(at..at + 1, 8_000).draft()])
            .unwrap();
    }
    let counts = disks.each_ref().map(names);
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(*least > 3 && most - least <= 1, "{counts:?}");
    assert_eq!(life.rest().0.len(), 60);
}

#[test]
fn puts_go_on_when_one_of_two_disks_dies_at_any_step() {
    let mut died = 0;
    for step in 1..400 {
        let disk = SimDisk::new(step);
        let disks = [disk.clone(), disk.beside(step + 1_000)];
        let mut life = Life::on(striped(&disks).unwrap(), SMALL).unwrap();
        disk.fault_at(disk.steps() + step, Fault::Dies);
        let commit = |life: &mut Life, at: u64| {
            let committed = life.writer.commit(&mut [put(at..at + 1, 8_000).draft()]);
            assert!(committed.is_ok(), "step {step}, put {at}: {committed:?}");
        };
        for at in 0..50 {
            commit(&mut life, at);
            if at >= 25 {
                life.settle(0, at - 20);
            }
        }
        died += u64::from(disks.iter().any(|disk| disk.list().is_err()));
        disks.iter().for_each(SimDisk::crash);
        let mut life = Life::on(striped(&disks).unwrap(), SMALL).unwrap();
        let (records, damage) = life.rest();
        assert_eq!(damage, [], "step {step}");
        let there: Vec<u64> = records.iter().map(|(_, number)| *number).collect();
        assert!(
            there.ends_with(&(29..50).collect::<Vec<u64>>()),
            "{there:?}"
        );
    }
    assert!(died > 100, "{died}");
}

#[test]
fn a_disk_without_room_is_passed_over() {
    let disk = SimDisk::new(1);
    let disks = [disk.clone(), disk.beside(2)];
    disk.leave_room(0);
    let mut life = Life::on(striped(&disks).unwrap(), SMALL).unwrap();
    for at in 0..30 {
        life.writer
            .commit(&mut [put(at..at + 1, 8_000).draft()])
            .unwrap();
    }
    assert_eq!(names(&disk), 0);
    disks[1].leave_room(0);
    let put = put(30..31, 90_000);
    let error = life.writer.commit(&mut [put.draft()]).unwrap_err();
    assert!(error.is_full(), "{error}");
    // A disk that fails is no reason to say that there will never be room.
    disks[1].die();
    for _ in 0..2 {
        let error = life.writer.commit(&mut [put.draft()]).unwrap_err();
        assert!(error.is_full(), "{error}");
    }
}

#[test]
fn a_disk_that_failed_is_passed_over_for_a_while_unless_it_is_the_only_one() {
    let disk = SimDisk::new(1);
    let disks = [disk.clone(), disk.beside(2)];
    let mut life = Life::on(striped(&disks).unwrap(), SMALL).unwrap();
    // Each put fills a segment.
    let segment = |life: &mut Life, at: u64| {
        let put = put(at..at + 1, 20_000);
        life.writer.commit(&mut [put.draft()]).unwrap();
    };
    segment(&mut life, 0);
    assert_eq!((names(&disks[0]), names(&disks[1])), (1, 0));
    disk.die();
    life.writer
        .commit(&mut [put(1..2, 10_000).draft()])
        .unwrap();
    disk.kill();
    for at in 2..10 {
        segment(&mut life, at);
    }
    assert_eq!((names(&disks[0]), names(&disks[1])), (1, 8));
    disks[1].die();
    segment(&mut life, 10);
    assert_eq!(names(&disks[0]), 2);
    disks[1].kill();
    for at in 11..100 {
        segment(&mut life, at);
    }
    assert!(names(&disks[0]).abs_diff(names(&disks[1])) < 20);
    assert_eq!(life.rest().0.len(), 100);
}

/// Counts what is logged of one kind.
struct Said(&'static str, Arc<AtomicUsize>);

impl Subscriber for Said {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut |field: &Field, value: &dyn Debug| {
            if field.name() == "message" {
                text = format!("{value:?}");
            }
        });
        self.1
            .fetch_add(usize::from(text == self.0), Ordering::Relaxed);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Each put tries again, so that a client that does not give up would fill the log of the agent.
#[test]
fn a_disk_that_failed_is_said_once_until_a_segment_is_made() {
    let said = Arc::new(AtomicUsize::new(0));
    let counted = Said("no segment is made here", Arc::clone(&said));
    let disk = SimDisk::new(1);
    let mut life = Life::on(striped(std::slice::from_ref(&disk)).unwrap(), SMALL).unwrap();
    let mut commit = |at: u64| life.writer.commit(&mut [put(at..at + 1, 20_000).draft()]);
    tracing::subscriber::with_default(counted, || {
        for round in 1..=2 {
            disk.die();
            (0..50).for_each(|at| assert!(commit(at).is_err()));
            assert_eq!(said.load(Ordering::Relaxed), round);
            disk.kill();
            commit(0).unwrap();
        }
    });
}

/// The first spare cannot be written to, and the second one is not tried.
#[test]
fn puts_go_on_when_all_spares_are_on_a_disk_that_takes_no_bytes() {
    let disk = SimDisk::new(1);
    let disks = [disk.clone(), disk.beside(2)];
    let commit = |life: &mut Life, at: u64, size: usize| {
        let put = put(at..at + 1, size);
        life.writer.commit(&mut [put.draft()]).unwrap();
    };
    let mut life = Life::begin(&disk, SMALL).unwrap();
    // Each put fills a segment, and two of them are left.
    for at in 0..10u64 {
        life.settle(0, at.saturating_sub(1));
        commit(&mut life, at, 20_000);
    }
    drop(life);
    disk.kill();
    let mut life = Life::on(striped(&disks).unwrap(), SMALL).unwrap();
    life.settle(0, 10);
    commit(&mut life, 10, 10);
    assert_eq!((life.shared.lock().spares.len(), names(&disks[1])), (2, 0));
    disk.wear_out();
    commit(&mut life, 11, 10);
    assert_eq!(names(&disks[1]), 1);
}

fn folders(root: &std::path::Path, names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| root.join(name)).collect()
}

#[test]
fn an_error_names_the_folder_of_the_file() {
    let root = tempfile::tempdir().unwrap();
    let both = folders(root.path(), &["one", "two"]);
    let disk = Folders::own(&both).unwrap();
    for (name, folder) in [("1.log", &both[0]), ("2.log", &both[1])] {
        let file = disk.create(name, 10).unwrap();
        let error = file.read(8, &mut [0; 4]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
        let said = error.to_string();
        assert!(said.starts_with(&folder.display().to_string()), "{said}");
    }
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let root = tempfile::tempdir().unwrap();
    let both = folders(root.path(), &["one", "two"]);
    drop(Folders::own(&both).unwrap());
    drop(Folders::own(&both).unwrap());
    // Left out, not mounted, and gone.
    let error = Folders::own(&both[..1]).unwrap_err().to_string();
    assert!(error.contains("two is missing"), "{error}");
    std::fs::rename(&both[1], root.path().join("away")).unwrap();
    let error = Folders::own(&both).unwrap_err().to_string();
    assert!(error.contains("two of the log is missing"), "{error}");
    std::fs::create_dir(&both[1]).unwrap();
    let error = Folders::own(&both).unwrap_err().to_string();
    assert!(error.contains("two is missing, or its disk"), "{error}");
    // Under another path it is found.
    let moved = folders(root.path(), &["away", "one"]);
    drop(Folders::own(&moved).unwrap());
    // Another one may be added.
    let more = folders(root.path(), &["one", "two", "away"]);
    drop(Folders::own(&more).unwrap());
    let error = Folders::own(&moved).unwrap_err().to_string();
    assert!(error.contains("two is missing"), "{error}");
}

#[test]
fn a_file_that_is_in_two_folders_is_named() {
    let disk = SimDisk::new(1);
    let disks = [disk.clone(), disk.beside(2)];
    for disk in &disks {
        drop(disk.create("00000000000000000001.log", 10).unwrap());
    }
    let error = striped(&disks).unwrap_err().to_string();
    assert!(
        error.contains("00000000000000000001.log is in two"),
        "{error}"
    );
}

#[test]
fn files_of_others_may_have_one_name_in_two_folders_and_segments_may_not() {
    let scratch = tempfile::tempdir().unwrap();
    let both = ["a", "b"].map(|name| scratch.path().join(name));
    drop(Folders::own(&both).unwrap());
    let everywhere = |name: &str| {
        for folder in &both {
            std::fs::write(folder.join(name), "x").unwrap();
        }
    };
    // What a Flume that was killed has left, and what was adopted from it.
    everywhere("in_use.lock");
    everywhere("adopted-by-flume-host");
    drop(Folders::own(&both).unwrap());
    everywhere("00000000000000000001.log");
    let error = Folders::own(&both).unwrap_err().to_string();
    assert!(error.contains("is in two folders"), "{error}");
}
