//! Moving the files of Flume into a sub-directory of each directory.
//!
//! Metas go first, logs last: a Flume does not start on logs without metas, and comes up empty when
//! all are gone. So there is no moment in which it would deliver a part of what we have.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::directories::{ASIDE, Class, Directories, Listed};
use crate::kernel::Lock;
use crate::note::{self, Note};
use crate::refusal::Refusal;
use crate::running;
use crate::steps;

/// Files of Flume whose events are safe in our log.
#[derive(Debug)]
pub struct Aside {
    directories: Directories,
    name: String,
    /// Their numbers.
    logs: BTreeSet<u32>,
    locks: Vec<Lock>,
}

impl Aside {
    pub(crate) fn new(directories: Directories, name: String, logs: BTreeSet<u32>) -> Self {
        Self {
            directories,
            name,
            logs,
            locks: Vec::new(),
        }
    }

    pub(crate) fn named(directories: Directories, logs: BTreeSet<u32>, locks: Vec<Lock>) -> Self {
        let all = directories.all();
        let is_free = |name: &String| all.iter().all(|directory| !directory.join(name).exists());
        let numbered = (2..).map(|number: u32| format!("{ASIDE}-{number}"));
        let mut names = std::iter::once(ASIDE.to_owned()).chain(numbered);
        Self {
            name: names.find(is_free).unwrap_or_else(|| ASIDE.to_owned()),
            logs,
            directories,
            locks,
        }
    }

    pub(crate) fn note(&self) -> Result<(), Refusal> {
        let note = Note::Safe {
            aside: self.name.clone(),
            logs: self.logs.clone(),
        };
        let directory = &self.directories.checkpoint;
        note.write(directory).map_err(Refusal::io(directory))
    }

    /// Moves the files, and last the note. Returns where they are. A Flume may have made other ones
    /// in between, so look again afterwards.
    ///
    /// # Errors
    /// Something cannot be moved; the next start goes on from there.
    pub fn move_files(mut self) -> Result<Vec<PathBuf>, Refusal> {
        if self.locks.is_empty() {
            self.locks = running::lock(&self.directories)?;
        }
        let (all, files) = (self.directories.all(), self.directories.list()?);
        // A Flume that comes up empty counts its logs from one again: what is aside already was
        // ours, and what has its number now is not.
        let moved = self.moved(&all);
        let is_ours = |number: &u32| self.logs.contains(number) && !moved.contains(number);
        let is_adopted = |file: &&Listed| match file.class {
            Class::Log(number) | Class::Meta(number) => is_ours(&number),
            Class::Checkpoint => moved.is_empty(),
        };
        let files: Vec<&Listed> = files.iter().filter(is_adopted).collect();
        let homes = files.iter().filter_map(|file| all.get(file.directory));
        let mut homes: BTreeSet<&PathBuf> = homes.collect();
        homes.insert(&self.directories.checkpoint);
        for home in &homes {
            let made = steps::make(&home.join(&self.name)).and_then(|()| steps::sync(home));
            made.map_err(Refusal::io(home))?;
        }
        let is_step: [fn(Class) -> bool; 3] = [
            |class| matches!(class, Class::Meta(_)),
            |class| class == Class::Checkpoint,
            |class| matches!(class, Class::Log(_)),
        ];
        for is_due in is_step {
            let due = files.iter().filter(|file| is_due(file.class));
            for file in due {
                self.move_one(&file.path)?;
            }
            self.sync(&homes)?;
        }
        self.move_note()?;
        Ok(homes
            .into_iter()
            .map(|home| home.join(&self.name))
            .collect())
    }

    /// The logs that are aside in any of the directories.
    fn moved(&self, all: &[PathBuf]) -> BTreeSet<u32> {
        let is_aside = |number: &&u32| {
            let name = format!("log-{number}");
            let mut asides = all.iter().map(|home| home.join(&self.name));
            asides.any(|aside| aside.join(&name).exists())
        };
        self.logs.iter().filter(is_aside).copied().collect()
    }

    fn move_one(&self, path: &Path) -> Result<(), Refusal> {
        let Some((home, name)) = path.parent().zip(path.file_name()) else {
            return Ok(());
        };
        let into = home.join(&self.name);
        let mut to = into.join(name);
        // A Flume that was started in between has made a file of the same name.
        let mut number = 2;
        while to.exists() {
            to = into.join(format!("{}.{number}", name.display()));
            number += 1;
        }
        steps::rename(path, &to).map_err(Refusal::io(path))
    }

    fn sync(&self, homes: &BTreeSet<&PathBuf>) -> Result<(), Refusal> {
        for home in homes {
            let both = steps::sync(&home.join(&self.name)).and_then(|()| steps::sync(home));
            both.map_err(Refusal::io(home))?;
        }
        Ok(())
    }

    fn move_note(&self) -> Result<(), Refusal> {
        let home = &self.directories.checkpoint;
        let note = Note::path(home);
        let moved = steps::rename(&note, &home.join(&self.name).join(note::NAME));
        moved.map_err(Refusal::io(&note))?;
        self.sync(&BTreeSet::from([home]))
    }
}
