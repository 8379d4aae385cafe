//! Buckets over files of this machine, over objects in memory, and over a store that fails.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use object_store::memory::InMemory;

use self::faults::{Fault, Faulty};
use super::*;
use crate::escape::{Template, Times};
use crate::format::{Codec, FileType, Serializer};
use crate::naming::Naming;
use crate::roll::RollLimits;
use crate::shared::Leftovers;
use crate::store::local::LocalStore;
use crate::store::object::Objects;

mod ends;
mod faults;

const NOW: u64 = 1_500_000_000_000;

fn settings(folder: &str) -> BucketSettings {
    BucketSettings {
        folder: Template::parse(folder).unwrap(),
        naming: Naming {
            prefix: Template::parse("F").unwrap(),
            suffix: String::new(),
            in_use_prefix: String::new(),
            in_use_suffix: ".tmp".to_owned(),
        },
        times: Times {
            local: false,
            rounding: None,
            zone: jiff::tz::TimeZone::UTC,
            untimed: crate::escape::Untimed::Fail,
        },
        file_type: FileType::Stream(Serializer::Text {
            headers: false,
            newline: true,
        }),
        limits: RollLimits::default(),
        most_open: 10,
        at_once: 4,
        call_timeout: Duration::from_secs(5),
        close_tries: None,
        retry_interval: Duration::from_secs(180),
        leftovers: Leftovers::Ignore,
    }
}

fn over(store: impl Store + 'static, settings: BucketSettings) -> Buckets {
    Buckets::over(
        Box::new(store),
        settings,
        Arc::default(),
        WallClock::fixed(NOW),
    )
}

fn events(bodies: &[&'static str]) -> Vec<Event> {
    bodies.iter().map(|body| Event::new(*body)).collect()
}

/// The files below a folder with their contents, by their paths in it.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, std::fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

fn expected(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

#[tokio::test]
async fn a_file_ends_with_the_event_that_fills_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&folder.path().display().to_string());
    settings.limits.count = Some(2);
    let mut buckets = over(LocalStore, settings);
    buckets.write(&events(&["a", "b", "c"])).await.unwrap();
    buckets.shared.pending.ended().await;
    let first = ("F.1500000000000", "a\nb\n");
    assert_eq!(
        files(folder.path()),
        expected(&[first, ("F.1500000000001.tmp", "c\n")])
    );
    buckets.write(&events(&["d"])).await.unwrap();
    buckets.shared.pending.ended().await;
    assert_eq!(
        files(folder.path()),
        expected(&[first, ("F.1500000000001", "c\nd\n")])
    );
    let counters = &buckets.shared.files();
    assert_eq!(
        (counters.file_roll.get(), counters.open_bucket.get()),
        (2, 0)
    );
}

#[tokio::test]
async fn events_find_their_folders_and_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("{}/%{{host}}/%Y", folder.path().display());
    let mut buckets = over(LocalStore, settings(&path));
    let event = |body: &'static str, host: &'static str| {
        Event::new(body)
            .with_header("host", host)
            .with_header("timestamp", "1351706709042")
    };
    let batch = [event("1", "x"), event("2", "../y"), event("3", "x")];
    buckets.write(&batch).await.unwrap();
    assert_eq!(buckets.shared.files().open_bucket.get(), 2);
    buckets.stop().await;
    let found = files(folder.path());
    let folders = found.iter();
    let folders = folders.map(|(name, text)| (name.rsplit_once('/').unwrap().0, text.as_str()));
    assert_eq!(
        folders.collect::<Vec<_>>(),
        [("__/y/2012", "2\n"), ("x/2012", "1\n3\n")]
    );
    let untimed = buckets.write(&events(&["x"])).await;
    assert!(matches!(
        untimed,
        Err(WriteError::Untimed {
            first: TimeError::Missing,
            ..
        })
    ));
}

#[tokio::test]
async fn no_more_files_are_open_than_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("{}/%{{n}}", folder.path().display());
    let mut settings = settings(&path);
    settings.most_open = 3;
    let mut buckets = over(LocalStore, settings);
    let batch: Vec<Event> = (0..8)
        .map(|n| Event::new("x").with_header("n", n.to_string()))
        .collect();
    buckets.write(&batch).await.unwrap();
    assert_eq!(buckets.open.len(), 3);
    buckets.shared.pending.ended().await;
    let open = files(folder.path())
        .into_keys()
        .filter(|name| name.ends_with(".tmp"))
        .count();
    assert_eq!(open, 3);
    // The one that was idle longest is closed.
    buckets.write(&batch[6..7]).await.unwrap();
    buckets.write(&batch[..1]).await.unwrap();
    assert_eq!(buckets.open.len(), 3);
    assert!(buckets.open.keys().any(|path| path.folder.ends_with("/6")));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_too_old_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&folder.path().display().to_string());
    settings.limits.interval = Some(Duration::from_secs(30));
    settings.limits.idle = Some(Duration::from_secs(20));
    let mut buckets = over(LocalStore, settings);
    assert_eq!(buckets.next_due(), None);
    let start = clock::now();
    buckets.write(&events(&["a"])).await.unwrap();
    let due = buckets.next_due().unwrap() - start;
    assert!(
        due >= Duration::from_secs(20) && due < Duration::from_secs(21),
        "{due:?}"
    );
    buckets.close_due().await.unwrap();
    assert_eq!(buckets.open.len(), 1);
    tokio::time::advance(Duration::from_secs(21)).await;
    buckets.close_due().await.unwrap();
    buckets.shared.pending.ended().await;
    assert_eq!(
        files(folder.path()),
        expected(&[("F.1500000000000", "a\n")])
    );
}

#[tokio::test]
async fn a_compressed_file_is_readable_after_each_batch() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&folder.path().display().to_string());
    settings.naming.suffix = ".gz".to_owned();
    let text = Serializer::Text {
        headers: false,
        newline: true,
    };
    settings.file_type = FileType::Compressed(text, Codec::Gzip);
    let mut buckets = over(LocalStore, settings);
    let path = folder.path().join("F.1500000000000.gz.tmp");
    for (body, all) in [("a", "a\n"), ("b", "a\nb\n")] {
        buckets.write(&events(&[body])).await.unwrap();
        let file = std::fs::File::open(&path).unwrap();
        let read = std::io::read_to_string(flate2::read::MultiGzDecoder::new(file)).unwrap();
        assert_eq!(read, all);
    }
}

#[tokio::test]
async fn after_a_failure_the_next_batch_has_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    for fault in [Fault::Write, Fault::Sync, Fault::Hang] {
        let path = folder.path().join(format!("{fault:?}"));
        let (store, faults) = Faulty::new(LocalStore);
        let mut settings = settings(&path.display().to_string());
        settings.call_timeout = Duration::from_millis(200);
        let mut buckets = over(store, settings);
        buckets.write(&events(&["one"])).await.unwrap();
        faults.set(Some(fault));
        assert!(buckets.write(&events(&["two"])).await.is_err(), "{fault:?}");
        faults.set(None);
        buckets.write(&events(&["two"])).await.unwrap();
        buckets.stop().await;
        let texts: Vec<String> = files(&path).into_values().collect();
        // A batch whose sync failed may be in the file; a part of one is not.
        assert_eq!(texts, ["one\n", "two\n"], "{fault:?}");
        assert!(files(&path).keys().all(|name| !name.ends_with(".tmp")));
    }
}

#[tokio::test]
async fn leftovers_are_finished_and_those_of_this_run_are_not() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("F.7.tmp", "old\n"),
        ("F.8.tmp", ""),
        ("F.9999999999999.tmp", "new"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut settings = settings(&folder.path().display().to_string());
    settings.leftovers = Leftovers::Finish;
    let buckets = over(LocalStore, settings);
    let patience = clock::now() + Duration::from_secs(10);
    let wanted = expected(&[("F.7", "old\n"), ("F.9999999999999.tmp", "new")]);
    while files(folder.path()) != wanted {
        assert!(clock::now() < patience, "{:?}", files(folder.path()));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(buckets.shared.files().leftover.get(), 2);
}

#[tokio::test]
async fn a_batch_of_objects_is_delivered_when_all_of_them_are_complete() {
    let memory = Arc::new(InMemory::new());
    let mut settings = settings("/a/%{n}");
    settings.limits.count = Some(2);
    let mut buckets = over(Objects::new(memory, 5 << 20), settings);
    let event = |n: &'static str| Event::new("x").with_header("n", n);
    buckets.write(&[event("1"), event("2")]).await.unwrap();
    assert_eq!(buckets.delivered(), 0);
    buckets.write(&[event("1")]).await.unwrap();
    assert_eq!(
        buckets.delivered(),
        0,
        "the first batch has an event in an open object"
    );
    buckets.write(&[event("2")]).await.unwrap();
    assert_eq!(buckets.delivered(), 3);
    buckets.write(&[event("1")]).await.unwrap();
    buckets.complete().await.unwrap();
    assert_eq!(buckets.delivered(), 1);
}

#[tokio::test]
async fn after_a_failure_objects_are_completed_at_once() {
    let (store, faults) = Faulty::new(Objects::new(Arc::new(InMemory::new()), 5 << 20));
    let mut buckets = over(store, settings("/a"));
    buckets.write(&events(&["a"])).await.unwrap();
    faults.set(Some(Fault::Close));
    assert!(buckets.complete().await.is_err());
    assert_eq!(buckets.delivered(), 0);
    assert!(
        buckets.write(&events(&["a"])).await.is_err(),
        "its sender gets the error"
    );
    faults.set(None);
    buckets.write(&events(&["a"])).await.unwrap();
    assert_eq!(buckets.delivered(), 1);
    buckets.write(&events(&["b"])).await.unwrap();
    assert_eq!(buckets.delivered(), 0, "well again: objects fill");
}
