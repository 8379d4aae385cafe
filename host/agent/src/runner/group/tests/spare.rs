//! Goal: what a spare takes comes home, once and in its order, as soon as another sink works, and
//! leaves room for what is new. Method: scripted sinks, and the sink of type `channel` itself.

use flume_components::services::{Resolver, Services};
use flume_components::sink;
use flume_core::{Context, DrainShare};

use super::*;
use crate::runner::home::Home;

/// A group with a spare, which is the last of its sinks.
struct Spared {
    bench: Bench,
    spill: Arc<dyn Channel>,
    home: Arc<Home>,
    drain: CancellationToken,
}

fn room(name: &str, capacity: usize) -> Arc<dyn Channel> {
    let config = MemoryConfig {
        capacity,
        transaction_capacity: 100.min(capacity),
        ..MemoryConfig::defaults(1 << 30)
    };
    Arc::new(MemoryChannel::new(name, &config))
}

impl Spared {
    /// The sinks of a bench, with a spare that has room for so many events.
    fn new(bench: Bench, room_of: usize, share: f64) -> Self {
        let spill = room("spill", room_of);
        let share = DrainShare::new(share);
        let home = Home::new(("g1", "k9"), Arc::clone(&spill), share, Arc::default());
        Self {
            bench,
            spill,
            home: Arc::new(home),
            drain: CancellationToken::new(),
        }
    }

    async fn spilled_before(&self, bodies: std::ops::Range<usize>) {
        for body in bodies {
            let put = PutTransaction::of(&self.spill, vec![Event::new(body.to_string())]);
            put.unwrap().commit().await.unwrap();
        }
    }

    /// Starts the group. The other sinks come before the spare, in their order.
    fn start(&mut self, pipelined: bool) -> (GroupRunner, tokio::task::JoinHandle<()>) {
        let lanes = std::mem::take(&mut self.bench.lanes).into_iter();
        let mut lanes: Vec<Lane> = lanes.map(|lane| lane.taking_home(&self.home)).collect();
        let spare = lanes.len();
        let mut context = Context::of("a1.sinks.k9", &[("to", "spill"), ("batchSize", "2")]);
        let services = Services::system(Resolver::default());
        let recipe = sink::channel::configure(&mut context, &services).unwrap();
        let spill = Arc::clone(&self.spill);
        let factory = Box::new(move || {
            let mut sink = recipe.make();
            sink.set_outlet(&spill);
            sink
        });
        let channel = Arc::clone(&self.bench.channel);
        lanes.push(Lane::new("k9", channel, Arc::default(), factory));
        let priorities: Vec<i32> = (0..=spare).map(|at| -i32::try_from(at).unwrap()).collect();
        let processor = FailoverProcessor::new(&priorities, Duration::from_secs(30));
        let runner = GroupRunner::new("g1", Box::new(processor), lanes, pipelined, 1);
        let runner = runner.with_spare(spare, Arc::clone(&self.home));
        let run = runner
            .clone()
            .run(self.drain.clone(), CancellationToken::new());
        (runner, tokio::spawn(run))
    }

    /// Runs the group until both channels are empty; returns how long that took.
    async fn drained(&mut self, pipelined: bool) -> (GroupRunner, Duration) {
        let began = clock::now();
        self.drain.cancel();
        let (runner, task) = self.start(pipelined);
        let ended = tokio::time::timeout(Duration::from_secs(300), task).await;
        ended.expect("the group drains").unwrap();
        assert_eq!((self.bench.channel.depth(), self.spill.depth()), (0, 0));
        (runner, clock::now() - began)
    }

    fn counted(&self) -> (u64, u64) {
        let counts = self.home.counts();
        (counts.spared.get(), counts.came_home.get())
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_spare_takes_comes_home_once_and_in_its_order() {
    for (window, pipelined) in [(1, false), (4, true)] {
        let said = Said::listen();
        let bench = Bench::new().sink("k1", 3, window, &[Do::Fail]);
        bench.put(0..10).await;
        let mut group = Spared::new(bench, 100, 0.25);
        let (runner, took) = group.drained(pipelined).await;
        assert_eq!(group.bench.delivered(), numbers(0..10), "{window}");
        assert_eq!(group.counted(), (10, 10));
        assert!(
            took < Duration::from_millis(2_100),
            "after the penalty: {took:?}"
        );
        assert!(runner.calls() < 20, "{} calls", runner.calls());
        let begin = said.lines("WARN").join("\n");
        assert!(
            begin.contains("the spare puts events into channel `spill`"),
            "{begin}"
        );
        let end = said.lines("INFO").join("\n");
        assert!(
            end.contains("another sink delivers") && end.contains("spared=10"),
            "{end}"
        );
        assert!(end.contains("10 events came home"), "{end}");
    }
}

/// While new events wait, a quarter of the batches is for what waits longer.
#[tokio::test(start_paused = true)]
async fn what_comes_home_leaves_room_for_what_is_new() {
    for (share, expected) in [(0.25, 25), (1.0, 100), (0.01, 1)] {
        let bench = Bench::new().sink("k1", 1, 1, &[]);
        bench.put(1000..1150).await;
        let mut group = Spared::new(bench, 500, share);
        group.spilled_before(0..150).await;
        group.drained(false).await;
        let delivered = group.bench.delivered();
        let old = |body: &&String| body.len() < 4;
        assert_eq!(delivered[..100].iter().filter(old).count(), expected);
        let (old, new): (Vec<String>, Vec<String>) =
            delivered.into_iter().partition(|b| b.len() < 4);
        assert_eq!((old, new), (numbers(0..150), numbers(1000..1150)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_there_at_the_start_comes_home_although_nothing_is_new() {
    let said = Said::listen();
    let bench = Bench::new().sink("k1", 10, 4, &[]);
    let mut group = Spared::new(bench, 100, 0.25);
    group.spilled_before(0..50).await;
    let (runner, task) = group.start(true);
    sleep(Duration::from_millis(10)).await;
    assert_eq!(group.bench.delivered(), numbers(0..50));
    assert_eq!(group.counted(), (0, 50));
    assert!(
        said.lines("INFO")
            .join("\n")
            .contains("events wait to come home")
    );
    // And then it waits, without a look.
    let calls = runner.calls();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(runner.calls(), calls);
    task.abort();
}

/// Nothing new, and nobody to take home what waits: it is tried at the end of each penalty.
#[tokio::test(start_paused = true)]
async fn a_group_without_a_sink_that_works_does_not_spin() {
    let bench = Bench::new().sink("k1", 10, 1, &[Do::Fail; 6]);
    let mut group = Spared::new(bench, 100, 0.25);
    group.spilled_before(0..5).await;
    let (runner, task) = group.start(false);
    sleep(Duration::from_secs(59)).await;
    // 2 + 4 + 8 + 16 s of penalties.
    assert_eq!(group.bench.counters()[0].event_write_fail.get(), 5);
    assert!(runner.calls() <= 6, "{} calls", runner.calls());
    sleep(Duration::from_secs(60)).await;
    assert_eq!(group.bench.delivered(), numbers(0..5));
    task.abort();
}

/// A spare without room is a sink that fails: what is new waits in its channel.
#[tokio::test(start_paused = true)]
async fn a_full_spill_is_as_no_spare() {
    let bench = Bench::new().sink("k1", 2, 1, &[Do::Fail; 5]);
    bench.put(0..10).await;
    let mut group = Spared::new(bench, 4, 0.25);
    let (runner, task) = group.start(false);
    sleep(Duration::from_secs(1)).await;
    assert_eq!((group.spill.depth(), group.bench.channel.depth()), (4, 6));
    let report = runner.report().remove(1);
    let fault = report.health.last_fault.unwrap();
    assert_eq!(fault.text, "channel `spill` has no room");
    sleep(Duration::from_secs(120)).await;
    assert_eq!(group.counted(), (4, 4));
    let mut delivered = group.bench.delivered();
    delivered.sort_by_key(|body| body.parse::<usize>().unwrap());
    assert_eq!(delivered, numbers(0..10));
    task.abort();
}

/// Sinks that hang keep the group waiting once each; then what is new goes to the spare at once.
#[tokio::test(start_paused = true)]
async fn sinks_that_hang_do_not_keep_new_events_from_the_spare() {
    let hangs = [Do::Hang(20_000); 3];
    let bench = Bench::new();
    let bench = bench.sink("k1", 2, 1, &hangs).sink("k2", 2, 1, &hangs);
    bench.put(0..2).await;
    let mut group = Spared::new(bench, 100, 0.25);
    let (runner, task) = group.start(false);
    sleep(Duration::from_secs(41)).await;
    for body in 2..60 {
        group.bench.put(body..body + 1).await;
        sleep(Duration::from_millis(100)).await;
        let (spilled, waiting) = (group.counted().0, group.bench.channel.depth());
        // A sink that has connected may hold a batch of what is new.
        assert!(
            waiting == 0 && spilled + 4 > body as u64,
            "{spilled} of {body}"
        );
    }
    sleep(Duration::from_secs(120)).await;
    let mut delivered = group.bench.delivered();
    delivered.sort_by_key(|body| body.parse::<usize>().unwrap());
    assert_eq!(delivered, numbers(0..60), "none lost, none doubled");
    assert!(runner.calls() < 500, "{} calls", runner.calls());
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_panic_on_the_way_home_loses_nothing() {
    let bench = Bench::new().sink("k1", 2, 4, &[Do::Fail, Do::Deliver, Do::Panic, Do::Fail]);
    bench.put(0..12).await;
    let mut group = Spared::new(bench, 100, 0.5);
    group.drained(true).await;
    assert_eq!(group.bench.delivered(), numbers(0..12));
    assert_eq!(group.counted().1, group.counted().0);
}
