//! librdkafka with nothing of an agent around it: it fills topics, counts what is in them, and is the
//! ceiling of agents that use the same library.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::lines::body;
use crate::cost;
use crate::run::Run;

/// How long brokers may take to answer, and records to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the writer waits when the library's queue is full.
const QUEUE_WAIT: Duration = Duration::from_millis(1);

/// Records that the writer hands over before it takes answers.
const BEFORE_ANSWERS: u64 = 1000;

/// What our agents tell the library, where it matters for speed.
const WRITING: [(&str, &str); 6] = [
    ("acks", "all"),
    ("enable.idempotence", "true"),
    ("linger.ms", "5"),
    ("max.in.flight.requests.per.connection", "5"),
    ("partitioner", "murmur2_random"),
    // The library's own limit is ten times this, and slower: such a queue is in no cache.
    ("queue.buffering.max.messages", "10000"),
];

/// The same for those that read.
const READING: [(&str, &str); 4] = [
    // Asked for, although a place to read from needs no group.
    ("group.id", "bench"),
    ("check.crcs", "true"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
];

/// A topic that exists.
pub struct Topic {
    brokers: String,
    name: String,
    partitions: i32,
    /// Asks for the ends of the partitions.
    asker: BaseConsumer,
    writer: BaseProducer,
    body: Vec<u8>,
}

/// How far a group is in a topic.
pub struct Group<'a> {
    topic: &'a Topic,
    /// It has the name of the group, and is not a member.
    asker: BaseConsumer,
}

impl Topic {
    /// A topic with so many partitions, for records of so many bytes.
    ///
    /// # Panics
    /// When the library does not take its settings.
    #[must_use]
    pub fn new(brokers: &str, name: &str, partitions: i32, size: usize) -> Self {
        let asker = client(brokers, &READING).create();
        let writer = client(brokers, &WRITING).create();
        Self {
            brokers: brokers.to_owned(),
            name: name.to_owned(),
            partitions,
            asker: asker.expect("a consumer"),
            writer: writer.expect("a producer"),
            body: body(size, 0),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many records have ever been in it.
    ///
    /// # Panics
    /// When the brokers do not answer.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.ends().iter().map(|end| end.unsigned_abs()).sum()
    }

    /// Where each partition ends.
    ///
    /// # Panics
    /// When the brokers do not answer.
    #[must_use]
    pub fn ends(&self) -> Vec<i64> {
        let end = |partition| {
            let marks = self.asker.fetch_watermarks(&self.name, partition, PATIENCE);
            marks.expect("the end of a partition").1
        };
        (0..self.partitions).map(end).collect()
    }

    /// Writes for some time, and at most so many records, until all are acknowledged.
    ///
    /// # Panics
    /// When the brokers do not take them.
    pub fn write(&self, time: Duration, most: u64) -> Run {
        let own = std::process::id();
        let (cpu, began) = (cost::cpu(own), Instant::now());
        let mut events = 0;
        while events < most && began.elapsed() < time {
            let some = BEFORE_ANSWERS.min(most - events);
            for _ in 0..some {
                self.hand_over();
            }
            events += some;
            self.writer.poll(Duration::ZERO);
        }
        self.writer.flush(PATIENCE).expect("answers to all records");
        Run {
            events,
            wall: began.elapsed(),
            cpu: cost::cpu(own) - cpu,
            ..Run::default()
        }
    }

    fn hand_over(&self) {
        let mut next = BaseRecord::<[u8], [u8]>::to(&self.name).payload(&self.body[..]);
        loop {
            match self.writer.send(next) {
                Ok(()) => return,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    next = back;
                    self.writer.poll(QUEUE_WAIT);
                }
                Err((error, _)) => panic!("a record is not taken: {error}"),
            }
        }
    }

    /// Reads so many records that follow `starts`, the offsets at which partitions are begun.
    ///
    /// # Panics
    /// When they do not come.
    pub fn read(&self, starts: &[i64], events: u64) -> Run {
        let own = std::process::id();
        let (cpu, began) = (cost::cpu(own), Instant::now());
        let reader = self.reader(starts);
        let (mut read, mut bytes) = (0, 0);
        while read < events {
            let record = reader.poll(PATIENCE).expect("a record in time");
            let record = record.expect("a record");
            bytes += record.payload().map_or(0, <[u8]>::len);
            read += 1;
        }
        assert_eq!(bytes as u64, events * self.body.len() as u64);
        Run {
            events: read,
            wall: began.elapsed(),
            cpu: cost::cpu(own) - cpu,
            ..Run::default()
        }
    }

    fn reader(&self, starts: &[i64]) -> BaseConsumer {
        let reader = client(&self.brokers, &READING).create();
        let reader: BaseConsumer = reader.expect("a consumer");
        let mut list = TopicPartitionList::new();
        for (number, start) in (0..).zip(starts) {
            list.add_partition_offset(&self.name, number, Offset::Offset(*start))
                .expect("an offset");
        }
        reader.assign(&list).expect("an assignment");
        reader
    }

    /// Writes for some time, and reads the same records meanwhile.
    ///
    /// # Panics
    /// When they are not taken, or do not come.
    pub fn write_and_read(&self, time: Duration) -> Run {
        let own = std::process::id();
        let starts = self.ends();
        let (cpu, began) = (cost::cpu(own), Instant::now());
        let events = thread::scope(|scope| {
            let writing = scope.spawn(|| self.write(time, u64::MAX).events);
            let reader = self.reader(&starts);
            let mut read = 0;
            while !writing.is_finished() {
                // A wait at its end costs less than a millisecond of the run.
                read += u64::from(reader.poll(QUEUE_WAIT).is_some());
            }
            let events = writing.join().expect("a writer");
            while read < events {
                let record = reader.poll(PATIENCE).expect("a record in time");
                record.expect("a record");
                read += 1;
            }
            events
        });
        Run {
            events,
            wall: began.elapsed(),
            cpu: cost::cpu(own) - cpu,
            ..Run::default()
        }
    }
}

impl<'a> Group<'a> {
    /// A group that reads this topic.
    ///
    /// # Panics
    /// When the library does not take its settings.
    #[must_use]
    pub fn of(topic: &'a Topic, name: &str) -> Self {
        let mut config = client(&topic.brokers, &READING);
        let asker = config.set("group.id", name).create();
        let asker = asker.expect("a consumer");
        Self { topic, asker }
    }

    /// How many records it has done with.
    ///
    /// # Panics
    /// When the brokers do not answer.
    #[must_use]
    pub fn committed(&self) -> u64 {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&self.topic.name, 0, self.topic.partitions - 1);
        let answer = self.asker.committed_offsets(list, PATIENCE);
        let answer = answer.expect("the offsets of a group");
        let offsets = answer.elements().into_iter().map(|one| match one.offset() {
            Offset::Offset(offset) => offset.unsigned_abs(),
            // Nothing of this partition is committed yet.
            _ => 0,
        });
        offsets.sum()
    }

    /// Waits until it has done with so many.
    ///
    /// # Panics
    /// When that does not come.
    pub fn await_committed(&self, records: u64) {
        let until = Instant::now() + PATIENCE * 4;
        while self.committed() < records {
            assert!(Instant::now() < until, "the group stands still");
            thread::sleep(Duration::from_millis(2));
        }
    }
}

fn client(brokers: &str, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config
}
