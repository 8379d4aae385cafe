//! The source against a cluster that the library plays.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flume_core::channel::memory::{MemoryChannel, MemoryConfig};
use flume_core::channel_selector::replicating::ReplicatingSelector;
use flume_core::clock::WallClock;
use flume_core::interceptor::InterceptorChain;
use flume_core::{Channel, ChannelProcessor, Context, Event, SourceCounter, TakeTransaction};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::client::Record;
use crate::testing::{Cluster, surroundings};

/// A source with its channel.
struct Running {
    channel: Arc<dyn Channel>,
    letters: Arc<dyn Channel>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), ComponentError>>,
}

impl Running {
    async fn new(cluster: &Cluster, capacity: usize, properties: &[(&str, &str)]) -> Self {
        Self::patient(cluster, capacity, Duration::ZERO, properties).await
    }

    /// A source whose channel has puts wait so long for room.
    async fn patient(
        cluster: &Cluster,
        capacity: usize,
        keep_alive: Duration,
        properties: &[(&str, &str)],
    ) -> Self {
        let servers = cluster.servers();
        let mut all = vec![
            ("kafka.bootstrap.servers", servers.as_str()),
            ("kafka.topics", "t"),
            ("kafka.consumer.auto.offset.reset", "earliest"),
            ("kafka.consumer.session.timeout.ms", "6000"),
        ];
        all.extend_from_slice(properties);
        let mut context = Context::of("a1.sources.r1", &all);
        let recipe = configure(&mut context, &surroundings()).expect("it configures");
        assert!(!context.has_errors());
        let config = MemoryConfig {
            capacity,
            transaction_capacity: capacity,
            keep_alive,
            ..MemoryConfig::defaults(1 << 30)
        };
        let channel: Arc<dyn Channel> = Arc::new(MemoryChannel::new("c1", &config));
        let selector = Box::new(ReplicatingSelector::all_required(1));
        let chain = InterceptorChain::new(Vec::new());
        let channels = vec![Arc::clone(&channel)];
        let stop = CancellationToken::new();
        let context = SourceContext {
            channels: Arc::new(ChannelProcessor::new(chain, selector, channels)),
            counters: Arc::<SourceCounter>::default(),
            stop: stop.clone(),
        };
        let letters: Arc<dyn Channel> = Arc::new(MemoryChannel::new("c9", &config));
        let mut source = recipe.make();
        if source.letters() == Some("c9") {
            source.set_letters(DeadLetters {
                channel: Arc::clone(&letters),
                wall: WallClock::fixed(77),
            });
        }
        source.start().await.expect("it starts");
        let task = tokio::spawn(async move { source.run(context).await });
        Self {
            channel,
            letters,
            stop,
            task,
        }
    }

    /// Takes events until there are so many, and then what comes at once.
    async fn take(&self, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        let all = async {
            while events.len() < count {
                self.channel.ready().await;
                let mut take = TakeTransaction::begin(&self.channel);
                take.take_batch(usize::MAX);
                events.extend_from_slice(take.events());
                assert!(take.commit().is_done());
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), all).await;
        waited.unwrap_or_else(|_| panic!("not all of {count} events come"));
        events
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.expect("no panic").expect("it ends");
    }
}

fn body(event: &Event) -> String {
    String::from_utf8_lossy(&event.body).into_owned()
}

fn bodies(events: &[Event]) -> Vec<String> {
    events.iter().map(body).collect()
}

fn numbers(of: std::ops::Range<usize>) -> Vec<String> {
    of.map(|number| number.to_string()).collect()
}

/// Writes numbered records over all partitions.
async fn write(cluster: &Cluster, of: std::ops::Range<usize>) {
    let record = |number: usize| Record {
        topic: "t".into(),
        partition: Some(i32::try_from(number % 3).unwrap()),
        value: number.to_string().into(),
        ..Record::default()
    };
    cluster.write(of.map(record).collect()).await;
}

/// Flume: TestKafkaSource.testOffsets (KS1), testCommit (KS4): after a restart exactly what is new.
#[tokio::test]
async fn what_was_put_does_not_come_again() {
    let cluster = Cluster::with_topics(&["t"]);
    write(&cluster, 0..50).await;
    let source = Running::new(&cluster, 1000, &[]).await;
    let mut first = bodies(&source.take(50).await);
    source.end().await;
    write(&cluster, 50..60).await;
    let source = Running::new(&cluster, 1000, &[]).await;
    let mut second = bodies(&source.take(10).await);
    source.end().await;
    first.sort_by_key(|text| text.parse::<usize>().unwrap());
    second.sort_by_key(|text| text.parse::<usize>().unwrap());
    assert_eq!((first, second), (numbers(0..50), numbers(50..60)));
}

/// Flume: TestKafkaSource.testNonCommit (KS4): what the channel refuses is tried again, and its offset
/// is not committed.
#[tokio::test]
async fn what_has_no_room_waits_and_is_not_committed() {
    let cluster = Cluster::with_topics(&["t"]);
    write(&cluster, 0..30).await;
    let source = Running::new(&cluster, 10, &[]).await;
    while source.channel.depth() < 10 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // What is in the channel counts as put, the rest does not.
    let put: BTreeSet<String> = bodies(&source.take(10).await).into_iter().collect();
    while source.channel.depth() < 10 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let channel = Arc::clone(&source.channel);
    source.end().await;
    let mut take = TakeTransaction::begin(&channel);
    take.take_batch(usize::MAX);
    let left: BTreeSet<String> = bodies(take.events()).into_iter().collect();
    let source = Running::new(&cluster, 1000, &[]).await;
    let again: BTreeSet<String> = bodies(&source.take(10).await).into_iter().collect();
    source.end().await;
    let all: BTreeSet<String> = put.union(&left).chain(&again).cloned().collect();
    assert_eq!(all.len(), 30);
    assert!(again.is_disjoint(&put) && again.is_disjoint(&left));
}

/// Of a batch for which there is not room enough, the part that was put is committed at the end.
#[tokio::test]
async fn a_stop_in_the_middle_of_a_batch_doubles_nothing() {
    let cluster = Cluster::with_topics(&["t"]);
    write(&cluster, 0..30).await;
    let hour = Duration::from_secs(3_600);
    let source = Running::patient(&cluster, 10, hour, &[]).await;
    while source.channel.depth() < 10 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let channel = Arc::clone(&source.channel);
    source.end().await;
    let mut take = TakeTransaction::begin(&channel);
    take.take_batch(usize::MAX);
    let mut all = bodies(take.events());
    let source = Running::new(&cluster, 1000, &[]).await;
    all.extend(bodies(&source.take(20).await));
    source.end().await;
    all.sort_by_key(|text| text.parse::<usize>().unwrap());
    assert_eq!(all, numbers(0..30));
}

/// Flume: TestKafkaSource.testAvroEvent (KS8), testTopicHeaderSet (KS9), testNullKey (KS5).
#[tokio::test]
async fn headers_are_those_of_flume() {
    let cluster = Cluster::with_topics(&["t"]);
    let record = Record {
        topic: "t".into(),
        partition: Some(1),
        key: Some(Bytes::from_static(b"k1")),
        value: Bytes::from_static(b"\x02\x0atopic\x06own\0\x04hi"),
        timestamp: Some(1_700_000_000_000),
        ..Record::default()
    };
    let garbage = Record {
        value: Bytes::from_static(b"garbage"),
        ..record.clone()
    };
    cluster.write(vec![record, garbage]).await;
    let source = Running::new(&cluster, 100, &[("useFlumeEventFormat", "true")]).await;
    let events = source.take(2).await;
    source.end().await;
    let header = |at: usize, name: &str| events[at].headers.get(name).map(|it| it.to_string());
    assert_eq!(body(&events[0]), "hi");
    let shown = ["topic", "partition", "offset", "key", "timestamp"].map(|name| header(0, name));
    let expected = ["own", "1", "0", "k1", "1700000000000"].map(|text| Some(text.to_owned()));
    assert_eq!(shown, expected);
    assert_eq!(
        (body(&events[1]), header(1, "topic")),
        ("garbage".into(), Some("t".into()))
    );
    assert!(
        header(1, "kafka.error")
            .unwrap()
            .starts_with("the record is no event of Flume")
    );
}

/// What is no event goes where `on-error` says, before anything behind it is committed.
#[tokio::test]
async fn what_is_no_event_goes_where_the_file_says() {
    let record = |value: &'static [u8]| Record {
        topic: "t".into(),
        partition: Some(0),
        value: Bytes::from_static(value),
        ..Record::default()
    };
    let records = || vec![record(b"\0\x02a"), record(b"garbage"), record(b"\0\x02b")];
    for (on_error, passed) in [("pass", 3), ("drop", 2), ("dead-letter:c9", 2)] {
        let cluster = Cluster::with_topics(&["t"]);
        cluster.write(records()).await;
        let keys = [("useFlumeEventFormat", "true"), ("on-error", on_error)];
        let source = Running::new(&cluster, 100, &keys).await;
        let events = source.take(passed).await;
        assert_eq!(body(&events[passed - 1]), "b");
        let letters = rest(&source.letters).await;
        source.end().await;
        assert_eq!(letters.len(), usize::from(on_error.starts_with("dead")));
        if let Some(letter) = letters.first() {
            let header = |name| letter.headers.get(name).map(|it| it.to_string());
            assert_eq!(body(letter), "garbage");
            assert_eq!(header("dead-letter.source").as_deref(), Some("r1"));
            assert_eq!(header("offset").as_deref(), Some("1"));
            assert_eq!(header("kafka.error"), None);
        }
        // All of it is committed, what is no event too.
        let source = Running::new(&cluster, 100, &keys).await;
        cluster.write(vec![record(b"\0\x02c")]).await;
        assert_eq!(body(&source.take(1).await[0]), "c");
        source.end().await;
    }
}

/// A second member comes and goes while records flow. (The brokers that the library plays refuse
/// commits meanwhile, so some records come twice here; real ones do not.)
#[tokio::test]
async fn partitions_that_change_hands_lose_nothing() {
    let cluster = Cluster::with_topics(&["t"]);
    write(&cluster, 0..300).await;
    let one = Running::new(&cluster, 10_000, &[]).await;
    let mut seen = bodies(&one.take(300).await);
    let two = Running::new(&cluster, 10_000, &[]).await;
    for part in 3..30 {
        write(&cluster, part * 100..(part + 1) * 100).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    two.end_into(&mut seen).await;
    write(&cluster, 3000..3100).await;
    while !seen.iter().any(|text| text == "3099") || !seen.iter().any(|text| text == "3098") {
        seen.extend(bodies(&one.rest().await));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    one.end_into(&mut seen).await;
    let seen: BTreeSet<String> = seen.into_iter().collect();
    let missing: Vec<String> = numbers(0..3100)
        .into_iter()
        .filter(|it| !seen.contains(it))
        .collect();
    assert_eq!((missing, seen.len()), (vec![], 3100));
}

impl Running {
    /// What is in the channel now.
    async fn rest(&self) -> Vec<Event> {
        rest(&self.channel).await
    }

    async fn end_into(self, seen: &mut Vec<String>) {
        let channel = Arc::clone(&self.channel);
        self.end().await;
        seen.extend(bodies(&rest(&channel).await));
    }
}

async fn rest(channel: &Arc<dyn Channel>) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let mut take = TakeTransaction::begin(channel);
        if take.take_batch(usize::MAX) == 0 {
            return events;
        }
        events.extend_from_slice(take.events());
        assert!(take.commit().is_done());
    }
}
