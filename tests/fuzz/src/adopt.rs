//! A file channel of Flume: whatever its files hold, no event is given that is not in its log, and
//! a second attempt goes on where the first one ended.

use std::fs;
use std::path::Path;

use flume_adopt::{Directories, Event, Found, Holds, Limits, Report, find};
use md5::{Digest, Md5};

use crate::input::Input;

/// Where the queue begins in a checkpoint, in words.
const FIRST: usize = 1029;

/// A log, and a checkpoint in parts of it that have no checksum: these get theirs here.
pub fn run(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let directories = Directories {
        checkpoint: folder.path().join("checkpoint"),
        data: vec![folder.path().to_owned()],
        backup: None,
    };
    let log = write(data, folder.path(), &directories.checkpoint).expect("room for files");
    let channel = || match find(&directories, Limits::default()) {
        Ok(Holds::Channel(found)) => Some(found),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => {
            assert!(!refusal.to_string().is_empty());
            None
        }
    };
    let Some(found) = channel() else { return };
    let (events, report) = read(&found, 0);
    for event in &events {
        let body = &event.body;
        let is_there = body.is_empty() || memchr::memmem::find(log, body).is_some();
        assert!(is_there, "{body:?} is not in the log");
    }
    let skipped = events.len() / 2;
    let (rest, again) = read(&found, skipped);
    assert_eq!(rest, events[skipped..]);
    assert_eq!((again.to_string(), again), (report.to_string(), report));
}

fn read(found: &Found, skip: usize) -> (Vec<Event>, Report) {
    let mut events = Vec::new();
    let report = found.read(skip as u64, |event| {
        events.push(event);
        Ok::<_, std::fmt::Error>(())
    });
    let report = report.expect("whatever is there can be read");
    assert_eq!(report.events, (skip + events.len()) as u64);
    (events, report)
}

/// Writes the files; the rest of the bytes is the log.
fn write<'a>(data: &'a [u8], folder: &Path, checkpoint: &Path) -> std::io::Result<&'a [u8]> {
    let mut input = Input(data);
    let mut part = || {
        let size = usize::from(u16::from_be_bytes([input.byte(), input.byte()]));
        input.bytes(size)
    };
    let (order, meta, queue, puts, takes) = (part(), part(), part(), part(), part());
    fs::create_dir(checkpoint)?;
    let mut words = vec![0; FIRST * 8];
    words[7] = 3;
    words[8..][..order.len().min(8)].copy_from_slice(&order[..order.len().min(8)]);
    words.extend(queue);
    fs::write(checkpoint.join("checkpoint"), words)?;
    fs::write(checkpoint.join("checkpoint.meta"), meta)?;
    for (name, bytes) in [("inflightputs", puts), ("inflighttakes", takes)] {
        let sealed = [&Md5::digest(bytes)[..], bytes].concat();
        fs::write(checkpoint.join(name), sealed)?;
    }
    // The version and the number, as Flume writes them.
    let meta = b"\x0a\x0d\x03\x00\x00\x00\x15\x01\x00\x00\x00";
    fs::write(folder.join("log-1.meta"), meta)?;
    fs::write(folder.join("log-1"), input.0)?;
    Ok(input.0)
}

/// None but those of the corpus: what real Flume wrote.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    Vec::new()
}
