//! Files are closed and renamed in the background, in limited number, with retries.

use object_store::ObjectStoreExt;
use object_store::multipart::MultipartStore;
use object_store::path::Path as Key;

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
    let counters = Arc::clone(&buckets.shared.counters);
    let closed = || counters.connection_closed.get();
    assert_eq!((buckets.shared.files().file_roll.get(), closed()), (3, 0));
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
    buckets.shared.pending.tried().await;
    assert_eq!(buckets.shared.files().rename_fail.get(), 1);
    assert_eq!(
        files(folder.path()),
        expected(&[("F.1500000000000.tmp", "a\n")])
    );
    faults.set(None);
    buckets.shared.pending.ended().await;
    assert_eq!(
        files(folder.path()),
        expected(&[("F.1500000000000", "a\n")])
    );
}

#[tokio::test(start_paused = true)]
async fn attempts_are_limited_and_so_are_pending_files() {
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
    buckets.shared.pending.ended().await;
    assert_eq!(buckets.shared.files().rename_fail.get(), 4);
    assert_eq!(
        files(folder.path()),
        expected(&[("F.1500000000000.tmp", "a\n")])
    );
}

#[tokio::test(start_paused = true)]
async fn an_upload_is_aborted_once_the_store_answers_although_it_has_no_marker() {
    let memory = Arc::new(InMemory::new());
    let (store, faults) = Faulty::new(Objects::new(Arc::clone(&memory) as _, 1));
    let mut buckets = over(store, settings("/a"));
    faults.set(Some(Fault::Down));
    buckets.write(&events(&["a"])).await.unwrap_err();
    let (object, marker) = (
        Key::from("/a/F.1500000000000"),
        Key::from("/a/F.1500000000000.tmp"),
    );
    let text = memory.get(&marker).await.unwrap().bytes().await.unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    let id = text.split_whitespace().last().unwrap().to_owned();
    memory.delete(&marker).await.unwrap();
    let retry = buckets.shared.settings.retry_interval;
    tokio::time::sleep(3 * retry).await;
    assert_eq!(buckets.shared.pending.count(), 1);
    memory.put_part(&object, &id, 1, "b".into()).await.unwrap();
    faults.set(None);
    buckets.shared.pending.ended().await;
    memory
        .put_part(&object, &id, 2, "c".into())
        .await
        .unwrap_err();
}
