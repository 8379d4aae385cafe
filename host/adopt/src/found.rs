//! Looking for a channel of Flume, and judging it, before anything is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use crate::aside::Aside;
use crate::checkpoint::{self, Checkpoint};
use crate::directories::{self, Class, Directories, Listed};
use crate::kernel::Lock;
use crate::limits::Limits;
use crate::meta;
use crate::note::Note;
use crate::refusal::Refusal;
use crate::report::Start;
use crate::running;
use crate::steps;

/// Numbers of missing logs that a refusal names.
const NAMED: usize = 20;

/// What directories hold.
#[derive(Debug)]
pub enum Holds {
    /// Nothing of Flume.
    Nothing,
    /// A channel that was not adopted, or not to the end.
    Channel(Box<Found>),
    /// A channel of which all events are in our log; its files were not moved to the end.
    Adopted(Aside),
}

/// A channel of Flume that can be adopted.
#[derive(Debug)]
pub struct Found {
    pub(crate) directories: Directories,
    pub(crate) files: Vec<Listed>,
    pub(crate) logs: Vec<Log>,
    pub(crate) starts: Vec<(Start, PathBuf, Checkpoint)>,
    pub(crate) unused: Vec<(PathBuf, String)>,
    pub(crate) limits: Limits,
    pub(crate) is_running_unknown: bool,
    locks: Vec<Lock>,
}

/// A log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) number: u32,
    pub(crate) path: PathBuf,
    /// Which of the directories it is in, counted from the first that has logs.
    pub(crate) lane: usize,
}

/// Looks what directories hold. Nothing is changed.
///
/// # Errors
/// What they hold cannot be adopted.
pub fn find(directories: &Directories, limits: Limits) -> Result<Holds, Refusal> {
    let note = Note::read(&directories.checkpoint)?;
    let files = directories.list()?;
    if files.is_empty() && note.is_none() {
        return Ok(Holds::Nothing);
    }
    let is_running_unknown = !running::judge(directories, &files, true)?;
    if let Some(Note::Safe { aside, logs }) = note {
        let directories = directories.clone();
        return Ok(Holds::Adopted(Aside::new(directories, aside, logs)));
    }
    let logs = directories::logs(&files)?;
    if logs.is_empty() {
        let is_begun = note.is_some();
        return without_logs(directories, &files, is_begun);
    }
    if logs.len() > limits.logs {
        return Err(Refusal::TooManyLogs(limits.logs));
    }
    for (number, log) in logs.iter().filter(|(_, log)| log.length > 0) {
        meta::judge(*number, log, limits)?;
    }
    let (starts, unused) = starts(directories, &logs, limits)?;
    Ok(Holds::Channel(Box::new(Found {
        directories: directories.clone(),
        logs: in_lanes(&logs),
        files,
        starts,
        unused,
        limits,
        is_running_unknown,
        locks: Vec::new(),
    })))
}

fn without_logs(
    directories: &Directories,
    files: &[Listed],
    is_begun: bool,
) -> Result<Holds, Refusal> {
    let mut checkpoints = files.iter().filter(|file| file.class == Class::Checkpoint);
    match checkpoints.find(|file| file.path.is_file()) {
        _ if is_begun => Err(Refusal::Gone(Note::path(&directories.checkpoint))),
        Some(file) => Err(Refusal::NoLogs(file.path.clone())),
        None => Ok(Holds::Nothing),
    }
}

fn in_lanes(logs: &BTreeMap<u32, Listed>) -> Vec<Log> {
    let used: BTreeSet<usize> = logs.values().map(|log| log.directory).collect();
    let lanes: BTreeMap<usize, usize> = used.into_iter().zip(0..).collect();
    let logs = logs.iter().map(|(number, log)| Log {
        number: *number,
        path: log.path.clone(),
        lane: lanes.get(&log.directory).copied().unwrap_or_default(),
    });
    logs.collect()
}

type Starts = (Vec<(Start, PathBuf, Checkpoint)>, Vec<(PathBuf, String)>);

/// The checkpoints that can be used, the newest first.
fn starts(
    directories: &Directories,
    logs: &BTreeMap<u32, Listed>,
    limits: Limits,
) -> Result<Starts, Refusal> {
    let (mut usable, mut unused) = (Vec::new(), Vec::new());
    let places = [
        (Start::Checkpoint, Some(&directories.checkpoint)),
        (Start::Backup, directories.backup.as_ref()),
    ];
    for (start, directory) in places {
        let Some(directory) = directory else { continue };
        let path = checkpoint::path(directory);
        if start == Start::Backup && !directory.join("backupComplete").exists() {
            unused.push((path, "it is not complete".to_owned()));
            continue;
        }
        let checkpoint = match checkpoint::read(directory, limits) {
            Ok(checkpoint) => checkpoint,
            Err(why) => {
                unused.push((path, why));
                continue;
            }
        };
        let missing: BTreeSet<u32> = checkpoint
            .pointers()
            .map(|pointer| pointer.log())
            .filter(|log| !logs.contains_key(log))
            .collect();
        if missing.is_empty() {
            usable.push((start, path, checkpoint));
        } else if usable.is_empty() {
            let missing = names(&missing);
            let checkpoint = path;
            return Err(Refusal::MissingLogs {
                checkpoint,
                missing,
            });
        }
    }
    Ok((usable, unused))
}

fn names(logs: &BTreeSet<u32>) -> String {
    let names: Vec<String> = logs
        .iter()
        .take(NAMED)
        .map(|log| format!("log-{log}"))
        .collect();
    let more = logs.len() - names.len();
    let end = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    names.join(", ") + &end
}

impl Found {
    /// The files that will be moved.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// The identity of what is there. It is another one once a Flume has run again.
    fn channel(&self) -> String {
        let mut digest = Md5::new();
        let logs = self
            .files
            .iter()
            .filter(|file| matches!(file.class, Class::Log(_)));
        for log in logs {
            let name = log.path.file_name().unwrap_or_default();
            digest.update(format!("{} {}\n", name.display(), log.length));
        }
        for name in ["checkpoint.meta", "inflightputs", "inflighttakes"] {
            // Without a checkpoint the logs tell.
            let bytes = fs::read(self.directories.checkpoint.join(name));
            digest.update(bytes.unwrap_or_default());
        }
        digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Begins to adopt, or begins again: from now on no Flume starts on the directories, and it is
    /// known where in our log the events begin. Given the sequence that the next record of our log
    /// will have, this returns the one that the first of these events had or will have. So the
    /// difference is the number of events that are safe already.
    ///
    /// # Errors
    /// Somebody uses the files, or the note cannot be written.
    pub fn begin(&mut self, next: u64) -> Result<u64, Refusal> {
        let directory = &self.directories.checkpoint;
        steps::make(directory).map_err(Refusal::io(directory))?;
        self.locks = running::lock(&self.directories)?;
        running::judge(&self.directories, &self.files, false)?;
        let channel = self.channel();
        match Note::read(directory)? {
            Some(Note::Begun {
                channel: known,
                sequence,
            }) if known == channel && sequence <= next => Ok(sequence),
            _ => {
                let note = Note::Begun {
                    channel,
                    sequence: next,
                };
                note.write(directory).map_err(Refusal::io(directory))?;
                Ok(next)
            }
        }
    }

    /// Says for ever that all events are safe in our log. They must be, when this is called.
    ///
    /// # Errors
    /// The note cannot be written.
    pub fn mark_safe(self) -> Result<Aside, Refusal> {
        let logs = self.logs.iter().map(|log| log.number);
        let aside = Aside::named(self.directories, logs.collect(), self.locks);
        aside.note()?;
        Ok(aside)
    }

    /// A file that was changed since it was found.
    pub(crate) fn changed(&self) -> Result<Option<PathBuf>, Refusal> {
        // Both are sorted in the same way.
        let (now, then) = (self.directories.list()?, &self.files);
        let differing = now.iter().zip(then).find(|(now, then)| now != then);
        let more = now.get(then.len()).or_else(|| then.get(now.len()));
        let file = differing.map(|(now, _)| now).or(more);
        Ok(file.map(|file| file.path.clone()))
    }
}
