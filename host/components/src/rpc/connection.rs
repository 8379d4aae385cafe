//! One connection to a collector: requests out, answers in, neither waiting for the other.
//!
//! | what happens | the batch in question | earlier ones | later ones |
//! |---|---|---|---|
//! | answered `OK` | delivered, once all before it are | | |
//! | anything else | not delivered | reported first | not delivered |
//!
//! The laws: while a request cannot be written, answers are read, since a peer that waits for
//! its answers to be read would otherwise wait for ever; an answer that came before a failure
//! counts, and is reported before the failure; the state is here and not in the futures, so one
//! that is dropped loses nothing.
//!
//! Why not a task for each direction: a batch would cross two queues and two wake-ups on its way
//! to one system call.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use flume_avro::{Client, FrameLimits, Protocol, ReplyStatus, Response, RpcLimits, SendError};
use flume_core::clock::{self, Instant};
use flume_core::{Event, printable};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{timeout, timeout_at};

use super::batch;
use super::error::{RpcError, of_peer};
use crate::net::stream::Stream;

/// Bytes taken by one read: hundreds of answers, or one with a protocol text.
const READ: usize = 8 * 1024;

/// Output buffers larger than this are given back once they are written.
const KEPT_OUTPUT: usize = 1 << 20;

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_millis(500);

/// The limits of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionTerms {
    pub(super) request_timeout: Duration,
    pub(super) max_frame: usize,
    /// What TCP and TLS left of `connect-timeout`, for the first answer.
    pub(super) for_handshake: Duration,
}

/// A connection with its unanswered requests.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    client: Client,
    input: BytesMut,
    /// Requests, of which the first `written` bytes are gone.
    output: BytesMut,
    written: usize,
    unflushed: bool,
    /// Requests without an answer, oldest first.
    open: VecDeque<OpenRequest>,
    /// Batches that are delivered and not reported yet.
    delivered: usize,
    /// A failure that waits until those are reported.
    failed: Option<RpcError>,
    answered_once: bool,
    terms: ConnectionTerms,
}

#[derive(Debug)]
struct OpenRequest {
    serial: i32,
    deadline: Instant,
    answered: bool,
    /// Its answer completes a batch.
    last: bool,
}

impl Connection {
    pub(super) fn new(stream: Stream, terms: ConnectionTerms) -> Self {
        let frame = FrameLimits {
            max_frame: terms.max_frame,
            ..FrameLimits::default()
        };
        let limits = RpcLimits {
            frame,
            ..RpcLimits::default()
        };
        Self {
            stream,
            client: Client::new(limits, Protocol::flume()),
            input: BytesMut::new(),
            output: BytesMut::new(),
            written: 0,
            unflushed: false,
            open: VecDeque::new(),
            delivered: 0,
            failed: None,
            answered_once: false,
            terms,
        }
    }

    /// Whether nothing is under way and nothing waits to be reported.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty() && self.delivered == 0 && self.failed.is_none()
    }

    /// Whether an idle connection is still open, as far as this end knows.
    pub async fn is_alive(&mut self) -> bool {
        let heard = poll_fn(|cx| Poll::Ready(self.poll_read(cx))).await;
        matches!(heard, Poll::Pending)
    }

    /// Shakes hands, if that is not done yet, with a batch of no events. (Not every server answers
    /// Avro's ping as ours do.)
    ///
    /// # Errors
    /// Close the connection.
    pub async fn greet(&mut self) -> Result<(), RpcError> {
        if self.answered_once {
            return Ok(());
        }
        if self.open.is_empty() {
            let serial = batch::write(&[], &mut self.client, &mut self.output)?;
            self.wait_for(serial, false);
        }
        self.drive(|this| this.open.is_empty()).await
    }

    /// Sends a batch. `Ok` does not mean that it is delivered: [`settle`](Self::settle) says that.
    ///
    /// # Errors
    /// No unanswered batch is delivered, this one included; close the connection. Only
    /// [`RpcError::TooLarge`] is about this batch alone, and leaves the connection as it is.
    pub async fn send(&mut self, batch: &[Event]) -> Result<(), RpcError> {
        let sent = match self.failed.take() {
            None => self.send_parts(batch).await,
            Some(error) => Err(error),
        };
        if let Err(RpcError::TooLarge { .. }) = sent {
            // About this batch alone: it has no part in what is under way.
            return sent;
        }
        self.later_if_delivered(sent)
    }

    /// Delivers a single event, not as a batch, with nothing else under way. Of a batch a collector
    /// says `FAILED` whatever the reason; of a single event it says so only if a channel has no
    /// room, and the reason in words if it cannot take this event.
    ///
    /// # Errors
    /// It is not delivered; close the connection, unless it is [`RpcError::TooLarge`].
    pub async fn deliver_single(&mut self, event: &Event) -> Result<(), RpcError> {
        self.greet().await?;
        let serial = match batch::write_single(event, &mut self.client, &mut self.output) {
            Ok(serial) => serial,
            Err(error) => {
                let large = self.too_large(std::slice::from_ref(event));
                return Err(large.unwrap_or_else(|| error.into()));
            }
        };
        self.wait_for(serial, true);
        self.settle().await.map(|_| ())
    }

    /// Waits until at least one batch is delivered; says how many are, oldest first.
    ///
    /// # Errors
    /// No unanswered batch is delivered; close the connection.
    pub async fn settle(&mut self) -> Result<usize, RpcError> {
        if self.delivered == 0 {
            let settled = match self.failed.take() {
                None => self.drive(|this| this.delivered > 0).await,
                Some(error) => Err(error),
            };
            self.later_if_delivered(settled)?;
        }
        Ok(std::mem::take(&mut self.delivered))
    }

    /// Waits for every answer that is still missing; they stay to be reported.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    pub async fn drain(&mut self) -> Result<(), RpcError> {
        let drained = match self.failed.take() {
            None => self.drive(|this| this.open.is_empty()).await,
            Some(error) => Err(error),
        };
        self.later_if_delivered(drained)
    }

    /// Batches that are delivered and not reported yet, counted as reported from now on.
    pub fn take_delivered(&mut self) -> usize {
        std::mem::take(&mut self.delivered)
    }

    /// Says goodbye, in a bounded time.
    pub async fn close(mut self) {
        match timeout(FAREWELL, self.stream.shutdown()).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(error)) => tracing::debug!(%error, "connection was closed already"),
        }
    }

    /// Keeps a failure back while there are answers that came before it.
    fn later_if_delivered(&mut self, result: Result<(), RpcError>) -> Result<(), RpcError> {
        match result {
            Err(error) if self.delivered > 0 => {
                self.failed = Some(error);
                Ok(())
            }
            result => result,
        }
    }

    /// Sends a batch in as many requests as its size needs, which is nearly always one.
    async fn send_parts(&mut self, batch: &[Event]) -> Result<(), RpcError> {
        let mut rest = batch;
        let mut size = rest.len();
        batch::reserve(batch, &mut self.output);
        loop {
            let (part, after) = rest.split_at(size.min(rest.len()));
            match batch::write(part, &mut self.client, &mut self.output) {
                Ok(serial) => {
                    let last = after.is_empty();
                    self.wait_for(serial, last);
                    self.drive(Self::is_written).await?;
                    if last {
                        return Ok(());
                    }
                    rest = after;
                }
                Err(busy) if busy.is_busy() => self.drive(Self::is_ready).await?,
                Err(SendError::TooLarge { .. })
                    if part.len() == batch.len()
                        && let Some(error) = self.too_large(batch) =>
                {
                    return Err(error);
                }
                Err(SendError::TooLarge { .. }) if part.len() > 1 => size = part.len() / 2,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The events that no request can have in it.
    fn too_large(&self, batch: &[Event]) -> Option<RpcError> {
        let limit = self.terms.max_frame;
        let large = batch::too_large(batch, limit);
        let (_, size) = *large.first()?;
        let places = large.into_iter().map(|(place, _)| place).collect();
        Some(RpcError::TooLarge {
            places,
            size,
            limit,
        })
    }

    /// Notes a request that was written; `last` if its answer completes a batch.
    fn wait_for(&mut self, serial: i32, last: bool) {
        let deadline = self.deadline();
        self.open.push_back(OpenRequest {
            serial,
            deadline,
            answered: false,
            last,
        });
    }

    fn deadline(&self) -> Instant {
        let limit = match self.answered_once {
            true => self.terms.request_timeout,
            false => self.terms.request_timeout.min(self.terms.for_handshake),
        };
        clock::now() + limit
    }

    /// Writes and reads until the condition holds, at most until the oldest request is overdue.
    async fn drive(&mut self, until: impl Fn(&Self) -> bool) -> Result<(), RpcError> {
        while let Some(oldest) = self.open.front() {
            let deadline = oldest.deadline;
            match timeout_at(deadline, poll_fn(|cx| self.poll_drive(cx, &until))).await {
                Ok(driven) => return driven,
                // An answer came: what counts is the request that is oldest now.
                Err(_) if self.open.front().is_some_and(|now| now.deadline > deadline) => {}
                Err(_) if self.answered_once => {
                    let limit = self.terms.request_timeout;
                    return Err(RpcError::RequestTimeout { limit });
                }
                Err(_) => return Err(RpcError::HandshakeTimeout),
            }
        }
        Ok(())
    }

    fn poll_drive(
        &mut self,
        cx: &mut Context<'_>,
        until: &impl Fn(&Self) -> bool,
    ) -> Poll<Result<(), RpcError>> {
        loop {
            let written = self.poll_write(cx);
            if until(self) {
                return Poll::Ready(Ok(()));
            }
            // What the peer said before it hung up says more than that a write failed.
            match (self.poll_read(cx), written) {
                (Poll::Ready(read), _) => read?,
                (Poll::Pending, Poll::Ready(Err(error))) => return Poll::Ready(Err(error.into())),
                (Poll::Pending, _) => return Poll::Pending,
            }
        }
    }

    fn is_ready(&self) -> bool {
        self.client.ready().is_ok()
    }

    fn is_written(&self) -> bool {
        self.output.is_empty() && !self.unflushed
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self
            .output
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
            self.unflushed = true;
        }
        if self.output.capacity() > KEPT_OUTPUT {
            self.output = BytesMut::new();
        }
        self.output.clear();
        self.written = 0;
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RpcError>> {
        let mut space = [MaybeUninit::uninit(); READ];
        let mut read = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        if read.filled().is_empty() {
            return Poll::Ready(Err(self.hung_up()));
        }
        self.input.extend_from_slice(read.filled());
        loop {
            let answer = self.client.poll(&mut self.input, &mut self.output);
            let Some(answer) = answer.map_err(of_peer)? else {
                return Poll::Ready(Ok(()));
            };
            self.answered_once = true;
            match answer.response {
                Response::Status(ReplyStatus::Ok) | Response::Pong => self.answered(answer.serial),
                Response::Status(ReplyStatus::Failed) => return Poll::Ready(Err(RpcError::Failed)),
                Response::Status(ReplyStatus::Unknown) => {
                    return Poll::Ready(Err(RpcError::Unknown));
                }
                Response::SystemError(words) => {
                    let words = printable(&words).into_owned();
                    return Poll::Ready(Err(RpcError::Remote(words)));
                }
            }
        }
    }

    fn hung_up(&self) -> RpcError {
        match self.client.foreign(&self.input) {
            Some(foreign) => RpcError::Foreign(foreign),
            None if self.answered_once => RpcError::Closed,
            None => RpcError::ClosedUnanswered,
        }
    }

    fn answered(&mut self, serial: i32) {
        if let Some(request) = self
            .open
            .iter_mut()
            .find(|request| request.serial == serial)
        {
            request.answered = true;
        }
        while let Some(request) = self.open.pop_front_if(|request| request.answered) {
            self.delivered += usize::from(request.last);
        }
    }
}
