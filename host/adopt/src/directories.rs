//! The directories of a channel, and the files of Flume in them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::refusal::Refusal;

/// The sub-directory for what was adopted; with a number, if there is one from before.
pub(crate) const ASIDE: &str = "adopted-by-flume-host";

/// The directories of a channel, as its keys name them. Those that are not there hold nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// `checkpointDir`. The note of an adoption is in it, too.
    pub checkpoint: PathBuf,
    /// `dataDirs`. All of them are needed: they share one count of logs.
    pub data: Vec<PathBuf>,
    /// `backupCheckpointDir`.
    pub backup: Option<PathBuf>,
}

/// What a file is for Flume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Something beside a log.
    Meta(u32),
    /// A checkpoint, or something beside it.
    Checkpoint,
    /// A log.
    Log(u32),
}

/// A file of Flume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) class: Class,
    /// Which of the directories, in the order of [`Directories::all`].
    pub(crate) directory: usize,
    pub(crate) path: PathBuf,
    pub(crate) length: u64,
    pub(crate) modified: Option<SystemTime>,
}

impl Directories {
    /// What lies in directories and in those within them: `checkpoint`, `data`, or however they are
    /// named.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn within(directories: &[PathBuf]) -> Result<Self, Refusal> {
        let mut all = Vec::new();
        for directory in directories {
            all.push(directory.clone());
            for entry in fs::read_dir(directory).map_err(Refusal::io(directory))? {
                let path = entry.map_err(Refusal::io(directory))?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if path.is_dir() && !name.starts_with(ASIDE) {
                    all.push(path);
                }
            }
        }
        all.sort();
        all.dedup();
        let first = directories
            .first()
            .map(|directory| directory.join("checkpoint"));
        let mut found = Self {
            checkpoint: first.unwrap_or_default(),
            data: Vec::new(),
            backup: None,
        };
        for path in all {
            let listed = list(0, &path)?;
            let has = |wanted: fn(&Class) -> bool| listed.iter().any(|file| wanted(&file.class));
            if has(|class| matches!(class, Class::Log(_) | Class::Meta(_))) {
                found.data.push(path.clone());
            }
            if path.join("backupComplete").exists() {
                found.backup = Some(path);
            } else if has(|class| *class == Class::Checkpoint) {
                found.checkpoint = path;
            }
        }
        Ok(found)
    }

    /// Each directory once: the checkpoint's, those of data, that of the backup.
    pub(crate) fn all(&self) -> Vec<PathBuf> {
        let mut seen = Vec::new();
        let mut all = Vec::new();
        let data = self.data.iter();
        for path in std::iter::once(&self.checkpoint)
            .chain(data)
            .chain(&self.backup)
        {
            // One that is not there is known by its name.
            let known = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
            if !seen.contains(&known) {
                seen.push(known);
                all.push(path.clone());
            }
        }
        all
    }

    /// The files of Flume in all directories, sorted by class.
    pub(crate) fn list(&self) -> Result<Vec<Listed>, Refusal> {
        let mut all = Vec::new();
        for (at, directory) in self.all().iter().enumerate() {
            all.extend(list(at, directory)?);
        }
        all.sort_by(|a, b| (a.class, &a.path).cmp(&(b.class, &b.path)));
        Ok(all)
    }
}

fn list(at: usize, directory: &Path) -> Result<Vec<Listed>, Refusal> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Refusal::io(directory)(error)),
    };
    let mut listed = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Refusal::io(directory))?;
        let name = entry.file_name();
        let Some(class) = name.to_str().and_then(class) else {
            continue;
        };
        let path = entry.path();
        let about = fs::metadata(&path).map_err(Refusal::io(&path))?;
        // The directory of a checkpoint may lie in that of the data.
        if !about.is_file() && name != "queueset" {
            continue;
        }
        listed.push(Listed {
            class,
            directory: at,
            path,
            length: about.len(),
            modified: about.modified().ok(),
        });
    }
    Ok(listed)
}

/// What a file of this name is for Flume, if anything. (`in_use.lock` stays where it is.)
fn class(name: &str) -> Option<Class> {
    const BESIDE: &[&str] = &[
        "checkpoint",
        "checkpoint.meta",
        "checkpoint.snappy",
        "inflightputs",
        "inflighttakes",
        "queueset",
        "backupComplete",
    ];
    if BESIDE.contains(&name) || name.starts_with("checkpoint-backup-") {
        return Some(Class::Checkpoint);
    }
    let rest = name.strip_prefix("log-")?;
    let (number, end) = rest
        .find(|c: char| !c.is_ascii_digit())
        .map_or((rest, ""), |at| rest.split_at(at));
    let number = number.parse().ok()?;
    match end {
        "" if number <= i32::MAX.unsigned_abs() => Some(Class::Log(number)),
        ".meta" | ".meta.tmp" | ".meta.old" | ".bak" => Some(Class::Meta(number)),
        _ => None,
    }
}

/// The logs among the files, by number; two of one number belong to two channels.
pub(crate) fn logs(files: &[Listed]) -> Result<BTreeMap<u32, Listed>, Refusal> {
    let mut logs: BTreeMap<u32, Listed> = BTreeMap::new();
    for file in files {
        if let Class::Log(number) = file.class
            && let Some(other) = logs.insert(number, file.clone())
        {
            return Err(Refusal::MixedUp(other.path, file.path.clone()));
        }
    }
    Ok(logs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_as_flume_knows_them() {
        assert_eq!(class("log-12"), Some(Class::Log(12)));
        assert_eq!(class("log-12.meta"), Some(Class::Meta(12)));
        assert_eq!(class("log-12.meta.tmp"), Some(Class::Meta(12)));
        assert_eq!(class("queueset"), Some(Class::Checkpoint));
        for name in [
            "log-",
            "log-x",
            "log-1.txt",
            "xlog-1",
            "in_use.lock",
            "log-99999999999",
        ] {
            assert_eq!(class(name), None, "{name}");
        }
    }

    #[test]
    fn metas_are_moved_first_and_logs_last() {
        assert!(Class::Meta(9) < Class::Checkpoint);
        assert!(Class::Checkpoint < Class::Log(1));
    }
}
