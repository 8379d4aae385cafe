//! A disk that is simulated: it keeps its promises about syncs, and no others.
//!
//! What was written and not synced may be lost at a crash, wholly or in part, and in any order; names
//! likewise. Each operation is a step, and the disk can fail at a step, or end the process there: then
//! all later ones fail, until [`SimDisk::crash`] has decided what is left. A process may have several
//! disks ([`SimDisk::beside`]), which share their steps and end together.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::sync::Arc;

use fastrand::Rng;
use parking_lot::Mutex;

use crate::disk::{Disk, DiskFile};

mod bytes;

use self::bytes::{put, tear};

/// A simulated disk. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimDisk {
    inner: Arc<Mutex<Inner>>,
    process: Arc<Mutex<Process>>,
}

/// What happens at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process ends.
    Crash,
    /// The disk answers with an error, once. A failed sync forgets what it was to write.
    Error,
    /// The disk answers with errors only, until the next life of the process. What can be done in the
    /// memory of the system, as to rename a file, is done.
    Dies,
    /// There is no room, until [`SimDisk::make_room`].
    Full,
}

/// What the disks of a process share.
#[derive(Debug, Default)]
struct Process {
    steps: u64,
    fault: Option<(u64, Fault)>,
    is_down: bool,
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
    is_dead: bool,
    /// Names can be changed, and nothing be written to a file.
    is_worn: bool,
    /// Bytes of files that can be made yet.
    room: u64,
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
        Self::of(seed, Arc::default())
    }

    /// Another disk of the same process.
    #[must_use]
    pub fn beside(&self, seed: u64) -> Self {
        Self::of(seed, Arc::clone(&self.process))
    }

    fn of(seed: u64, process: Arc<Mutex<Process>>) -> Self {
        let inner = Inner {
            random: Rng::with_seed(seed),
            files: Vec::new(),
            safe: BTreeMap::new(),
            names: BTreeMap::new(),
            changes: Vec::new(),
            is_dead: false,
            is_worn: false,
            room: u64::MAX,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            process,
        }
    }

    /// How many steps there were, on all disks of the process.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.process.lock().steps
    }

    /// Has this happen at a step, counted from the first, on the disk whose step it is.
    pub fn fault_at(&self, step: u64, fault: Fault) {
        self.process.lock().fault = Some((step, fault));
    }

    /// Whether the process has ended.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.process.lock().is_down
    }

    /// Whether all that was written would be there after a crash.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        let inner = self.inner.lock();
        inner.files.iter().all(|file| file.writes.is_empty()) && inner.changes.is_empty()
    }

    /// From now on the disk answers with errors only.
    pub fn die(&self) {
        self.inner.lock().is_dead = true;
    }

    /// From now on nothing can be written to its files, until the next life of the process. Their names can
    /// be changed, and what is there can be read.
    pub fn wear_out(&self) {
        self.inner.lock().is_worn = true;
    }

    /// There is room for this many bytes from now on.
    pub fn leave_room(&self, bytes: u64) {
        self.inner.lock().room = bytes;
    }

    /// There is room again.
    pub fn make_room(&self) {
        self.inner.lock().room = u64::MAX;
    }

    /// What a crash leaves: all that is safe, and of the rest what chance has written. The disk works
    /// again then.
    pub fn crash(&self) {
        let mut inner = self.inner.lock();
        inner.crash();
        inner.begin_again(&self.process);
    }

    /// What remains when only the process ends: all that was written. The disk works again then.
    pub fn kill(&self) {
        self.inner.lock().begin_again(&self.process);
    }

    /// Changes a byte of a file.
    pub fn flip(&self, name: &str, at: usize) {
        let mut inner = self.inner.lock();
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

    /// Counts a step, and says whether it fails.
    fn step(&self, inner: &mut Inner) -> io::Result<()> {
        let mut process = self.process.lock();
        process.steps += 1;
        if process.is_down {
            return Err(io::Error::other("the process has ended"));
        }
        let is_now = process.fault.filter(|(step, _)| *step == process.steps);
        match is_now.map(|(_, fault)| fault) {
            Some(Fault::Crash) => {
                process.is_down = true;
                Err(io::Error::other("the process ends"))
            }
            Some(Fault::Error) => Err(io::Error::other("an error of the disk")),
            fault => {
                inner.is_dead |= fault == Some(Fault::Dies);
                if fault == Some(Fault::Full) {
                    inner.room = 0;
                }
                inner.alive()
            }
        }
    }

    fn handle(&self, file: usize) -> Arc<dyn DiskFile> {
        let disk = self.clone();
        Arc::new(Handle { disk, file })
    }
}

impl Inner {
    fn alive(&self) -> io::Result<()> {
        match self.is_dead {
            true => Err(io::Error::other("the disk is dead")),
            false => Ok(()),
        }
    }

    fn begin_again(&mut self, process: &Mutex<Process>) {
        self.is_worn = false;
        (self.is_dead, self.room) = (false, u64::MAX);
        let mut process = process.lock();
        (process.fault, process.is_down) = (None, false);
    }

    fn crash(&mut self) {
        for change in std::mem::take(&mut self.changes) {
            if self.random.bool() {
                apply(&mut self.safe, change);
            }
        }
        self.names = self.safe.clone();
        let left: Vec<usize> = self.names.values().copied().collect();
        for (at, file) in self.files.iter_mut().enumerate() {
            if !left.contains(&at) {
                *file = File::default();
                continue;
            }
            let mut writes = std::mem::take(&mut file.writes);
            self.random.shuffle(&mut writes);
            for (offset, bytes) in writes {
                tear(&mut file.safe, offset, &bytes, &mut self.random);
            }
            file.now = file.safe.clone();
        }
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
        let inner = self.inner.lock();
        inner.alive()?;
        Ok(inner.names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let inner = self.inner.lock();
        let file = inner.names.get(name).copied();
        Ok(self.handle(file.ok_or_else(absent)?))
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut inner = self.inner.lock();
        self.step(&mut inner)?;
        if bytes > inner.room {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        if inner.names.contains_key(name) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        inner.room -= if inner.room == u64::MAX { 0 } else { bytes };
        let file = inner.files.len();
        let zeros = vec![0; usize::try_from(bytes).unwrap_or(0)];
        inner.files.push(File {
            safe: zeros.clone(),
            now: zeros,
            writes: Vec::new(),
        });
        inner.names.insert(name.to_owned(), file);
        inner.changes.push(Change::Set(name.to_owned(), file));
        Ok(self.handle(file))
    }

    fn keep(&self, _: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        let file = self.create(name, bytes.len() as u64)?;
        file.write(0, &[IoSlice::new(bytes)])?;
        file.sync()?;
        self.sync_name(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.inner.lock();
        let stepped = self.step(&mut inner);
        if self.is_down() || !inner.is_dead {
            stepped?;
        }
        let file = inner.names.remove(from).ok_or_else(absent)?;
        inner.names.insert(to.to_owned(), file);
        let change = Change::Rename(from.to_owned(), to.to_owned(), file);
        inner.changes.push(change);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inner = self.inner.lock();
        self.step(&mut inner)?;
        inner.names.remove(name).ok_or_else(absent)?;
        inner.changes.push(Change::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_name(&self, _: &str) -> io::Result<()> {
        let mut inner = self.inner.lock();
        self.step(&mut inner)?;
        inner.changes.clear();
        inner.safe = inner.names.clone();
        Ok(())
    }

    fn room(&self) -> io::Result<u64> {
        let inner = self.inner.lock();
        inner.alive()?;
        Ok(inner.room)
    }
}

impl DiskFile for Handle {
    fn length(&self) -> io::Result<u64> {
        let inner = self.disk.inner.lock();
        let file = inner.files.get(self.file).ok_or_else(absent)?;
        Ok(file.now.len() as u64)
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let inner = self.disk.inner.lock();
        inner.alive()?;
        let file = inner.files.get(self.file).ok_or_else(absent)?;
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = file.now.get(at..at.saturating_add(into.len()));
        let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
        into.copy_from_slice(bytes.ok_or_else(short)?);
        Ok(())
    }

    fn write(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let parts: Vec<&[u8]> = parts.iter().map(|part| &**part).collect();
        let bytes = parts.concat();
        let mut inner = self.disk.inner.lock();
        if inner.is_worn {
            return Err(io::Error::other("nothing can be written"));
        }
        let was_down = self.disk.is_down() || inner.is_dead;
        let is_failing = self.disk.step(&mut inner);
        if was_down {
            return is_failing;
        }
        // A process that ends has written a part.
        let end = match self.disk.is_down() || inner.is_dead {
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
        let mut inner = self.disk.inner.lock();
        let is_failing = self.disk.step(&mut inner);
        if self.disk.is_down() {
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

    fn refresh(&self) -> io::Result<()> {
        let synced = self.sync();
        let mut inner = self.disk.inner.lock();
        let file = inner.files.get_mut(self.file).ok_or_else(absent)?;
        file.now = file.safe.clone();
        synced
    }
}
