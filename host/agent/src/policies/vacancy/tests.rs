//! Places that begin without a version. The periodic looks are made by hand, on a paused clock.

use std::path::Path;
use std::time::Duration;

use flume_core::clock;
use flume_core::sink_selector::{Backoff, round_robin};
use flume_policy::PolicySelector;

use super::*;
use crate::policies::testing::{Folder, always, in_a1, policies, seat, sinks, somebody};
use crate::policies::{ChangeError, PolicyFileReport};

const ROUND: Duration = Duration::from_millis(500);

/// A group of three sinks whose policy could not be loaded.
fn vacant(policies: &Policies, path: &Path) -> PolicySelector {
    let vacancy = Vacancy {
        why: "it is garbage".to_owned(),
        mark: Mark::of(path).ok(),
    };
    let fallback = round_robin::configure(Backoff::none(3), 0);
    let (file, place) = (in_a1(path), ("g1", &vacancy));
    policies
        .vacant_selector(&file, place, sinks(3), fallback)
        .unwrap()
}

async fn rounds(policies: &Policies, count: usize) {
    for _ in 0..count {
        tokio::time::advance(ROUND).await;
        policies.look(false);
    }
}

/// The first sinks of the next three batches.
fn first(selector: &mut PolicySelector) -> [usize; 3] {
    std::array::from_fn(|_| selector.order(clock::now())[0])
}

fn report(policies: &Policies) -> PolicyFileReport {
    let mut reports = policies.reports();
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

fn state(policies: &Policies) -> SeatState {
    report(policies).seats[0].state
}

#[tokio::test(start_paused = true)]
async fn the_fallback_orders_until_the_file_is_mended() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", "(module");
    let mut selector = vacant(&policies, &path);
    assert_eq!(first(&mut selector), [0, 1, 2]);
    let before = report(&policies);
    assert_eq!(
        (before.name.as_str(), before.digest.as_str()),
        ("a1/one", "")
    );
    assert_eq!(before.last_error.as_deref(), Some("it is garbage"));
    assert_eq!(before.seats[0].vacancy.as_deref(), Some("it is garbage"));
    assert_eq!(before.totals.fallbacks, 3);
    assert!(policies.is_vacant("a1", "g1"));
    assert!(!policies.is_vacant("a2", "g1") && !policies.is_vacant("a1", "g2"));
    // A file that stays as it is, is not tried again.
    rounds(&policies, 20).await;
    assert_eq!(report(&policies).refusals, 1);

    folder.file("one.wat", &always(&[2]));
    rounds(&policies, 2).await;
    assert_eq!(first(&mut selector), [2, 2, 2]);
    let after = report(&policies);
    assert_eq!(
        (after.last_error, after.seats[0].state),
        (None, SeatState::Running)
    );
    assert_eq!(after.seats[0].vacancy, None);
    assert_eq!(after.previous, None, "there is nothing to go back to");
    assert!(!policies.is_vacant("a1", "g1"));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_not_there_runs_when_it_comes() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.path("one.wat");
    let mut selector = vacant(&policies, &path);
    rounds(&policies, 20).await;
    assert_eq!(state(&policies), SeatState::Vacant);
    folder.file("one.wat", &always(&[1]));
    rounds(&policies, 2).await;
    assert_eq!(first(&mut selector), [1, 1, 1]);
}

/// Between the trial and the first look.
#[tokio::test(start_paused = true)]
async fn a_file_that_is_mended_at_once_is_not_missed() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", "(module");
    let vacancy = Vacancy {
        why: "it is garbage".to_owned(),
        mark: Mark::of(&path).ok(),
    };
    folder.file("one.wat", &always(&[1]));
    let fallback = round_robin::configure(Backoff::none(3), 0);
    let place = ("g1", &vacancy);
    let made = policies.vacant_selector(&in_a1(&path), place, sinks(3), fallback);
    let mut selector = made.unwrap();
    rounds(&policies, 2).await;
    assert_eq!(first(&mut selector), [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_upload_is_the_first_version_and_nothing_is_before_it() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", "(module");
    let mut selector = vacant(&policies, &path);
    let nothing = policies.roll_back("a1/one", &somebody()).await.unwrap_err();
    assert!(
        matches!(nothing, ChangeError::NothingBefore(_)),
        "{nothing}"
    );
    let nothing = policies.restore("a1/one", &somebody()).await.unwrap_err();
    assert!(nothing.to_string().contains("no version"), "{nothing}");
    let refused = policies.turn("a1/one").unwrap();
    refused
        .replace(b"nonsense".to_vec(), &somebody())
        .await
        .unwrap_err();
    assert_eq!(state(&policies), SeatState::Vacant);

    let turn = policies.turn("a1/one").unwrap();
    let changed = turn
        .replace(always(&[2]).into_bytes(), &somebody())
        .await
        .unwrap();
    assert_eq!(changed.from, "");
    assert_eq!(first(&mut selector), [2, 2, 2]);
    let nothing = policies.roll_back("a1/one", &somebody()).await.unwrap_err();
    assert!(
        matches!(nothing, ChangeError::NothingBefore(_)),
        "{nothing}"
    );
    // Its file is as bad as before.
    policies.restore("a1/one", &somebody()).await.unwrap_err();
    assert_eq!(first(&mut selector), [2, 2, 2]);
    // The second version has the first one before it.
    let turn = policies.turn("a1/one").unwrap();
    turn.replace(always(&[1]).into_bytes(), &somebody())
        .await
        .unwrap();
    policies.roll_back("a1/one", &somebody()).await.unwrap();
    assert_eq!(first(&mut selector), [2, 2, 2]);
}

/// One place accepts what the file has, and another one does not.
#[tokio::test(start_paused = true)]
async fn a_vacant_place_takes_the_next_version_and_never_goes_back_to_this_one() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", &always(&[0]));
    let mut fits = seat(&policies, &in_a1(&path), "g2", 3).unwrap();
    let mut selector = vacant(&policies, &path);
    let states = || {
        let seats = report(&policies).seats;
        seats.iter().map(|seat| seat.state).collect::<Vec<_>>()
    };
    assert_eq!(states(), [SeatState::Running, SeatState::Vacant]);
    folder.file("one.wat", &always(&[1]));
    rounds(&policies, 2).await;
    assert_eq!((first(&mut selector), first(&mut fits)), ([1; 3], [1; 3]));
    assert_eq!(states(), [SeatState::Running, SeatState::Running]);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_comes_later_takes_what_the_file_has() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", "(module");
    let mut selector = vacant(&policies, &path);
    seat(&policies, &in_a1(&path), "g2", 3).unwrap_err();
    folder.file("one.wat", &always(&[1]));
    let mut later = seat(&policies, &in_a1(&path), "g2", 3).unwrap();
    assert_eq!((first(&mut selector), first(&mut later)), ([1; 3], [1; 3]));
    assert_eq!(report(&policies).name, "a1/one");
}

#[tokio::test(start_paused = true)]
async fn a_file_without_a_version_is_forgotten_with_its_last_place() {
    let (policies, folder) = (policies(), Folder::new());
    let path = folder.file("one.wat", "(module");
    drop(vacant(&policies, &path));
    assert!(policies.reports().is_empty());
}
