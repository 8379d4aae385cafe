//! The channel against a cluster that the library plays.

use std::collections::BTreeSet;
use std::time::Duration;

use flume_core::{PutTransaction, TakeTransaction};

use super::*;
use crate::client::Record;
use crate::testing::{Cluster, surroundings};

/// A channel that is open.
async fn open(cluster: &Cluster, properties: &[(&str, &str)]) -> Arc<dyn Channel> {
    let servers = cluster.servers();
    let mut all = vec![
        ("kafka.bootstrap.servers", servers.as_str()),
        ("kafka.topic", "t"),
        ("kafka.consumer.session.timeout.ms", "6000"),
    ];
    all.extend_from_slice(properties);
    let mut context = Context::of("a1.channels.c1", &all);
    let recipe = configure(&mut context, &surroundings()).expect("it configures");
    assert!(!context.has_errors());
    let channel = recipe.make("c1");
    channel.open().await.expect("it opens");
    channel
}

async fn put(channel: &Arc<dyn Channel>, events: Vec<Event>) -> Result<(), ChannelError> {
    let put = PutTransaction::of(channel, events).expect("it is not too large");
    put.commit().await
}

fn numbered(of: std::ops::Range<usize>) -> Vec<Event> {
    of.map(|number| Event::new(number.to_string()).with_header("n", number.to_string()))
        .collect()
}

/// Takes what is there until there are so many events, and does not end the transaction.
async fn take(channel: &Arc<dyn Channel>, count: usize) -> TakeTransaction {
    let mut take = TakeTransaction::begin(channel);
    let all = async {
        while take.events().len() < count {
            channel.ready().await;
            take.take_batch(count - take.events().len());
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), all).await;
    assert!(waited.is_ok(), "not all of {count} events come");
    take
}

fn numbers(events: &[Event]) -> BTreeSet<usize> {
    let each = events.iter().map(|it| {
        let text = String::from_utf8_lossy(&it.body);
        text.parse().expect("a number")
    });
    each.collect()
}

/// Flume: TestKafkaChannel.testStopAndStart, testStopAndStartWithRollback (KC2),
/// testOffsetsNotCommittedOnStop (KC6): what is not committed comes again after a restart, what is
/// does not.
#[tokio::test]
async fn what_is_not_delivered_comes_again_after_a_restart() {
    let cluster = Cluster::with_topics(&["t"]);
    let channel = open(&cluster, &[]).await;
    put(&channel, numbered(0..50)).await.expect("it is stored");
    let first = take(&channel, 20).await;
    let delivered = numbers(first.events());
    assert_eq!(first.events()[0].headers.len(), 1);
    assert!(first.commit().is_done());
    take(&channel, 10).await.rollback();
    let open_take = take(&channel, 5).await;
    assert_eq!(channel.close().await, 0);
    drop(open_take);

    let channel = open(&cluster, &[]).await;
    let rest = take(&channel, 30).await;
    let again = numbers(rest.events());
    assert!(rest.commit().is_done());
    channel.close().await;
    assert!(again.is_disjoint(&delivered));
    assert_eq!(again.union(&delivered).count(), 50);
}

/// A broker that is away is an error to the source, and not a success.
#[tokio::test]
async fn without_a_broker_a_put_fails_and_says_so() {
    let cluster = Cluster::with_topics(&["t"]);
    let channel = open(&cluster, &crate::testing::IMPATIENT).await;
    put(&channel, numbered(0..1)).await.expect("it is stored");
    cluster.down();
    let refused = put(&channel, numbered(1..2))
        .await
        .expect_err("nobody is there");
    let text = refused.to_string();
    assert!(
        text.starts_with("Commit failed as send to Kafka failed: "),
        "{text}"
    );
    assert!(refused.is_transient());
    let fault = channel.fault().expect("it is said");
    assert!(fault.refuses_puts, "{}", fault.cause);
    cluster.up();
    let again = tokio::time::timeout(Duration::from_secs(20), async {
        while put(&channel, numbered(1..2)).await.is_err() {}
    });
    again.await.expect("it is stored");
    assert_eq!(channel.fault(), None);
    let stored = numbers(take(&channel, 2).await.events());
    assert_eq!(stored, [0, 1].into());
    assert_eq!(channel.counters().event_put_success.get(), 2);
    channel.close().await;
}

/// Flume: TestKafkaChannel.testParseAsFlumeEventFalse, testParseAsFlumeEventFalseCheckHeader (KC4),
/// testNullKeyNoHeader (KC5).
#[tokio::test]
async fn without_flumes_format_the_value_is_the_body_and_the_key_a_header() {
    let cluster = Cluster::with_topics(&["t"]);
    let record = |key: Option<&'static str>| Record {
        topic: "t".into(),
        partition: Some(0),
        key: key.map(|it| it.as_bytes().into()),
        value: "of others".into(),
        ..Record::default()
    };
    cluster.write(vec![record(Some("k")), record(None)]).await;
    let channel = open(&cluster, &[("parseAsFlumeEvent", "false")]).await;
    let taken = take(&channel, 2).await;
    let key = |at: usize| {
        taken.events()[at]
            .headers
            .get("key")
            .map(|it| it.to_string())
    };
    assert_eq!((key(0), key(1)), (Some("k".to_owned()), None));
    assert_eq!(taken.events()[1], Event::new("of others"));
    assert!(taken.commit().is_done());
    let own = Event::new("own").with_header("key", "x");
    put(&channel, vec![own.with_header("lost", "1")])
        .await
        .expect("it is stored");
    channel.close().await;
    let stored = cluster.read(&["t"], 3).await;
    assert!(stored.iter().any(|it| it.shown() == "t key=x own"));
}

/// Flume: TestPartitions (KC7): there these are exceptions, too. Here the words say what is wrong.
#[tokio::test]
async fn a_partition_that_is_none_refuses_the_put() {
    let cluster = Cluster::with_topics(&["t"]);
    let channel = open(&cluster, &[("partitionIdHeader", "p")]).await;
    let to = |p: &str| vec![Event::new("x").with_header("p", p)];
    put(&channel, to("2")).await.expect("it is stored");
    let refused = put(&channel, to("two")).await.expect_err("no number");
    assert_eq!(
        refused.to_string(),
        "Non integer partition id specified: `two`"
    );
    let refused = put(&channel, to("9")).await.expect_err("there is none");
    assert!(
        refused.to_string().contains("Unknown partition"),
        "{refused}"
    );
    channel.close().await;
    assert_eq!(cluster.read(&["t"], 1).await[0].partition.number, 2);
}

/// Who only puts joins no group: then nothing would be taken by those who do.
#[tokio::test]
async fn a_channel_that_only_takes_puts_in_has_no_reader() {
    let cluster = Cluster::with_topics(&["t"]);
    let putting = open(&cluster, &[]).await;
    put(&putting, numbered(0..30)).await.expect("it is stored");
    let taking = open(&cluster, &[]).await;
    let taken = take(&taking, 30).await;
    assert_eq!(numbers(taken.events()).len(), 30);
    assert!(taken.commit().is_done());
    taking.close().await;
    putting.close().await;
}

/// More waits than is read ahead: the partitions rest until takers have made room.
#[tokio::test]
async fn no_more_is_read_ahead_than_there_is_room_for() {
    let cluster = Cluster::with_topics(&["t"]);
    let channel = open(&cluster, &[]).await;
    for part in 0..6 {
        let events = numbered(part * 3000..(part + 1) * 3000);
        put(&channel, events).await.expect("it is stored");
    }
    channel.ready().await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let mut seen = BTreeSet::new();
    while seen.len() < 18_000 {
        let taken = take(&channel, 1).await;
        let mut more = TakeTransaction::begin(&channel);
        let read = more.take_batch(usize::MAX) + taken.events().len();
        assert!(read <= MOST_READ + 1000, "{read} were read");
        seen.extend(numbers(taken.events()));
        seen.extend(numbers(more.events()));
        assert!(taken.commit().is_done() && more.commit().is_done());
    }
    channel.close().await;
}

/// The same for large events.
#[tokio::test]
async fn no_more_bytes_are_read_ahead_than_there_is_room_for() {
    let cluster = Cluster::with_topics(&[]);
    cluster.add_topic("large", 40);
    let keys = [("kafka.topic", "large"), ("partitionIdHeader", "p")];
    let channel = open(&cluster, &keys).await;
    let large = |at: usize| Event::new(vec![b'x'; 900_000]).with_header("p", at.to_string());
    for part in 0..8 {
        let events = (part * 5..(part + 1) * 5).map(large).collect();
        put(&channel, events).await.expect("it is stored");
    }
    channel.ready().await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let mut more = TakeTransaction::begin(&channel);
    let read = more.take_batch(usize::MAX);
    // What is just below the limit, and a poll more.
    let most = (2 * MOST_BYTES_READ).div_ceil(900_000);
    assert!((1..=most).contains(&read), "{read} were read");
    assert!(more.commit().is_done());
    let rest = take(&channel, 40 - read).await;
    assert_eq!(rest.events().len(), 40 - read);
    assert!(rest.commit().is_done());
    channel.close().await;
}
