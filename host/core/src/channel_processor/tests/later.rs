//! Goal: an event that an interceptor refuses for now is not lost, and passes each interceptor once
//! all the same. Method: an interceptor that rests in the middle of batches, between two witnesses.

use super::*;
use crate::testing::Balky;

struct Scene {
    first: Witness,
    balky: Balky,
    last: Witness,
    channel: Arc<dyn Channel>,
    processor: ChannelProcessor,
}

fn scene(capacity: usize, never: &[&'static str]) -> Scene {
    let (first, last) = (Witness::default(), Witness::default());
    let (balky, channel) = (Balky::never(never), channel("c1", capacity));
    let chain: Vec<Box<dyn Interceptor>> = vec![
        Box::new(first.clone()),
        Box::new(Picky),
        Box::new(balky.clone()),
        Box::new(last.clone()),
    ];
    Scene {
        processor: processor(chain, &[], &[&channel]),
        first,
        balky,
        last,
        channel,
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_now_goes_on_from_the_interceptor_that_refused_it() {
    let scene = scene(100, &[]);
    scene.balky.rest_from(Some(2));
    let batch = events(&["0", "1", "2", "drop", "bad", "3"]);
    let mut put = scene.processor.begin(batch).await;
    let progress = put.advance().await;
    assert_eq!((progress.accepted, progress.refused), (2, None));
    for _ in 0..3 {
        scene.balky.rest_from(Some(0));
        let progress = put.advance().await;
        assert_eq!((progress.accepted, put.place()), (0, 2));
        let error = progress.refused.unwrap();
        assert!(error.is_transient());
        assert_eq!(error.to_string(), "interceptor balky: it rests");
    }
    assert_eq!(
        (scene.last.seen(), contents(&scene.channel).as_str()),
        (2, "0 1")
    );
    scene.balky.rest_from(None);
    let progress = put.advance().await;
    assert_eq!(
        (progress.accepted, progress.refused),
        (2, None),
        "`drop`, too"
    );
    let refused = put.advance().await.refused.unwrap();
    assert!(!refused.is_transient(), "{refused}");
    put.skip();
    assert_eq!(put.advance().await.accepted, 1);
    assert!(put.is_complete());
    assert_eq!((scene.first.seen(), scene.first.most()), (6, 1));
    assert_eq!((scene.last.seen(), scene.last.most()), (4, 1));
}

/// A source whose client gets an answer for each event does not offer them again.
#[tokio::test(start_paused = true)]
async fn what_is_refused_for_now_can_be_skipped() {
    let scene = scene(100, &["1"]);
    scene.balky.rest_from(Some(3));
    let batch = events(&["0", "1", "2", "3", "4"]);
    let outcomes = scene.processor.process_each(batch).await;
    let rests = "interceptor balky: it rests".to_owned();
    let never = "interceptor balky: not this one".to_owned();
    assert_eq!(
        refused(&outcomes),
        [(1, never), (3, rests.clone()), (4, rests)]
    );
    assert_eq!(contents(&scene.channel), "0 2");
}

/// A batch is refused whole, and its client sends all of it again.
#[tokio::test(start_paused = true)]
async fn a_batch_that_is_refused_for_now_is_refused_whole() {
    let scene = scene(100, &[]);
    scene.balky.rest_from(Some(1));
    let error = scene.processor.process_batch(events(&["0", "1"])).await;
    assert!(error.unwrap_err().is_transient());
    assert_eq!(contents(&scene.channel), "");
    scene.balky.rest_from(None);
    scene
        .processor
        .process_batch(events(&["0", "1"]))
        .await
        .unwrap();
    assert_eq!(contents(&scene.channel), "0 1");
}

/// Channels of any size, and rests of any length: everything arrives once and in order, but for what
/// is refused for good.
#[tokio::test(start_paused = true)]
async fn whatever_rests_and_whatever_is_full_the_order_stays() {
    for (capacity, rest) in [(1, 1), (2, 0), (3, 2), (7, 5), (50, 3), (100, 1)] {
        let scene = scene(capacity, &["never"]);
        let mut names: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let good = names.clone();
        for (at, name) in [(70, "never"), (30, "drop"), (9, "bad"), (0, "never")] {
            names.insert(at, name.to_owned());
        }
        let batch = names.into_iter().map(Event::new).collect();
        let source = async {
            let mut put = scene.processor.begin(batch).await;
            let mut skipped = Vec::new();
            for round in 0_usize.. {
                if put.is_complete() {
                    break;
                }
                let Some(error) = put.advance().await.refused else {
                    continue;
                };
                if !error.is_transient() {
                    skipped.push(put.place());
                    put.skip();
                    continue;
                }
                scene.balky.rest_from((round % 3 > 0).then_some(rest));
                tokio::time::sleep(SECOND / 10).await;
            }
            skipped
        };
        scene.balky.rest_from(Some(rest));
        let taker = async {
            let mut taken = Vec::new();
            while taken.len() < 100 {
                scene.channel.ready().await;
                tokio::time::sleep(SECOND / 3).await;
                taken.extend(contents(&scene.channel).split(' ').map(str::to_owned));
                let depth = scene.channel.depth();
                discard(&scene.channel, depth);
            }
            taken
        };
        let (skipped, taken) = tokio::join!(source, taker);
        assert_eq!(skipped, [0, 10, 73], "capacity {capacity}");
        assert_eq!(taken, good, "capacity {capacity}");
        assert_eq!((scene.last.seen(), scene.last.most()), (100, 1));
        // `never` was there twice.
        assert_eq!((scene.first.seen(), scene.first.most()), (103, 2));
    }
}
