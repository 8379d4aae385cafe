//! The ends of files: on the side, bounded, tried again.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_slow_close_holds_up_no_batch_and_the_stop_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, faults) = Faulty::new(LocalStore);
    let mut settings = settings(&folder.path().display().to_string());
    settings.limits.count = Some(1);
    settings.at_once = 1;
    let slow = Duration::from_millis(500);
    faults.set(Some(Fault::SlowClose(slow)));
    let mut buckets = over(store, settings);
    let start = clock::now();
    buckets.write(&events(&["a", "b"])).await.unwrap();
    buckets.write(&events(&["c"])).await.unwrap();
    assert!(clock::now() - start < slow, "{:?}", clock::now() - start);
    let counters = Arc::clone(&buckets.works.counters);
    let closed = || counters.connection_closed.get();
    assert_eq!((buckets.works.files().file_roll.get(), closed()), (3, 0));
    buckets.stop().await;
    assert!(clock::now() - start >= 3 * slow, "one at a time");
    assert_eq!(
        files(folder.path()),
        expected(&[
            ("F.1500000000000", "a\n"),
            ("F.1500000000001", "b\n"),
            ("F.1500000000002", "c\n"),
        ])
    );
    assert_eq!(closed(), 3);
}

#[tokio::test(start_paused = true)]
async fn where_too_many_files_are_being_closed_the_next_waits_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let (store, faults) = Faulty::new(LocalStore);
    let mut settings = settings(&folder.path().display().to_string());
    settings.limits.count = Some(1);
    settings.most_open = 2;
    let slow = Duration::from_millis(500);
    faults.set(Some(Fault::SlowClose(slow)));
    let mut buckets = over(store, settings);
    let start = clock::now();
    buckets.write(&events(&["a", "b"])).await.unwrap();
    assert!(clock::now() - start < slow);
    buckets.write(&events(&["c"])).await.unwrap();
    assert!(clock::now() - start >= slow);
}

#[tokio::test(start_paused = true)]
async fn a_rename_is_tried_again_and_costs_no_batch() {
    let folder = tempfile::tempdir().unwrap();
    let (store, faults) = Faulty::new(LocalStore);
    let mut settings = settings(&folder.path().display().to_string());
    settings.limits.count = Some(1);
    let mut buckets = over(store, settings);
    faults.set(Some(Fault::Rename));
    buckets.write(&events(&["a"])).await.unwrap();
    buckets.works.waits.tried().await;
    assert_eq!(buckets.works.files().rename_fail.get(), 1);
    assert_eq!(
        files(folder.path()),
        expected(&[("F.1500000000000.tmp", "a\n")])
    );
    faults.set(None);
    buckets.works.waits.ended().await;
    assert_eq!(
        files(folder.path()),
        expected(&[("F.1500000000000", "a\n")])
    );
}

#[tokio::test(start_paused = true)]
async fn tries_have_an_end_and_so_has_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let (store, faults) = Faulty::new(LocalStore);
    let mut settings = settings(&folder.path().display().to_string());
    settings.limits.count = Some(1);
    settings.close_tries = Some(3);
    settings.most_open = 1;
    let mut buckets = over(store, settings);
    faults.set(Some(Fault::Rename));
    buckets.write(&events(&["a"])).await.unwrap();
    let refused = buckets.write(&events(&["b"])).await;
    assert!(
        matches!(refused, Err(WriteError::Store(StoreError::TooMany(1)))),
        "{refused:?}"
    );
    buckets.works.waits.ended().await;
    assert_eq!(buckets.works.files().rename_fail.get(), 4);
    assert_eq!(
        files(folder.path()),
        expected(&[("F.1500000000000.tmp", "a\n")])
    );
}
