//! A disk that is simulated: it keeps its promises about syncs, and no others.
//!
//! What was written and not synced may be lost at a crash, wholly or in part, and in any order; names
//! likewise. Each operation is a step, and the disk can fail at a step, or end the process there: then
//! all later ones fail, until [`SimDisk::crash`] has decided what is left.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use fastrand::Rng;
use parking_lot::Mutex;

use crate::disk::{Disk, DiskFile};

/// Bytes that a disk writes at once or not at all.
const SECTOR: u64 = 512;

/// A simulated disk. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimDisk(Arc<Mutex<Inner>>);

/// What happens at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process ends.
    Crash,
    /// The disk answers with an error, once. A failed sync forgets what it was to write.
    Error,
    /// There is no room, until [`SimDisk::make_room`].
    Full,
}

#[derive(Debug)]
struct Inner {
    random: Rng,
    files: Vec<File>,
    /// Names that are safe.
    safe: BTreeMap<String, usize>,
    /// Names as the process sees them.
    names: BTreeMap<String, usize>,
    /// Changes of names that are not safe, in order.
    changes: Vec<Change>,
    steps: u64,
    fault: Option<(u64, Fault)>,
    is_down: bool,
    is_full: bool,
}

#[derive(Debug, Clone)]
enum Change {
    Set(String, usize),
    Rename(String, String, usize),
    Remove(String),
}

#[derive(Debug, Default)]
struct File {
    safe: Vec<u8>,
    now: Vec<u8>,
    /// Writes that are not safe.
    writes: Vec<(u64, Vec<u8>)>,
}

impl SimDisk {
    /// An empty disk, whose choices follow from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            random: Rng::with_seed(seed),
            files: Vec::new(),
            safe: BTreeMap::new(),
            names: BTreeMap::new(),
            changes: Vec::new(),
            steps: 0,
            fault: None,
            is_down: false,
            is_full: false,
        })))
    }

    /// How many steps there were.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.0.lock().steps
    }

    /// Has this happen at a step, counted from the first.
    pub fn fault_at(&self, step: u64, fault: Fault) {
        self.0.lock().fault = Some((step, fault));
    }

    /// Whether the process has ended.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.0.lock().is_down
    }

    /// There is no room from now on.
    pub fn fill(&self) {
        self.0.lock().is_full = true;
    }

    /// There is room again.
    pub fn make_room(&self) {
        self.0.lock().is_full = false;
    }

    /// What a crash leaves: all that is safe, and of the rest what chance has written. The disk works
    /// again then.
    pub fn crash(&self) {
        self.0.lock().crash();
    }

    /// What remains when only the process ends: all that was written. The disk works again then.
    pub fn kill(&self) {
        let mut inner = self.0.lock();
        inner.fault = None;
        (inner.is_down, inner.is_full) = (false, false);
    }

    /// Changes a byte of a file.
    pub fn flip(&self, name: &str, at: usize) {
        let mut inner = self.0.lock();
        if let Some(file) = inner.names.get(name).copied()
            && let Some(file) = inner.files.get_mut(file)
        {
            for bytes in [&mut file.safe, &mut file.now] {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 0x55;
                }
            }
        }
    }
}

impl Inner {
    /// Counts a step, and says whether it fails.
    fn step(&mut self) -> io::Result<()> {
        self.steps += 1;
        if self.is_down {
            return Err(io::Error::other("the process has ended"));
        }
        match self.fault {
            Some((step, fault)) if step == self.steps => match fault {
                Fault::Crash => {
                    self.is_down = true;
                    Err(io::Error::other("the process ends"))
                }
                Fault::Error => Err(io::Error::other("an error of the disk")),
                Fault::Full => {
                    self.is_full = true;
                    Ok(())
                }
            },
            _ => Ok(()),
        }
    }

    fn crash(&mut self) {
        self.fault = None;
        (self.is_down, self.is_full) = (false, false);
        for change in std::mem::take(&mut self.changes) {
            if self.random.bool() {
                apply(&mut self.safe, change);
            }
        }
        self.names = self.safe.clone();
        for file in &mut self.files {
            let mut writes = std::mem::take(&mut file.writes);
            self.random.shuffle(&mut writes);
            for (offset, bytes) in writes {
                tear(&mut file.safe, offset, &bytes, &mut self.random);
            }
            file.now = file.safe.clone();
        }
    }
}

/// Writes some sectors of these bytes, of which one may end at any byte.
fn tear(into: &mut Vec<u8>, offset: u64, bytes: &[u8], random: &mut Rng) {
    // All, none, or some of them.
    let share = random.choice([0, 50, 100]).unwrap_or(100);
    let mut at = 0;
    while at < bytes.len() {
        let place = offset + at as u64;
        let rest = usize::try_from(SECTOR - place % SECTOR).unwrap_or(1);
        let end = (at + rest).min(bytes.len());
        let cut = match random.u32(0..100) {
            0..5 if share == 50 => random.usize(at..end),
            chance if chance < share => end,
            _ => at,
        };
        put(into, place, bytes.get(at..cut).unwrap_or_default());
        at = end;
    }
}

fn put(into: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let at = usize::try_from(offset).unwrap_or(usize::MAX);
    if into.len() < at + bytes.len() {
        into.resize(at + bytes.len(), 0);
    }
    if let Some(place) = into.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

fn apply(names: &mut BTreeMap<String, usize>, change: Change) {
    match change {
        Change::Set(name, file) => drop(names.insert(name, file)),
        Change::Rename(from, to, file) => {
            names.remove(&from);
            names.insert(to, file);
        }
        Change::Remove(name) => drop(names.remove(&name)),
    }
}

fn absent() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

#[derive(Debug)]
struct Handle {
    disk: SimDisk,
    file: usize,
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let inner = self.0.lock();
        Ok(inner.names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.0.lock().names.get(name).copied();
        let (disk, file) = (self.clone(), file.ok_or_else(absent)?);
        Ok(Arc::new(Handle { disk, file }))
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut inner = self.0.lock();
        inner.step()?;
        if inner.is_full {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        if inner.names.contains_key(name) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        let file = inner.files.len();
        let zeros = vec![0; usize::try_from(bytes).unwrap_or(0)];
        inner.files.push(File {
            safe: zeros.clone(),
            now: zeros,
            writes: Vec::new(),
        });
        inner.names.insert(name.to_owned(), file);
        inner.changes.push(Change::Set(name.to_owned(), file));
        drop(inner);
        let disk = self.clone();
        Ok(Arc::new(Handle { disk, file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.0.lock();
        inner.step()?;
        let file = inner.names.remove(from).ok_or_else(absent)?;
        inner.names.insert(to.to_owned(), file);
        let change = Change::Rename(from.to_owned(), to.to_owned(), file);
        inner.changes.push(change);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inner = self.0.lock();
        inner.step()?;
        inner.names.remove(name).ok_or_else(absent)?;
        inner.changes.push(Change::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut inner = self.0.lock();
        inner.step()?;
        inner.changes.clear();
        inner.safe = inner.names.clone();
        Ok(())
    }

    fn room(&self) -> io::Result<u64> {
        let is_full = self.0.lock().is_full;
        Ok(if is_full { 0 } else { u64::MAX })
    }
}

impl DiskFile for Handle {
    fn length(&self) -> io::Result<u64> {
        let inner = self.disk.0.lock();
        let file = inner.files.get(self.file).ok_or_else(absent)?;
        Ok(file.now.len() as u64)
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let inner = self.disk.0.lock();
        let file = inner.files.get(self.file).ok_or_else(absent)?;
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = file.now.get(at..at.saturating_add(into.len()));
        let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
        into.copy_from_slice(bytes.ok_or_else(short)?);
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.disk.0.lock();
        let was_down = inner.is_down;
        let is_failing = inner.step();
        if was_down {
            return is_failing;
        }
        // A process that ends has written a part.
        let end = match inner.is_down {
            true => inner.random.usize(0..=bytes.len()),
            false => bytes.len(),
        };
        let bytes = bytes.get(..end).unwrap_or_default();
        let file = inner.files.get_mut(self.file).ok_or_else(absent)?;
        // What was written when it failed may be on the disk all the same.
        put(&mut file.now, offset, bytes);
        file.writes.push((offset, bytes.to_vec()));
        is_failing
    }

    fn sync(&self) -> io::Result<()> {
        let mut inner = self.disk.0.lock();
        let is_failing = inner.step();
        if inner.is_down {
            return is_failing;
        }
        let random = &mut inner.random.fork();
        let file = inner.files.get_mut(self.file).ok_or_else(absent)?;
        let writes = std::mem::take(&mut file.writes);
        for (offset, bytes) in writes {
            match &is_failing {
                Ok(()) => put(&mut file.safe, offset, &bytes),
                // As with a real disk: some of it is there, and what is missing is never written.
                Err(_) => tear(&mut file.safe, offset, &bytes, random),
            }
        }
        is_failing
    }
}
