//! Records in, and partitions that come and go.
//!
//! The library asks for an answer to each change of the partitions. It is not given in the library's
//! callback, but when the reader has heard of the change and ended what it had begun:
//!
//! ```text
//! callback ─▶ changes ─▶ poll: Assigned                      (taken over at once)
//!                     └▶ poll: Revoked ─▶ reader commits ─▶ release (given back)
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use flume_core::clock;
use futures_util::{FutureExt, StreamExt};
use parking_lot::Mutex;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{
    BaseConsumer, CommitMode, Consumer as _, ConsumerContext, MessageStream, RebalanceProtocol,
    StreamConsumer,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, ClientContext, Offset, Statistics, TopicPartitionList};
use tokio::sync::Notify;

use super::errors::said;
use super::reports::Reports;
use crate::client::{ClientError, Consumer, ErrorKind, Partition, Polled, Received};

/// Bodies of records share pieces of memory of this size.
const CHUNK: usize = 64 << 10;

/// A poll ends when it has records of so many bytes.
const MOST_BYTES: usize = 16 << 20;

/// Records for which there is room in a list from its beginning on.
const USUAL: usize = 1000;

/// A member of a group.
pub(super) struct Member {
    /// `None` once it is closed.
    inner: Mutex<Option<Arc<StreamConsumer<Changes>>>>,
    /// What is to be given back.
    revoked: Mutex<Option<TopicPartitionList>>,
    is_paused: AtomicBool,
    /// The last error, which waits until all that is in the library's queue is handed out. While
    /// brokers are away it queues an error for each attempt to connect: with a pause after each of
    /// them, what comes behind them would be heard of minutes late.
    failure: Mutex<Option<ClientError>>,
    memory: Mutex<Memory>,
}

impl Member {
    pub(super) fn new(
        config: &ClientConfig,
        topics: &[String],
        reports: Reports,
    ) -> Result<Self, ClientError> {
        let failed = |error: KafkaError| said(&error);
        let changes = Changes::new(reports);
        let inner: StreamConsumer<Changes> = config.create_with_context(changes).map_err(failed)?;
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        inner.subscribe(&topics).map_err(failed)?;
        Ok(Self {
            inner: Mutex::new(Some(Arc::new(inner))),
            revoked: Mutex::default(),
            is_paused: AtomicBool::new(false),
            failure: Mutex::default(),
            memory: Mutex::default(),
        })
    }

    fn inner(&self) -> Result<Arc<StreamConsumer<Changes>>, ClientError> {
        self.inner.lock().clone().ok_or_else(ClientError::closed)
    }

    /// Takes the next change over.
    fn change(&self, inner: &StreamConsumer<Changes>) -> Result<Option<Polled>, ClientError> {
        let Some(change) = inner.context().queue.lock().pop_front() else {
            return Ok(None);
        };
        let failed = |error: KafkaError| said(&error);
        match change {
            Change::Assigned(list) => {
                let done = match inner.rebalance_protocol() {
                    RebalanceProtocol::Cooperative => inner.incremental_assign(&list),
                    _ => inner.assign(&list),
                };
                done.map_err(failed)?;
                if self.is_paused.load(SeqCst) {
                    inner.pause(&list).map_err(failed)?;
                }
                Ok(Some(Polled::Assigned(partitions(&list))))
            }
            Change::Revoked { list, lost } => {
                let partitions = partitions(&list);
                *self.revoked.lock() = Some(list);
                Ok(Some(Polled::Revoked { partitions, lost }))
            }
        }
    }

    /// An error waits until there are no records before it.
    fn failed(&self, inner: &StreamConsumer<Changes>, error: &KafkaError) {
        inner.context().reports.failed(error, "reading");
        *self.failure.lock() = Some(said(error));
    }

    /// Keeps a record and those behind it that are here already. One look at the locks is enough for
    /// all of them.
    fn keep(
        &self,
        inner: &StreamConsumer<Changes>,
        stream: &mut MessageStream<'_, Changes>,
        first: &BorrowedMessage<'_>,
        most: usize,
    ) -> Polled {
        let mut memory = self.memory.lock();
        let mut records = Vec::with_capacity(most.min(USUAL));
        let mut bytes = first.payload_len() + first.key_len();
        records.push(memory.keep(first));
        self.is_back();
        // Behind a change that is not heard of yet, nothing is handed out.
        while records.len() < most && bytes < MOST_BYTES && !inner.context().is_waiting() {
            match stream.next().now_or_never().flatten() {
                Some(Ok(message)) => {
                    bytes += message.payload_len() + message.key_len();
                    records.push(memory.keep(&message));
                }
                Some(Err(error)) => {
                    self.failed(inner, &error);
                    break;
                }
                None => break,
            }
        }
        Polled::Records(records)
    }

    /// A record shows that the brokers are back.
    fn is_back(&self) {
        let mut failure = self.failure.lock();
        failure.take_if(|failure| failure.kind == ErrorKind::Unreachable);
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").finish_non_exhaustive()
    }
}

#[async_trait]
impl Consumer for Member {
    async fn poll(&self, most: usize, wait: Duration) -> Result<Polled, ClientError> {
        let inner = self.inner()?;
        let until = clock::now() + wait;
        let mut stream = inner.stream();
        loop {
            if let Some(change) = self.change(&inner)? {
                return Ok(change);
            }
            let next = match stream.next().now_or_never().flatten() {
                Some(next) => Some(next),
                None => {
                    if let Some(failure) = self.failure.lock().take() {
                        return Err(failure);
                    }
                    let changed = inner.context().changed.notified();
                    tokio::select! {
                        next = stream.next() => next,
                        () = changed => continue,
                        () = clock::sleep_until(until) => None,
                    }
                }
            };
            match next {
                Some(Ok(first)) => return Ok(self.keep(&inner, &mut stream, &first, most)),
                Some(Err(error)) => self.failed(&inner, &error),
                None => return Ok(Polled::Records(Vec::new())),
            }
        }
    }

    async fn commit(&self, offsets: Vec<(Partition, i64)>) -> Result<(), ClientError> {
        let inner = self.inner()?;
        let committing = tokio::task::spawn_blocking(move || {
            let mut list = TopicPartitionList::with_capacity(offsets.len());
            for (partition, offset) in offsets {
                let offset = Offset::Offset(offset);
                list.add_partition_offset(&partition.topic, partition.number, offset)?;
            }
            inner.commit(&list, CommitMode::Sync)
        });
        let committed = committing.await;
        let committed = committed.map_err(|_| ClientError::closed())?;
        committed.map_err(|error| said(&error))
    }

    async fn release(&self) {
        let (Ok(inner), Some(list)) = (self.inner(), self.revoked.lock().take()) else {
            return;
        };
        if let Err(error) = unassign(&*inner, &list) {
            inner
                .context()
                .reports
                .failed(&error, "giving partitions back");
        }
    }

    fn pause(&self, on: bool) -> Result<(), ClientError> {
        let inner = self.inner()?;
        self.is_paused.store(on, SeqCst);
        let mine = inner.assignment();
        let done = mine.and_then(|mine| match on {
            true => inner.pause(&mine),
            false => inner.resume(&mine),
        });
        done.map_err(|error| said(&error))
    }

    async fn close(&self) {
        let Some(inner) = self.inner.lock().take() else {
            return;
        };
        // Leaving the group takes a moment, and the library waits for its threads.
        let closing = tokio::task::spawn_blocking(move || leave(inner));
        closing.await.ok();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let Some(inner) = self.inner.lock().take() else {
            return;
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || leave(inner))),
            Err(_) => leave(inner),
        }
    }
}

/// Has the library give everything back by itself.
fn leave(inner: Arc<StreamConsumer<Changes>>) {
    let context = inner.context();
    context.is_closing.store(true, SeqCst);
    let waiting: Vec<Change> = context.queue.lock().drain(..).collect();
    if !waiting.is_empty()
        && let Err(error) = inner.unassign()
    {
        context.reports.failed(&error, "leaving the group");
    }
    drop(inner);
}

fn unassign<M: rdkafka::consumer::Consumer<Changes>>(
    consumer: &M,
    list: &TopicPartitionList,
) -> Result<(), KafkaError> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        _ => consumer.unassign(),
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<Partition> {
    let each = list.elements().into_iter().map(|one| Partition {
        topic: one.topic().into(),
        number: one.partition(),
    });
    each.collect()
}

/// Where what was read is kept: many bodies in one piece of memory, and a topic's name once.
#[derive(Default)]
struct Memory {
    chunk: BytesMut,
    topic: ByteString,
}

impl Memory {
    fn keep(&mut self, message: &BorrowedMessage<'_>) -> Received {
        let value = message.payload().map(|value| self.copy(value));
        let key = message.key().map(|key| self.copy(key));
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            let each = headers.iter().map(|header| {
                let value = header.value.map(|value| self.copy(value));
                (ByteString::from(header.key), value)
            });
            each.collect()
        });
        Received {
            partition: Partition {
                topic: self.topic(message.topic()),
                number: message.partition(),
            },
            offset: message.offset(),
            timestamp: message.timestamp().to_millis(),
            key,
            value,
            headers,
        }
    }

    fn copy(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.len() >= CHUNK / 4 {
            return Bytes::copy_from_slice(bytes);
        }
        if self.chunk.capacity() < bytes.len() {
            self.chunk = BytesMut::with_capacity(CHUNK);
        }
        self.chunk.extend_from_slice(bytes);
        self.chunk.split().freeze()
    }

    fn topic(&mut self, name: &str) -> ByteString {
        if self.topic != name {
            self.topic = name.into();
        }
        self.topic.clone()
    }
}

/// A change of the partitions.
enum Change {
    Assigned(TopicPartitionList),
    Revoked {
        list: TopicPartitionList,
        lost: bool,
    },
}

/// Takes what the library says of the group.
struct Changes {
    reports: Reports,
    queue: Mutex<VecDeque<Change>>,
    changed: Notify,
    is_closing: AtomicBool,
}

impl Changes {
    fn new(reports: Reports) -> Self {
        Self {
            reports,
            queue: Mutex::default(),
            changed: Notify::new(),
            is_closing: AtomicBool::new(false),
        }
    }

    fn is_waiting(&self) -> bool {
        !self.queue.lock().is_empty()
    }

    fn push(&self, change: Change) {
        self.queue.lock().push_back(change);
        self.changed.notify_one();
    }
}

impl ClientContext for Changes {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.reports.log(level, facility, text);
    }

    fn stats(&self, statistics: Statistics) {
        self.reports.stats(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reports.error(error, reason);
    }
}

impl ConsumerContext for Changes {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let is_closing = self.is_closing.load(SeqCst);
        let done = match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS if !is_closing => {
                self.push(Change::Assigned(list.clone()));
                return;
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS if !is_closing => {
                let lost = consumer.assignment_lost();
                let list = list.clone();
                self.push(Change::Revoked { list, lost });
                return;
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => unassign(consumer, list),
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => consumer.unassign(),
            other => {
                let code = RDKafkaErrorCode::from(other);
                self.reports
                    .failed(&KafkaError::Rebalance(code), "dividing the partitions");
                consumer.unassign()
            }
        };
        if let Err(error) = done {
            self.reports.failed(&error, "giving partitions back");
        }
    }
}
