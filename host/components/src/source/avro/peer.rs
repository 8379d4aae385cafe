//! One client of an avro source.
//!
//! ```text
//! read -> requests, one after the other: events -> channels -> answer -> … -> one write -> read
//! ```
//!
//! The laws: a body is not copied between the socket and the channel, unless it is a small part of
//! what it came in (`rpc/copies.rs`); the answers to all requests
//! of one read leave in one write, unless a channel makes the next one wait; an idle connection
//! keeps [`SMALL`] bytes.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use flume_avro::{
    ConnectionError, DecodeError, KnownClients, Method, ReplyStatus, Response, RpcCall, RpcLimits,
    Server, ServerStep,
};
use flume_core::channel_processor::ProcessError;
use flume_core::{ChannelError, Event, SourceContext};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::budget::{Budget, Exhausted, PendingBytes};
use crate::net::complaint::{Complaint, Refusals};
use crate::net::idle::waited;
use crate::net::stream::Stream;
use crate::rpc::batch;

/// Read buffer of a connection that is idle or slow.
const SMALL: usize = 4 * 1024;
/// Read buffer of a busy one.
const LARGE: usize = 256 * 1024;
/// A connection that is silent for this long gives its large buffer back.
const IDLE: Duration = Duration::from_secs(1);
/// Answers collected before they are written, whatever is still to be answered.
const MOST_OUTPUT: usize = 64 * 1024;
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_millis(500);
/// The most events that room is made for at once; more is made as they are read.
const MOST_EXPECTED: usize = 4096;

/// What the connections of a source have in common.
#[derive(Debug)]
pub(super) struct PeerContext {
    pub(super) name: String,
    pub(super) context: SourceContext,
    pub(super) limits: RpcLimits,
    pub(super) budget: Budget,
    /// How long a client may be silent, or not read its answers.
    pub(super) idle_timeout: Option<Duration>,
    pub(super) known: KnownClients,
    pub(super) complaints: Complaints,
}

/// What clients can make a source log, each line at a limited rate.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    foreign: Complaint,
    exhausted: Complaint,
    refused: Refusals,
}

/// Serves a connection to its end.
pub(super) async fn serve(shared: &PeerContext, stream: Stream, peer: SocketAddr) {
    if let Err(error) = Peer::new(shared, stream).run().await {
        shared.context.counters.event_read_fail.increment();
        let complaint = match error {
            PeerError::Exhausted(_) => &shared.complaints.exhausted,
            _ => &shared.complaints.foreign,
        };
        if let Some(left_out) = complaint.admit() {
            tracing::warn!(source = shared.name, %peer, %error, left_out, "connection closed");
        }
    }
}

/// Why a connection ends before its time.
#[derive(Debug, thiserror::Error)]
enum PeerError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Protocol(#[from] ConnectionError),
    #[error("{0}")]
    Foreign(flume_avro::Foreign),
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

/// The conversation.
struct Peer<'a> {
    shared: &'a PeerContext,
    stream: Stream,
    server: Server,
    input: BytesMut,
    output: BytesMut,
    /// The bytes of requests that are not in the channels yet.
    pending: PendingBytes<'a>,
    /// How much the next read may take.
    chunk: usize,
    /// Events in the last batch: the next one probably has as many.
    expected: usize,
}

impl<'a> Peer<'a> {
    fn new(shared: &'a PeerContext, stream: Stream) -> Self {
        Self {
            shared,
            stream,
            server: Server::new(shared.limits, shared.known.clone()),
            input: BytesMut::new(),
            output: BytesMut::new(),
            pending: shared.budget.share(),
            chunk: SMALL,
            expected: 0,
        }
    }

    async fn run(mut self) -> Result<(), PeerError> {
        let stop = self.shared.context.stop.clone();
        let mut stopped = pin!(stop.cancelled());
        loop {
            let answered = self.answer_all().await;
            self.pending.hold(self.input.len())?;
            self.flush().await?;
            answered?;
            let idle = waited(self.shared.idle_timeout);
            let count = tokio::select! {
                biased;
                () = &mut stopped => break,
                count = self.read() => count?,
                () = idle => break,
            };
            self.pending.hold(self.input.len())?;
            if count == 0 {
                if let Some(foreign) = self.server.foreign(&self.input) {
                    return Err(PeerError::Foreign(foreign));
                }
                break;
            }
        }
        match timeout(FAREWELL, self.stream.shutdown()).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(error)) => tracing::debug!(%error, "connection was closed already"),
        }
        Ok(())
    }

    /// Answers every request that has arrived in full.
    async fn answer_all(&mut self) -> Result<(), PeerError> {
        loop {
            match self.server.poll(&mut self.input, &mut self.output)? {
                ServerStep::Wait => return Ok(()),
                ServerStep::Answered => {}
                ServerStep::Call(call) => self.answer(call).await?,
            }
            if self.output.len() >= MOST_OUTPUT {
                self.flush().await?;
            }
        }
    }

    async fn answer(&mut self, call: RpcCall) -> Result<(), PeerError> {
        let shared = self.shared;
        let counters = &shared.context.counters;
        let (serial, method) = (call.serial, call.method);
        let response = match self.events(call) {
            Ok(events) => {
                let count = events.len();
                counters.event_received.add(count);
                match method {
                    Method::Append => counters.append_received.increment(),
                    Method::AppendBatch => counters.append_batch_received.increment(),
                }
                let put = self.put(events).await?;
                respond(shared, method, count, put)
            }
            Err(error) => {
                counters.event_read_fail.increment();
                Response::SystemError(error.to_string())
            }
        };
        self.server.respond(serial, &response, &mut self.output);
        Ok(())
    }

    fn events(&mut self, call: RpcCall) -> Result<Vec<Event>, DecodeError> {
        let events = batch::read(call, self.expected)?;
        self.expected = events.len().min(MOST_EXPECTED);
        Ok(events)
    }

    /// Puts the events into the channels. If that takes a while, the answers before it do not wait.
    async fn put(&mut self, events: Vec<Event>) -> Result<Result<(), ProcessError>, PeerError> {
        let shared = self.shared;
        let mut put = pin!(shared.context.channels.process_batch(events));
        let at_once = poll_fn(|cx| Poll::Ready(put.as_mut().poll(cx))).await;
        if let Poll::Ready(put) = at_once {
            return Ok(put);
        }
        // At the same time: a peer that does not read must not keep room reserved in a channel.
        let (flushed, put) = tokio::join!(self.flush(), put);
        flushed?;
        Ok(put)
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.output.is_empty() {
            let idle = waited(self.shared.idle_timeout);
            let written = async {
                self.stream.write_all(&self.output).await?;
                self.stream.flush().await
            };
            tokio::select! {
                biased;
                written = written => written?,
                () = idle => return Err(io::Error::new(io::ErrorKind::TimedOut, "answers not taken")),
            }
            self.output.clear();
        }
        Ok(())
    }

    /// Reads more of the input; 0 at its end.
    async fn read(&mut self) -> io::Result<usize> {
        loop {
            let spare = self.input.capacity().saturating_sub(self.input.len());
            if spare < self.chunk / 4 {
                self.input.reserve(self.chunk);
            }
            if !self.input.is_empty() || self.chunk == SMALL {
                let read = self.stream.read_buf(&mut self.input).await?;
                return self.noted(read);
            }
            match timeout(IDLE, self.stream.read_buf(&mut self.input)).await {
                Ok(read) => return self.noted(read?),
                Err(_) => {
                    self.chunk = SMALL;
                    self.input = BytesMut::new();
                    self.output = BytesMut::new();
                }
            }
        }
    }

    /// Reads that fill the buffer make the next one larger.
    fn noted(&mut self, read: usize) -> io::Result<usize> {
        if self.input.len() == self.input.capacity() || read >= self.chunk {
            self.chunk = (self.chunk * 2).min(LARGE);
        }
        Ok(read)
    }
}

/// The answer to a request, with what Flume counts and logs about it.
fn respond(
    shared: &PeerContext,
    method: Method,
    count: usize,
    put: Result<(), ProcessError>,
) -> Response {
    let counters = &shared.context.counters;
    let error = match put {
        Ok(()) => {
            counters.event_accepted.add(count);
            match method {
                Method::Append => counters.append_accepted.increment(),
                Method::AppendBatch => counters.append_batch_accepted.increment(),
            }
            return Response::Status(ReplyStatus::Ok);
        }
        Err(error) => error,
    };
    let refused = match &error {
        ProcessError::Channel { error, .. } => {
            counters.channel_write_fail.increment();
            Some(error)
        }
        ProcessError::Interceptor(_) => {
            counters.generic_processing_fail.increment();
            None
        }
    };
    complain(shared, count, refused, &error);
    match (method, refused) {
        // As in Flume, where only channels have a status for it. But an interceptor that rests is as
        // little the event's fault as a channel without room, and its sender must be able to tell.
        (Method::Append, None) if !error.is_transient() => Response::SystemError(error.to_string()),
        _ => Response::Status(ReplyStatus::Failed),
    }
}

fn complain(
    shared: &PeerContext,
    events: usize,
    refused: Option<&ChannelError>,
    error: &ProcessError,
) {
    let Some(left_out) = shared.complaints.refused.admit(error) else {
        return;
    };
    let (source, (_, by)) = (shared.name.as_str(), error.cause());
    if let Some(ChannelError::PutListFull { capacity, .. }) = refused {
        tracing::error!(
            source,
            by,
            left_out,
            "a batch of {events} events can never be stored: the `transactionCapacity` of channel \
             {by} is {capacity}; raise it to {events} or lower the `batch-size` of the sender to \
             {capacity}"
        );
    } else {
        tracing::warn!(
            source,
            by,
            events,
            left_out,
            %error,
            "Avro source {source}: Unable to process event batch. Exception follows."
        );
    }
}
