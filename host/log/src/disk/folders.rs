//! Several folders, usually on several disks: new segments go to each in turn.
//!
//! A file stays in the folder where it was made, under all its names. A folder that has no room is
//! passed over, and one that fails is, for a while. A file `folders.list` in each names all of them, so
//! that a log is not opened without one: its records would be missing, and numbers be used again.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use super::members;
use super::{Disk, DiskFile, Folder};
use crate::segment::Named;

/// New segments for which a folder that failed is passed over.
const TURNS_OUT: u32 = 16;

/// Folders that this process owns, or looks at.
#[derive(Debug)]
pub struct Folders {
    members: Vec<Member>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct Member {
    disk: Arc<dyn Disk>,
    /// Its name in errors.
    path: Option<Arc<Path>>,
    /// For how many new segments it is passed over.
    out: Arc<AtomicU32>,
    /// Why no segment was made here the last time.
    said: Mutex<Option<io::ErrorKind>>,
}

#[derive(Debug, Default)]
struct State {
    /// Which folder has the file of a name.
    places: BTreeMap<String, usize>,
    /// Which folder is next.
    turn: usize,
}

impl Folders {
    /// Takes folders, which are made if none of them is there.
    ///
    /// # Errors
    /// One is missing, is in use by another process, or cannot be read. The error names it.
    pub fn own(paths: &[PathBuf]) -> io::Result<Self> {
        if let [path] = paths
            && !members::has_list(path)
        {
            return Ok(Self::of(vec![Arc::new(own(path)?)])?.named(paths));
        }
        members::check(paths)?;
        let mut disks: Vec<Arc<dyn Disk>> = Vec::new();
        for path in paths {
            disks.push(Arc::new(own(path)?));
        }
        members::list(paths)?;
        Ok(Self::of(disks)?.named(paths))
    }

    /// Folders that are only looked at, whoever owns them: what would change them is refused.
    ///
    /// # Errors
    /// One is missing, or cannot be read. The error names it.
    pub fn look(paths: &[PathBuf]) -> io::Result<Self> {
        if let Some(path) = paths.iter().find(|path| !path.is_dir()) {
            let said = format!("{} is no folder", path.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, said));
        }
        members::check(paths)?;
        let look = |path: &PathBuf| Arc::new(Folder::look(path)) as Arc<dyn Disk>;
        Ok(Self::of(paths.iter().map(look).collect())?.named(paths))
    }

    /// Takes disks as they are.
    ///
    /// # Errors
    /// One cannot be read, or two have a segment of the same name.
    pub fn of(disks: Vec<Arc<dyn Disk>>) -> io::Result<Self> {
        let mut state = State::default();
        for (at, disk) in disks.iter().enumerate() {
            for name in disk.list()? {
                // What others have put there may have one name everywhere, as locks of Flume have.
                let is_ours = Named::of(&name).is_some();
                if let Some(other) = state.places.insert(name.clone(), at)
                    && is_ours
                {
                    let said =
                        format!("{name} is in two folders: {disk:?}, {:?}", disks.get(other));
                    return Err(io::Error::new(io::ErrorKind::InvalidData, said));
                }
            }
        }
        let member = |disk| Member {
            disk,
            path: None,
            out: Arc::default(),
            said: Mutex::default(),
        };
        Ok(Self {
            members: disks.into_iter().map(member).collect(),
            state: Mutex::new(state),
        })
    }

    /// Has errors name these folders.
    fn named(mut self, paths: &[PathBuf]) -> Self {
        for (member, path) in self.members.iter_mut().zip(paths) {
            member.path = Some(Arc::from(path.as_path()));
        }
        self
    }

    /// The folder of a file.
    fn of_name(&self, name: &str) -> io::Result<(usize, &Member)> {
        let place = self.state.lock().places.get(name).copied();
        let member = place.and_then(|at| Some((at, self.members.get(at)?)));
        member.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// Folders in the order in which the next segment tries them: those that failed come last.
    fn order(&self) -> Vec<(usize, &Member)> {
        let mut state = self.state.lock();
        let turn = state.turn;
        state.turn = (turn + 1) % self.members.len().max(1);
        drop(state);
        let all = self.members.iter().enumerate();
        let (after, before): (Vec<_>, Vec<_>) = all.partition(|(at, _)| *at >= turn);
        let (mut well, out): (Vec<_>, Vec<_>) = after
            .into_iter()
            .chain(before)
            .partition(|(_, member)| !member.is_out());
        well.extend(out);
        well
    }
}

/// Takes a folder; the error names it.
fn own(path: &Path) -> io::Result<Folder> {
    Folder::own(path).map_err(|error| {
        let said = error.to_string();
        let name = path.display().to_string();
        match said.contains(&name) {
            true => error,
            false => io::Error::new(error.kind(), format!("{name}: {said}")),
        }
    })
}

impl Member {
    /// Whether it is passed over this time.
    fn is_out(&self) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
        self.out.fetch_update(set, get, one_less).is_ok()
    }

    /// Says that no segment is made here: once, and again when there is another reason or there was a
    /// segment meanwhile. Each put that comes tries to make one.
    fn say(&self, error: &io::Error) {
        if self.said.lock().replace(error.kind()) != Some(error.kind()) {
            tracing::warn!(disk = ?self.disk, %error, "no segment is made here");
        }
    }

    fn watched(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let (path, out) = (self.path.clone(), Arc::clone(&self.out));
        Arc::new(Watched { file, path, out })
    }

    /// It is passed over, if what was tried there has failed for another reason than want of room.
    fn note<T>(&self, tried: io::Result<T>) -> io::Result<T> {
        note(&self.out, tried)
    }
}

fn note<T>(out: &AtomicU32, tried: io::Result<T>) -> io::Result<T> {
    if let Err(error) = &tried
        && error.kind() != io::ErrorKind::StorageFull
    {
        out.store(TURNS_OUT, Ordering::Relaxed);
    }
    tried
}

impl Disk for Folders {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for member in &self.members {
            names.extend(member.disk.list()?);
        }
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let (_, member) = self.of_name(name)?;
        Ok(member.watched(member.disk.open(name)?))
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        if self.state.lock().places.contains_key(name) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        for (at, member) in self.order() {
            match member.note(member.disk.create(name, bytes)) {
                Ok(file) => {
                    *member.said.lock() = None;
                    self.state.lock().places.insert(name.to_owned(), at);
                    return Ok(member.watched(file));
                }
                Err(error) => {
                    member.say(&error);
                    // That there is no room is what can be waited for.
                    if failed.kind() != io::ErrorKind::StorageFull {
                        failed = error;
                    }
                }
            }
        }
        Err(failed)
    }

    fn keep(&self, beside: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (at, member) = self.of_name(beside)?;
        member.note(member.disk.keep(beside, name, bytes))?;
        self.state.lock().places.insert(name.to_owned(), at);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (at, member) = self.of_name(from)?;
        member.note(member.disk.rename(from, to))?;
        let mut state = self.state.lock();
        state.places.remove(from);
        state.places.insert(to.to_owned(), at);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let (_, member) = self.of_name(name)?;
        member.note(member.disk.remove(name))?;
        self.state.lock().places.remove(name);
        Ok(())
    }

    fn sync_name(&self, name: &str) -> io::Result<()> {
        let (_, member) = self.of_name(name)?;
        member.note(member.disk.sync_name(name))
    }

    /// The room of all folders that can take a segment.
    fn room(&self) -> io::Result<u64> {
        let rooms: Vec<_> = self.members.iter().map(|it| it.disk.room()).collect();
        if rooms.iter().all(Result::is_err) {
            return rooms.into_iter().next().unwrap_or(Ok(0));
        }
        Ok(rooms.into_iter().flatten().fold(0, u64::saturating_add))
    }
}

/// A file that tells its folder when it fails.
#[derive(Debug)]
struct Watched {
    file: Arc<dyn DiskFile>,
    path: Option<Arc<Path>>,
    out: Arc<AtomicU32>,
}

impl Watched {
    /// Has an error name the folder.
    fn place<T>(&self, tried: io::Result<T>) -> io::Result<T> {
        tried.map_err(|error| match &self.path {
            Some(path) => io::Error::new(error.kind(), format!("{}: {error}", path.display())),
            None => error,
        })
    }
}

impl DiskFile for Watched {
    fn length(&self) -> io::Result<u64> {
        self.place(self.file.length())
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.place(self.file.read(offset, into))
    }

    fn write(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        self.place(note(&self.out, self.file.write(offset, parts)))
    }

    fn sync(&self) -> io::Result<()> {
        self.place(note(&self.out, self.file.sync()))
    }

    fn refresh(&self) -> io::Result<()> {
        self.place(self.file.refresh())
    }
}
