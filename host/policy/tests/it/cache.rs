//! The cache: nothing is compiled twice, and no other user can put code into it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use flume_core::{SinkSelector as _, clock};
use flume_policy::{Artifact, Cache, Limits};

use crate::support::{ENGINE, limited, selector, selector_text};

#[test]
fn a_compiled_policy_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("deep/cache");
    let cache = Cache::open(&deep).unwrap();
    let bytes = flume_artifacts::bytes("selector-weighted").unwrap();
    let load = || {
        let artifact = Artifact::load(&ENGINE, "w", &bytes, Some(&cache)).unwrap();
        artifact.keep(&ENGINE, Some(&cache));
        artifact
    };
    let first = load();
    let [file] = &code(&deep)[..] else {
        panic!("{:?}", code(&deep))
    };
    let written = fs::read(file).unwrap();
    let second = load();
    assert_eq!(
        (first.digest(), first.world()),
        (second.digest(), second.world())
    );

    // A damaged file is made again.
    let mut bad = written.clone();
    *bad.last_mut().unwrap() ^= 1;
    for damaged in [&bad[..], &written[..100], b""] {
        fs::write(file, damaged).unwrap();
        load();
        assert!(fs::read(file).unwrap().len() == written.len());
    }
}

/// The files with code in a folder.
fn code(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_code = |path: &PathBuf| path.extension().is_some_and(|end| end == "cwasm");
    paths.filter(is_code).collect()
}

/// What is refused in its trial, say, is in no cache.
#[test]
fn only_what_is_accepted_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path()).unwrap();
    let text = policy(0);
    let artifact = Artifact::load(&ENGINE, "p", text.as_bytes(), Some(&cache)).unwrap();
    assert!(code(folder.path()).is_empty());
    artifact.keep(&ENGINE, Some(&cache));
    assert_eq!(code(folder.path()).len(), 1);
}

/// Somebody could have made them who can write files, but not read the key.
#[test]
fn files_from_elsewhere_are_not_loaded() {
    let (here, elsewhere) = (Kept::new(), Kept::new());
    fs::copy(&elsewhere.file, &here.file).unwrap();
    here.assert_made_anew("a file that was sealed with another key");
    // A key that others can read is nobody's: it is replaced, and with it what it sealed.
    let key = here.folder.path().join("key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let before = fs::read(&key).unwrap();
    here.assert_made_anew("a file whose key others could read");
    assert_ne!(fs::read(&key).unwrap(), before);
    assert_eq!(fs::metadata(&key).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn each_owner_has_a_part_and_fills_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let whole = Cache::open(folder.path()).unwrap();
    let put = |part: &Cache, sink: u8| {
        let text = policy(sink);
        let artifact = Artifact::load(&ENGINE, "p", text.as_bytes(), Some(part)).unwrap();
        artifact.keep(&ENGINE, Some(part));
    };
    let good = whole.part("good").unwrap();
    put(&good, 0);
    let kept = code(&folder.path().join("of-good"));
    let size = fs::metadata(&kept[0]).unwrap().len();

    // Room for two and a half.
    let bad = whole.part("bad").unwrap().with_most_bytes(size * 5 / 2);
    put(&bad, 0);
    let first = code(&folder.path().join("of-bad"));
    for sink in [1, 2, 1, 2] {
        put(&bad, 0);
        put(&bad, sink);
    }
    let now = code(&folder.path().join("of-bad"));
    assert_eq!(now.len(), 2, "{now:?}");
    assert!(now.contains(&first[0]), "what was used last stays");
    assert_eq!(code(&folder.path().join("of-good")), kept);
    // One that is too large alone is kept, too.
    put(&whole.part("bad").unwrap().with_most_bytes(1), 3);
    assert_eq!(code(&folder.path().join("of-bad")).len(), 1);
    // Names that no folder can have.
    for name in ["../good", "", "a/b", &"x".repeat(300), "of-good"] {
        put(&whole.part(name).unwrap(), 0);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1 + 2 + 5);
}

#[test]
fn a_folder_that_others_can_write_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o770)).unwrap();
    let error = Cache::open(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("can be written by others (mode 770)"),
        "{error}"
    );
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    Cache::open(folder.path()).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path(), &link).unwrap();
    assert!(
        Cache::open(&link)
            .unwrap_err()
            .to_string()
            .contains("is not a folder")
    );
}

/// A selector that names one sink.
fn policy(sink: u8) -> String {
    let order =
        format!("(i32.store (i32.const 128) (i32.const {sink})) (call $answer (i32.const 1))");
    selector_text(&order, "")
}

/// A cache with the compiled form of [`policy`].
struct Kept {
    folder: tempfile::TempDir,
    file: PathBuf,
}

impl Kept {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = load(folder.path(), 0);
        Self { folder, file }
    }

    /// Loads the policy again, which has to be compiled for that: then the file is another one, and
    /// nobody but this user can have made it.
    fn assert_made_anew(&self, what: &str) {
        let before = fs::symlink_metadata(&self.file).unwrap();
        load(self.folder.path(), 0);
        let after = fs::symlink_metadata(&self.file).unwrap();
        assert_ne!(after.ino(), before.ino(), "{what} was loaded");
        assert!(after.is_file(), "{what}");
        assert_eq!((after.nlink(), after.mode() & 0o777), (1, 0o600), "{what}");
        self.assert_loaded();
    }

    /// Loads the policy again, which must use its file.
    fn assert_loaded(&self) {
        let before = fs::symlink_metadata(&self.file).unwrap();
        load(self.folder.path(), 0);
        let after = fs::symlink_metadata(&self.file).unwrap();
        assert_eq!(after.ino(), before.ino());
    }
}

/// Loads [`policy`], which does what its text says wherever it came from. The one file that is new
/// in the cache, or any.
fn load(folder: &Path, sink: u8) -> PathBuf {
    let files = || -> BTreeSet<PathBuf> { code(folder).into_iter().collect() };
    let before = files();
    let cache = Cache::open(folder).unwrap();
    let artifact = Artifact::load(&ENGINE, "p", policy(sink).as_bytes(), Some(&cache)).unwrap();
    artifact.keep(&ENGINE, Some(&cache));
    let policy = limited(artifact, Limits::default());
    assert_eq!(
        selector(&policy).unwrap().order(clock::now()),
        [usize::from(sink)]
    );
    let after = files();
    let new = after.difference(&before).next().or(after.first());
    new.unwrap().clone()
}

#[test]
fn a_file_that_nobody_touched_is_loaded() {
    Kept::new().assert_loaded();
}

#[test]
fn a_link_is_not_followed() {
    let kept = Kept::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let code = elsewhere.path().join("code");
    fs::rename(&kept.file, &code).unwrap();
    std::os::unix::fs::symlink(&code, &kept.file).unwrap();
    let before = fs::read(&code).unwrap();
    kept.assert_made_anew("a link");
    assert_eq!(fs::read(&code).unwrap(), before, "not written through");
}

#[test]
fn a_file_with_a_second_name_is_not_loaded() {
    let kept = Kept::new();
    let elsewhere = kept.folder.path().join("second");
    fs::hard_link(&kept.file, &elsewhere).unwrap();
    let before = fs::read(&elsewhere).unwrap();
    kept.assert_made_anew("a file with two names");
    assert_eq!(fs::read(&elsewhere).unwrap(), before, "not written through");
}

#[test]
fn a_file_that_others_can_write_is_not_loaded() {
    for mode in [0o620, 0o602, 0o666] {
        let kept = Kept::new();
        fs::set_permissions(&kept.file, fs::Permissions::from_mode(mode)).unwrap();
        kept.assert_made_anew(&format!("a file of mode {mode:o}"));
    }
    // It does no harm if others can read it.
    let kept = Kept::new();
    fs::set_permissions(&kept.file, fs::Permissions::from_mode(0o644)).unwrap();
    kept.assert_loaded();
}

#[test]
fn files_that_trade_their_names_are_not_loaded() {
    let kept = Kept::new();
    let other = load(kept.folder.path(), 2);
    assert_ne!(other, kept.file);
    let aside = kept.folder.path().join("aside");
    fs::rename(&kept.file, &aside).unwrap();
    fs::rename(&other, &kept.file).unwrap();
    fs::rename(&aside, &other).unwrap();
    kept.assert_made_anew("another policy's code");
    let before = fs::metadata(&other).unwrap().ino();
    load(kept.folder.path(), 2);
    assert_ne!(fs::metadata(&other).unwrap().ino(), before);
}

/// Cut within its magic, its digest and its code, and one byte too long.
#[test]
fn a_file_that_is_cut_short_is_not_loaded() {
    let kept = Kept::new();
    let whole = fs::read(&kept.file).unwrap();
    let mut longer = whole.clone();
    longer.push(0);
    let last = whole.len() - 1;
    for part in [
        &[],
        &whole[..7],
        &whole[..8],
        &whole[..40],
        &whole[..last],
        &longer,
    ] {
        fs::write(&kept.file, part).unwrap();
        kept.assert_made_anew(&format!("a file of {} bytes", part.len()));
    }
}
