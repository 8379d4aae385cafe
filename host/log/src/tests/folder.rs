//! The log in a real folder, with its thread.

use std::sync::mpsc;
use std::time::Duration;

use crate::disk::Folder;
use crate::{Log, Options, Put, Read};

const PATIENCE: Duration = Duration::from_secs(60);

fn open(path: &std::path::Path) -> Log {
    let disk = Folder::own(path).unwrap();
    Log::open(std::sync::Arc::new(disk), Options::default())
        .unwrap()
        .0
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
                        Box::new(move |first| done.send(first.unwrap()).unwrap()),
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
        error.to_string().contains("in use by another process"),
        "{error}"
    );
    drop(first);
    Folder::own(folder.path()).unwrap();
}
