//! Bytes, reloads, optional channels, disks that are full, and keys.

use super::*;

/// Flume: testByteCapacity (SM8): 8 events of up to 10 bytes fit beside what is kept for headers.
#[tokio::test(start_paused = true)]
async fn bytes_are_counted_in_steps_of_the_usual_event() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = keys("1000", "20", "1").to_vec();
    all.extend([
        ("byteCapacity", "100"),
        ("avgEventSize", "10"),
        ("transactionCapacity", "10"),
    ]);
    let channel = opened(folder.path(), &all).await;
    let small = |numbers: std::ops::Range<usize>| -> Vec<Event> {
        numbers
            .map(|number| Event::new(number.to_string()))
            .collect()
    };
    put(&channel, small(1..9)).await.unwrap();
    assert_eq!(channel.bytes(), Some(80));
    put(&channel, small(9..19)).await.unwrap();
    put(&channel, small(19..29)).await.unwrap();
    assert_eq!(counts(&channel), (8, 20, 20));
    assert!(put(&channel, small(29..30)).await.is_err());
    for range in [1..11, 11..21, 21..29] {
        let take = taken(&channel, range.len()).await;
        assert_eq!(take.events(), small(range));
        take.commit().await.unwrap();
    }
    assert_eq!(channel.bytes(), Some(0));
    // Larger than memory ever has room for: it need not wait.
    let begun = clock::now();
    let large = vec![Event::new(vec![b'x'; 200])];
    put(&channel, large).await.unwrap();
    assert!(clock::now() - begun < Duration::from_secs(1));
    assert_eq!(counts(&channel), (8, 21, 1));
}

/// Flume: testReconfigure (SM11).
#[tokio::test(start_paused = true)]
async fn a_reload_moves_both_limits_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &keys("10", "0", "0")).await;
    let resize = |keys: &[(&str, &str)]| {
        let config = config(folder.path(), keys);
        assert!(channel.can_become(&config));
        channel.resize(&config);
    };
    put(&channel, numbered(1..11)).await.unwrap();
    assert!(put(&channel, numbered(11..21)).await.is_err());
    resize(&keys("20", "0", "0"));
    takes(&channel, 1..11).await;
    puts(&channel, &[11..21, 21..31]).await;
    assert!(put(&channel, numbered(31..41)).await.is_err());
    takes(&channel, 11..31).await;
    resize(&[]);
    assert_eq!(channel.capacity(), 100_010_000);
    assert_eq!(channel.transaction_capacity(), 10_000);
    resize(&keys("10", "10", "1"));
    puts(&channel, &[1..6, 6..11, 11..16, 16..21]).await;
    assert!(put(&channel, numbered(21..26)).await.is_err());
    resize(&keys("10", "20", "1"));
    put(&channel, numbered(21..26)).await.unwrap();
    assert_eq!(counts(&channel), (40, 15, 15));
    // Smaller than what is there, and the disk is not to be used any more.
    resize(&keys("5", "0", "1"));
    assert!(put(&channel, numbered(26..27)).await.is_err());
    for range in [1..6, 6..11, 11..16, 16..21, 21..26] {
        takes(&channel, range).await;
    }
    put(&channel, numbered(26..28)).await.unwrap();
    takes(&channel, 26..28).await;
    assert_eq!((channel.bytes(), counts(&channel)), (Some(0), (42, 15, 0)));
    let other = [("avgEventSize", "100")];
    assert!(!channel.can_become(&config(folder.path(), &other)));
}

/// An optional channel does not wait. It misses events for as long as others would wait; then it spills.
#[tokio::test(start_paused = true)]
async fn who_does_not_wait_begins_to_spill_after_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &keys("2", "10", "3")).await;
    put(&channel, numbered(0..2)).await.unwrap();
    assert_eq!(channel.try_reserve(&numbered(2..5)), 0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(channel.try_reserve(&numbered(2..5)), 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(channel.try_reserve(&numbered(2..5)), 3);
    channel.append(numbered(2..5)).await.unwrap();
    let fitting = channel.try_reserve(&numbered(0..20));
    assert_eq!(fitting, 7, "the disk has room for no more");
    channel.release(&numbered(0..7));
    takes(&channel, 0..5).await;
}

/// A reservation is turned into a smaller one in any case, into a larger one if there is room.
#[tokio::test]
async fn a_reservation_is_exchanged_in_either_place() {
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &keys("4", "6", "0")).await;
    assert_eq!(channel.try_reserve(&numbered(0..4)), 4);
    assert!(channel.exchange(&numbered(0..4), &numbered(0..3)));
    assert!(channel.exchange(&numbered(0..3), &numbered(0..4)));
    assert!(!channel.exchange(&numbered(0..4), &numbered(0..5)));
    channel.append(numbered(0..4)).await.unwrap();
    assert_eq!(channel.try_reserve(&numbered(4..8)), 4);
    assert!(channel.exchange(&numbered(4..8), &numbered(4..9)));
    assert!(!channel.exchange(&numbered(4..9), &numbered(4..12)));
    assert!(channel.exchange(&numbered(4..9), &numbered(4..6)));
    channel.append(numbered(4..6)).await.unwrap();
    assert_eq!(counts(&channel), (4, 2, 2));
    takes(&channel, 0..6).await;
    assert_eq!(channel.bytes(), Some(0));
}

/// A disk without the room that has to stay free concerns those who need it, and nobody else.
#[tokio::test(start_paused = true)]
async fn a_disk_that_is_nearly_full_stops_what_would_spill() {
    let folder = tempfile::tempdir().unwrap();
    let channel = opened(folder.path(), &keys("2", "10", "0")).await;
    let most = u64::MAX.to_string();
    let mut full = config(folder.path(), &keys("2", "10", "0"));
    full.log.required_space = u64::MAX;
    channel.resize(&full);
    put(&channel, numbered(0..2)).await.unwrap();
    let refused = put(&channel, numbered(2..3)).await.unwrap_err();
    let said = refused.to_string();
    assert!(said.starts_with("Usable space exhausted") && said.contains(&most));
    assert!(channel.is_full() && channel.fault().unwrap().refuses_puts);
    takes(&channel, 0..2).await;
    assert!(!channel.is_full() && !channel.fault().unwrap().refuses_puts);
    put(&channel, numbered(2..4)).await.unwrap();
    channel.resize(&config(folder.path(), &keys("2", "10", "0")));
    put(&channel, numbered(4..6)).await.unwrap();
    assert_eq!(counts(&channel), (4, 2, 2));
    takes(&channel, 2..6).await;
}

#[test]
fn keys_are_flumes() {
    let all = [
        ("memoryCapacity", "7"),
        ("overflowCapacity", "9"),
        ("overflowTimeout", "-1"),
        ("overflowDeactivationThreshold", "5"),
        ("capacity", "3"),
        ("keep-alive", "3"),
        ("checkpointInterval", "5000"),
    ];
    let mut context = Context::of("a1.channels.c1", &all);
    let config = SpillableConfig::configure(&mut context, 1_000).unwrap();
    assert_eq!((config.memory, config.overflow), (7, 9));
    assert_eq!((config.timeout, config.event_size), (Duration::ZERO, 500));
    assert_eq!((config.byte_capacity, config.buffer_percentage), (800, 20));
    assert_eq!(config.transaction_capacity, 9, "more would never fit");
    let found = context.finish();
    let mut codes: Vec<_> = found.iter().map(|found| found.code.id()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!((found.len(), codes), (5, vec!["in-memory", "no-effect"]));

    let refusal = |keys: &[(&str, &str)]| {
        let mut context = Context::of("a1.channels.c1", keys);
        assert!(SpillableConfig::configure(&mut context, 1 << 30).is_none());
        context.finish().remove(0).message
    };
    let none = [("memoryCapacity", "0"), ("overflowCapacity", "0")];
    assert!(refusal(&none).contains("no room"));
    let large = [
        ("memoryCapacity", "5"),
        ("overflowCapacity", "6"),
        ("transactionCapacity", "7"),
    ];
    assert!(refusal(&large).contains("larger than both"));
    let mut context = Context::of("a1.channels.c1", &[("memoryCapacity", "0")]);
    assert!(SpillableConfig::configure(&mut context, 1 << 30).is_some());
    assert!(context.finish().is_empty(), "nothing is in memory alone");
}
