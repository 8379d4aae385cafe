//! The cache: what is compiled once is not compiled again, and nobody else may put code into it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use flume_policy::{Artifact, Cache};

use crate::support::ENGINE;

#[test]
fn a_compiled_policy_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path().join("deep/cache")).unwrap();
    let bytes = flume_artifacts::bytes("selector-weighted").unwrap();
    let load = || Artifact::load(&ENGINE, "w", &bytes, Some(&cache)).unwrap();
    let first = load();
    let files = || -> Vec<_> {
        let entries = fs::read_dir(folder.path().join("deep/cache")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let [file] = &files()[..] else {
        panic!("{:?}", files())
    };
    let written = fs::read(file).unwrap();
    let second = load();
    assert_eq!(
        (first.digest(), first.world()),
        (second.digest(), second.world())
    );

    // A file that went bad is made anew.
    let mut bad = written.clone();
    *bad.last_mut().unwrap() ^= 1;
    for damaged in [&bad[..], &written[..100], b""] {
        fs::write(file, damaged).unwrap();
        load();
        assert!(fs::read(file).unwrap().len() == written.len());
    }
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
