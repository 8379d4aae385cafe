//! Groups whose selector sees what it routes: by the length of the body, so that tests read easily.

use std::collections::VecDeque;
use std::sync::Arc;

use flume_core::clock::Instant;
use flume_core::sink_group::{Load, SinkIndex, SinkState, Step};
use flume_core::sink_processor::LoadBalancingProcessor;
use flume_core::sink_selector::SinkSelector;
use parking_lot::Mutex;

use super::super::tests::{Bench, Do, numbers};

/// Orders all sinks, the one of the first event's body first; splits batches if it `splits`.
#[derive(Debug, Default, Clone)]
struct ByBody {
    splits: bool,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Depth, and how many events were shown, of each order and route.
    orders: Vec<(usize, usize)>,
    routes: Vec<(usize, usize)>,
    steps: Vec<(SinkIndex, Step)>,
    failed: Vec<SinkIndex>,
    delivered: Vec<SinkIndex>,
}

fn sink_of(event: &flume_core::Event) -> SinkIndex {
    let number: usize = String::from_utf8_lossy(&event.body).parse().unwrap();
    number % 3
}

impl SinkSelector for ByBody {
    fn order(&mut self, _: Instant) -> VecDeque<SinkIndex> {
        panic!("asked without a load")
    }
    fn order_load(&mut self, _: Instant, load: Load<'_>) -> VecDeque<SinkIndex> {
        let mut seen = self.seen.lock();
        seen.orders.push((load.depth, load.events.len()));
        let first = load.events.first().map_or(0, sink_of);
        (0..3).map(|n| (first + n) % 3).collect()
    }
    fn route(&mut self, _: Instant, load: Load<'_>) -> Option<Vec<SinkIndex>> {
        let mut seen = self.seen.lock();
        seen.routes.push((load.depth, load.events.len()));
        let route = load.events.iter().map(sink_of).collect();
        self.splits.then_some(route)
    }
    fn wants_events(&self) -> bool {
        true
    }
    fn step(&mut self, sink: SinkIndex, step: Step, _: Instant) {
        self.seen.lock().steps.push((sink, step));
    }
    fn failed(&mut self, sink: SinkIndex, _: Instant) {
        self.seen.lock().failed.push(sink);
    }
    fn delivered(&mut self, sink: SinkIndex, _: Instant) {
        self.seen.lock().delivered.push(sink);
    }
    fn states(&self, _: Instant) -> Vec<SinkState> {
        vec![SinkState::Live; 3]
    }
}

impl ByBody {
    fn processor(&self) -> Box<LoadBalancingProcessor> {
        Box::new(LoadBalancingProcessor::new(3, Box::new(self.clone())))
    }
}

fn bench(scripts: [&[Do]; 3]) -> Bench {
    let [a, b, c] = scripts;
    Bench::new()
        .sink("k0", 6, 1, a)
        .sink("k1", 4, 1, b)
        .sink("k2", 6, 1, c)
}

#[tokio::test(start_paused = true)]
async fn a_selector_sees_the_batch_that_it_orders() {
    let selector = ByBody::default();
    let mut bench = bench([&[], &[Do::Fail], &[]]);
    bench.put(0..6).await;
    bench.drained(selector.processor(), false, 1).await;
    assert_eq!(bench.delivered(), numbers(0..6));
    let seen = selector.seen.lock();
    // As many events as every sink takes; the depth counts them.
    assert_eq!(seen.orders, [(6, 4), (2, 2)]);
    // The second batch begins with event 4, whose sink fails it: the next one of the order.
    assert_eq!(seen.failed, [1]);
    assert_eq!(seen.delivered, [0, 2]);
    assert_eq!((bench.share("k0"), bench.share("k2")), (4, 2));
    assert_eq!(bench.counters()[1].event_write_fail.get(), 1);
    let ended = |step: &Step| matches!(step, Step::Ended { events: 2, .. });
    assert!(
        matches!(seen.steps[..], [
        (0, Step::Begun), (0, Step::Ended { events: 4, .. }),
        (1, Step::Begun), (1, Step::Ended { events: 0, .. }),
        (2, Step::Begun), (2, ref last),
    ] if ended(last)),
        "{:?}",
        seen.steps
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_split_over_sinks() {
    let selector = ByBody {
        splits: true,
        ..ByBody::default()
    };
    let mut bench = bench([&[], &[], &[]]);
    bench.put(0..8).await;
    bench.drained(selector.processor(), false, 1).await;
    for (sink, events) in [("k0", ["0", "3", "6"]), ("k2", ["2", "5", ""])] {
        let log = bench.log.lock();
        let of = log.iter().filter(|(name, _)| name == sink);
        let bodies: Vec<&str> = of.map(|(_, body)| body.as_str()).collect();
        let expected: Vec<&str> = events.into_iter().filter(|e| !e.is_empty()).collect();
        assert_eq!(bodies, expected, "{sink}");
    }
    assert_eq!(selector.seen.lock().routes, [(8, 4), (4, 4)]);
    assert!(selector.seen.lock().orders.is_empty());
}

/// The share that one sink fails is ordered separately, and does not go to that sink again.
#[tokio::test(start_paused = true)]
async fn a_failed_share_goes_to_another_sink() {
    let selector = ByBody {
        splits: true,
        ..ByBody::default()
    };
    let mut bench = bench([&[], &[Do::Panic], &[]]);
    bench.put(0..4).await;
    bench.drained(selector.processor(), false, 1).await;
    let seen = selector.seen.lock();
    assert_eq!(seen.orders.len(), 1);
    assert_eq!(seen.orders[0].1, 1, "only the failed event");
    let mut bodies = bench.delivered();
    bodies.sort();
    assert_eq!(bodies, numbers(0..4));
    assert_eq!(bench.share("k1"), 0);
}

/// Of a split batch the undelivered part is back in its old order; the rest is not sent twice.
#[tokio::test(start_paused = true)]
async fn shares_that_nobody_takes_are_back_in_order() {
    let selector = ByBody {
        splits: true,
        ..ByBody::default()
    };
    // k0 delivers its share first, then fails what the others hand on.
    let mut bench = bench([
        &[Do::Deliver, Do::Fail, Do::Fail],
        &[Do::Fail; 2],
        &[Do::Fail; 2],
    ]);
    bench.put(0..4).await;
    bench.drained(selector.processor(), false, 1).await;
    let bodies = bench.delivered();
    assert_eq!(bodies[..2], ["0", "3"]);
    let mut all = bodies.clone();
    all.sort();
    assert_eq!(all, numbers(0..4), "each event once: {bodies:?}");
}
