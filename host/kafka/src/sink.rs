//! The kafka sink: each event becomes a record of a topic.
//!
//! The law: a batch is delivered when the brokers have acknowledged every record of it. What Kafka
//! refuses for its own sake (too large, a partition that is not there) is the fault of its event: the
//! others of the batch are delivered, and not sent again.
//!
//! Several batches may be under way (`max-in-flight`). If the place fails, the client gives up what it
//! still has; a record of which it does not know whether it was stored is sent again with its batch,
//! so it may be there twice.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flume_core::clock::{self, Instant};
use flume_core::{
    Blame, ByHeader, ClientCounter, ComponentError, Event, EventDeliveryError, Pipeline, Recipe,
    Sink, SinkCounter, SinkMode,
};
use futures_util::FutureExt;

use self::keys::Keys;
use crate::Surroundings;
use crate::client::{Acks, ClientError, ErrorKind, Producer, Record, Refused};
use crate::patience::answers;
use crate::record::{self, Values};
use crate::vitals::Vitals;

mod keys;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["kafka", "org.apache.flume.sink.kafka.KafkaSink"];

/// What the log and the processors see, in Flume's wording.
const FAILED: &str = "Failed to publish events";

/// How long the end of the sink waits for records that are under way.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Writes events to topics.
pub struct KafkaSink {
    keys: Keys,
    around: Surroundings,
    producer: Option<Arc<dyn Producer>>,
    under_way: VecDeque<UnderWay>,
    vitals: Vitals,
    counters: Arc<SinkCounter>,
}

/// A batch without an answer.
struct UnderWay {
    acks: Acks,
    sent: Instant,
    /// The answers, if they are there before their turn.
    answered: Option<Result<Vec<Refused>, ClientError>>,
    /// Of each event, whether it chose its place.
    own: Vec<bool>,
}

/// Reads the keys of a kafka sink.
pub fn configure(
    context: &mut flume_core::Context,
    around: &Surroundings,
) -> Option<Recipe<dyn Sink>> {
    let keys = Keys::read(context)?;
    let around = around.clone();
    Some(Recipe::<dyn Sink>::new(keys, move |keys| {
        Box::new(KafkaSink {
            vitals: Vitals::default(),
            keys: keys.clone(),
            around: around.clone(),
            producer: None,
            under_way: VecDeque::new(),
            counters: Arc::default(),
        })
    }))
}

impl KafkaSink {
    fn producer(&mut self) -> Result<Arc<dyn Producer>, EventDeliveryError> {
        if let Some(producer) = &self.producer {
            return Ok(Arc::clone(producer));
        }
        self.begin().map_err(|error| {
            self.counters.connection_failed.increment();
            EventDeliveryError::caused_by(FAILED, error)
        })
    }

    /// Makes the client.
    fn begin(&mut self) -> Result<Arc<dyn Producer>, ComponentError> {
        let settings = self.keys.client.resolve(&*self.around.stores)?;
        let made = self.around.engine.producer(&settings, &self.vitals);
        let failed = |error| ComponentError::caused_by("no client of Kafka", error);
        let producer = made.map_err(failed)?;
        self.counters.connection_created.increment();
        Ok(Arc::clone(self.producer.insert(producer)))
    }

    /// The records of a batch, and of each event whether it chose its place.
    fn records(&self, batch: &[Event]) -> Result<(Vec<Record>, Vec<bool>), EventDeliveryError> {
        let mut values = Values::of(batch, self.keys.is_flume);
        let mut records = Vec::with_capacity(batch.len());
        let mut own = Vec::with_capacity(batch.len());
        let (mut bad, mut why) = (Vec::new(), None);
        for (at, event) in batch.iter().enumerate() {
            match self.record(event, &mut values) {
                Ok((record, is_own)) => {
                    records.push(record);
                    own.push(is_own);
                }
                Err(reason) => {
                    bad.push(at);
                    why.get_or_insert(reason);
                }
            }
        }
        match why {
            None => Ok((records, own)),
            Some(reason) => {
                let error = EventDeliveryError::caused_by(FAILED, ComponentError::new(reason));
                Err(error.blaming(Blame::Events(bad)))
            }
        }
    }

    fn record(&self, event: &Event, values: &mut Values) -> Result<(Record, bool), String> {
        let place = self.keys.place.of(event)?;
        let is_own = place.is_own;
        let record = Record {
            headers: self.keys.headers.out(event),
            timestamp: self.keys.timestamp(event)?,
            ..record::at(place, event, values)?
        };
        Ok((record, is_own))
    }

    async fn try_send(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        let (records, own) = self.records(batch)?;
        let sent = self.producer()?.send(records).await;
        match sent {
            Ok(acks) => {
                let (answered, sent) = (None, clock::now());
                self.under_way.push_back(UnderWay {
                    acks,
                    sent,
                    answered,
                    own,
                });
                Ok(())
            }
            Err(error) => Err(self.place_failed(&error)),
        }
    }

    /// Waits for the answers to the oldest batch, and takes those to others that are there.
    async fn try_settle(&mut self) -> Result<usize, EventDeliveryError> {
        let mut delivered = 0;
        while let Some(oldest) = self.under_way.front_mut() {
            if oldest.answered.is_none() {
                // Kept before anything else is awaited, since this may be dropped.
                let numbers = &self.vitals.numbers;
                let answer = match delivered {
                    0 => Some(answers(&mut oldest.acks, numbers, oldest.sent).await),
                    _ => (&mut oldest.acks).now_or_never(),
                };
                oldest.answered = answer;
            }
            match &oldest.answered {
                None => break,
                Some(Ok(refused)) if refused.is_empty() => {
                    self.under_way.pop_front();
                    delivered += 1;
                }
                // What is delivered is said first.
                Some(_) if delivered > 0 => break,
                Some(_) => return Err(self.refused()),
            }
        }
        Ok(delivered)
    }

    /// The answer to the oldest batch was no.
    fn refused(&mut self) -> EventDeliveryError {
        let Some(oldest) = self.under_way.pop_front() else {
            return EventDeliveryError::new(FAILED);
        };
        let refused = match oldest.answered {
            Some(Ok(refused)) => refused,
            Some(Err(error)) => return self.place_failed(&error),
            None => return self.place_failed(&ClientError::closed()),
        };
        let is_own = |index: usize| oldest.own.get(index).copied().unwrap_or_default();
        let of_place = refused.iter().find(|it| match it.error.kind {
            ErrorKind::Record => false,
            ErrorKind::Topic => !is_own(it.index),
            _ => true,
        });
        if let Some(of_place) = of_place {
            return self.place_failed(&of_place.error.clone());
        }
        let places = refused.iter().map(|it| it.index).collect();
        let first = refused.into_iter().next().map(|it| it.error);
        let error = first.unwrap_or_else(ClientError::closed);
        EventDeliveryError::caused_by(FAILED, error).blaming(Blame::Refused(places))
    }

    /// Everything under way counts as not delivered.
    fn place_failed(&mut self, error: &ClientError) -> EventDeliveryError {
        self.under_way.clear();
        if error.kind == ErrorKind::Fatal {
            // The next batch has a new client.
            self.producer = None;
            self.counters.connection_closed.increment();
        } else if let Some(producer) = &self.producer {
            producer.purge();
        }
        EventDeliveryError::caused_by(FAILED, error.clone())
    }
}

impl fmt::Debug for KafkaSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSink")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Sink for KafkaSink {
    fn batch_size(&self) -> usize {
        self.keys.batch_size
    }

    fn chosen_by(&self) -> Option<ByHeader> {
        Some(ByHeader {
            cluster: self.keys.client.servers(),
            header: self.keys.place.topic_header.clone()?,
        })
    }

    async fn start(&mut self, counters: &Arc<SinkCounter>) -> Result<(), ComponentError> {
        self.counters = Arc::clone(counters);
        let numbers = counters.client.get_or_init(ClientCounter::default);
        self.vitals = Vitals::of(&self.keys.name, numbers);
        self.begin()?;
        Ok(())
    }

    async fn connect(&mut self) -> Result<(), EventDeliveryError> {
        let producer = self.producer()?;
        let Some(topic) = self.keys.place.topic.fixed() else {
            return Ok(());
        };
        let reached = producer.reach(topic).await;
        reached.map_err(|error| self.place_failed(&error))
    }

    async fn deliver(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        self.try_send(batch).await?;
        while !self.under_way.is_empty() {
            self.try_settle().await?;
        }
        Ok(())
    }

    fn into_mode(self: Box<Self>) -> SinkMode {
        SinkMode::Pipelined(self)
    }

    async fn stop(&mut self) {
        self.under_way.clear();
        if let Some(producer) = self.producer.take() {
            producer.flush(LAST_WAIT).await;
            self.counters.connection_closed.increment();
        }
    }
}

#[async_trait]
impl Pipeline for KafkaSink {
    fn window(&self) -> usize {
        self.keys.max_in_flight
    }

    async fn send(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        self.try_send(batch).await
    }

    async fn settle(&mut self) -> Result<usize, EventDeliveryError> {
        self.try_settle().await
    }
}

#[cfg(test)]
mod tests;
