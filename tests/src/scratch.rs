//! A scenario's own folder: agent files, logs and the output of the last hop.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder that is removed when the scenario ends, even if it fails.
pub struct Scratch {
    folder: TempDir,
}

impl Scratch {
    /// A new, empty folder.
    ///
    /// # Panics
    /// When it cannot be created.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("flume-it-").tempdir();
        Self {
            folder: folder.expect("a temporary folder"),
        }
    }

    /// A path inside.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new folder inside: `file_roll` needs an existing directory.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.path(name);
        std::fs::create_dir_all(&folder).expect("a folder in the scratch folder");
        folder
    }

    /// A new file inside.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file in the scratch folder");
        path
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.folder.path()
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}
