//! Goal: what a durable channel could not make safe is answered so, and is in no channel in memory.
//! Method: channels whose disks fail at chosen commits.

use super::*;
use crate::testing::FlakyChannel;
use crate::transaction::PutTransaction;

/// A durable channel whose commits with these numbers fail.
fn durable(name: &str, fail: &[usize]) -> Arc<dyn Channel> {
    let inner = channel(name, 100);
    Arc::new(FlakyChannel::durable(inner, fail.iter().copied()))
}

/// Interceptors put `bad` aside, into a channel.
struct SetsAside(Arc<dyn Channel>);

impl Interceptor for SetsAside {
    fn name(&self) -> &str {
        "aside"
    }

    fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
        let put = PutTransaction::of(&self.0, events(&["bad"])).unwrap();
        batch.set_aside(put.try_reserve().ok());
        batch.try_retain(|event| Ok(event.body != "bad"));
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_safe_is_in_no_channel_in_memory() {
    // By their names, room is reserved in memory first.
    let (memory, disk) = (channel("a", 100), durable("b", &[0, 2]));
    let processor = processor(vec![], &[], &[&memory, &disk]);
    let failed = processor.process_batch(events(&["0", "1"])).await;
    assert_eq!(failed.unwrap_err().to_string(), "the disk failed");
    processor.process_batch(events(&["2", "3"])).await.unwrap();
    let outcomes = processor.process_each(events(&["4", "5"])).await;
    // The second try of what is left goes well.
    assert_eq!(refused(&outcomes), [(0, "the disk failed".to_owned())]);
    for channel in [&memory, &disk] {
        assert_eq!(contents(channel), "2 3 5", "{}", channel.name());
        // Nothing stays reserved.
        let rest = vec![Event::new("x"); 97];
        let rest = PutTransaction::of(channel, rest).unwrap();
        assert!(rest.try_reserve().is_ok(), "{}", channel.name());
    }
}

/// The one that did not fail has the events, and has them twice when they are sent again.
#[tokio::test(start_paused = true)]
async fn of_two_durable_channels_one_may_have_what_the_other_refused() {
    let (one, other) = (durable("a", &[]), durable("b", &[0]));
    let processor = processor(vec![], &[], &[&one, &other]);
    processor.process_batch(events(&["0"])).await.unwrap_err();
    processor.process_batch(events(&["0"])).await.unwrap();
    assert_eq!(
        (contents(&one), contents(&other)),
        ("0 0".into(), "0".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_put_that_is_safe_was_there_before_its_answer() {
    let disk = durable("c1", &[]);
    let put = PutTransaction::of(&disk, events(&["0"])).unwrap();
    let commit = put.try_reserve().unwrap().commit();
    assert!(!commit.is_done());
    assert_eq!(contents(&disk), "", "not safe yet");
    commit.await.unwrap();
    assert_eq!(contents(&disk), "0");
    // Who does not wait for the answer does not stop it.
    let put = PutTransaction::of(&disk, events(&["1"])).unwrap();
    drop(put.try_reserve().unwrap().commit());
    tokio::time::sleep(SECOND).await;
    assert_eq!(contents(&disk), "0 1");
}

/// If what interceptors set aside cannot be kept, the source is told that nothing was taken.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_set_aside_is_refused_with_all_that_came_with_it() {
    let (c1, letters) = (channel("c1", 100), durable("dead", &[0, 1]));
    let aside = SetsAside(Arc::clone(&letters));
    let processor = processor(vec![Box::new(aside)], &[], &[&c1]);
    let batch = || events(&["0", "bad", "1"]);
    processor.process_batch(batch()).await.unwrap_err();
    let outcomes = processor.process_each(batch()).await;
    let places: Vec<_> = refused(&outcomes).into_iter().map(|(at, _)| at).collect();
    assert_eq!(places, [0, 1, 2]);
    assert_eq!(
        (contents(&c1), contents(&letters)),
        (String::new(), String::new())
    );
    assert!(processor.process_each(batch()).await.all_accepted());
    processor.process_batch(batch()).await.unwrap();
    assert_eq!(contents(&c1), "0 1 0 1");
    assert_eq!(contents(&letters), "bad bad");
}
