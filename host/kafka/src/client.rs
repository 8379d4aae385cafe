//! What is asked of a Kafka client, whichever library it is.
//!
//! The laws of a [`Producer`]: records of one partition are stored in the order in which they were
//! sent; each record has one answer. The laws of a [`Consumer`]: what it hands out belongs to a
//! partition that it has; a partition that is taken away stays its own until [`Consumer::release`];
//! it commits nothing by itself.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use bytestring::ByteString;
use tokio::sync::oneshot;

use crate::settings::Resolved;
use crate::vitals::Vitals;

/// Makes clients.
pub trait Engine: Send + Sync + fmt::Debug {
    /// A client that writes. It connects by itself, and again after each loss.
    ///
    /// # Errors
    /// The library does not accept the settings.
    fn producer(
        &self,
        settings: &Resolved,
        vitals: &Vitals,
    ) -> Result<Arc<dyn Producer>, ClientError>;

    /// A member of a group that reads these topics: names, and patterns that begin with `^`.
    ///
    /// # Errors
    /// The library does not accept the settings.
    fn consumer(
        &self,
        settings: &Resolved,
        topics: &[String],
        vitals: &Vitals,
    ) -> Result<Arc<dyn Consumer>, ClientError>;
}

/// A client that writes.
#[async_trait]
pub trait Producer: Send + Sync + fmt::Debug {
    /// Hands records over, in their order. It waits while the client's queue is full, and not for the
    /// brokers: for those waits what it returns.
    ///
    /// # Errors
    /// The client takes none, now or at all. None of the records was handed over.
    async fn send(&self, records: Vec<Record>) -> Result<Acks, ClientError>;

    /// Asks the brokers about a topic, whether it is there or not.
    ///
    /// # Errors
    /// None of them answers.
    async fn reach(&self, topic: &str) -> Result<(), ClientError>;

    /// Gives up what has no answer yet, and waits for nothing.
    fn purge(&self);

    /// Waits until every record has an answer, at most so long.
    async fn flush(&self, most: Duration);
}

/// A client that reads, as a member of a group.
#[async_trait]
pub trait Consumer: Send + Sync + fmt::Debug {
    /// What comes next: at most so many records, all that are there. Waits until there is something,
    /// at most so long. Two calls at once are a mistake.
    ///
    /// # Errors
    /// The group or the brokers refuse it. It may be called again, after a pause.
    async fn poll(&self, most: usize, wait: Duration) -> Result<Polled, ClientError>;

    /// Commits offsets: of each partition the first one that is still to be read.
    ///
    /// # Errors
    /// They are not committed. What is above the last commit comes again, here or at another member.
    async fn commit(&self, offsets: Vec<(Partition, i64)>) -> Result<(), ClientError>;

    /// Gives the partitions back that were [taken away](Polled::Revoked).
    async fn release(&self);

    /// Has nothing handed out (and nothing fetched) until it is switched off again. Partitions still
    /// come and go.
    fn pause(&self, on: bool) -> Result<(), ClientError>;

    /// Leaves the group. Nothing is asked of it after.
    async fn close(&self);
}

/// A record on its way to a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The topic.
    pub topic: ByteString,
    /// The partition; without one the key decides, or chance.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Bytes,
    /// Headers of Kafka.
    pub headers: Vec<(ByteString, Bytes)>,
    /// Milliseconds since 1970; without one it is the client's time.
    pub timestamp: Option<i64>,
}

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    /// The topic.
    pub topic: ByteString,
    /// Its number.
    pub number: i32,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.number)
    }
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Where it was.
    pub partition: Partition,
    /// Its place there.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Headers of Kafka.
    pub headers: Vec<(ByteString, Option<Bytes>)>,
}

/// What a consumer has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// Records; none if the wait was over.
    Records(Vec<Received>),
    /// These partitions are the consumer's from now on.
    Assigned(Vec<Partition>),
    /// These partitions go to another member, after [`Consumer::release`].
    Revoked {
        /// Which.
        partitions: Vec<Partition>,
        /// Whether they are another's already, so that nothing of them can be committed.
        lost: bool,
    },
}

/// A record that was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its place among those that were sent together.
    pub index: usize,
    /// Why.
    pub error: ClientError,
}

/// The answers for records that were sent together: those that were not stored, when all are
/// answered.
#[derive(Debug)]
pub struct Acks(oneshot::Receiver<Vec<Refused>>);

impl Acks {
    /// Answers that come from there.
    pub fn new(answers: oneshot::Receiver<Vec<Refused>>) -> Self {
        Self(answers)
    }
}

impl Future for Acks {
    type Output = Result<Vec<Refused>, ClientError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let answers = Pin::new(&mut self.0).poll(context);
        answers.map(|answers| answers.map_err(|_| ClientError::closed()))
    }
}

/// What a client could not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ClientError {
    /// Who is to blame.
    pub kind: ErrorKind,
    /// In the library's words.
    pub text: Arc<str>,
}

/// Who is to blame for an error of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// This record: too large, a time that cannot be.
    Record,
    /// The record's topic or partition is not there, or may not be written.
    Topic,
    /// A broker did not answer in time, or cannot be reached.
    Unreachable,
    /// A broker refused who asked: its name, password or certificate, or what it may do.
    Denied,
    /// The client cannot go on, and has to be made anew.
    Fatal,
    /// Anything else: the brokers, the group.
    Other,
}

impl ErrorKind {
    /// For metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Topic => "topic",
            Self::Unreachable => "unreachable",
            Self::Denied => "denied",
            Self::Fatal => "fatal",
            Self::Other => "other",
        }
    }
}

impl ClientError {
    /// An error.
    pub fn new(kind: ErrorKind, text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        Self { kind, text }
    }

    /// The client is closed.
    pub fn closed() -> Self {
        Self::new(ErrorKind::Other, "the client is closed")
    }
}
