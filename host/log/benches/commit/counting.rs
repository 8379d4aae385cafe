//! A folder that counts syncs, and the bytes that are written.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flume_log::disk::{Disk, DiskFile, Folder};

/// A folder that counts.
#[derive(Debug)]
pub(crate) struct Counting {
    pub(crate) folder: Folder,
    pub(crate) counts: Arc<Counts>,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    syncs: AtomicU64,
    bytes: AtomicU64,
}

impl Counts {
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Counted(Arc<dyn DiskFile>, Arc<Counts>);

impl Counting {
    fn counted(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(Counted(file, Arc::clone(&self.counts)))
    }
}

impl Disk for Counting {
    fn list(&self) -> io::Result<Vec<String>> {
        self.folder.list()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.counted(self.folder.open(name)?))
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.counted(self.folder.create(name, bytes)?))
    }

    fn keep(&self, beside: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.folder.keep(beside, name, bytes)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.folder.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }

    fn sync_name(&self, name: &str) -> io::Result<()> {
        self.folder.sync_name(name)
    }

    fn room(&self) -> io::Result<u64> {
        self.folder.room()
    }
}

impl DiskFile for Counted {
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, into)
    }

    fn write(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let bytes = parts.iter().map(|part| part.len() as u64).sum();
        self.1.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.0.write(offset, parts)
    }

    fn sync(&self) -> io::Result<()> {
        self.1.syncs.fetch_add(1, Ordering::Relaxed);
        self.0.sync()
    }

    fn refresh(&self) -> io::Result<()> {
        self.0.refresh()
    }
}
