//! Files of this machine, written by blocking threads. Contents are synced to the disk, and so are
//! folders after a file is created or renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use tokio::task::spawn_blocking;

use super::{Durable, Finished, Listing, Store, StoreError, StoreFile};
use crate::naming::FileNames;

#[derive(Debug)]
pub(crate) struct LocalStore;

#[async_trait]
impl Store for LocalStore {
    fn durable(&self) -> Durable {
        Durable::AtSync
    }

    async fn create(&self, names: &FileNames) -> Result<Box<dyn StoreFile>, StoreError> {
        let path = names.in_use.clone();
        let taken = names.done.clone();
        let create = move |path: &str| {
            if Path::new(&taken).exists() {
                return Err(ErrorKind::AlreadyExists.into());
            }
            make_folders(Path::new(path).parent())?;
            let file = OpenOptions::new()
                .append(true)
                .create_new(true)
                .open(path)?;
            sync_folder(path)?;
            Ok(file)
        };
        let file = blocking("create", &path, create).await?;
        Ok(Box::new(LocalFile {
            path,
            open: Some(LocalHandle {
                file,
                length: 0,
                synced: 0,
            }),
        }))
    }

    async fn rename(&self, names: &FileNames) -> Result<(), StoreError> {
        let done = names.done.clone();
        let rename = move |path: &str| rename_and_sync(path, &done);
        blocking("rename", &names.in_use, rename).await
    }

    async fn finish(&self, names: &FileNames) -> Result<Finished, StoreError> {
        let done = names.done.clone();
        let finish = move |path: &str| {
            let length = match fs::metadata(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Finished::Gone),
                metadata => metadata?.len(),
            };
            if length == 0 {
                fs::remove_file(path)?;
                return Ok(Finished::Deleted);
            }
            rename_and_sync(path, &done)?;
            Ok(Finished::Renamed)
        };
        blocking("finish", &names.in_use, finish).await
    }

    async fn list(&self, folder: &str, most: usize) -> Result<Listing, StoreError> {
        blocking("list", folder, move |folder| list(folder, most)).await
    }
}

struct LocalFile {
    path: String,
    /// `None` after a call that timed out, or after `close`.
    open: Option<LocalHandle>,
}

struct LocalHandle {
    file: File,
    length: u64,
    synced: u64,
}

impl LocalFile {
    /// Lends the file to a blocking thread. If the caller gives up, the file is gone with the call.
    async fn with(
        &mut self,
        what: &'static str,
        work: impl FnOnce(&mut LocalHandle) -> io::Result<()> + Send + 'static,
    ) -> Result<(), StoreError> {
        let mut open = self.open.take().ok_or(StoreError::Closed)?;
        let call = spawn_blocking(move || (work(&mut open), open));
        let (result, open) = call
            .await
            .map_err(|error| StoreError::failed(what, &self.path, error))?;
        self.open = Some(open);
        result.map_err(|error| StoreError::failed(what, &self.path, error))
    }
}

#[async_trait]
impl StoreFile for LocalFile {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let write = move |open: &mut LocalHandle| {
            open.file.write_all(&bytes)?;
            open.length += bytes.len() as u64;
            Ok(())
        };
        self.with("write", write).await
    }

    async fn sync(&mut self) -> Result<(), StoreError> {
        let sync = |open: &mut LocalHandle| {
            open.file.sync_data()?;
            open.synced = open.length;
            Ok(())
        };
        self.with("sync", sync).await
    }

    async fn close(&mut self) -> Result<(), StoreError> {
        self.open = None;
        Ok(())
    }

    async fn abort(&mut self) -> Result<(), StoreError> {
        self.with("cut", |open| open.file.set_len(open.synced))
            .await
    }
}

async fn blocking<T: Send + 'static>(
    what: &'static str,
    path: &str,
    work: impl FnOnce(&str) -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let owned = path.to_owned();
    let result = spawn_blocking(move || work(&owned))
        .await
        .map_err(io::Error::other);
    result.flatten().map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => StoreError::Exists(path.to_owned()),
        _ => StoreError::failed(what, path, error),
    })
}

/// Creates a folder and its parents, and syncs each parent.
fn make_folders(folder: Option<&Path>) -> io::Result<()> {
    let Some(folder) = folder.filter(|folder| !folder.exists()) else {
        return Ok(());
    };
    make_folders(folder.parent())?;
    match fs::create_dir(folder) {
        // Another task has just created it.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        result => result?,
    }
    folder
        .parent()
        .map_or(Ok(()), |above| File::open(above)?.sync_all())
}

fn sync_folder(path: &str) -> io::Result<()> {
    Path::new(path)
        .parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Renames without overwriting. Where the file system cannot do that in one step, the target is
/// checked first.
fn rename_and_sync(from: &str, to: &str) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            if Path::new(to).exists() {
                return Err(ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)?;
        }
        result => result?,
    }
    sync_folder(to)
}

fn list(folder: &str, most: usize) -> io::Result<Listing> {
    let mut listing = Listing::default();
    let mut seen = 0;
    let mut folders = vec![Path::new(folder).to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            seen += 1;
            if seen > most {
                listing.cut = true;
                return Ok(listing);
            }
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if let Some(path) = entry.path().to_str() {
                listing.paths.push(path.to_owned());
            }
        }
    }
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path, name: &str) -> FileNames {
        let done = format!("{}/deep/er/{name}", folder.display());
        FileNames {
            in_use: format!("{done}.tmp"),
            done,
        }
    }

    #[tokio::test]
    async fn a_file_is_written_synced_and_renamed() {
        let folder = tempfile::tempdir().unwrap();
        let names = names(folder.path(), "f");
        let mut file = LocalStore.create(&names).await.unwrap();
        file.write(Bytes::from_static(b"one")).await.unwrap();
        file.sync().await.unwrap();
        assert_eq!(fs::read(&names.in_use).unwrap(), b"one");
        file.close().await.unwrap();
        LocalStore.rename(&names).await.unwrap();
        assert_eq!(fs::read(&names.done).unwrap(), b"one");
        let listing = LocalStore
            .list(folder.path().to_str().unwrap(), 10)
            .await
            .unwrap();
        assert_eq!(listing.paths, std::slice::from_ref(&names.done));
        assert!(matches!(
            file.write(Bytes::new()).await,
            Err(StoreError::Closed)
        ));
    }

    #[tokio::test]
    async fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let names = names(folder.path(), "f");
        let mut file = LocalStore.create(&names).await.unwrap();
        file.close().await.unwrap();
        assert!(matches!(
            LocalStore.create(&names).await,
            Err(StoreError::Exists(_))
        ));
        fs::write(&names.done, "other").unwrap();
        assert!(matches!(
            LocalStore.rename(&names).await,
            Err(StoreError::Exists(_))
        ));
        assert_eq!(fs::read(&names.done).unwrap(), b"other");
        fs::remove_file(&names.in_use).unwrap();
        assert!(matches!(
            LocalStore.create(&names).await,
            Err(StoreError::Exists(_))
        ));
    }

    #[tokio::test]
    async fn what_was_not_synced_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let names = names(folder.path(), "f");
        let mut file = LocalStore.create(&names).await.unwrap();
        file.write(Bytes::from_static(b"one")).await.unwrap();
        file.sync().await.unwrap();
        file.write(Bytes::from_static(b"half")).await.unwrap();
        file.abort().await.unwrap();
        assert_eq!(fs::read(&names.in_use).unwrap(), b"one");
    }

    #[tokio::test]
    async fn leftovers_get_their_name_and_empty_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let (full, empty) = (names(folder.path(), "full"), names(folder.path(), "empty"));
        for names in [&full, &empty] {
            LocalStore.create(names).await.unwrap();
        }
        fs::write(&full.in_use, "x").unwrap();
        assert_eq!(LocalStore.finish(&full).await.unwrap(), Finished::Renamed);
        assert_eq!(LocalStore.finish(&empty).await.unwrap(), Finished::Deleted);
        let listing = LocalStore
            .list(folder.path().to_str().unwrap(), 10)
            .await
            .unwrap();
        assert_eq!(listing.paths, std::slice::from_ref(&full.done));
        assert_eq!(LocalStore.finish(&full).await.unwrap(), Finished::Gone);
    }

    #[tokio::test]
    async fn a_listing_has_an_end() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..5 {
            fs::write(folder.path().join(n.to_string()), "").unwrap();
        }
        let path = folder.path().to_str().unwrap().to_owned();
        let listing = LocalStore.list(&path, 5).await.unwrap();
        assert_eq!((listing.paths.len(), listing.cut), (5, false));
        let listing = LocalStore.list(&path, 4).await.unwrap();
        assert_eq!((listing.paths.len(), listing.cut), (4, true));
        let none = LocalStore.list(&format!("{path}/none"), 4).await.unwrap();
        assert_eq!((none.paths.len(), none.cut), (0, false));
    }
}
