//! Writes directories as Flume does: records, fill, metas, checkpoints.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use tempfile::TempDir;

use crate::record::Pointer;
use crate::{Directories, Event};

/// Bytes of fill behind the records of a log.
pub(super) const FILL: usize = 500;

/// A channel that is written.
pub(super) struct Channel {
    folder: TempDir,
    /// The place of the last record in the order of all.
    pub(super) order: u64,
    /// The bytes of each log, and its directory.
    pub(super) logs: BTreeMap<u32, (usize, Vec<u8>)>,
    /// The log that each directory is at.
    current: Vec<u32>,
}

impl Channel {
    /// With so many data directories, and a log in each.
    pub(super) fn new(directories: usize) -> Self {
        let mut channel = Self {
            folder: tempfile::tempdir().unwrap(),
            order: 1000,
            logs: BTreeMap::new(),
            current: vec![0; directories],
        };
        (0..directories).for_each(|directory| channel.roll(directory));
        channel
    }

    /// Begins again, as Flume does where it finds no logs.
    pub(super) fn renew(&mut self) {
        self.logs.clear();
        (0..self.current.len()).for_each(|directory| self.roll(directory));
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn directories(&self) -> Directories {
        Directories {
            checkpoint: self.path().join("checkpoint"),
            data: (0..self.current.len()).map(|at| self.data(at)).collect(),
            backup: None,
        }
    }

    pub(super) fn data(&self, directory: usize) -> PathBuf {
        self.path().join(format!("data{directory}"))
    }

    /// Where a log is.
    pub(super) fn log(&self, number: u32) -> PathBuf {
        self.data(self.logs[&number].0)
            .join(format!("log-{number}"))
    }

    /// Begins the next log of a directory.
    pub(super) fn roll(&mut self, directory: usize) {
        let number = self.logs.keys().max().unwrap_or(&0) + 1;
        self.logs.insert(number, (directory, Vec::new()));
        self.current[directory] = number;
    }

    fn record(&mut self, transaction: u64, kind: u32, message: &[u8]) -> Pointer {
        self.order += 1;
        let payload = payload(transaction, self.order, kind, message);
        let directory = usize::try_from(transaction).unwrap() % self.current.len();
        let number = self.current[directory];
        let bytes = &mut self.logs.get_mut(&number).unwrap().1;
        let at = u32::try_from(bytes.len()).unwrap();
        bytes.extend(framed(&payload));
        Pointer::new(number, at)
    }

    pub(super) fn put(&mut self, transaction: u64, body: &str) -> Pointer {
        let message = put(body.as_bytes(), crc32fast::hash(body.as_bytes()));
        self.record(transaction, 1, &message)
    }

    pub(super) fn take(&mut self, transaction: u64, of: Pointer) -> Pointer {
        let mut message = vec![0x0D];
        message.extend(of.log().to_le_bytes());
        message.push(0x15);
        message.extend(u32::try_from(of.offset()).unwrap().to_le_bytes());
        self.record(transaction, 2, &message)
    }

    pub(super) fn rollback(&mut self, transaction: u64) -> Pointer {
        self.record(transaction, 3, &[])
    }

    pub(super) fn commit_puts(&mut self, transaction: u64) -> Pointer {
        self.record(transaction, 4, &[0x0D, 1, 0, 0, 0])
    }

    pub(super) fn commit_takes(&mut self, transaction: u64) -> Pointer {
        self.record(transaction, 4, &[0x0D, 2, 0, 0, 0])
    }

    /// A transaction that puts these bodies.
    pub(super) fn puts(&mut self, transaction: u64, bodies: &[&str]) -> Vec<Pointer> {
        let put = bodies.iter().map(|body| self.put(transaction, body));
        let put = put.collect();
        self.commit_puts(transaction);
        put
    }

    /// A transaction that takes these events.
    pub(super) fn takes(&mut self, transaction: u64, events: &[Pointer]) {
        for event in events {
            self.take(transaction, *event);
        }
        self.commit_takes(transaction);
    }

    /// Where the next record of a directory will be.
    pub(super) fn end(&self, directory: usize) -> usize {
        self.logs[&self.current[directory]].1.len()
    }

    /// Writes all logs, with their metas.
    pub(super) fn write(&self) {
        for (number, (directory, bytes)) in &self.logs {
            fs::create_dir_all(self.data(*directory)).unwrap();
            let mut bytes = bytes.clone();
            bytes.extend([0x80; FILL]);
            fs::write(self.log(*number), bytes).unwrap();
            let meta = meta(*number, &[]);
            fs::write(self.log(*number).with_added_extension("meta"), meta).unwrap();
        }
    }

    /// Writes a checkpoint of this moment.
    pub(super) fn checkpoint(&mut self, state: &State<'_>) {
        self.order += 1;
        let directory = self.directories().checkpoint;
        write_checkpoint(&directory, self.order, state);
    }
}

/// What a checkpoint holds.
#[derive(Default)]
pub(super) struct State<'a> {
    pub(super) queue: &'a [Pointer],
    pub(super) puts: &'a [(u64, Vec<Pointer>)],
    pub(super) takes: &'a [(u64, Vec<Pointer>)],
}

pub(super) fn write_checkpoint(directory: &Path, order: u64, state: &State<'_>) {
    const CAPACITY: usize = 100;
    /// So that the queue goes around the end.
    const HEAD: usize = 98;
    fs::create_dir_all(directory).unwrap();
    let mut words = vec![0; 1029 + CAPACITY];
    (words[0], words[1]) = (3, order);
    for (at, pointer) in state.queue.iter().enumerate() {
        words[1029 + (HEAD + at) % CAPACITY] = pointer.0;
    }
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    fs::write(directory.join("checkpoint"), bytes).unwrap();
    let mut message = vec![0x0D, 3, 0, 0, 0, 0x11];
    message.extend(order.to_le_bytes());
    message.push(0x1D);
    message.extend(u32::try_from(state.queue.len()).unwrap().to_le_bytes());
    message.push(0x25);
    message.extend(u32::try_from(HEAD).unwrap().to_le_bytes());
    let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
    for pointer in state.queue {
        *counts.entry(pointer.log()).or_default() += 1;
    }
    for (log, count) in counts {
        message.extend([0x2A, 10, 0x0D]);
        message.extend(log.to_le_bytes());
        message.push(0x15);
        message.extend(count.to_le_bytes());
    }
    fs::write(directory.join("checkpoint.meta"), delimited(&message)).unwrap();
    for (name, transactions) in [("inflightputs", state.puts), ("inflighttakes", state.takes)] {
        let mut words = Vec::new();
        for (transaction, pointers) in transactions {
            words.extend([*transaction, u64::try_from(pointers.len()).unwrap()]);
            words.extend(pointers.iter().map(|pointer| pointer.0));
        }
        words.extend([0, 0]);
        let rest: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let mut bytes = Md5::digest(&rest).to_vec();
        bytes.extend(rest);
        fs::write(directory.join(name), bytes).unwrap();
    }
}

/// A meta, with more fields behind those that are always there.
pub(super) fn meta(number: u32, more: &[u8]) -> Vec<u8> {
    let mut message = vec![0x0D, 3, 0, 0, 0, 0x15];
    message.extend(number.to_le_bytes());
    for tag in [0x19, 0x21] {
        message.push(tag);
        message.extend([0; 8]);
    }
    message.extend(more);
    delimited(&message)
}

pub(super) fn delimited(message: &[u8]) -> Vec<u8> {
    let (mut length, mut bytes) = (message.len(), Vec::new());
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7F).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend(message);
    bytes
}

pub(super) fn put(body: &[u8], checksum: u32) -> Vec<u8> {
    let mut event = vec![0x0A];
    event.extend(delimited(&[0x0A, 1, b'k', 0x12, 1, b'v']));
    event.push(0x12);
    event.extend(delimited(body));
    let mut message = vec![0x0A];
    message.extend(delimited(&event));
    message.push(0x11);
    message.extend(u64::from(checksum).to_le_bytes());
    message
}

pub(super) fn payload(transaction: u64, order: u64, kind: u32, message: &[u8]) -> Vec<u8> {
    let mut payload = vec![23, 0x0D];
    payload.extend(kind.to_le_bytes());
    payload.push(0x11);
    payload.extend(transaction.to_le_bytes());
    payload.push(0x19);
    payload.extend(order.to_le_bytes());
    payload.extend(delimited(message));
    payload.push(0);
    payload
}

pub(super) fn framed(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x7F];
    bytes.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The bodies of events, as text.
pub(super) fn bodies(events: &[Event]) -> Vec<String> {
    let text = |event: &Event| String::from_utf8(event.body.to_vec()).unwrap();
    events.iter().map(text).collect()
}
