//! The files of a file_roll sink: their names, and the one that is open. All of it may block.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flume_core::SinkCounter;
use flume_core::clock::WallClock;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::fs::{Access, access};

/// Names tried for one file. If all are taken, something is wrong with the directory.
const MOST_NAMES: u32 = 1000;

/// Names of files, one after the other: `<prefix><series>-<n>[.<extension>]`.
#[derive(Debug)]
pub(super) struct RollNaming {
    wall: WallClock,
    /// The series is the second in which a file is opened (`yyyyMMddHHmmss`, local time), else
    /// the millisecond in which the sink was made.
    by_date: bool,
    prefix: String,
    extension: String,
    series: String,
    last: u64,
}

impl RollNaming {
    pub(super) fn new(wall: WallClock, by_date: bool, prefix: String, extension: String) -> Self {
        let series = wall.millis().to_string();
        Self {
            wall,
            by_date,
            prefix,
            extension,
            series,
            last: 0,
        }
    }

    fn next(&mut self) -> String {
        if self.by_date {
            let now = local_second(self.wall.millis());
            if now != self.series {
                self.series = now;
                self.last = 0;
            }
        }
        self.last += 1;
        let dot = if self.extension.is_empty() { "" } else { "." };
        format!(
            "{}{}-{}{dot}{}",
            self.prefix, self.series, self.last, self.extension
        )
    }
}

/// The local second as digits; a time beyond the calendar as milliseconds.
fn local_second(millis: u64) -> String {
    let timestamp = i64::try_from(millis)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    match timestamp {
        Some(time) => time
            .to_zoned(TimeZone::system())
            .strftime("%Y%m%d%H%M%S")
            .to_string(),
        None => millis.to_string(),
    }
}

/// A directory with the file that is written.
#[derive(Debug)]
pub(super) struct RollFiles {
    directory: PathBuf,
    naming: RollNaming,
    open: Option<RollFile>,
    counters: Arc<SinkCounter>,
}

#[derive(Debug)]
struct RollFile {
    file: File,
    path: PathBuf,
    /// Bytes of whole batches.
    length: u64,
}

impl RollFiles {
    pub(super) fn new(directory: PathBuf, naming: RollNaming) -> Self {
        Self {
            directory,
            naming,
            open: None,
            counters: Arc::default(),
        }
    }

    /// Makes sure that the directory is there and that files can be made in it.
    pub(super) fn start(&mut self, counters: Arc<SinkCounter>) -> io::Result<()> {
        self.counters = counters;
        let told = |error| of_path(&self.directory, error);
        if !std::fs::metadata(&self.directory).map_err(told)?.is_dir() {
            return Err(told(ErrorKind::NotADirectory.into()));
        }
        let usable = access(&self.directory, Access::WRITE_OK | Access::EXEC_OK);
        usable.map_err(|error| told(error.into()))
    }

    /// Adds a batch to the open file, or to a new one.
    pub(super) fn append(&mut self, batch: &[u8]) -> io::Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open_next()?,
        };
        if let Err(error) = open.file.write_all(batch) {
            self.counters.connection_failed.increment();
            open.take_back();
            return Err(of_path(&open.path, error));
        }
        open.length += batch.len() as u64;
        self.open = Some(open);
        Ok(())
    }

    /// Closes the open file.
    pub(super) fn close(&mut self) {
        if let Some(open) = self.open.take() {
            tracing::debug!(file = %open.path.display(), bytes = open.length, "file closed");
            self.counters.connection_closed.increment();
        }
    }

    fn open_next(&mut self) -> io::Result<RollFile> {
        let mut failure = io::Error::from(ErrorKind::AlreadyExists);
        for _ in 0..MOST_NAMES {
            let path = self.directory.join(self.naming.next());
            // Flume overwrites a file of this name.
            match OpenOptions::new().append(true).create_new(true).open(&path) {
                Ok(file) => {
                    self.counters.connection_created.increment();
                    return Ok(RollFile {
                        file,
                        path,
                        length: 0,
                    });
                }
                Err(error) => failure = of_path(&path, error),
            }
            if failure.kind() != ErrorKind::AlreadyExists {
                break;
            }
        }
        self.counters.connection_failed.increment();
        Err(failure)
    }
}

impl RollFile {
    /// Undoes what a failed write has left.
    fn take_back(&self) {
        let file = self.path.display();
        // The next try has a file of its own: empty ones would pile up.
        if self.length == 0 {
            if let Err(error) = std::fs::remove_file(&self.path) {
                tracing::warn!(%file, %error, "an empty file stays");
            }
        } else if let Err(error) = self.file.set_len(self.length) {
            tracing::warn!(%file, %error,
                "a part of a batch stays in the file and will be written again");
        }
    }
}

/// The error with the path that it is about.
fn of_path(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(by_date: bool, prefix: &str, extension: &str) -> RollNaming {
        let wall = WallClock::fixed(1_500_000_000_000);
        RollNaming::new(wall, by_date, prefix.to_owned(), extension.to_owned())
    }

    #[test]
    fn names_count_within_a_series() {
        let mut names = naming(false, "", "");
        assert_eq!(
            [names.next(), names.next()],
            ["1500000000000-1", "1500000000000-2"]
        );
        assert_eq!(
            naming(false, "web-", "log").next(),
            "web-1500000000000-1.log"
        );
        let mut names = naming(true, "web-", "log");
        let second = local_second(1_500_000_000_000);
        assert!(
            second.len() == 14 && second.starts_with("201707"),
            "{second}"
        );
        assert_eq!(names.next(), format!("web-{second}-1.log"));
        assert_eq!(names.next(), format!("web-{second}-2.log"));
    }

    #[test]
    fn a_failed_batch_leaves_nothing_and_the_next_has_a_file_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let mut files = RollFiles::new(directory.path().to_owned(), naming(false, "", ""));
        files.append(b"first\n").unwrap();
        let path = directory.path().join("1500000000000-1");
        // A handle that cannot write plays a disk that fails.
        files.open.as_mut().unwrap().file = File::open(&path).unwrap();
        assert!(files.append(b"second\n").is_err());
        files.append(b"second\n").unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"first\n");
        let next = directory.path().join("1500000000000-2");
        assert_eq!(std::fs::read(next).unwrap(), b"second\n");
    }

    /// On a full disk each try would leave one.
    #[test]
    fn a_failed_batch_leaves_no_empty_file() {
        let directory = tempfile::tempdir().unwrap();
        let mut files = RollFiles::new(directory.path().to_owned(), naming(false, "", ""));
        files.append(b"").unwrap();
        let path = directory.path().join("1500000000000-1");
        files.open.as_mut().unwrap().file = File::open(&path).unwrap();
        let error = files.append(b"first\n").unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_exists_is_not_touched() {
        let directory = tempfile::tempdir().unwrap();
        let old = directory.path().join("1500000000000-1");
        std::fs::write(&old, "old").unwrap();
        let mut files = RollFiles::new(directory.path().to_owned(), naming(false, "", ""));
        files.append(b"new").unwrap();
        assert_eq!(std::fs::read(old).unwrap(), b"old");
        let next = directory.path().join("1500000000000-2");
        assert_eq!(std::fs::read(next).unwrap(), b"new");
    }
}
