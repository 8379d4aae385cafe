//! What is in an HDFS, as Hadoop's own shell reads it.

use std::path::Path;

use super::Hdfs;

const FSSHELL: &str = "org.apache.hadoop.fs.FsShell";

/// A line of `-ls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path without scheme and address.
    pub path: String,
    /// Bytes.
    pub size: u64,
}

impl Hdfs {
    /// All files below a folder, sorted, whether finished or not.
    ///
    /// # Panics
    /// When the folder is not there.
    #[must_use]
    pub fn files(&self, folder: &str) -> Vec<Entry> {
        let listed = self.shell(&["-ls", "-R", folder]);
        let mut files: Vec<Entry> = listed.lines().filter_map(entry).collect();
        files.sort_by(|left, right| left.path.cmp(&right.path));
        files
    }

    /// What `-cat` prints of files. Paths may have wildcards.
    ///
    /// # Panics
    /// When one is not there, or cannot be read.
    #[must_use]
    pub fn cat(&self, paths: &[&str]) -> String {
        self.shell(&[&["-cat"], paths].concat())
    }

    /// What `-text` prints of files: compressed ones and sequence files decoded.
    ///
    /// # Panics
    /// When one is not there, or cannot be read.
    #[must_use]
    pub fn text(&self, paths: &[&str]) -> String {
        self.shell(&[&["-text"], paths].concat())
    }

    /// Copies a folder out of it, byte for byte.
    ///
    /// # Panics
    /// When it is not there, or cannot be read.
    pub fn get(&self, folder: &str, to: &Path) {
        self.shell(&["-get", folder, &to.display().to_string()]);
    }

    /// Copies a file into it; `Err` is what Hadoop's shell says when it is refused.
    ///
    /// # Panics
    /// When the shell has no end.
    pub fn put(&self, file: &Path, to: &str) -> Result<(), String> {
        let done = self.run(FSSHELL, &["-put", &file.display().to_string(), to]);
        match done.status.success() {
            true => Ok(()),
            false => Err(done.stderr),
        }
    }

    /// Makes a folder.
    ///
    /// # Panics
    /// When it cannot.
    pub fn make_folder(&self, path: &str) {
        self.shell(&["-mkdir", "-p", path]);
    }

    fn shell(&self, words: &[&str]) -> String {
        self.tool(FSSHELL, words).stdout
    }
}

/// `-rw-r--r--   1 user group  135 2026-11-26 08:43 /path`; folders begin with `d`. A path may have
/// blanks in it.
fn entry(line: &str) -> Option<Entry> {
    let (fields, path) = line.split_once(" /")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    match fields[..] {
        [mode, _, _, _, size, _, _] if mode.starts_with('-') => Some(Entry {
            path: format!("/{path}"),
            size: size.parse().ok()?,
        }),
        _ => None,
    }
}
