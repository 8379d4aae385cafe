//! Objects in the in-memory store of the client's crate. The end-to-end tests use a real server.

use object_store::memory::InMemory;

use super::*;

const PART: usize = 16;

fn store() -> (Arc<InMemory>, Objects) {
    let memory = Arc::new(InMemory::new());
    (Arc::clone(&memory), Objects::new(memory, PART))
}

fn names() -> FileNames {
    FileNames {
        in_use: "/a/f.1.tmp".to_owned(),
        done: "/a/f.1".to_owned(),
    }
}

async fn read(memory: &InMemory, path: &str) -> Option<Bytes> {
    memory.get(&key(path)).await.ok()?.bytes().await.ok()
}

#[tokio::test]
async fn a_small_object_comes_whole_and_only_when_it_is_closed() {
    let (memory, store) = store();
    let mut file = store.create(&names()).await.unwrap();
    file.write(Bytes::from_static(b"one")).await.unwrap();
    file.sync().await.unwrap();
    assert_eq!(
        store.list("/", 9).await.unwrap().paths,
        Vec::<String>::new()
    );
    file.close().await.unwrap();
    assert_eq!(read(&memory, "/a/f.1").await.as_deref(), Some(&b"one"[..]));
    assert!(matches!(
        store.create(&names()).await,
        Err(StoreError::Exists(_))
    ));
}

#[tokio::test]
async fn a_large_object_comes_in_parts_and_has_a_marker_meanwhile() {
    let (memory, store) = store();
    let mut file = store.create(&names()).await.unwrap();
    let bytes: Vec<u8> = (0..50).collect();
    file.write(bytes.clone().into()).await.unwrap();
    assert_eq!(store.list("/a", 9).await.unwrap().paths, ["/a/f.1.tmp"]);
    let marker = read(&memory, "/a/f.1.tmp").await.unwrap();
    assert!(marker.starts_with(MARKER.as_bytes()));
    file.close().await.unwrap();
    assert_eq!(store.list("/a", 9).await.unwrap().paths, ["/a/f.1"]);
    assert_eq!(read(&memory, "/a/f.1").await.unwrap(), bytes);
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let (_, store) = store();
    let mut file = store.create(&names()).await.unwrap();
    file.write(vec![0; 50].into()).await.unwrap();
    file.abort().await.unwrap();
    assert_eq!(
        store.list("/", 9).await.unwrap().paths,
        Vec::<String>::new()
    );
    file.abort().await.unwrap();
}

#[tokio::test]
async fn the_upload_of_a_killed_agent_is_found_by_its_marker() {
    let (memory, store) = store();
    let mut file = store.create(&names()).await.unwrap();
    file.write(vec![0; 50].into()).await.unwrap();
    assert_eq!(store.finish(&names()).await.unwrap(), Finished::Aborted);
    assert_eq!(
        store.list("/", 9).await.unwrap().paths,
        Vec::<String>::new()
    );
    assert!(file.close().await.is_err(), "its parts are gone");
    assert_eq!(store.finish(&names()).await.unwrap(), Finished::Gone);
    // Other objects are left alone.
    memory
        .put(&key("/a/f.1.tmp"), "someone's".into())
        .await
        .unwrap();
    assert!(store.finish(&names()).await.is_err());
    assert!(read(&memory, "/a/f.1.tmp").await.is_some());
}

#[tokio::test]
async fn a_listing_has_an_end() {
    let (memory, store) = store();
    for n in 0..5 {
        memory
            .put(&key(&format!("/a/{n}")), "".into())
            .await
            .unwrap();
    }
    let listing = store.list("/a", 4).await.unwrap();
    assert_eq!((listing.paths.len(), listing.cut), (4, true));
    let listing = store.list("/a", 5).await.unwrap();
    assert_eq!((listing.paths.len(), listing.cut), (5, false));
}
