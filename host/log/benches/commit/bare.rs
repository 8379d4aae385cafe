//! A group commit that does nothing but write and sync: what no log can do without.

use std::io::IoSlice;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use flume_log::disk::{Disk as _, DiskFile, Folder};

/// Where a producer waits.
#[derive(Default)]
pub(crate) struct Slot {
    first: Mutex<Option<u64>>,
    told: Condvar,
}

impl Slot {
    pub(crate) fn tell(&self, first: u64) {
        *self.first.lock().unwrap() = Some(first);
        self.told.notify_one();
    }

    pub(crate) fn wait(&self) -> u64 {
        let mut first = self.first.lock().unwrap();
        loop {
            if let Some(first) = first.take() {
                return first;
            }
            first = self.told.wait(first).unwrap();
        }
    }
}

/// Puts that wait, and whether there will be no more.
type Due = (Vec<(Vec<u8>, Arc<Slot>)>, bool);

#[derive(Default)]
struct Queue {
    due: Mutex<Due>,
    more: Condvar,
}

/// A bare group commit.
pub(crate) struct Bare {
    queue: Arc<Queue>,
    committer: JoinHandle<()>,
}

impl Bare {
    pub(crate) fn new(folder: &Path, length: u64) -> Self {
        let (file, queue) = (written(folder, "bare", length), Arc::<Queue>::default());
        let of = Arc::clone(&queue);
        let committer = std::thread::spawn(move || commit(&of, file.as_ref(), length));
        Self { queue, committer }
    }

    pub(crate) fn put(&self, bytes: Vec<u8>, slot: Arc<Slot>) {
        self.queue.due.lock().unwrap().0.push((bytes, slot));
        self.queue.more.notify_one();
    }

    pub(crate) fn close(self) {
        self.queue.due.lock().unwrap().1 = true;
        self.queue.more.notify_one();
        self.committer.join().unwrap();
    }
}

fn commit(queue: &Queue, file: &dyn DiskFile, length: u64) {
    let mut at = 0;
    loop {
        let mut due = queue.due.lock().unwrap();
        while due.0.is_empty() {
            if due.1 {
                return;
            }
            due = queue.more.wait(due).unwrap();
        }
        let puts = std::mem::take(&mut due.0);
        drop(due);
        let parts: Vec<_> = puts.iter().map(|(bytes, _)| IoSlice::new(bytes)).collect();
        let size = parts.iter().map(|part| part.len() as u64).sum::<u64>();
        if at + size > length {
            at = 0;
        }
        file.write(at, &parts).unwrap();
        file.sync().unwrap();
        at += size;
        puts.iter().for_each(|(_, slot)| slot.tell(0));
    }
}

/// A file all of whose blocks were written.
pub(crate) fn written(folder: &Path, name: &str, length: u64) -> Arc<dyn DiskFile> {
    let folder = Folder::own(&folder.join(name)).unwrap();
    if let Ok(file) = folder.open(name) {
        return file;
    }
    let file = folder.create(name, length).unwrap();
    let ones = vec![1; usize::try_from(length).unwrap()];
    file.write(0, &[IoSlice::new(&ones)]).unwrap();
    file.sync().unwrap();
    file
}
