//! Goal: a batch that waits for its interceptors costs others nothing: neither room in a channel nor
//! an event. Method: a gate that is closed by hand, as a policy over its share closes it, before a
//! witness; two sources into one channel; and paused time.

use tokio::task::JoinHandle;

use super::*;
use crate::gate::{Gate, Turn};

/// A witness behind a gate.
#[derive(Clone, Default)]
struct Gated {
    gate: Arc<Gate>,
    witness: Witness,
}

impl Gated {
    fn close_for(&self, seconds: u32) {
        self.gate.close_until(clock::now() + seconds * SECOND);
    }
}

impl Interceptor for Gated {
    fn name(&self) -> &str {
        "gated"
    }
    fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
        self.witness.intercept(batch)
    }
    fn gate(&self) -> Option<&Gate> {
        Some(&self.gate)
    }
}

/// A channel of ten places with two sources, one of which is behind a gate.
struct Shared {
    channel: Arc<dyn Channel>,
    gated: Gated,
    behind: Arc<ChannelProcessor>,
    beside: ChannelProcessor,
}

impl Shared {
    fn new() -> Self {
        let (channel, gated) = (channel("c1", 10), Gated::default());
        let chain: Vec<Box<dyn Interceptor>> = vec![Box::new(gated.clone())];
        Self {
            behind: Arc::new(processor(chain, &[], &[&channel])),
            beside: processor(vec![], &[], &[&channel]),
            channel,
            gated,
        }
    }

    /// Puts ten events that begin with this letter, through the gate.
    fn put(&self, letter: &str) -> JoinHandle<Result<(), ProcessError>> {
        let (behind, batch) = (Arc::clone(&self.behind), ten(letter));
        tokio::spawn(async move { behind.process_batch(batch).await })
    }

    /// Whether the other source has room for ten events now. They are taken out again.
    async fn has_room_beside(&self) -> bool {
        let put = self.beside.process_batch(ten("beside"));
        let put = clock::timeout_at(clock::now() + SECOND / 1000, put).await;
        let is_in = put.is_ok_and(|put| put.is_ok());
        if is_in {
            discard(&self.channel, 10);
        }
        is_in
    }
}

fn ten(letter: &str) -> Vec<Event> {
    let bodies = (0..10).map(|number| format!("{letter}{number}"));
    bodies.map(Event::new).collect()
}

fn full() -> Result<(), ProcessError> {
    Err(by_c1(FULL))
}

#[tokio::test(start_paused = true)]
async fn a_batch_at_a_closed_gate_has_no_room_and_passes_once_when_it_opens() {
    let shared = Shared::new();
    shared.gated.close_for(60);
    let began = clock::now();
    let puts = ["a", "b", "c"].map(|letter| shared.put(letter));
    for _ in 0..59 {
        assert!(shared.has_room_beside().await);
        tokio::time::sleep(SECOND).await;
    }
    assert_eq!(shared.gated.witness.seen(), 0);
    let mut taken = String::new();
    for put in puts {
        put.await.unwrap().unwrap();
        taken.push_str(&contents(&shared.channel));
        taken.push(' ');
        discard(&shared.channel, 10);
    }
    assert!(clock::now() - began < 61 * SECOND);
    let bodies = ["a", "b", "c"].map(ten).concat();
    let bodies = bodies
        .iter()
        .map(|event| String::from_utf8_lossy(&event.body));
    assert_eq!(taken.trim(), bodies.collect::<Vec<_>>().join(" "));
    assert_eq!(
        (shared.gated.witness.seen(), shared.gated.witness.most()),
        (30, 1)
    );
}

/// A client that hangs up, or a source that stops.
#[tokio::test(start_paused = true)]
async fn a_batch_that_gives_up_at_a_gate_leaves_nothing_behind() {
    let shared = Shared::new();
    shared.gated.close_for(60);
    let puts = ["a", "b", "c"].map(|letter| shared.put(letter));
    tokio::time::sleep(SECOND).await;
    for put in puts {
        put.abort();
        assert!(put.await.unwrap_err().is_cancelled());
    }
    assert!(shared.has_room_beside().await);
    shared.put("d").await.unwrap().unwrap();
    assert_eq!(shared.gated.witness.seen(), 10, "only the last");
    discard(&shared.channel, 10);
    assert!(shared.has_room_beside().await);
}

/// Those in line behind it do not wait for room one after the other.
#[tokio::test(start_paused = true)]
async fn batches_that_find_no_room_at_their_turn_are_refused_side_by_side() {
    let shared = Shared::new();
    shared.gated.close_for(10);
    let began = clock::now();
    let puts: Vec<_> = ["a", "b", "c", "d"].map(|it| shared.put(it)).into();
    tokio::time::sleep(SECOND).await;
    shared.beside.process_batch(ten("x")).await.unwrap();
    for put in puts {
        assert_eq!(put.await.unwrap(), full());
    }
    let took = clock::now() - began;
    assert!(took >= 13 * SECOND && took < 14 * SECOND, "{took:?}");
    assert_eq!(
        shared.gated.witness.seen(),
        0,
        "a refused batch is new again"
    );
    assert_eq!(contents(&shared.channel), "x0 x1 x2 x3 x4 x5 x6 x7 x8 x9");
}

/// Room that comes in time is used, by one batch after the other.
#[tokio::test(start_paused = true)]
async fn batches_that_find_no_room_at_their_turn_wait_for_it() {
    let shared = Shared::new();
    shared.beside.process_batch(ten("x")).await.unwrap();
    let puts = ["a", "b"].map(|letter| shared.put(letter));
    for _ in 0..2 {
        tokio::time::sleep(SECOND).await;
        discard(&shared.channel, 10);
    }
    for put in puts {
        put.await.unwrap().unwrap();
    }
    assert_eq!(
        (shared.gated.witness.seen(), shared.gated.witness.most()),
        (20, 1)
    );
    assert_eq!(shared.channel.depth(), 10);
}

/// A batch that waited for room keeps it while others are at work, which is not for long; but it
/// gives it back when the gate closes before its turn.
#[tokio::test(start_paused = true)]
async fn a_gate_that_closes_on_a_batch_in_line_takes_its_room() {
    let shared = Shared::new();
    shared.beside.process_batch(ten("x")).await.unwrap();
    let put = shared.put("a");
    tokio::time::sleep(SECOND).await;
    let other: Turn<'_> = shared.gated.gate.pass().await;
    discard(&shared.channel, 10);
    tokio::time::sleep(SECOND).await;
    assert!(!shared.has_room_beside().await, "the batch in line has it");
    shared.gated.close_for(60);
    drop(other);
    tokio::time::sleep(SECOND).await;
    assert!(shared.has_room_beside().await);
    put.await.unwrap().unwrap();
    assert_eq!(shared.channel.depth(), 10);
    assert_eq!(
        (shared.gated.witness.seen(), shared.gated.witness.most()),
        (10, 1)
    );
}

/// In several channels, room is there in all or in none.
#[tokio::test(start_paused = true)]
async fn a_batch_without_room_in_one_channel_has_none_in_the_others() {
    let (large, small) = (channel("a", 20), channel("b", 10));
    let gated = Gated::default();
    let behind = processor(vec![Box::new(gated.clone())], &[], &[&large, &small]);
    let beside = processor(vec![], &[], &[&large]);
    let only_small = processor(vec![], &[], &[&small]);
    only_small.process_batch(ten("x")).await.unwrap();
    let refused = behind.process_batch(ten("a")).await.unwrap_err();
    assert_eq!(refused.cause(), ("channel full", "b"));
    for letter in ["x", "y"] {
        beside.process_batch(ten(letter)).await.unwrap();
    }
    assert_eq!(gated.witness.seen(), 0);
    assert_eq!((large.depth(), small.depth()), (20, 10));
}
