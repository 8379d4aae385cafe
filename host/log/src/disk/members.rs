//! Which folders belong together: a file in each of them names all, so that one that is missing, or
//! whose disk is not mounted, is noticed.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::folder::sync_folder;

/// A line for each folder: its identity, and its path when it was last opened. The first line is the
/// folder itself.
pub(super) const LIST: &str = "folders.list";

/// Whether a folder belongs to others.
pub(super) fn has_list(path: &Path) -> bool {
    path.join(LIST).exists()
}

/// Looks whether all folders are there that belong together.
pub(super) fn check(paths: &[PathBuf]) -> io::Result<()> {
    let is_new = paths.iter().all(|path| !path.exists());
    let mut known = BTreeMap::new();
    let mut found = Vec::new();
    for path in paths {
        if !is_new && !path.is_dir() {
            let advice = "if it is a new one, make it first";
            let said = format!("folder {} of the log is missing: {advice}", path.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, said));
        }
        let lines = read(path)?;
        found.extend(lines.first().map(|(identity, _)| identity.clone()));
        known.extend(lines);
    }
    let missing = known.iter().find(|(identity, _)| !found.contains(identity));
    missing.map_or(Ok(()), |(_, path)| {
        let advice = format!("to go on without what it holds, strike it from {LIST} in the others");
        let said =
            format!("the folder that was {path} is missing, or its disk is not mounted; {advice}");
        Err(io::Error::new(io::ErrorKind::NotFound, said))
    })
}

/// Writes the list into each of the folders, where it is not right.
pub(super) fn list(paths: &[PathBuf]) -> io::Result<()> {
    let mut lines = Vec::new();
    for path in paths {
        let identity = read(path)?.into_iter().next();
        let identity = identity.map_or_else(new_identity, |(identity, _)| identity);
        lines.push((identity, path.display().to_string()));
    }
    for (at, path) in paths.iter().enumerate() {
        let mut own = lines.clone();
        own.rotate_left(at);
        if read(path)? != own {
            write(path, &own)?;
        }
    }
    Ok(())
}

fn new_identity() -> String {
    format!("{:016x}", RandomState::new().hash_one("a folder of a log"))
}

fn read(path: &Path) -> io::Result<Vec<(String, String)>> {
    let text = match fs::read_to_string(path.join(LIST)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    Ok(lines
        .map(|(identity, path)| (identity.to_owned(), path.to_owned()))
        .collect())
}

fn write(path: &Path, lines: &[(String, String)]) -> io::Result<()> {
    let text: String = lines
        .iter()
        .map(|(id, of)| format!("{id} {of}\n"))
        .collect();
    let new = path.join(format!("{LIST}.new"));
    let mut file = fs::File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path.join(LIST))?;
    sync_folder(path)
}
