//! Groups over scripted sinks. Time is paused: no test waits for real.

use std::collections::VecDeque;

use async_trait::async_trait;
use flume_components::said::Said;
use flume_core::channel::memory::{MemoryChannel, MemoryConfig};
use flume_core::clock::Instant;
use flume_core::sink_group::SinkIndex;
use flume_core::sink_processor::{Call, Outcome, Verdict};
use flume_core::sink_processor::{DefaultProcessor, FailoverProcessor, LoadBalancingProcessor};
use flume_core::sink_selector::{Backoff, round_robin};
use flume_core::{ComponentError, Event, EventDeliveryError, Pipeline};
use flume_core::{PutTransaction, Sink, SinkCounter, SinkMode};
use tokio::time::sleep;

use super::*;

mod aside;
mod beside;
mod gathering;
#[cfg(feature = "desk")]
mod simulated;
mod spare;

/// What a [`Double`] does with its next batches; when the script is over it delivers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Do {
    Deliver,
    Fail,
    Panic,
    /// Delivers after this many milliseconds.
    Slow(u64),
    /// Fails after this many milliseconds.
    Hang(u64),
}

/// What all doubles of a test did: sink and body, in order.
type Log = Arc<Mutex<Vec<(String, String)>>>;

struct Double {
    name: String,
    batch_size: usize,
    window: usize,
    script: Arc<Mutex<VecDeque<Do>>>,
    sent: VecDeque<Vec<Event>>,
    log: Log,
    started: Arc<Mutex<Vec<String>>>,
}

impl Double {
    async fn act(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        let next = self.script.lock().pop_front().unwrap_or(Do::Deliver);
        match next {
            Do::Deliver => {}
            Do::Slow(millis) => sleep(Duration::from_millis(millis)).await,
            Do::Hang(millis) => {
                sleep(Duration::from_millis(millis)).await;
                return Err(EventDeliveryError::new("no answer"));
            }
            Do::Fail => return Err(EventDeliveryError::new("told to fail")),
            Do::Panic => panic!("told to panic"),
        }
        let mut log = self.log.lock();
        for event in batch {
            log.push((
                self.name.clone(),
                String::from_utf8_lossy(&event.body).into_owned(),
            ));
        }
        Ok(())
    }
}

#[async_trait]
impl Sink for Double {
    async fn start(&mut self, _: &Arc<SinkCounter>) -> Result<(), ComponentError> {
        self.started.lock().push(self.name.clone());
        Ok(())
    }
    fn batch_size(&self) -> usize {
        self.batch_size
    }
    async fn deliver(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        self.act(batch).await
    }
    fn into_mode(self: Box<Self>) -> SinkMode {
        match self.window {
            1 => SinkMode::Single(self),
            _ => SinkMode::Pipelined(self),
        }
    }
}

#[async_trait]
impl Pipeline for Double {
    fn window(&self) -> usize {
        self.window
    }
    async fn send(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        self.sent.push_back(batch.to_vec());
        Ok(())
    }
    async fn settle(&mut self) -> Result<usize, EventDeliveryError> {
        let batch = self.sent.pop_front().unwrap_or_default();
        if let Err(error) = self.act(&batch).await {
            self.sent.clear();
            return Err(error);
        }
        Ok(1)
    }
}

/// A group of doubles over one channel.
pub(super) struct Bench {
    pub(super) channel: Arc<dyn Channel>,
    pub(super) log: Log,
    lanes: Vec<Lane>,
    counters: Vec<Arc<SinkCounter>>,
    /// The sinks that were started, in order.
    started: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with_capacity(1000)
    }

    fn with_capacity(capacity: usize) -> Self {
        let config = MemoryConfig {
            capacity,
            ..MemoryConfig::defaults(1 << 30)
        };
        Self {
            channel: Arc::new(MemoryChannel::new("c1", &config)),
            log: Log::default(),
            lanes: Vec::new(),
            counters: Vec::new(),
            started: Arc::default(),
        }
    }

    pub(super) fn sink(
        mut self,
        name: &str,
        batch_size: usize,
        window: usize,
        script: &[Do],
    ) -> Self {
        let script = Arc::new(Mutex::new(VecDeque::from(script.to_vec())));
        let (owned, log) = (name.to_owned(), Arc::clone(&self.log));
        let started = Arc::clone(&self.started);
        let factory = Box::new(move || {
            Box::new(Double {
                name: owned.clone(),
                batch_size,
                window,
                script: Arc::clone(&script),
                sent: VecDeque::new(),
                log: Arc::clone(&log),
                started: Arc::clone(&started),
            }) as Box<dyn Sink>
        });
        let counters: Arc<SinkCounter> = Arc::default();
        self.counters.push(Arc::clone(&counters));
        let channel = Arc::clone(&self.channel);
        self.lanes.push(Lane::new(name, channel, counters, factory));
        self
    }

    pub(super) async fn put(&self, bodies: std::ops::Range<usize>) {
        for body in bodies {
            let event = Event::new(body.to_string());
            let put = PutTransaction::of(&self.channel, vec![event]).unwrap();
            put.commit().await.unwrap();
        }
    }

    /// Runs the group until the channel is drained, for at most a minute of paused time.
    pub(super) async fn drained(
        &mut self,
        processor: Box<dyn SinkProcessor>,
        pipelined: bool,
        workers: usize,
    ) -> GroupRunner {
        let lanes = std::mem::take(&mut self.lanes);
        let runner = GroupRunner::new("g1", processor, lanes, pipelined, workers);
        let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
        drain.cancel();
        let run = runner.clone().run(drain, stop);
        tokio::time::timeout(Duration::from_secs(60), run)
            .await
            .expect("the group drains");
        assert_eq!(self.channel.depth(), 0);
        runner
    }

    pub(super) fn counters(&self) -> &[Arc<SinkCounter>] {
        &self.counters
    }

    pub(super) fn delivered(&self) -> Vec<String> {
        self.log
            .lock()
            .iter()
            .map(|(_, body)| body.clone())
            .collect()
    }

    pub(super) fn share(&self, name: &str) -> usize {
        self.log
            .lock()
            .iter()
            .filter(|(sink, _)| sink == name)
            .count()
    }
}

fn single() -> Box<dyn SinkProcessor> {
    Box::new(DefaultProcessor::default())
}

fn failover() -> Box<dyn SinkProcessor> {
    Box::new(FailoverProcessor::new(&[10, 5], Duration::from_secs(30)))
}

fn load_balance(sinks: usize) -> Box<dyn SinkProcessor> {
    let selector = round_robin::configure(Backoff::none(sinks), 1);
    Box::new(LoadBalancingProcessor::new(sinks, selector))
}

pub(super) fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_failed_batch_is_delivered_again_in_its_order() {
    let mut bench = Bench::new().sink("k1", 3, 1, &[Do::Deliver, Do::Fail, Do::Fail]);
    bench.put(0..10).await;
    bench.drained(single(), true, 1).await;
    assert_eq!(bench.delivered(), numbers(0..10));
    assert_eq!(bench.counters[0].event_write_fail.get(), 2);
    assert_eq!(bench.counters[0].event_drain_success.get(), 10);
}

/// With its cause, and no second time for a group that nobody has written.
#[tokio::test(start_paused = true)]
async fn a_failure_of_a_single_sink_is_one_line() {
    let said = Said::listen();
    let mut bench = Bench::new().sink("k1", 3, 1, &[Do::Fail, Do::Fail]);
    bench.put(0..3).await;
    bench.drained(single(), true, 1).await;
    let (warnings, errors) = (said.lines("WARN"), said.lines("ERROR"));
    assert_eq!((warnings.len(), errors.len()), (0, 1), "{warnings:?}");
    let line = &errors[0];
    assert!(line.contains("unable to deliver events"), "{line}");
    assert!(
        line.contains("sink=\"k1\"") && line.contains("told to fail"),
        "{line}"
    );
}

#[tokio::test(start_paused = true)]
async fn batches_under_way_roll_back_newest_first() {
    let mut bench = Bench::new().sink("k1", 2, 4, &[Do::Deliver, Do::Fail]);
    bench.put(0..12).await;
    bench.drained(single(), true, 1).await;
    assert_eq!(bench.delivered(), numbers(0..12));
}

/// Whatever the mode, and whatever fails: what is delivered is timed, and nothing stays under way.
#[tokio::test(start_paused = true)]
async fn delivered_batches_are_timed() {
    let script = [Do::Slow(5), Do::Fail, Do::Slow(5), Do::Slow(400), Do::Panic];
    for window in [1, 4] {
        let mut bench = Bench::new().sink("k1", 2, window, &script);
        bench.put(0..12).await;
        let counters = Arc::clone(&bench.counters()[0]);
        let seen = async {
            sleep(Duration::from_millis(2)).await;
            counters.batch_under_way.get()
        };
        let (_, under_way) = tokio::join!(bench.drained(single(), true, 1), seen);
        assert_eq!(under_way, window as u64);
        assert_eq!(counters.batch_under_way.get(), 0);
        let latency = counters.latency.counts();
        assert_eq!(latency.count, 6);
        assert!(latency.sum >= 0.41, "{latency:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_panics_is_made_anew_and_loses_nothing() {
    let mut bench = Bench::new().sink("k1", 2, 4, &[Do::Deliver, Do::Panic]);
    bench.put(0..12).await;
    let runner = bench.drained(single(), true, 1).await;
    assert_eq!(bench.delivered(), numbers(0..12));
    let report = runner.report().remove(0);
    assert_eq!(report.restarts, 1);
    let fault = report.health.last_fault.expect("the panic is noted");
    assert!(fault.text.contains("told to panic"), "{}", fault.text);
}

#[tokio::test(start_paused = true)]
async fn a_group_fails_over_in_the_same_call() {
    let mut bench = Bench::new()
        .sink("k1", 2, 4, &[Do::Deliver, Do::Fail])
        .sink("k2", 2, 4, &[]);
    bench.put(0..12).await;
    let began = clock::now();
    bench.drained(failover(), true, 1).await;
    assert_eq!(
        clock::now(),
        began,
        "no pause between the failure and the standby"
    );
    assert_eq!(bench.delivered(), numbers(0..12));
    assert_eq!((bench.share("k1"), bench.share("k2")), (2, 10));
}

/// Flume: TestFailoverSinkProcessor.testFailover (F1, the start): standbys are started, too.
#[tokio::test(start_paused = true)]
async fn every_sink_of_a_group_is_started_at_once() {
    let mut bench = Bench::new();
    for name in ["s1", "s2", "s3"] {
        bench = bench.sink(name, 1, 1, &[]);
    }
    let sinks = ["s1", "s2", "s3"].map(str::to_owned);
    let processor = FailoverProcessor::new(&[3, 2, 1], Duration::from_secs(10));
    // Without an event: a start does not wait for one.
    bench.drained(Box::new(processor), true, 1).await;
    assert_eq!(*bench.started.lock(), sinks);
}

#[tokio::test(start_paused = true)]
async fn a_lone_event_is_not_kept_waiting() {
    let mut bench = Bench::new().sink("k1", 100, 4, &[]);
    let lanes = std::mem::take(&mut bench.lanes);
    let runner = GroupRunner::new("g1", single(), lanes, true, 1);
    let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
    let task = tokio::spawn(runner.run(drain.clone(), stop));
    sleep(Duration::from_secs(10)).await;
    let began = clock::now();
    bench.put(0..1).await;
    while bench.delivered().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(clock::now(), began);
    drain.cancel();
    task.await.unwrap();
}

/// Half a batch is under way, and half a batch is in the channel. The puts that wait for the room
/// of the first half make the second half a whole batch, and batches stay whole from then on.
#[tokio::test(start_paused = true)]
async fn batches_of_a_small_channel_become_whole() {
    for window in [1, 4] {
        let mut bench = Bench::with_capacity(10).sink("k1", 10, window, &[Do::Slow(5); 11]);
        bench.put(0..5).await;
        let lanes = std::mem::take(&mut bench.lanes);
        let runner = GroupRunner::new("g1", single(), lanes, true, 1);
        let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
        let task = tokio::spawn(runner.run(drain.clone(), stop));
        sleep(Duration::from_millis(1)).await;
        bench.put(5..105).await;
        drain.cancel();
        task.await.unwrap();
        assert_eq!(bench.delivered(), numbers(0..105));
        let [counters] = bench.counters() else {
            panic!("one sink");
        };
        let batches = (
            counters.batch_underflow.get(),
            counters.batch_complete.get(),
        );
        assert_eq!(batches, (1, 10), "window {window}");
    }
}

#[tokio::test(start_paused = true)]
async fn balanced_sinks_take_turns_batch_by_batch() {
    let mut bench = Bench::new().sink("k1", 2, 4, &[]).sink("k2", 2, 4, &[]);
    bench.put(0..12).await;
    bench.drained(load_balance(2), false, 1).await;
    assert_eq!((bench.share("k1"), bench.share("k2")), (6, 6));
    assert_eq!(bench.delivered(), numbers(0..12));
}

/// Turns are taken by events, not by looks at an empty channel.
#[tokio::test(start_paused = true)]
async fn a_trickle_is_shared_out_too() {
    let mut bench = Bench::new().sink("k1", 2, 4, &[]).sink("k2", 2, 4, &[]);
    let lanes = std::mem::take(&mut bench.lanes);
    let runner = GroupRunner::new("g1", load_balance(2), lanes, false, 1);
    let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
    let task = tokio::spawn(runner.run(drain.clone(), stop));
    for n in 0..4 {
        bench.put(n..n + 1).await;
        sleep(Duration::from_secs(1)).await;
    }
    drain.cancel();
    task.await.unwrap();
    assert_eq!((bench.share("k1"), bench.share("k2")), (2, 2));
}

/// Four sinks that take 100 ms a batch deliver eight batches in the time of two.
#[tokio::test(start_paused = true)]
async fn parallel_workers_use_several_sinks_at_once() {
    let slow = [Do::Slow(100); 8];
    let mut bench = Bench::new();
    for name in ["k1", "k2", "k3", "k4"] {
        bench = bench.sink(name, 1, 1, &slow);
    }
    bench.put(0..8).await;
    let began = clock::now();
    bench.drained(load_balance(4), false, 4).await;
    assert_eq!(clock::now() - began, Duration::from_millis(200));
    let mut delivered: Vec<usize> = bench
        .delivered()
        .iter()
        .map(|body| body.parse().unwrap())
        .collect();
    delivered.sort_unstable();
    assert_eq!(delivered, (0..8).collect::<Vec<_>>());
}

/// With every sink dead the group pauses 0.25, 0.5, 1 s, and ends when it is asked to stop.
#[tokio::test(start_paused = true)]
async fn a_group_without_a_living_sink_keeps_its_events() {
    let mut bench = Bench::new().sink("k1", 5, 1, &[Do::Fail; 4]);
    bench.put(0..5).await;
    let lanes = std::mem::take(&mut bench.lanes);
    let runner = GroupRunner::new("g1", single(), lanes, true, 1);
    let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
    let task = tokio::spawn(runner.clone().run(drain, stop.clone()));
    sleep(Duration::from_millis(1700)).await;
    assert_eq!(runner.exhausted_calls(), 3);
    stop.cancel();
    task.await.unwrap();
    assert_eq!(bench.channel.depth(), 5);
    assert_eq!(bench.delivered(), Vec::<String>::new());
}

/// A processor with a defect: its first call panics.
struct Defective {
    sound: Box<dyn SinkProcessor>,
    panicked: bool,
}

impl SinkProcessor for Defective {
    fn begin(&mut self, now: Instant) -> Call {
        let before = std::mem::replace(&mut self.panicked, true);
        assert!(before, "told to panic");
        self.sound.begin(now)
    }
    fn next(&mut self, call: &mut Call) -> Option<SinkIndex> {
        self.sound.next(call)
    }
    fn report(&mut self, call: &mut Call, at: SinkIndex, o: Outcome, now: Instant) -> Verdict {
        self.sound.report(call, at, o, now)
    }
    fn exhausted(&self) -> &'static str {
        self.sound.exhausted()
    }
    fn states(&self, now: Instant) -> Vec<SinkState> {
        self.sound.states(now)
    }
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_panics_is_started_again() {
    let mut bench = Bench::new().sink("k1", 2, 4, &[]);
    bench.put(0..6).await;
    let processor = Defective {
        sound: single(),
        panicked: false,
    };
    let runner = bench.drained(Box::new(processor), true, 1).await;
    assert_eq!(bench.delivered(), numbers(0..6));
    assert_eq!(runner.restarts(), 1);
}
