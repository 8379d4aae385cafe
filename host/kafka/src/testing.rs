//! A cluster for tests: librdkafka plays the brokers, in this process.

use std::sync::Arc;
use std::time::Duration;

use flume_core::{ComponentError, clock};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use crate::client::{Consumer, Engine, Polled, Received, Record};
use crate::settings::{ClientSettings, KeyStores, Kind};
use crate::{Librdkafka, Surroundings, Vitals};

/// Partitions of each topic.
pub(crate) const PARTITIONS: i32 = 3;

/// Brokers of the cluster.
const BROKERS: i32 = 1;

/// Keys of a producer that does not wait long for brokers that are away.
pub(crate) const IMPATIENT: [(&str, &str); 2] = [
    ("kafka.producer.delivery.timeout.ms", "2000"),
    ("kafka.producer.request.timeout.ms", "1000"),
];

/// The brokers.
pub(crate) struct Cluster(MockCluster<'static, DefaultProducerContext>);

impl Cluster {
    pub(crate) fn with_topics(topics: &[&str]) -> Self {
        let cluster = MockCluster::new(BROKERS).expect("it starts");
        for topic in topics {
            cluster
                .create_topic(topic, PARTITIONS, 1)
                .expect("it has the topic");
        }
        Self(cluster)
    }

    /// Adds a topic. The brokers keep 5 MB of each partition.
    pub(crate) fn add_topic(&self, topic: &str, partitions: i32) {
        let added = self.0.create_topic(topic, partitions, 1);
        added.expect("it has the topic");
    }

    pub(crate) fn servers(&self) -> String {
        self.0.bootstrap_servers()
    }

    pub(crate) fn down(&self) {
        self.0.broker_down(1).expect("it goes");
    }

    pub(crate) fn up(&self) {
        self.0.broker_up(1).expect("it comes back");
    }

    /// Another member of a group, with its own client.
    pub(crate) fn member(&self, group: &str, topics: &[&str]) -> Arc<dyn Consumer> {
        let servers = self.servers();
        let properties = [
            ("kafka.bootstrap.servers", servers.as_str()),
            ("kafka.consumer.group.id", group),
            ("kafka.consumer.auto.offset.reset", "earliest"),
            ("kafka.consumer.session.timeout.ms", "6000"),
        ];
        let mut context = flume_core::Context::of("a1.sources.r9", &properties);
        let settings = ClientSettings::read(&mut context, Kind::Consumer, &[], &[]);
        let settings = settings.expect("they are read");
        let settings = settings.resolve(&NoStores).expect("they need no files");
        let topics: Vec<String> = topics.iter().map(|it| (*it).to_owned()).collect();
        let vitals = Vitals::default();
        let consumer = Librdkafka.consumer(&settings, &topics, &vitals);
        consumer.expect("it begins")
    }

    /// Writes records, each where it says.
    pub(crate) async fn write(&self, records: Vec<Record>) {
        let servers = self.servers();
        let properties = [("kafka.bootstrap.servers", servers.as_str())];
        let mut context = flume_core::Context::of("a1.sinks.k9", &properties);
        let settings = ClientSettings::read(&mut context, Kind::Producer, &[], &[]);
        let settings = settings.expect("they are read");
        let settings = settings.resolve(&NoStores).expect("they need no files");
        let vitals = Vitals::default();
        let producer = Librdkafka.producer(&settings, &vitals).expect("it begins");
        let acks = producer.send(records).await.expect("they are taken");
        assert_eq!(acks.await.expect("they are answered"), []);
    }

    /// So many records from the beginning, sorted by their places; more, if there are more.
    pub(crate) async fn read(&self, topics: &[&str], count: usize) -> Vec<Received> {
        let consumer = self.member("of the test", topics);
        let mut records = Vec::new();
        let until = clock::now() + Duration::from_secs(30);
        loop {
            // What is more than expected comes at once, too.
            let wait = match records.len() < count {
                true => Duration::from_secs(1),
                false => Duration::from_millis(200),
            };
            match consumer.poll(1000, wait).await.expect("it reads") {
                Polled::Records(more) if more.is_empty() && records.len() >= count => break,
                Polled::Records(more) => records.extend(more),
                Polled::Assigned(_) => {}
                Polled::Revoked { .. } => consumer.release().await,
            }
            assert!(clock::now() < until, "{} of {count}", records.len());
        }
        consumer.close().await;
        records.sort_by(|a, b| (&a.partition, a.offset).cmp(&(&b.partition, b.offset)));
        records
    }
}

impl Received {
    pub(crate) fn body(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }

    pub(crate) fn shown(&self) -> String {
        let key = self.key.as_deref().map(String::from_utf8_lossy);
        let key = key.map_or_else(String::new, |key| format!(" key={key}"));
        format!("{}{key} {}", self.partition.topic, self.body())
    }
}

/// No key stores.
#[derive(Debug)]
pub(crate) struct NoStores;

impl KeyStores for NoStores {
    fn trusted(&self, _: &str, _: Option<&str>, _: Option<&str>) -> Result<String, ComponentError> {
        Err(ComponentError::new("there are no key stores"))
    }

    fn identity(
        &self,
        _: &str,
        _: Option<&str>,
        _: Option<&str>,
        _: Option<&str>,
    ) -> Result<(String, String), ComponentError> {
        Err(ComponentError::new("there are no key stores"))
    }
}

/// What a component works with in tests.
pub(crate) fn surroundings() -> Surroundings {
    Surroundings {
        engine: Arc::new(Librdkafka),
        stores: Arc::new(NoStores),
    }
}
