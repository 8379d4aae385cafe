//! The checkpoint: the queue and the open transactions at one moment, as pointers into the logs.
//!
//! One that is not good in every respect is not used, and says why: the logs know the same, and a
//! checkpoint with some zeros in it would lose events in silence.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use crate::limits::Limits;
use crate::proto::{self, Cursor, Value};
use crate::record::Pointer;

mod words;

use self::words::Words;

/// The version of the format that is read here.
const VERSION: u64 = 3;
/// Where the queue begins.
const FIRST: u64 = 1029;
/// Bytes of the files beside a checkpoint, apart from those of open transactions.
const MOST_META: u64 = 16 << 20;

/// The state at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    /// What is above it comes from the logs.
    pub(crate) order: u64,
    /// The queue, the oldest event first.
    pub(crate) queue: Vec<Pointer>,
    pub(crate) puts: Vec<(u64, Vec<Pointer>)>,
    /// These are not in the queue.
    pub(crate) takes: Vec<(u64, Vec<Pointer>)>,
}

/// Why a checkpoint cannot be used.
pub(crate) type Unusable = String;

/// Reads the checkpoint of a directory.
pub(crate) fn read(directory: &Path, limits: Limits) -> Result<Checkpoint, Unusable> {
    let meta = meta(&directory.join("checkpoint.meta"))?;
    let mut words = Words::open(directory).map_err(|error| error.to_string())?;
    let order = words.head(FIRST)?;
    if order != meta.order {
        return Err("checkpoint and checkpoint.meta are of different moments".to_owned());
    }
    let queue = queue(&mut words, &meta, limits)?;
    let checkpoint = Checkpoint {
        order,
        queue,
        puts: open_transactions(&directory.join("inflightputs"), limits)?,
        takes: open_transactions(&directory.join("inflighttakes"), limits)?,
    };
    checkpoint.agrees(&meta)?;
    Ok(checkpoint)
}

impl Checkpoint {
    /// All events that it points to.
    pub(crate) fn pointers(&self) -> impl Iterator<Item = Pointer> {
        let open = self.puts.iter().chain(&self.takes);
        let open = open.flat_map(|(_, pointers)| pointers);
        self.queue.iter().chain(open).copied()
    }

    fn agrees(&self, meta: &Meta) -> Result<(), Unusable> {
        let mut counted: HashMap<u32, u64> = HashMap::new();
        for pointer in &self.queue {
            *counted.entry(pointer.log()).or_default() += 1;
        }
        let counts = meta.logs.iter().filter(|(_, count)| **count > 0);
        if counted != counts.map(|(log, count)| (*log, *count)).collect() {
            return Err("it does not point into the logs that its meta counts".to_owned());
        }
        // An event is in the queue or taken, and there once.
        let takes = self.takes.iter().flat_map(|(_, pointers)| pointers);
        let mut all: Vec<Pointer> = self.queue.iter().chain(takes).copied().collect();
        all.sort_unstable();
        let is_twice = all.windows(2).any(|pair| pair.first() == pair.last());
        if is_twice || all.first().is_some_and(|first| first.0 == 0) {
            return Err("it points to an event twice, or to none".to_owned());
        }
        Ok(())
    }
}

/// What `checkpoint.meta` says.
struct Meta {
    order: u64,
    size: u64,
    head: u64,
    /// Events of the queue in each log.
    logs: HashMap<u32, u64>,
}

fn meta(path: &Path) -> Result<Meta, Unusable> {
    let bytes = small(path, MOST_META)?;
    let read = || {
        let fields = proto::fields(Cursor(&bytes).delimited()?)?;
        let number = |wanted| proto::number(&fields, wanted);
        let mut logs = HashMap::new();
        for field in &fields {
            if let (5, Value::Bytes(log)) = field {
                let log = proto::fields(log)?;
                let id = u32::try_from(proto::number(&log, 1)?).ok()?;
                logs.insert(id, proto::number(&log, 2)?);
            }
        }
        let meta = Meta {
            order: number(2)?,
            size: number(3)?,
            head: number(4)?,
            logs,
        };
        (number(1)? == VERSION).then_some(meta)
    };
    read().ok_or_else(|| "checkpoint.meta cannot be read".to_owned())
}

fn queue(words: &mut Words, meta: &Meta, limits: Limits) -> Result<Vec<Pointer>, Unusable> {
    let capacity = words.count() - FIRST;
    if meta.size > capacity || (meta.head >= capacity && meta.size > 0) {
        return Err("its queue is larger than it is".to_owned());
    }
    if usize::try_from(meta.size).is_ok_and(|size| size > limits.events) {
        return Err(format!("it has more than {} events", limits.events));
    }
    let until_end = meta.size.min(capacity.saturating_sub(meta.head));
    let mut queue = words.get(FIRST + meta.head, until_end)?;
    queue.extend(words.get(FIRST, meta.size - until_end)?);
    Ok(queue.into_iter().map(Pointer).collect())
}

/// The transactions that were open: their ids, and the events of each.
fn open_transactions(path: &Path, limits: Limits) -> Result<Vec<(u64, Vec<Pointer>)>, Unusable> {
    let most = 16 + 24 * u64::try_from(limits.events).unwrap_or(u64::MAX >> 8);
    let bytes = small(path, most)?;
    let name = path.file_name().unwrap_or_default().display();
    let Some((digest, rest)) = bytes.split_at_checked(16) else {
        // Never written.
        let is_new = bytes.is_empty();
        return is_new
            .then(Vec::new)
            .ok_or_else(|| format!("{name} is cut"));
    };
    if Md5::digest(rest).as_slice() != digest {
        return Err(format!("{name} does not match its checksum"));
    }
    let mut cursor = Cursor(rest);
    let mut found = Vec::new();
    while !cursor.is_empty() {
        let read = transaction(&mut cursor);
        let (id, pointers) = read.ok_or_else(|| format!("{name} is cut"))?;
        if !pointers.is_empty() {
            found.push((id, pointers));
        }
    }
    Ok(found)
}

fn transaction(cursor: &mut Cursor<'_>) -> Option<(u64, Vec<Pointer>)> {
    let (id, count) = (cursor.big64()?, cursor.big64()?);
    let bytes = usize::try_from(count.checked_mul(8)?).ok()?;
    let mut inner = Cursor(cursor.take(bytes)?);
    let mut pointers = Vec::new();
    while !inner.is_empty() {
        pointers.push(Pointer(inner.big64()?));
    }
    Some((id, pointers))
}

/// The bytes of a file that is not larger than this.
fn small(path: &Path, most: u64) -> Result<Vec<u8>, Unusable> {
    let name = path.file_name().unwrap_or_default().display();
    let read = || -> io::Result<Option<Vec<u8>>> {
        let is_small = fs::metadata(path)?.len() <= most;
        is_small.then(|| fs::read(path)).transpose()
    };
    match read() {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(format!("{name} is larger than {most} bytes")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("{name} is not there"))
        }
        Err(error) => Err(format!("{name}: {error}")),
    }
}

/// Where a checkpoint of a directory is, as it is named in reports.
pub(crate) fn path(directory: &Path) -> PathBuf {
    directory.join("checkpoint")
}
