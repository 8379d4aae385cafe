//! Sinks that hold batches back until a file is full, beside sinks that answer each batch.

use flume_core::Gather;

use super::*;

/// What a [`Gatherer`] has done, and what it is to do.
#[derive(Debug, Default)]
struct State {
    held: Vec<usize>,
    files: Vec<usize>,
    fails: bool,
}

/// Completes a file at this many events, on request, or after this many seconds.
struct Gatherer {
    full: usize,
    seconds: u64,
    due: Option<Instant>,
    delivered: usize,
    state: Arc<Mutex<State>>,
}

impl Gatherer {
    fn end_file(&mut self) -> Result<(), EventDeliveryError> {
        self.due = None;
        let mut state = self.state.lock();
        let held = std::mem::take(&mut state.held);
        if state.fails {
            return Err(EventDeliveryError::new("told to fail"));
        }
        if !held.is_empty() {
            self.delivered += held.len();
            state.files.push(held.iter().sum());
        }
        Ok(())
    }
}

#[async_trait]
impl Sink for Gatherer {
    fn batch_size(&self) -> usize {
        10
    }
    async fn deliver(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        self.gather(batch).await?;
        self.end_file()
    }
    fn into_mode(self: Box<Self>) -> SinkMode {
        SinkMode::Gathering(self)
    }
    fn next_tick(&self) -> Option<Instant> {
        self.due
    }
    async fn tick(&mut self) -> Result<(), EventDeliveryError> {
        self.end_file()
    }
}

#[async_trait]
impl Gather for Gatherer {
    fn events_per_file(&self) -> usize {
        self.full
    }
    async fn gather(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        let events: usize = {
            let mut state = self.state.lock();
            state.held.push(batch.len());
            state.held.iter().sum()
        };
        let later = clock::now() + Duration::from_secs(self.seconds);
        self.due = self.due.or(Some(later));
        if events >= self.full || self.state.lock().fails {
            self.end_file()?;
        }
        Ok(())
    }
    async fn complete(&mut self) -> Result<(), EventDeliveryError> {
        self.end_file()
    }
    fn take_delivered(&mut self) -> usize {
        std::mem::take(&mut self.delivered)
    }
}

impl Bench {
    fn gatherer(mut self, name: &str, full: usize, seconds: u64) -> (Self, Arc<Mutex<State>>) {
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let factory = Box::new(move || {
            let state = Arc::clone(&shared);
            let sink = Gatherer {
                full,
                seconds,
                due: None,
                delivered: 0,
                state,
            };
            Box::new(sink) as Box<dyn Sink>
        });
        let counters: Arc<SinkCounter> = Arc::default();
        self.counters.push(Arc::clone(&counters));
        let channel = Arc::clone(&self.channel);
        self.lanes.push(Lane::new(name, channel, counters, factory));
        (self, state)
    }

    /// Runs the group until it is to drain.
    fn running(&mut self, processor: Box<dyn SinkProcessor>) -> Running {
        let lanes = std::mem::take(&mut self.lanes);
        let runner = GroupRunner::new("g1", processor, lanes, true, 1);
        let drain = CancellationToken::new();
        let run = runner.clone().run(drain.clone(), CancellationToken::new());
        Running {
            drain,
            task: tokio::spawn(run),
        }
    }

    fn success(&self) -> u64 {
        self.counters
            .iter()
            .map(|counters| counters.event_drain_success.get())
            .sum()
    }
}

struct Running {
    drain: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn end(self) {
        self.drain.cancel();
        self.task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn events_that_come_one_by_one_share_a_file() {
    let (mut bench, state) = Bench::new().gatherer("k1", 1000, 30);
    let running = bench.running(single());
    for n in 0..20 {
        bench.put(n..n + 1).await;
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!((bench.success(), state.lock().files.len()), (0, 0));
    sleep(Duration::from_secs(15)).await;
    assert_eq!(
        state.lock().files,
        [20],
        "its time is over, without further events"
    );
    assert_eq!(bench.success(), 20);
    bench.put(20..21).await;
    sleep(Duration::from_secs(1)).await;
    running.end().await;
    assert_eq!(state.lock().files, [20, 1], "and at the end");
    assert_eq!(bench.success(), 21);
}

/// Where several workers make calls, nothing is held back: a file for each batch.
#[tokio::test(start_paused = true)]
async fn a_group_with_one_batch_at_a_time_has_a_file_for_each_batch() {
    let (mut bench, state) = Bench::new().gatherer("k1", 1000, 30);
    bench.put(0..25).await;
    bench.drained(load_balance(1), true, 2).await;
    assert_eq!(state.lock().files, [10, 10, 5]);
    assert_eq!(bench.success(), 25);
}

#[tokio::test(start_paused = true)]
async fn a_full_file_is_committed_at_once() {
    let (mut bench, state) = Bench::new().gatherer("k1", 20, 3600);
    bench.put(0..45).await;
    let running = bench.running(single());
    sleep(Duration::from_secs(1)).await;
    assert_eq!(
        (bench.success(), state.lock().files.clone()),
        (40, vec![20, 20])
    );
    running.end().await;
    assert_eq!(bench.success(), 45);
}

/// The edge: the channel holds 1000 events, all of them are held back, and one more comes.
#[tokio::test(start_paused = true)]
async fn a_put_that_waits_for_room_gets_it() {
    let (mut bench, state) = Bench::new().gatherer("k1", usize::MAX, 3600);
    let running = bench.running(single());
    bench.put(0..1000).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.success(), 0, "nobody waits yet");
    let start = clock::now();
    bench.put(1000..1001).await;
    assert!(clock::now() - start < Duration::from_secs(1));
    assert_eq!(state.lock().files, [1000]);
    running.end().await;
    assert_eq!(state.lock().files, [1000, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_file_held_goes_to_the_next_sink() {
    let bench = Bench::new();
    let (bench, state) = bench.gatherer("k1", 1000, 30);
    let mut bench = bench.sink("k2", 10, 1, &[]);
    let running = bench.running(failover());
    bench.put(0..15).await;
    sleep(Duration::from_secs(1)).await;
    state.lock().fails = true;
    sleep(Duration::from_secs(35)).await;
    assert_eq!(bench.share("k2"), 15, "back in the channel, and over");
    let expected: Vec<String> = (0..15).map(|n| n.to_string()).collect();
    assert_eq!(bench.delivered(), expected, "in their order");
    running.end().await;
    assert_eq!(state.lock().files, [] as [usize; 0]);
}
