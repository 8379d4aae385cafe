//! The log in a real folder, with its thread.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::disk::Folder;
use crate::testing::SimDisk;
use crate::{Log, Options, Put, Read, Sync};

const PATIENCE: Duration = Duration::from_secs(60);

fn open(path: &std::path::Path) -> Log {
    let disk = Folder::own(path).unwrap();
    Log::open(Arc::new(disk), Options::default()).unwrap().0
}

#[test]
fn what_many_threads_put_is_there_in_the_next_life_and_what_was_settled_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let (done, all) = mpsc::channel();
    std::thread::scope(|threads| {
        for thread in 0..8_u64 {
            let (log, done) = (&log, done.clone());
            threads.spawn(move || {
                for number in 0..50_u64 {
                    let mut put = Put::new();
                    assert!(put.push(&[&thread.to_le_bytes(), &number.to_le_bytes()]));
                    let done = done.clone();
                    log.put(
                        put,
                        Box::new(move |first| done.send(first.unwrap().first).unwrap()),
                    );
                }
            });
        }
    });
    let mut sequences: Vec<u64> = (0..400)
        .map(|_| all.recv_timeout(PATIENCE).unwrap())
        .collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (0..400).collect::<Vec<u64>>());
    log.settle(100, 400);
    log.settle(0, 50);
    log.close();
    let log = open(folder.path());
    let mut reader = log.reader();
    let mut left = Vec::new();
    while let Read::Records(records) = reader.read().unwrap() {
        left.extend(records.iter().map(|(at, _)| at));
    }
    assert_eq!(left, (50..100).collect::<Vec<u64>>());
}

#[test]
fn a_folder_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let first = Folder::own(folder.path()).unwrap();
    let error = Folder::own(folder.path()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("in use by process {}", std::process::id())),
        "{error}"
    );
    drop(first);
    Folder::own(folder.path()).unwrap();
}

#[test]
fn what_is_settled_is_safe_when_a_flush_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        sync: Sync::Interval(Duration::from_secs(3_600)),
        ..Options::default()
    };
    let log = Log::open(Arc::new(Folder::own(folder.path()).unwrap()), options);
    let (log, _) = log.unwrap();
    let (done, told) = mpsc::channel();
    let mut put = Put::new();
    (0..4_u8).for_each(|at| assert!(put.push(&[&[at]])));
    let tell = done.clone();
    log.put(put, Box::new(move |put| tell.send(put.map(drop)).unwrap()));
    told.recv_timeout(PATIENCE).unwrap().unwrap();
    log.settle(1, 3);
    log.flush(Box::new(move |flushed| done.send(flushed).unwrap()));
    told.recv_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(log.next(), 4);
    // Another process sees it, though this one has not ended.
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let copied = Arc::new(Folder::own(copy.path()).unwrap());
    let (copied, recovered) = Log::open(copied, Options::default()).unwrap();
    assert_eq!(recovered.waiting, 2);
    let Read::Records(records) = copied.reader().read().unwrap() else {
        panic!("nothing is there");
    };
    let left: Vec<u64> = records.iter().map(|(at, _)| at).collect();
    assert_eq!(left, [0, 3]);
    assert_eq!((copied.segments(), copied.used_bytes()), (2, 128 << 20));
    assert!(copied.room().unwrap() > 0);
}

#[test]
fn a_flush_waits_for_a_sync() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let options = Options {
            segment_bytes: 128 << 10,
            sync: Sync::Interval(Duration::from_secs(3_600)),
        };
        let (log, _) = Log::open(Arc::new(disk.clone()), options).unwrap();
        let (done, told) = mpsc::channel();
        let (mut put, tell) = (Put::new(), done.clone());
        assert!(put.push(&[&[0; 5_000]]) && put.push(&[&[1; 5_000]]));
        log.put(put, Box::new(move |put| tell.send(put.map(drop)).unwrap()));
        log.settle(0, 1);
        log.flush(Box::new(move |flushed| done.send(flushed).unwrap()));
        for _ in 0..2 {
            told.recv_timeout(PATIENCE).unwrap().unwrap();
        }
        disk.crash();
        let again = Log::open(Arc::new(disk.clone()), options).unwrap();
        assert_eq!(again.1.waiting, 1, "seed {seed}");
    }
}

#[test]
fn a_late_sync_comes_by_itself() {
    let disk = SimDisk::new(1);
    let options = Options {
        segment_bytes: 128 << 10,
        sync: Sync::Interval(Duration::from_millis(20)),
    };
    let (log, _) = Log::open(Arc::new(disk.clone()), options).unwrap();
    let (done, told) = mpsc::channel();
    let mut put = Put::new();
    assert!(put.push(&[&[0; 5_000]]));
    log.put(put, Box::new(move |put| done.send(put.map(drop)).unwrap()));
    told.recv_timeout(PATIENCE).unwrap().unwrap();
    let (_stays_open, pause) = mpsc::channel::<()>();
    for _ in 0..PATIENCE.as_millis() / 5 {
        if disk.is_safe() {
            return;
        }
        let paused = pause.recv_timeout(Duration::from_millis(5));
        assert_eq!(paused, Err(mpsc::RecvTimeoutError::Timeout));
    }
    panic!("nothing was synced");
}

#[test]
fn what_is_settled_all_the_time_is_written_within_a_moment() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes: 128 << 10,
        ..Options::default()
    };
    let log = Log::open(Arc::new(Folder::own(folder.path()).unwrap()), options);
    let (log, _) = log.unwrap();
    let (done, told) = mpsc::channel();
    for _ in 0..40 {
        let (mut put, done) = (Put::new(), done.clone());
        assert!(put.push(&[&[0; 10_000]]));
        log.put(put, Box::new(move |put| done.send(put.unwrap()).unwrap()));
        told.recv_timeout(PATIENCE).unwrap();
    }
    assert!(log.segments() > 3);
    let (_stays_open, pause) = mpsc::channel::<()>();
    for _ in 0..PATIENCE.as_millis() / 5 {
        log.settle(0, 40);
        if log.segments() == 1 {
            return;
        }
        let paused = pause.recv_timeout(Duration::from_millis(5));
        assert_eq!(paused, Err(mpsc::RecvTimeoutError::Timeout));
    }
    panic!("{} segments are left", log.segments());
}

/// Says when it is dropped.
struct Dropped(mpsc::Sender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.send(()).unwrap();
    }
}

#[test]
fn who_panics_when_told_keeps_nobody_else_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let (done, told) = mpsc::channel();
    for number in 0..40_u8 {
        let (mut put, dropped) = (Put::new(), Dropped(done.clone()));
        assert!(put.push(&[&[number; 100]]));
        let tell = move |_: Result<crate::Committed, _>| {
            let _until_here = dropped;
            assert!(number != 20, "as the test wants it");
        };
        log.put(put, Box::new(tell));
    }
    for _ in 0..40 {
        told.recv_timeout(PATIENCE).unwrap();
    }
    log.close();
}

#[test]
fn puts_are_told_in_their_order_and_the_last_one_told_may_drop_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(open(folder.path()));
    let (done, told) = mpsc::channel();
    for number in 0..60_u8 {
        let (mut put, done, held) = (Put::new(), done.clone(), Arc::clone(&log));
        assert!(put.push(&[&[number]]));
        let tell = move |put: Result<crate::Committed, _>| {
            done.send(put.unwrap().first).unwrap();
            drop(held);
        };
        log.put(put, Box::new(tell));
    }
    drop(log);
    let order: Vec<u64> = (0..60)
        .map(|_| told.recv_timeout(PATIENCE).unwrap())
        .collect();
    assert_eq!(order, (0..60).collect::<Vec<u64>>());
}
