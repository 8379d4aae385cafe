//! Records out: each batch is a count of answers that are missing, and the answers come in a thread of
//! the library.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel};
use std::time::Duration;

use async_trait::async_trait;
use flume_core::{ClientCounter, clock};
use parking_lot::Mutex;
use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::Statistics;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer,
};
use tokio::sync::oneshot;

use super::errors::said;
use super::reports::Reports;
use crate::client::{Acks, ClientError, ErrorKind, Producer, Record, Refused};

/// The pause when the library's queue is full.
const QUEUE_PAUSE: Duration = Duration::from_millis(2);

/// How long brokers may take to say what a topic is.
const METADATA_WAIT: Duration = Duration::from_secs(10);

/// A client that writes.
pub(super) struct Writer {
    /// `None` only while it is dropped.
    inner: Option<Arc<ThreadedProducer<Answers>>>,
}

impl Writer {
    pub(super) fn new(config: &ClientConfig, reports: Reports) -> Result<Self, ClientError> {
        let inner = ThreadedProducer::from_config_and_context(config, Answers(reports));
        let inner = Arc::new(inner.map_err(|error| said(&error))?);
        Ok(Self { inner: Some(inner) })
    }

    fn inner(&self) -> Result<&Arc<ThreadedProducer<Answers>>, ClientError> {
        self.inner.as_ref().ok_or_else(ClientError::closed)
    }
}

/// What keeps the client from ever sending again.
fn fatal(inner: &ThreadedProducer<Answers>) -> Result<(), ClientError> {
    match inner.client().fatal_error() {
        Some((_, text)) => Err(ClientError::new(ErrorKind::Fatal, text)),
        None => Ok(()),
    }
}

/// Hands a record over, once there is room for it.
async fn hand_over(inner: &ThreadedProducer<Answers>, record: &Record, waiting: Box<Waiting>) {
    let mut next = base(record, waiting);
    loop {
        match inner.send(next) {
            Ok(()) => return,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                next = back;
                clock::sleep_until(clock::now() + QUEUE_PAUSE).await;
            }
            Err((error, back)) => {
                return back.delivery_opaque.answer(Err(said(&error)));
            }
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

#[async_trait]
impl Producer for Writer {
    async fn send(&self, records: Vec<Record>) -> Result<Acks, ClientError> {
        let inner = self.inner()?;
        fatal(inner)?;
        let (tell, told) = oneshot::channel();
        let batch = Arc::new(Batch {
            left: AtomicUsize::new(records.len()),
            refused: Mutex::default(),
            tell: Mutex::new(Some(tell)),
        });
        let vitals = inner.context().0.vitals();
        vitals.numbers.sent(records.len());
        if records.is_empty() {
            batch.end();
        }
        for (index, record) in records.iter().enumerate() {
            let batch = Arc::clone(&batch);
            let numbers = vitals.numbers.clone();
            let waiting = Box::new(Waiting {
                batch,
                numbers,
                index,
            });
            hand_over(inner, record, waiting).await;
        }
        Ok(Acks::new(told))
    }

    async fn reach(&self, topic: &str) -> Result<(), ClientError> {
        let (inner, topic) = (Arc::clone(self.inner()?), topic.to_owned());
        let asked = tokio::task::spawn_blocking(move || {
            let known = inner.client().fetch_metadata(Some(&topic), METADATA_WAIT);
            known.map(drop).map_err(|error| said(&error))
        });
        asked.await.unwrap_or_else(|_| Err(ClientError::closed()))
    }

    fn purge(&self) {
        if let Ok(inner) = self.inner() {
            inner.purge(PurgeConfig::default().queue().inflight());
        }
    }

    async fn flush(&self, most: Duration) {
        let Ok(inner) = self.inner() else { return };
        let inner = Arc::clone(inner);
        // What is not answered then is said by its own answer.
        let flushed = tokio::task::spawn_blocking(move || inner.flush(most).is_ok());
        flushed.await.ok();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The last owner waits for the library's threads, which no task may do.
        let inner = self.inner.take();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(inner))),
            Err(_) => drop(inner),
        }
    }
}

/// A record as the library takes it.
fn base(record: &Record, waiting: Box<Waiting>) -> BaseRecord<'_, [u8], [u8], Box<Waiting>> {
    let mut base = BaseRecord::with_opaque_to(&record.topic, waiting).payload(&record.value[..]);
    if let Some(key) = &record.key {
        base = base.key(&key[..]);
    }
    if let Some(partition) = record.partition {
        base = base.partition(partition);
    }
    if let Some(timestamp) = record.timestamp {
        base = base.timestamp(timestamp);
    }
    if !record.headers.is_empty() {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in &record.headers {
            let value = Some(&value[..]);
            headers = headers.insert(Header { key, value });
        }
        base = base.headers(headers);
    }
    base
}

/// A record that has no answer yet.
struct Waiting {
    batch: Arc<Batch>,
    numbers: ClientCounter,
    index: usize,
}

impl Waiting {
    fn answer(self, answer: Result<(), ClientError>) {
        self.numbers.answered();
        if let Err(error) = answer {
            self.numbers.failed(error.kind.name(), &error.text);
            let index = self.index;
            self.batch.refused.lock().push(Refused { index, error });
        }
        if self.batch.left.fetch_sub(1, AcqRel) == 1 {
            self.batch.end();
        }
    }
}

/// Records that were sent together.
struct Batch {
    left: AtomicUsize,
    refused: Mutex<Vec<Refused>>,
    tell: Mutex<Option<oneshot::Sender<Vec<Refused>>>>,
}

impl Batch {
    /// Every record has its answer.
    fn end(&self) {
        let mut refused = std::mem::take(&mut *self.refused.lock());
        refused.sort_by_key(|refused| refused.index);
        if let Some(tell) = self.tell.lock().take() {
            // Nobody may wait for it any more.
            tell.send(refused).ok();
        }
    }
}

/// Takes the answers of the brokers.
struct Answers(Reports);

impl ClientContext for Answers {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.0.log(level, facility, text);
    }

    fn stats(&self, statistics: Statistics) {
        self.0.stats(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for Answers {
    type DeliveryOpaque = Box<Waiting>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Box<Waiting>) {
        let answer = result.as_ref().map(drop);
        waiting.answer(answer.map_err(|(error, _)| said(error)));
    }
}
