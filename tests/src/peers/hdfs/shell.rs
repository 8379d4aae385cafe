//! The contents of an HDFS, read by Hadoop's own shell.

use std::path::Path;

use super::Hdfs;

const FSSHELL: &str = "org.apache.hadoop.fs.FsShell";

/// A line of `-ls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path without scheme and address.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Hdfs {
    /// All files below a folder, sorted, whether finished or not.
    ///
    /// # Panics
    /// When the folder does not exist.
    #[must_use]
    pub fn files(&self, folder: &str) -> Vec<Entry> {
        let listed = self.shell(&["-ls", "-R", &self.path(folder)]);
        let mut files: Vec<Entry> = listed.lines().filter_map(entry).collect();
        for file in &mut files {
            // The path as the scenario sees it.
            file.path.drain(..self.root.len());
        }
        files.sort_by(|left, right| left.path.cmp(&right.path));
        files
    }

    /// The output of `-cat` for files. Paths may have wildcards.
    ///
    /// # Panics
    /// When one does not exist or cannot be read.
    #[must_use]
    pub fn cat(&self, paths: &[&str]) -> String {
        self.printed("-cat", paths)
    }

    /// The output of `-text` for files: compressed files and sequence files are decoded.
    ///
    /// # Panics
    /// When one does not exist or cannot be read.
    #[must_use]
    pub fn text(&self, paths: &[&str]) -> String {
        self.printed("-text", paths)
    }

    /// Copies a folder out of it, byte for byte.
    ///
    /// # Panics
    /// When it does not exist or cannot be read.
    pub fn get(&self, folder: &str, to: &Path) {
        self.shell(&["-get", &self.path(folder), &to.display().to_string()]);
    }

    /// Copies a file into it. `Err` has the message of Hadoop's shell if it is refused.
    ///
    /// # Panics
    /// When the shell does not end in time.
    pub fn put(&self, file: &Path, to: &str) -> Result<(), String> {
        let (file, to) = (file.display().to_string(), self.path(to));
        let done = self.run(FSSHELL, &["-put", &file, &to]);
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
        self.shell(&["-mkdir", "-p", &self.path(path)]);
    }

    fn printed(&self, how: &str, paths: &[&str]) -> String {
        let paths: Vec<String> = paths.iter().map(|path| self.path(path)).collect();
        let words: Vec<&str> = [how]
            .into_iter()
            .chain(paths.iter().map(String::as_str))
            .collect();
        self.shell(&words)
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
