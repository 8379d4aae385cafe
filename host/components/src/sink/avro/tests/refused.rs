//! Goal: a sink blames an event only if its collector does. Method: collectors that are full, whose
//! interceptor refuses or rests, or that know batches alone.

use flume_core::testing::Balky;
use flume_core::{Batch, Blame, Interceptor, InterceptorChain, InterceptorError};

use super::*;
use crate::source::avro::testing::channel;

/// Cannot handle events that begin with `bad`.
struct Picky;

impl Interceptor for Picky {
    fn name(&self) -> &str {
        "i1"
    }

    fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
        batch.try_edit(|event| match event.body.starts_with(b"bad") {
            true => Err(InterceptorError::never("i1", "no bad events")),
            false => Ok(()),
        });
        Ok(())
    }
}

fn blame(result: Result<(), EventDeliveryError>) -> Blame {
    result.unwrap_err().blame().clone()
}

/// `FAILED` is all that a collector says of a batch. Of a single event it gives the reason.
#[tokio::test]
async fn an_event_that_an_interceptor_of_the_collector_refuses_may_be_to_blame() {
    let picky = InterceptorChain::new(vec![Box::new(Picky)]);
    let collector = Collector::with(channel(100, 100), 0, &[], picky).await;
    let (mut sink, _) = started(collector.port(), &[("batch-size", "3")]).await;
    let [bad, good] = ["bad", "good"].map(Event::new);
    let mixed = [good.clone(), bad.clone()];
    assert_eq!(blame(sink.deliver(&mixed).await), Blame::Place);
    assert_eq!(blame(sink.deliver(&mixed).await), Blame::Batch);
    let alone = sink.deliver(std::slice::from_ref(&bad)).await;
    let error = alone.unwrap_err();
    assert_eq!(*error.blame(), Blame::Batch);
    assert!(cause(&error).contains("no bad events"), "{}", cause(&error));
    for _ in 0..5 {
        sink.deliver(std::slice::from_ref(&good)).await.unwrap();
    }
    // After many others it has the same reason.
    let alone = sink.deliver(std::slice::from_ref(&bad)).await;
    assert_eq!(blame(alone), Blame::Batch);
    assert_eq!(collector.taken(), vec![good; 5]);
    assert_eq!(collector.counters.append_accepted.get(), 5);
}

/// An interceptor that rests is as little the event's fault as a channel without room.
#[tokio::test]
async fn a_collector_whose_interceptor_rests_is_to_blame_itself() {
    let balky = Balky::default();
    balky.rest_from(Some(0));
    let chain = InterceptorChain::new(vec![Box::new(balky.clone())]);
    let collector = Collector::with(channel(100, 100), 0, &[], chain).await;
    let (mut sink, _) = started(collector.port(), &[]).await;
    assert_eq!(blame(sink.deliver(&batch('a', 2)).await), Blame::Place);
    assert_eq!(blame(sink.deliver(&batch('a', 2)).await), Blame::Batch);
    for _ in 0..3 {
        assert_eq!(blame(sink.deliver(&batch('a', 1)).await), Blame::Place);
    }
    balky.rest_from(None);
    sink.deliver(&batch('a', 1)).await.unwrap();
}

/// However often, whatever the size, and whatever was delivered between.
#[tokio::test(start_paused = true)]
async fn a_full_collector_is_to_blame_itself() {
    let picky = InterceptorChain::new(vec![Box::new(Picky)]);
    let collector = Collector::with(channel(4, 4), 0, &[], picky).await;
    let (mut sink, _) = started(collector.port(), &[("batch-size", "4")]).await;
    for _ in 0..3 {
        sink.deliver(&batch('a', 3)).await.unwrap();
        assert_eq!(blame(sink.deliver(&batch('b', 2)).await), Blame::Place);
        assert_eq!(blame(sink.deliver(&batch('b', 2)).await), Blame::Batch);
        sink.deliver(&batch('b', 1)).await.unwrap();
        for event in ["c", "bad"] {
            let alone = sink.deliver(&[Event::new(event)]).await;
            assert_eq!(blame(alone), Blame::Place, "{event}");
        }
        assert_eq!(collector.taken(), [batch('a', 3), batch('b', 1)].concat());
        sink.deliver(&batch('d', 4)).await.unwrap();
        assert_eq!(collector.taken(), batch('d', 4));
    }
}

/// A peer that does not know the request for a single event refuses each of them in words.
#[tokio::test]
async fn a_peer_that_takes_only_batches_gets_batches() {
    let unknown = Act::Answer(Response::SystemError("not implemented".to_owned()));
    // A connection that is made in doubt begins with a batch of no events.
    let greeting = Act::OK;
    let single = [greeting.clone(), unknown, greeting, Act::OK];
    let script = [&[Act::FAILED], &single[..], &[Act::FAILED, Act::FAILED]].concat();
    let server = Scripted::start(script).await;
    let (mut sink, _) = started(server.address.port(), &[]).await;
    assert_eq!(blame(sink.deliver(&batch('a', 2)).await), Blame::Place);
    sink.deliver(&batch('a', 1)).await.unwrap();
    for _ in 0..2 {
        assert_eq!(blame(sink.deliver(&batch('a', 2)).await), Blame::Place);
    }
    sink.deliver(&batch('a', 1)).await.unwrap();
}
