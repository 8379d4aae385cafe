//! Goal: a channel counts each event that was to be put into it once, however often it was tried:
//! attempts are successes, what missed an optional channel, and what was refused for good. Method:
//! full channels and events that are offered again and again.

use super::*;
use crate::transaction::PutTransaction;

/// Attempts, successes, and events that missed the channel.
fn counts(channel: &Arc<dyn Channel>) -> [u64; 3] {
    let counters = channel.counters();
    [
        counters.event_put_attempt.get(),
        counters.event_put_success.get(),
        counters.event_missed.get(),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_misses_an_optional_channel_is_an_attempt() {
    let (required, optional) = (channel("a", 100), channel("b", 2));
    let processor = processor(vec![], &[("optional", "b")], &[&required, &optional]);
    processor.process_each(events(&["0", "1", "2"])).await;
    processor.process_batch(events(&["3", "4"])).await.unwrap();
    assert_eq!(counts(&required), [5, 5, 0]);
    assert_eq!(counts(&optional), [5, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_offered_again_is_one_attempt_in_each_channel() {
    let (large, small) = (channel("a", 100), channel("b", 2));
    let processor = processor(vec![], &[], &[&large, &small]);
    let mut put = processor.begin(events(&["0", "1", "2", "3"])).await;
    for _ in 0..5 {
        put.advance().await;
    }
    assert_eq!((counts(&large), counts(&small)), ([2, 2, 0], [2, 2, 0]));
    discard(&small, 1);
    for _ in 0..5 {
        put.advance().await;
    }
    assert_eq!((counts(&large), counts(&small)), ([3, 3, 0], [3, 3, 0]));
    put.skip();
    // The channel without room has refused it.
    assert_eq!((counts(&large), counts(&small)), ([3, 3, 0], [4, 3, 0]));
    assert!(put.is_complete());
}

/// What interceptors drop or refuse was never to be put, though a batch had room reserved for it.
#[tokio::test(start_paused = true)]
async fn what_interceptors_take_out_is_no_attempt() {
    let small = channel("c1", 4);
    let processor = processor(vec![Box::new(Picky)], &[], &[&small]);
    let batch = || events(&["0", "drop", "1"]);
    processor.process_batch(batch()).await.unwrap();
    processor
        .process_batch(events(&["bad", "2"]))
        .await
        .unwrap_err();
    processor.process_each(events(&["drop", "bad", "3"])).await;
    assert_eq!(counts(&small), [3, 3, 0]);
    // Refused before the interceptors have seen it.
    processor.process_batch(batch()).await.unwrap_err();
    assert_eq!(counts(&small), [6, 3, 0]);
    processor
        .process_batch(vec![Event::new("x"); 101])
        .await
        .unwrap_err();
    assert_eq!(counts(&small), [107, 3, 0]);
}

/// Dead letters, and events that a reload moves: whoever puts them tries until there is room.
#[tokio::test(start_paused = true)]
async fn a_put_that_is_tried_again_is_one_attempt() {
    let small = channel("c1", 1);
    let put = |body: &'static str| PutTransaction::of(&small, events(&[body])).unwrap();
    put("0").commit().await.unwrap();
    for _ in 0..3 {
        put("1").commit().await.unwrap_err();
        assert!(put("1").try_reserve().is_err());
    }
    discard(&small, 1);
    assert!(put("1").try_reserve().unwrap().commit().is_done());
    assert_eq!(counts(&small), [2, 2, 0]);
}
