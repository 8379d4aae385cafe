//! The sink against a cluster that the library plays.

use std::time::Duration;

use flume_core::{Context, Event};

use super::*;
use crate::testing::{Cluster, surroundings};

fn sink(cluster: &Cluster, properties: &[(&str, &str)]) -> Box<dyn Pipeline> {
    let servers = cluster.servers();
    let mut all = vec![
        ("kafka.bootstrap.servers", servers.as_str()),
        ("kafka.topic", "t"),
    ];
    all.extend_from_slice(properties);
    let mut context = Context::of("a1.sinks.k1", &all);
    let recipe = configure(&mut context, &surroundings()).expect("it configures");
    assert!(!context.has_errors());
    match recipe.make().into_mode() {
        SinkMode::Pipelined(sink) => sink,
        _ => panic!("it has several batches under way"),
    }
}

async fn started(cluster: &Cluster, properties: &[(&str, &str)]) -> Box<dyn Pipeline> {
    let mut sink = sink(cluster, properties);
    sink.start(&Arc::default()).await.expect("it starts");
    sink
}

fn events(bodies: &[&str]) -> Vec<Event> {
    bodies
        .iter()
        .map(|body| Event::new((*body).to_owned()))
        .collect()
}

/// Flume: TestKafkaSink.testDefaultTopic, testTopicAndKeyFromHeader (KK2), testAvroEvent (KK4).
#[tokio::test]
async fn records_have_the_topic_the_key_and_the_value_of_their_events() {
    let cluster = Cluster::with_topics(&["t", "mine"]);
    let mut sink = started(&cluster, &[]).await;
    let own = Event::new("own")
        .with_header("topic", "mine")
        .with_header("key", "k");
    sink.deliver(&[events(&["plain"]), vec![own]].concat())
        .await
        .expect("all are stored");
    let stored = cluster.read(&["t", "mine"], 2).await;
    let shown: Vec<_> = stored.iter().map(|it| it.shown()).collect();
    assert_eq!(shown, ["mine key=k own", "t plain"]);

    let flume = [("useFlumeEventFormat", "true"), ("kafka.topic", "f")];
    let cluster = Cluster::with_topics(&["f"]);
    let mut sink = started(&cluster, &flume).await;
    let event = Event::new("hello").with_header("k", "v");
    sink.deliver(&[event]).await.expect("it is stored");
    let stored = cluster.read(&["f"], 1).await;
    assert_eq!(
        stored[0].value.as_deref(),
        Some(&b"\x02\x02k\x02v\0\x0ahello"[..])
    );
}

/// Several batches under way are answered in their order.
#[tokio::test]
async fn batches_are_settled_in_their_order() {
    let cluster = Cluster::with_topics(&["t"]);
    let mut sink = started(&cluster, &[]).await;
    assert_eq!(sink.window(), 40);
    let mut expected = Vec::new();
    for batch in 0..10 {
        let bodies: Vec<String> = (0..50).map(|n| format!("{batch}-{n}")).collect();
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        sink.send(&events(&bodies)).await.expect("it is taken");
        expected.extend(bodies.iter().map(|it| (*it).to_owned()));
    }
    let mut settled = 0;
    while settled < 10 {
        settled += sink.settle().await.expect("it is stored");
    }
    assert_eq!(settled, 10);
    let stored = cluster.read(&["t"], 500).await;
    let mut bodies: Vec<String> = stored.iter().map(|it| it.body()).collect();
    expected.sort_unstable();
    bodies.sort_unstable();
    assert_eq!(bodies, expected);
}

/// One record that is too large: the others are there, once.
#[tokio::test]
async fn a_record_that_kafka_refuses_is_its_events_fault() {
    let cluster = Cluster::with_topics(&["t"]);
    // In one partition they keep their order.
    let keys = [
        ("kafka.producer.max.request.size", "2000"),
        ("defaultPartitionId", "0"),
    ];
    let mut sink = started(&cluster, &keys).await;
    let large = "x".repeat(5000);
    let refused = sink.deliver(&events(&["1", &large, "2"])).await;
    let refused = refused.expect_err("one is too large");
    assert_eq!(*refused.blame(), Blame::Refused(vec![1]));
    let stored = cluster.read(&["t"], 2).await;
    let bodies: Vec<String> = stored.iter().map(|it| it.body()).collect();
    assert_eq!(bodies, ["1", "2"]);
}

/// Flume: TestPartitions (KK6): out of range, not a number. There the whole batch fails, again and
/// again.
#[tokio::test]
async fn a_partition_that_is_not_there_is_its_events_fault() {
    let cluster = Cluster::with_topics(&["t"]);
    let mut sink = started(&cluster, &[("partitionIdHeader", "p")]).await;
    let to = |p: &str| Event::new(p.to_owned()).with_header("p", p);
    let refused = sink.deliver(&[to("0"), to("99"), to("1")]).await;
    let refused = refused.expect_err("there is no partition 99");
    assert_eq!(*refused.blame(), Blame::Refused(vec![1]));
    let refused = sink.deliver(&[to("0"), to("x")]).await;
    let refused = refused.expect_err("no number");
    assert_eq!(*refused.blame(), Blame::Events(vec![1]));
    assert_eq!(
        flume_core::chain(&refused),
        "Failed to publish events: Non integer partition id specified: `x`"
    );
    // Nothing of the second batch was sent.
    let stored = cluster.read(&["t"], 2).await;
    assert_eq!(stored.len(), 2);
}

/// A partition that the file names, and that is not there, is not the fault of any event.
#[tokio::test]
async fn a_partition_of_the_file_that_is_not_there_is_the_places_fault() {
    let cluster = Cluster::with_topics(&["t"]);
    let mut sink = started(&cluster, &[("defaultPartitionId", "99")]).await;
    let refused = sink.deliver(&events(&["1"])).await;
    assert_eq!(*refused.expect_err("there is none").blame(), Blame::Place);
}

#[tokio::test]
async fn brokers_that_are_away_are_the_places_fault_and_may_come_back() {
    let cluster = Cluster::with_topics(&["t"]);
    let mut sink = started(&cluster, &crate::testing::IMPATIENT).await;
    sink.deliver(&events(&["1"])).await.expect("it is stored");
    cluster.down();
    sink.send(&events(&["2"])).await.expect("it is taken");
    sink.send(&events(&["3"])).await.expect("it is taken");
    let failed = sink.settle().await.expect_err("nobody answers");
    assert_eq!(*failed.blame(), Blame::Place);
    cluster.up();
    let again = tokio::time::timeout(Duration::from_secs(20), async {
        while sink.deliver(&events(&["2", "3"])).await.is_err() {}
    });
    again.await.expect("it is stored");
    let stored = cluster.read(&["t"], 3).await;
    let mut bodies: Vec<String> = stored.iter().map(|it| it.body()).collect();
    bodies.sort_unstable();
    bodies.dedup();
    assert_eq!(bodies, ["1", "2", "3"]);
}

/// A group need not wait until the client gives up, which takes two minutes.
#[tokio::test]
async fn a_cluster_that_is_away_is_given_up_early() {
    let cluster = Cluster::with_topics(&["t"]);
    let mut sink = started(&cluster, &[]).await;
    sink.deliver(&events(&["1"])).await.expect("it is stored");
    cluster.down();
    let failed = sink.deliver(&events(&["2"])).await;
    let failed = failed.expect_err("nobody answers");
    let words = flume_core::chain(&failed);
    assert!(words.contains("no broker can be reached"), "{words}");
    assert_eq!(*failed.blame(), Blame::Place);
    cluster.up();
    sink.deliver(&events(&["2"])).await.expect("it is stored");
    assert_eq!(cluster.read(&["t"], 2).await.len(), 2);
}
