//! Files change on disk and over the admin port. The periodic looks are made by hand, on a paused
//! clock.

use std::time::Duration;

use flume_core::{SinkSelector as _, clock};
use flume_policy::PolicySelector;

use super::testing::{Folder, always, attacked, in_a1, seat, sinks, somebody, turncoat};
use super::*;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

mod noted;
mod tenants;

const ROUND: Duration = Duration::from_millis(500);

fn policies() -> Policies {
    super::testing::policies()
}

/// This many periodic looks.
async fn rounds(policies: &Policies, count: usize) {
    for _ in 0..count {
        tokio::time::advance(ROUND).await;
        policies.look(false);
    }
}

fn first(selector: &mut PolicySelector) -> usize {
    selector.order(clock::now())[0]
}

fn report(policies: &Policies) -> PolicyFileReport {
    let mut reports = policies.reports();
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

fn uploads(report: &PolicyFileReport) -> (bool, u64) {
    (report.uploaded, report.generation)
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_moved_into_place_runs_after_two_looks() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", &always(&[0]));
    let mut selector = seat(&policies, &in_a1(&path), "g1", 3).unwrap();
    assert_eq!(first(&mut selector), 0);
    folder.file("one.wat", &always(&[1]));
    rounds(&policies, 1).await;
    assert_eq!(first(&mut selector), 0, "one look is not enough");
    rounds(&policies, 1).await;
    assert_eq!(first(&mut selector), 1);
    let report = report(&policies);
    assert_eq!(report.name, "a1/one");
    assert_eq!(uploads(&report), (false, 2));
    assert_eq!((report.totals.swaps, report.last_error), (1, None));
    rounds(&policies, 10).await;
    assert_eq!(policies.reports()[0].totals.swaps, 1);
}

/// Whatever became of a version, operators see when.
#[tokio::test(start_paused = true)]
async fn the_time_of_the_last_load_is_known_whether_it_was_taken_or_refused() {
    let time = Arc::new(AtomicU64::new(1));
    let wall = WallClock::from_fn({
        let time = Arc::clone(&time);
        move || time.load(Relaxed)
    });
    let (policies, folder) = (
        Policies::with_wall(CacheChoice::None, Compiler::in_process(), wall),
        Folder::new(),
    );
    let path = folder.file("one.wat", &always(&[0]));
    let _selector = seat(&policies, &in_a1(&path), "g1", 3).unwrap();
    let last = || {
        let report = report(&policies);
        (report.last_error.is_none(), report.last_time)
    };
    assert_eq!(last(), (true, 0), "nothing was loaded since the start");
    let mut expected = Vec::new();
    let mut seen = Vec::new();
    for (now, text, taken) in [
        (10, always(&[1]), true),
        (20, "(module".to_owned(), false),
        (30, always(&[2]), true),
    ] {
        time.store(now, Relaxed);
        folder.file("one.wat", &text);
        rounds(&policies, 10).await;
        seen.push(last());
        expected.push((taken, now));
    }
    time.store(40, Relaxed);
    rounds(&policies, 10).await;
    seen.push(last());
    expected.push((true, 30));
    policies.roll_back("a1/one", &somebody()).await.unwrap();
    seen.push(last());
    expected.push((true, 40));
    time.store(50, Relaxed);
    let again = policies.roll_back("a1/one", &somebody()).await;
    again.unwrap_err();
    seen.push(last());
    expected.push((true, 40));
    let refused = policies.turn("a1/one").unwrap();
    refused
        .replace(b"nonsense".to_vec(), &somebody())
        .await
        .unwrap_err();
    seen.push(last());
    expected.push((false, 50));
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_points_elsewhere_is_a_change() {
    let (policies, folder) = (policies(), Folder::new());
    let (one, two) = (
        folder.file("1.wat", &always(&[0])),
        folder.file("2.wat", &always(&[1])),
    );
    let link = folder.link("current.wat", &one);
    let mut selector = seat(&policies, &in_a1(&link), "g1", 3).unwrap();
    folder.link("current.wat", &two);
    rounds(&policies, 2).await;
    assert_eq!(first(&mut selector), 1);
    assert_eq!(report(&policies).name, "a1/current");
    // So is a link to a folder that points elsewhere.
    let releases = folder.link("releases", &folder.path(""));
    let deep = releases.join("1.wat");
    let mut other = seat(&policies, &in_a1(&deep), "g2", 3).unwrap();
    folder.file("new/1.wat", &always(&[2]));
    folder.link("releases", &folder.path("new"));
    rounds(&policies, 2).await;
    assert_eq!(first(&mut other), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_copy_runs_when_it_is_whole() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", &always(&[0]));
    let mut selector = seat(&policies, &in_a1(&path), "g1", 3).unwrap();
    let text = always(&[1]);
    for part in [200, 400, 600, text.len()] {
        std::fs::write(&path, &text.as_bytes()[..part]).unwrap();
        rounds(&policies, 3).await;
        assert_eq!(report(&policies).last_error, None, "after {part} bytes");
        assert_eq!(first(&mut selector), usize::from(part == text.len()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_leaves_what_runs_and_is_reported() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", &always(&[0]));
    let mut selector = seat(&policies, &in_a1(&path), "g1", 2).unwrap();
    for (broken, words) in [
        ("(module", "not a WebAssembly module"),
        ("(module)", "exports nothing"),
        (&always(&[0, 2]), "order-out-of-range"),
    ] {
        folder.file("one.wat", broken);
        rounds(&policies, 6).await;
        let early = report(&policies).last_error.unwrap_or_default();
        assert!(!early.contains(words), "too early: {early}");
        rounds(&policies, 3).await;
        let error = report(&policies).last_error.unwrap();
        assert!(error.contains(words), "{error}");
        assert_eq!(first(&mut selector), 0);
    }
    folder.file("one.wat", &always(&[1]));
    rounds(&policies, 2).await;
    assert_eq!(first(&mut selector), 1);
    assert_eq!(report(&policies).last_error, None);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_gone_keeps_its_policy_running() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", &always(&[0]));
    let mut selector = seat(&policies, &in_a1(&path), "g1", 3).unwrap();
    std::fs::remove_file(&path).unwrap();
    rounds(&policies, 10).await;
    let error = report(&policies).last_error;
    assert_eq!(error.as_deref(), Some("the file is gone"));
    assert_eq!(first(&mut selector), 0);
    let mut other = seat(&policies, &in_a1(&path), "g2", 3).unwrap();
    assert_eq!(first(&mut other), 0, "also in a new place");
    folder.file("one.wat", &always(&[0]));
    rounds(&policies, 2).await;
    assert_eq!(report(&policies).last_error, None);
    assert_eq!(report(&policies).totals.swaps, 0);
}

/// A look on request needs no second look, and reports an error at once. A version that was refused
/// is tried again when the reason has gone.
#[tokio::test(start_paused = true)]
async fn a_look_on_request_is_answered_at_once() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", &always(&[0]));
    let mut selector = seat(&policies, &in_a1(&path), "g1", 3).unwrap();
    let narrow = seat(&policies, &in_a1(&path), "g2", 2).unwrap();
    folder.file("one.wat", &always(&[2]));
    policies.look(true);
    assert!(report(&policies).last_error.is_some(), "g2 has two sinks");
    drop(narrow);
    policies.look(true);
    assert_eq!(report(&policies).last_error, None);
    assert_eq!(first(&mut selector), 2);
}

/// The reason of a refusal may go away before it is reported.
#[tokio::test(start_paused = true)]
async fn a_refused_version_gets_a_second_trial() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", &always(&[0]));
    let mut selector = seat(&policies, &in_a1(&path), "g1", 3).unwrap();
    let narrow = seat(&policies, &in_a1(&path), "g2", 2).unwrap();
    folder.file("one.wat", &always(&[2]));
    rounds(&policies, 3).await;
    assert_eq!(first(&mut selector), 0, "g2 has two sinks");
    drop(narrow);
    rounds(&policies, 6).await;
    assert_eq!(first(&mut selector), 2);
    assert_eq!(report(&policies).last_error, None);
}

#[tokio::test(start_paused = true)]
async fn nothing_outside_of_the_folder_is_loaded() {
    let (policies, folder) = (policies(), Folder::new());
    let outside = folder.file("outside.wat", &always(&[1]));
    let inside = folder.file("a1/inside.wat", &always(&[0]));
    let wanted = |path: &Path| PolicyUse {
        directory: Some(folder.path("a1")),
        ..in_a1(path)
    };
    for path in [
        outside.clone(),
        folder.link("a1/link.wat", &outside),
        folder.path("a1/../outside.wat"),
    ] {
        let error = policies
            .try_selector(&wanted(&path), &sinks(3))
            .unwrap_err();
        let is_outside = matches!(error, PolicyUseError::File(FileError::Outside { .. }));
        assert!(is_outside, "{}: {error}", path.display());
        assert!(seat(&policies, &wanted(&path), "g1", 3).is_err());
    }
    // Links within the folder are fine, until they lead out of it.
    let link = folder.link("a1/good.wat", &inside);
    let mut selector = seat(&policies, &wanted(&link), "g1", 3).unwrap();
    folder.link("a1/good.wat", &outside);
    rounds(&policies, 10).await;
    let error = report(&policies).last_error.unwrap();
    assert!(error.contains("outside of"), "{error}");
    assert_eq!(first(&mut selector), 0);
}

#[test]
fn only_plain_files_are_read() {
    let folder = Folder::new();
    let pipe = folder.path("pipe.wasm");
    let mode = rustix::fs::Mode::from_bits_truncate(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for path in [pipe, folder.path("")] {
        let error = read::read(&path, None).unwrap_err();
        assert!(matches!(error, FileError::NotPlain(_)), "{error}");
    }
    let huge = folder.path("huge.wasm");
    let file = std::fs::File::create(&huge).unwrap();
    file.set_len(Artifact::MOST_BYTES as u64 + 1).unwrap();
    let error = read::read(&huge, None).unwrap_err();
    assert!(matches!(error, FileError::TooLarge { .. }), "{error}");
}

/// A version that breaks the contract while it runs gives way to the previous one, in all places,
/// and does not come back until its file changes.
#[tokio::test(start_paused = true)]
async fn a_version_that_spends_its_budget_goes_from_all_places() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", &always(&[1]));
    let strict = |lines| PolicyUse {
        limits: Limits {
            violations: 1,
            log_lines: lines,
            ..in_a1(&path).limits
        },
        ..in_a1(&path)
    };
    let mut one = seat(&policies, &strict(1), "g1", 3).unwrap();
    let mut other = seat(&policies, &strict(2), "g2", 3).unwrap();
    folder.file("one.wat", &turncoat(&[0], &[7]));
    rounds(&policies, 2).await;
    let bad = report(&policies).digest;
    let mut late = seat(&policies, &strict(3), "g3", 3).unwrap();
    assert_eq!(attacked(&mut one), 0, "the fallback answers for it");
    assert_eq!(first(&mut one), 1);
    rounds(&policies, 1).await;
    assert_eq!((first(&mut other), first(&mut late)), (1, 1));
    let report = report(&policies);
    assert_ne!(report.digest, bad);
    let error = report.last_error.as_deref().unwrap();
    assert!(error.contains("spent its error budget"), "{error}");
    assert!(report.totals.roll_backs >= 1);
    rounds(&policies, 10).await;
    policies.look(true);
    assert_eq!(policies.reports()[0].digest, report.digest);
    folder.file("one.wat", &always(&[2]));
    rounds(&policies, 2).await;
    assert_eq!((first(&mut one), first(&mut other)), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn what_comes_over_the_port_runs_until_the_file_changes() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", &always(&[0]));
    let mut selector = seat(&policies, &in_a1(&path), "g1", 3).unwrap();
    let turn = || policies.turn("a1/one").unwrap();
    let changed = turn()
        .replace(always(&[1]).into(), &somebody())
        .await
        .unwrap();
    assert_ne!(changed.from, changed.to);
    assert_eq!(first(&mut selector), 1);
    assert_eq!(uploads(&report(&policies)), (true, 2));
    rounds(&policies, 10).await;
    assert_eq!(first(&mut selector), 1);
    let mut other = seat(&policies, &in_a1(&path), "g2", 3).unwrap();
    assert_eq!(first(&mut other), 1, "one file, one version");

    turn()
        .replace(b"nonsense".to_vec(), &somebody())
        .await
        .unwrap_err();
    assert_eq!(first(&mut selector), 1);
    policies.restore("a1/one", &somebody()).await.unwrap();
    assert_eq!((first(&mut selector), first(&mut other)), (0, 0));
    assert!(!report(&policies).uploaded);
    policies.roll_back("a1/one", &somebody()).await.unwrap();
    assert_eq!((first(&mut selector), first(&mut other)), (1, 1));
    let error = policies.roll_back("a1/one", &somebody()).await.unwrap_err();
    assert!(matches!(error, ChangeError::NothingBefore(_)), "{error}");

    folder.file("one.wat", &always(&[2]));
    rounds(&policies, 2).await;
    assert_eq!((first(&mut selector), first(&mut other)), (2, 2));
    assert!(!report(&policies).uploaded);
}

/// While something of `a1` is compiled, and something else waits for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recalls_and_other_agents_wait_for_nobody() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", &always(&[0]));
    let mut selector = seat(&policies, &in_a1(&path), "g1", 3).unwrap();
    let of_a2 = PolicyUse {
        agent: "a2".to_owned(),
        ..in_a1(&path)
    };
    let mut others = seat(&policies, &of_a2, "g1", 3).unwrap();
    let upload = |name: &str, order: u8| {
        let turn = policies.turn(name).unwrap();
        tokio::spawn(async move { turn.replace(always(&[order]).into(), &somebody()).await })
    };
    upload("a1/one", 1).await.unwrap().unwrap();
    assert_eq!(first(&mut selector), 1);

    let (release, held) = std::sync::mpsc::channel::<()>();
    let busy = policies.clone();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let compiler = std::thread::spawn(move || {
        busy.heavy_work("a1", || {
            begun.send(()).unwrap();
            held.recv().unwrap_err()
        })
    });
    begins.await.unwrap();
    let late = upload("a1/one", 2);
    let turn_of_a2 = upload("a2/one", 2).await.unwrap();
    assert_eq!((turn_of_a2.is_ok(), first(&mut others)), (true, 2));
    let back = policies.roll_back("a1/one", &somebody()).await.unwrap();
    assert_eq!(first(&mut selector), 0);
    policies.restore("a1/one", &somebody()).await.unwrap();
    let error = policies.roll_back("a1/one", &somebody()).await.unwrap_err();
    assert!(matches!(error, ChangeError::NothingBefore(_)), "{error}");
    assert!(!late.is_finished());

    // What was asked for before the roll-back does not come after it.
    drop(release);
    compiler.join().unwrap();
    let error = late.await.unwrap().unwrap_err();
    assert!(matches!(error, ChangeError::Overtaken(_)), "{error}");
    assert_eq!(first(&mut selector), 0);
    assert_eq!(policies.reports()[0].digest, back.to);
    upload("a1/one", 2).await.unwrap().unwrap();
    assert_eq!(first(&mut selector), 2);
}

#[tokio::test]
async fn a_change_may_wait_for_one_other() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", &always(&[0]));
    let _selector = seat(&policies, &in_a1(&path), "g1", 3).unwrap();
    let first = policies.turn("a1/one").unwrap();
    let second = policies.turn("a1/one").unwrap();
    let error = policies.turn("a1/one").unwrap_err();
    assert!(matches!(error, ChangeError::Busy(_)), "{error}");
    let error = policies.turn("a1/two").unwrap_err();
    assert!(matches!(error, ChangeError::Unknown(_)), "{error}");
    drop(second);
    let changed = first
        .replace(always(&[1]).into(), &somebody())
        .await
        .unwrap();
    assert_eq!(changed.name, "a1/one");
    assert!(policies.turn("a1/one").is_ok());
}

#[test]
fn a_file_is_forgotten_with_its_last_place() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", &always(&[0]));
    let one = seat(&policies, &in_a1(&path), "g1", 3).unwrap();
    let other = seat(&policies, &in_a1(&path), "g2", 3).unwrap();
    assert_eq!(report(&policies).seats.len(), 2);
    drop(one);
    assert_eq!(report(&policies).seats.len(), 1);
    drop(other);
    assert!(policies.reports().is_empty());
}

#[test]
fn a_trial_leaves_nothing_behind() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", &always(&[2]));
    policies.try_selector(&in_a1(&path), &sinks(3)).unwrap();
    let error = policies.try_selector(&in_a1(&path), &sinks(2)).unwrap_err();
    assert!(matches!(error, PolicyUseError::Policy(_)), "{error}");
    let setup = InterceptorSetup::default();
    let error = policies.try_interceptor(&in_a1(&path), &setup).unwrap_err();
    assert!(matches!(error, PolicyUseError::Load(_)), "{error}");
    let error = policies
        .try_selector(&in_a1(&folder.path("none.wat")), &sinks(2))
        .unwrap_err();
    assert!(matches!(error, PolicyUseError::File(_)), "{error}");
    assert!(policies.reports().is_empty());
}

/// Files in different folders, or of different agents, do not share names.
#[test]
fn names_are_unique() {
    let (policies, folder) = (policies(), Folder::new());
    let one = folder.file("one/p.wat", &always(&[0]));
    let two = folder.file("two/p.wat", &always(&[0]));
    let foreign = PolicyUse {
        agent: "a2".to_owned(),
        ..in_a1(&one)
    };
    let _seats = [in_a1(&one), in_a1(&two), foreign, in_a1(&one)]
        .map(|wanted| seat(&policies, &wanted, "g", 3).unwrap());
    let names: Vec<String> = policies.reports().into_iter().map(|r| r.name).collect();
    assert_eq!(names, ["a1/p", "a1/p-2", "a2/p"]);
}

/// The file and the configuration change together: the periodic look refuses the file because of
/// the old place, and the new place makes it run.
#[tokio::test(start_paused = true)]
async fn a_file_and_its_place_may_change_together() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", &always(&[1]));
    let mut before = seat(&policies, &in_a1(&path), "g1", 2).unwrap();
    folder.file("one.wat", &always(&[2]));
    rounds(&policies, 10).await;
    assert!(report(&policies).last_error.is_some());
    policies.try_selector(&in_a1(&path), &sinks(3)).unwrap();
    let mut after = seat(&policies, &in_a1(&path), "g1", 3).unwrap();
    assert_eq!((first(&mut before), first(&mut after)), (1, 2));
    drop(before);
    let report = report(&policies);
    assert_eq!((report.seats.len(), report.last_error), (1, None));
    // The other way round: a place that accepts only the previous version gets that.
    folder.file("one.wat", &always(&[3]));
    let mut third = seat(&policies, &in_a1(&path), "g2", 3).unwrap();
    assert_eq!(first(&mut third), 2);
}

#[test]
fn the_cache_is_where_the_user_keeps_caches() {
    let home = |name: &str| (name == "HOME").then(|| OsString::from("/home/u"));
    let folder = |path: &str| Some(PathBuf::from(path));
    assert_eq!(
        user_cache(&home),
        folder("/home/u/.cache/flume-host/policies")
    );
    let both = |name: &str| {
        Some(OsString::from(if name == "HOME" {
            "/home/u"
        } else {
            "/x"
        }))
    };
    assert_eq!(user_cache(&both), folder("/x/flume-host/policies"));
    let relative = |_: &str| Some(OsString::from("cache"));
    assert_eq!(user_cache(&relative), None);
    assert_eq!(CacheChoice::of_flag(Some("none")), CacheChoice::None);
    let given = CacheChoice::of_flag(Some("here"));
    assert_eq!(given, CacheChoice::Folder(PathBuf::from("here")));
}

/// A cache that others may write to is not used, and policies run anyway.
#[test]
fn an_unusable_cache_is_done_without() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let path = folder.file("one.wat", &always(&[0]));
    let (good, bad) = (folder.path("good"), folder.path("bad"));
    std::fs::create_dir(&bad).unwrap();
    std::fs::set_permissions(&bad, std::fs::Permissions::from_mode(0o777)).unwrap();
    for (cache, files) in [(&good, 1), (&bad, 0)] {
        let policies = Policies::new(CacheChoice::Folder(cache.clone()), Compiler::in_process());
        policies.try_selector(&in_a1(&path), &sinks(3)).unwrap();
        let part = std::fs::read_dir(cache.join("of-a1"));
        assert_eq!(part.map_or(0, Iterator::count), files);
    }
}

/// What is refused is kept with where it came from: a file that would not start is not forgotten
/// over an upload, and a roll-back without a version before says nothing about any version.
#[tokio::test(start_paused = true)]
async fn what_was_refused_is_known_with_its_origin() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", &always(&[0]));
    let _selector = seat(&policies, &in_a1(&path), "g1", 3).unwrap();
    let turn = || policies.turn("a1/one").unwrap();
    let failing = || report(&policies).failure.map(|failure| failure.origin);
    policies.roll_back("a1/one", &somebody()).await.unwrap_err();
    let same = report(&policies);
    assert_eq!(
        (same.last_error, same.failure, same.refusals),
        (None, None, 0)
    );
    turn()
        .replace(b"nonsense".to_vec(), &somebody())
        .await
        .unwrap_err();
    assert_eq!(
        (failing(), report(&policies).refusals),
        (Some(Origin::AdminPort), 1)
    );
    policies.roll_back("a1/one", &somebody()).await.unwrap_err();
    assert_eq!(
        (failing(), report(&policies).refusals),
        (Some(Origin::AdminPort), 1)
    );

    folder.file("one.wat", "nonsense");
    let first = clock::now();
    policies.look(true);
    assert_eq!(failing(), Some(Origin::File));
    tokio::time::advance(ROUND).await;
    turn()
        .replace(b"nonsense".to_vec(), &somebody())
        .await
        .unwrap_err();
    policies.look(true);
    let since = report(&policies).failure.map(|failure| failure.since);
    assert_eq!((failing(), since), (Some(Origin::File), Some(first)));

    folder.file("one.wat", &always(&[1]));
    policies.look(true);
    assert_eq!(failing(), None);
}
