//! Goal: a record on disk is whole, bounded, and says what was lost.
//! Method: native selectors recorded into scratch folders, read back with the reader of replays.

use std::path::Path;

use super::*;
use flume_core::sink_selector::{Backoff, TYPES};
use flume_policy::trace::{Trace, What};

fn header() -> TraceHeader {
    TraceHeader {
        selector: "round_robin".to_owned(),
        ..TraceHeader::default()
    }
}

fn selector() -> Box<dyn SinkSelector> {
    (TYPES.find("round_robin").unwrap().configure)(Backoff::none(2), 0)
}

fn plan(path: PathBuf, files: usize) -> RecordPlan {
    RecordPlan {
        path,
        most_bytes: 1 << 20,
        files,
        headers: Vec::new(),
    }
}

fn recorder(plan: &RecordPlan) -> (Recorder, Arc<RecordStats>) {
    let recording = Recording::begin(plan, "g1", header()).unwrap();
    let stats = recording.stats();
    (recording.of(selector(), clock::now()), stats)
}

fn read(path: &Path) -> Trace {
    Trace::read(&fs::read(path).unwrap()).unwrap()
}

fn orders(trace: &Trace) -> usize {
    let is_order = |what: &What| matches!(what, What::Order { .. });
    trace
        .entries
        .iter()
        .filter(|entry| is_order(&entry.what))
        .count()
}

#[test]
fn what_was_asked_is_in_the_file_when_the_group_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path().join("trace"), 2);
    let (mut recorder, stats) = recorder(&plan);
    for _ in 0..1000 {
        recorder.order(clock::now());
    }
    drop(recorder);
    let trace = read(&plan.path);
    assert_eq!((orders(&trace), trace.cut, trace.header.part), (1000, 0, 0));
    assert!(trace.header.run > 0);
    assert_eq!((stats.entries(), stats.failures()), ((1000, 0), 0));
    assert!(stats.written() > 1000);
}

#[test]
fn a_start_moves_the_file_that_is_there_and_the_oldest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path().join("trace"), 2);
    for count in 1..=3 {
        let (mut recorder, _) = recorder(&plan);
        for _ in 0..count {
            recorder.order(clock::now());
        }
    }
    assert_eq!(orders(&read(&plan.path)), 3);
    assert_eq!(orders(&read(&older(&plan.path, 1))), 2);
    assert!(!older(&plan.path, 2).exists());
}

#[test]
fn a_full_file_is_followed_by_another_and_they_go_on() {
    let folder = tempfile::tempdir().unwrap();
    for (most_files, kept) in [(1, 1), (3, 3), (9, 5)] {
        let path = folder.path().join(format!("trace-{most_files}"));
        let plan = RecordPlan {
            most_bytes: 1000,
            ..plan(path, most_files)
        };
        let mut files = TraceFiles::open(&plan, header(), WallClock::fixed(1)).unwrap();
        let head = header().encode().len() as u64;
        // Exactly two of these fit into a file.
        let chunk = vec![0; usize::try_from((1000 - head) / 2).unwrap()];
        for _ in 0..10 {
            files.write(&chunk).unwrap();
            let size = fs::metadata(&plan.path).unwrap().len();
            assert!(size <= 1000, "{size}");
        }
        let all = (1..20)
            .filter(|number| older(&plan.path, *number).exists())
            .count()
            + 1;
        assert_eq!(all, kept);
        assert_eq!(read(&plan.path).header.part, 4);
        if kept > 1 {
            assert_eq!(read(&older(&plan.path, 1)).header.part, 3);
        }
        files.give_up();
        files.write(&chunk).unwrap();
        assert_eq!(
            read(&plan.path).header.part,
            6,
            "a failed part leaves a gap"
        );
    }
}

#[test]
fn a_file_that_cannot_be_begun_moves_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path().join("trace"), 2);
    let mut files = TraceFiles::open(&plan, header(), WallClock::fixed(1)).unwrap();
    files.write(&[0; 100]).unwrap();
    files.give_up();
    let before = fs::read(&plan.path).unwrap();
    let in_the_way = folder.path().join("trace.new");
    fs::create_dir(&in_the_way).unwrap();
    for _ in 0..3 {
        assert!(files.write(&[0; 100]).is_err());
        assert_eq!(fs::read(&plan.path).unwrap(), before);
        assert!(!older(&plan.path, 1).exists());
    }
    fs::remove_dir(&in_the_way).unwrap();
    files.write(&[0; 100]).unwrap();
    assert_eq!(fs::read(older(&plan.path, 1)).unwrap(), before);
    assert!(plan.path.exists() && !in_the_way.exists());
}

#[test]
fn a_file_that_cannot_be_made_is_an_error_and_a_folder_that_goes_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = plan(folder.path().join("no/trace"), 2);
    assert!(Recording::begin(&nowhere, "g1", header()).is_err());

    let plan = RecordPlan {
        most_bytes: 1,
        ..plan(folder.path().join("trace"), 2)
    };
    let (mut recorder, stats) = recorder(&plan);
    drop(folder);
    recorder.order(clock::now());
    drop(recorder);
    assert_eq!((stats.failures(), stats.written()), (1, 0));
}
