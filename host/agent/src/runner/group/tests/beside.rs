//! Goal: a group stands still for a sink that hangs once, and loses nothing to it.
//! Method: k1 hangs for a while, as a stopped process does; an event arrives every 100 ms, and k2
//! says when it got each.

use flume_core::sink_group::Load;
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
        };
        let second = Hung {
            name: "k2".to_owned(),
            until: now + Duration::from_secs(hangs[1]),
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
