//! Goal: a group stands still for a sink that hangs once, and loses nothing to it.
//! Method: k1 hangs for a while, as a stopped process does; an event arrives every 100 ms, and k2
//! says when it got each.

use flume_core::sink_group::{Load, QUICK};
use flume_core::sink_selector::SinkSelector;

use super::*;

/// How long an attempt at a peer that hangs lasts.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Hangs until some time, and then fails what it was asked for.
#[derive(Clone)]
struct Hung {
    name: String,
    until: Instant,
    connects: bool,
    got: Arc<Mutex<Vec<(String, Instant, String)>>>,
    connections: Arc<Counter>,
    ticks: Ticks,
}

impl Hung {
    async fn hang(&self) -> Result<(), EventDeliveryError> {
        if clock::now() >= self.until {
            return Ok(());
        }
        sleep(TIMEOUT).await;
        Err(EventDeliveryError::new("no answer"))
    }
}

#[async_trait]
impl Sink for Hung {
    fn batch_size(&self) -> usize {
        10
    }
    async fn connect(&mut self) -> Result<(), EventDeliveryError> {
        self.connections.increment();
        match self.connects {
            true => self.hang().await,
            false => Ok(()),
        }
    }
    async fn deliver(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        self.hang().await?;
        let mut got = self.got.lock();
        for event in batch {
            let body = String::from_utf8_lossy(&event.body).into_owned();
            got.push((self.name.clone(), clock::now(), body));
        }
        Ok(())
    }
    fn next_tick(&self) -> Option<Instant> {
        self.ticks.due
    }
    async fn tick(&mut self) -> Result<(), EventDeliveryError> {
        sleep(self.ticks.lasts).await;
        self.ticks.ended.increment();
        self.ticks.due = Some(clock::now() + TIMEOUT);
        match self.ticks.fails {
            true => Err(EventDeliveryError::new("cannot be closed")),
            false => Ok(()),
        }
    }
}

/// The ticks of a sink: when the first is due, how long each lasts, and how many there were.
#[derive(Clone, Default)]
struct Ticks {
    due: Option<Instant>,
    lasts: Duration,
    fails: bool,
    ended: Arc<Counter>,
}

/// Two sinks over one channel, of which the first hangs for this long.
struct Pair {
    channel: Arc<dyn Channel>,
    hung: Hung,
    runner: GroupRunner,
    drain: CancellationToken,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Pair {
    fn start(
        processor: Box<dyn SinkProcessor>,
        hangs: [u64; 2],
        connects: bool,
        workers: usize,
    ) -> Self {
        Self::ticking(
            processor,
            hangs,
            connects,
            workers,
            [0, 1].map(|_| Ticks::default()),
        )
    }

    fn ticking(
        processor: Box<dyn SinkProcessor>,
        hangs: [u64; 2],
        connects: bool,
        workers: usize,
        ticks: [Ticks; 2],
    ) -> Self {
        let [first_ticks, second_ticks] = ticks;
        let channel: Arc<dyn Channel> = Arc::new(MemoryChannel::new(
            "c1",
            &MemoryConfig {
                capacity: 10_000,
                ..MemoryConfig::defaults(1 << 30)
            },
        ));
        let now = clock::now();
        let first = Hung {
            name: "k1".to_owned(),
            until: now + Duration::from_secs(hangs[0]),
            connects,
            got: Arc::default(),
            connections: Arc::default(),
            ticks: first_ticks,
        };
        let second = Hung {
            name: "k2".to_owned(),
            until: now + Duration::from_secs(hangs[1]),
            ticks: second_ticks,
            ..first.clone()
        };
        let lanes = [first.clone(), second].map(|sink| {
            let factory = {
                let sink = sink.clone();
                Box::new(move || Box::new(sink.clone()) as Box<dyn Sink>)
            };
            Lane::new(sink.name, Arc::clone(&channel), Arc::default(), factory)
        });
        let runner = GroupRunner::new("g1", processor, lanes.into(), false, workers);
        let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
        let task = tokio::spawn(runner.clone().run(drain.clone(), stop.clone()));
        Self {
            channel,
            hung: first,
            runner,
            drain,
            stop,
            task,
        }
    }

    /// Puts an event every 100 ms, this many of them.
    async fn feed(&self, events: usize) {
        for number in 0..events {
            let put = PutTransaction::of(&self.channel, vec![Event::new(number.to_string())]);
            put.unwrap().commit().await.unwrap();
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// What arrived, by time, once the channel is empty.
    async fn drained(self) -> Vec<(String, Instant, String)> {
        self.drain.cancel();
        self.task.await.unwrap();
        assert_eq!(self.channel.depth(), 0);
        let mut got = std::mem::take(&mut *self.hung.got.lock());
        let by_time = got.clone();
        got.sort_by_key(|(_, _, body)| body.parse::<usize>().unwrap());
        let bodies: Vec<String> = got.into_iter().map(|(_, _, body)| body).collect();
        assert_eq!(bodies, numbers(0..bodies.len()), "each once");
        by_time
    }
}

/// The times in which nothing arrived, those above half a second.
fn stalls(zero: Instant, got: &[(String, Instant, String)]) -> Vec<Duration> {
    let times = std::iter::once(zero).chain(got.iter().map(|(_, at, _)| *at));
    let times: Vec<Instant> = times.collect();
    let stalls = times.windows(2).map(|pair| pair[1] - pair[0]);
    stalls
        .filter(|stall| *stall > Duration::from_millis(500))
        .collect()
}

/// A selector that sees events, orders its sinks in turns, and may split batches between them.
struct Shown {
    turns: Box<dyn SinkSelector>,
    splits: bool,
}

impl SinkSelector for Shown {
    fn order(&mut self, now: Instant) -> VecDeque<SinkIndex> {
        self.turns.order(now)
    }
    fn route(&mut self, _: Instant, load: Load<'_>) -> Option<Vec<SinkIndex>> {
        let number = |event: &Event| String::from_utf8_lossy(&event.body).parse::<usize>();
        let route = load.events.iter().map(|event| number(event).unwrap() % 2);
        self.splits.then(|| route.collect())
    }
    fn wants_events(&self) -> bool {
        true
    }
    fn failed(&mut self, sink: SinkIndex, now: Instant) {
        self.turns.failed(sink, now);
    }
    fn delivered(&mut self, sink: SinkIndex, now: Instant) {
        self.turns.delivered(sink, now);
    }
    fn states(&self, now: Instant) -> Vec<SinkState> {
        self.turns.states(now)
    }
}

fn processors() -> [(&'static str, Box<dyn SinkProcessor>); 5] {
    let turns = |backoff| round_robin::configure(backoff, 0);
    let plain = || turns(Backoff::none(2));
    let backoff = turns(Backoff::capped(2, Duration::from_secs(30)));
    let shown = |splits| -> Box<dyn SinkSelector> {
        let turns = plain();
        Box::new(Shown { turns, splits })
    };
    let balance =
        |selector| -> Box<dyn SinkProcessor> { Box::new(LoadBalancingProcessor::new(2, selector)) };
    [
        ("failover", failover()),
        ("round robin", balance(plain())),
        ("with backoff", balance(backoff)),
        ("shown", balance(shown(false))),
        ("split", balance(shown(true))),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_stops_its_group_once_and_returns() {
    for connects in [true, false] {
        for (name, processor) in processors() {
            let pair = Pair::start(processor, [90, 0], connects, 1);
            let zero = clock::now();
            pair.feed(2_000).await;
            let got = pair.drained().await;
            assert_eq!(
                stalls(zero, &got).len(),
                1,
                "{name}: {:?}",
                stalls(zero, &got)
            );
            assert!(stalls(zero, &got)[0] <= TIMEOUT + Duration::from_millis(100));
            assert!(
                got.iter().any(|(sink, ..)| sink == "k1"),
                "{name}: it is back"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_several_workers_it_never_stops_its_group() {
    for connects in [true, false] {
        for (name, processor) in processors() {
            let pair = Pair::start(processor, [90, 0], connects, 2);
            let zero = clock::now();
            pair.feed(2_000).await;
            let got = pair.drained().await;

            // Failover uses one sink at a time; and a batch that is split waits for all its shares.
            let expected = usize::from(["failover", "split"].contains(&name));
            assert_eq!(stalls(zero, &got).len(), expected, "{name}");
        }
    }
}

/// A sink that connects beforehand has no batch while it does not: none comes late.
#[tokio::test(start_paused = true)]
async fn a_sink_that_cannot_connect_holds_no_event_back() {
    for (name, processor) in processors() {
        let pair = Pair::start(processor, [90, 0], true, 1);
        let zero = clock::now();
        pair.feed(1_500).await;
        assert!(pair.hung.connections.get() > 1, "{name}");
        for (_, at, body) in pair.drained().await {
            let put = zero + Duration::from_millis(100) * body.parse::<u32>().unwrap();
            let late = at - put;
            assert!(
                late < Duration::from_millis(100) || put - zero < TIMEOUT,
                "{name}: {body} {late:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_of_sinks_that_all_hang_delivers_when_one_returns() {
    for (name, processor) in processors() {
        let pair = Pair::start(processor, [300, 100], false, 1);
        pair.feed(1_500).await;
        let got = pair.drained().await;
        assert_eq!(got.len(), 1_500, "{name}");
    }
}

/// Nobody waits for a connection at the end, but for a batch.
#[tokio::test(start_paused = true)]
async fn a_group_that_drains_waits_for_batches_and_not_for_connections() {
    for (connects, waits) in [(true, false), (false, true)] {
        let [(_, processor), ..] = processors();
        let pair = Pair::start(processor, [1_000, 0], connects, 1);
        pair.feed(230).await;
        assert!(
            pair.runner.beside.any_away(),
            "the second attempt is under way"
        );
        let began = clock::now();
        let got = pair.drained().await;
        assert_eq!(clock::now() - began > Duration::from_secs(1), waits);
        assert_eq!(got.len(), 230);
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_cut_off_leaves_no_task_and_loses_no_event() {
    let [(_, processor), ..] = processors();
    let pair = Pair::start(processor, [1_000, 0], false, 1);
    pair.feed(230).await;
    assert!(pair.runner.beside.any_away());
    pair.stop.cancel();
    pair.task.abort();
    pair.task.await.unwrap_err();
    sleep(Duration::from_millis(1)).await;
    assert!(!pair.runner.beside.any_away());
    assert_eq!(pair.channel.depth() + pair.hung.got.lock().len(), 230);
}

/// Ticks that each last for a minute, from the third second on.
fn long_ticks(fails: bool) -> Ticks {
    Ticks {
        due: Some(clock::now() + Duration::from_secs(3)),
        lasts: Duration::from_secs(60),
        fails,
        ended: Arc::default(),
    }
}

/// Files that cannot be closed, say. Every sink of these groups is as good as another.
#[tokio::test(start_paused = true)]
async fn a_tick_that_hangs_does_not_stop_sinks_that_share_the_load() {
    for fails in [true, false] {
        for workers in [1, 2] {
            for (name, processor) in processors().into_iter().skip(1) {
                let ticks = long_ticks(fails);
                let ended = Arc::clone(&ticks.ended);
                let both = [ticks, Ticks::default()];
                let pair = Pair::ticking(processor, [0, 0], true, workers, both);
                let zero = clock::now();
                pair.feed(3_000).await;
                let got = pair.drained().await;
                let stalls = stalls(zero, &got);
                assert!(ended.get() >= 3, "{name}: it is called again and again");
                // A moment each time, for ticks that are short.
                let longest = stalls.iter().max().copied().unwrap_or_default();
                assert!(longest < 2 * QUICK, "{name}: {stalls:?}");
                assert!(stalls.len() <= 5, "{name}: {stalls:?}");
                let later = zero + Duration::from_secs(64);
                assert!(
                    got.iter().any(|(sink, at, _)| sink == "k1" && *at > later),
                    "{name}: it is back"
                );
            }
        }
    }
}

/// A failover group waits for the sink that it uses, rather than change to another for a file that
/// takes a while. For a standby it does not wait.
#[tokio::test(start_paused = true)]
async fn a_tick_that_hangs_stops_a_failover_group_only_if_it_is_of_the_active_sink() {
    for (ticking, expected) in [(0, 3), (1, 0)] {
        for fails in [true, false] {
            let (mut both, ticks) = ([0, 1].map(|_| Ticks::default()), long_ticks(fails));
            let ended = Arc::clone(&ticks.ended);
            both[ticking] = ticks;
            let pair = Pair::ticking(failover(), [0, 0], true, 1, both);
            let zero = clock::now();
            pair.feed(2_000).await;
            let got = pair.drained().await;
            assert!(ended.get() >= 2);
            let stalls = stalls(zero, &got);
            let long = stalls.iter().filter(|stall| **stall > 2 * QUICK);
            assert_eq!(long.count(), expected, "k{}: {stalls:?}", ticking + 1);
            assert!(got.iter().all(|(sink, ..)| sink == "k1"), "{fails}");
        }
    }
}

/// Nothing is lost with a tick that never ends.
#[tokio::test(start_paused = true)]
async fn a_group_that_is_cut_off_in_a_tick_leaves_no_task() {
    let ticks = Ticks {
        lasts: Duration::from_secs(100_000),
        ..long_ticks(false)
    };
    let [_, (_, processor), ..] = processors();
    let pair = Pair::ticking(processor, [0, 0], true, 1, [ticks, Ticks::default()]);
    pair.feed(100).await;
    assert!(pair.runner.beside.any_away());
    pair.stop.cancel();
    pair.task.abort();
    pair.task.await.unwrap_err();
    sleep(Duration::from_millis(1)).await;
    assert!(!pair.runner.beside.any_away());
    assert_eq!(pair.channel.depth() + pair.hung.got.lock().len(), 100);
}
