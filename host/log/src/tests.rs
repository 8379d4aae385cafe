//! The log on disks that crash and fail at every step, compared with a queue in memory.

use std::sync::Arc;

use fastrand::Rng;

use crate::disk::{Disk, Folders};
use crate::log::open;
use crate::reader::{OnDamage, Read, Reader};
use crate::shared::Shared;
use crate::terms::{Options, Sync};
use crate::testing::{Fault, SimDisk};
use crate::verify::Inspection;
use crate::writer::Writer;
use crate::{Damage, LogError, Put, Recovered};

mod case;
mod crashes;
mod damage;
mod folder;
mod full;
mod model;
mod seek;
mod striping;
mod verify;

const SMALL: Options = Options {
    segment_bytes: 96 << 10,
    sync: Sync::Always,
};

/// One life of a process with a log.
struct Life {
    writer: Writer,
    shared: Shared,
    reader: Reader,
    recovered: Recovered,
    /// What the files held before, as the second reader says.
    inspection: Option<Inspection>,
}

impl Life {
    fn begin(disk: &SimDisk, options: Options) -> Result<Self, LogError> {
        Self::on(Arc::new(disk.clone()), options)
    }

    fn on(disk: Arc<dyn Disk>, options: Options) -> Result<Self, LogError> {
        let (writer, shared, recovered) = open(disk, options)?;
        let reader = Reader::new(Arc::clone(&shared));
        Ok(Self {
            writer,
            shared,
            reader,
            recovered,
            inspection: None,
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

    fn settle(&self, first: u64, end: u64) {
        self.shared.lock().settled.add(first, end);
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

/// A put of records of these numbers.
fn put(numbers: std::ops::Range<u64>, size: usize) -> Put {
    let mut put = Put::new();
    for number in numbers {
        assert!(put.push(&[&record(number, size)]));
    }
    put
}
