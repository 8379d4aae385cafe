//! Names of files: Flume's `prefix.number suffix`, and what they are called while in use.
//!
//! As in Flume, the files of a bucket are numbered one by one from the time, in milliseconds, at
//! which it was opened. Here a bucket also starts after all numbers that the sink has used: its
//! numbers may run ahead of the clock, and a bucket that is closed and opened again must not meet
//! its own files.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::escape::Template;

/// `filePrefix`, `fileSuffix`, `inUsePrefix`, `inUseSuffix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    /// The start of every name, with escapes.
    pub prefix: Template,
    /// The end of every name.
    pub suffix: String,
    /// Added before the name while the file is in use.
    pub in_use_prefix: String,
    /// Added after the name while the file is in use.
    pub in_use_suffix: String,
}

/// Folder and file prefix of a bucket, without escapes: what tells buckets apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct BucketPath {
    pub(crate) folder: String,
    pub(crate) prefix: String,
}

/// The paths of one file: while it is in use, and its final one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileNames {
    pub(crate) in_use: String,
    pub(crate) done: String,
}

impl Naming {
    pub(crate) fn names(&self, folder: &str, prefix: &str, number: u64) -> FileNames {
        let folder = folder.trim_end_matches('/');
        let name = format!("{prefix}.{number}{}", self.suffix);
        FileNames {
            in_use: format!(
                "{folder}/{}{name}{}",
                self.in_use_prefix, self.in_use_suffix
            ),
            done: format!("{folder}/{name}"),
        }
    }

    /// The same path with another number.
    pub(crate) fn renumbered(&self, done: &str, number: u64) -> String {
        let name = done.strip_suffix(&self.suffix).unwrap_or(done);
        let name = name.rsplit_once('.').map_or(name, |(name, _)| name);
        format!("{name}.{number}{}", self.suffix)
    }

    /// The names of a leftover: a file in use that was created before `number`. `None` if the path
    /// is not one, or if names in use look like all others.
    pub(crate) fn leftover(&self, path: &str, number: u64) -> Option<FileNames> {
        if self.in_use_prefix.is_empty() && self.in_use_suffix.is_empty() {
            return None;
        }
        let (folder, name) = path.rsplit_once('/')?;
        let name = name
            .strip_prefix(&self.in_use_prefix)?
            .strip_suffix(&self.in_use_suffix)?;
        let fixed = self.prefix.fixed();
        let rest = name.strip_suffix(&self.suffix)?.strip_prefix(&fixed)?;
        let (_, digits) = rest.rsplit_once('.')?;
        let known = digits.parse::<u64>().is_ok_and(|known| known < number);
        known.then(|| FileNames {
            in_use: path.to_owned(),
            done: format!("{folder}/{name}"),
        })
    }
}

/// The source of file numbers: the highest one that any bucket of the sink has used.
#[derive(Debug, Default)]
pub(crate) struct Numbers(AtomicU64);

impl Numbers {
    pub(crate) fn next(&self, now: u64) -> u64 {
        let next = |last: u64| Some(now.max(last.saturating_add(1)));
        let last = self
            .0
            .fetch_update(Relaxed, Relaxed, next)
            .unwrap_or_else(|last| last);
        now.max(last.saturating_add(1))
    }

    /// The number after `last` of the same bucket, or the first number of a new bucket.
    pub(crate) fn after(&self, last: Option<u64>, now: u64) -> u64 {
        let Some(last) = last else {
            return self.next(now);
        };
        let number = last.saturating_add(1);
        self.0.fetch_max(number, Relaxed);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(prefix: &str, suffix: &str) -> Naming {
        Naming {
            prefix: Template::parse(prefix).unwrap(),
            suffix: suffix.to_owned(),
            in_use_prefix: "_".to_owned(),
            in_use_suffix: ".tmp".to_owned(),
        }
    }

    #[test]
    fn a_file_has_a_name_in_use_and_one_for_good() {
        let names = naming("FlumeData", ".gz").names("/a/b/", "FlumeData", 7);
        assert_eq!(names.in_use, "/a/b/_FlumeData.7.gz.tmp");
        assert_eq!(names.done, "/a/b/FlumeData.7.gz");
        assert_eq!(naming("x", "").names("/", "x", 7).done, "/x.7");
        assert_eq!(
            naming("x", ".gz").renumbered("/a.b/x.7.gz", 8),
            "/a.b/x.8.gz"
        );
    }

    #[test]
    fn numbers_of_buckets_are_used_once() {
        let numbers = Numbers::default();
        assert_eq!(
            [numbers.next(10), numbers.next(10), numbers.next(9)],
            [10, 11, 12]
        );
        assert_eq!(numbers.next(20), 20);
    }

    #[test]
    fn a_bucket_counts_on_and_another_begins_behind_it() {
        let numbers = Numbers::default();
        let first = numbers.after(None, 10);
        let second = numbers.after(Some(first), 90);
        assert_eq!((first, second), (10, 11));
        assert_eq!(numbers.after(None, 11), 12);
    }

    #[test]
    fn leftovers_are_told_from_other_files() {
        let naming = naming("web-%{host}", ".gz");
        let found = naming.leftover("/a/_web-x.7.gz.tmp", 8);
        assert_eq!(
            found.map(|names| names.done).as_deref(),
            Some("/a/web-x.7.gz")
        );
        for other in [
            "/a/_web-x.8.gz.tmp",
            "/a/web-x.7.gz.tmp",
            "/a/_web-x.7.gz",
            "/a/_app-x.7.gz.tmp",
            "/a/_web-x.seven.gz.tmp",
            "/a/_web-x.7.tmp",
        ] {
            assert_eq!(naming.leftover(other, 8), None, "{other}");
        }
        let plain = Naming {
            in_use_prefix: String::new(),
            in_use_suffix: String::new(),
            ..naming
        };
        assert_eq!(plain.leftover("/a/web-x.7.gz", 8), None);
    }
}
