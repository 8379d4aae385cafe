//! One client of the netcat source: read, put, answer, over any stream.
//!
//! | state | next |
//! |---|---|
//! | lines at hand | put what fits; write its answers before a line has to wait |
//! | none at hand | read; where that would have to wait, write the answers before |
//! | waiting for lines | no buffer is held |
//! | waiting for the client to take answers | read nothing |
//! | line too long, malformed input, end of input | write, close |
//! | stopping | put what fits at once, write (within [`STOP_GRACE`]), close |
//!
//! A client that does not read its answers blocks itself: its next lines stay in the network.

use std::future::pending;
use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flume_core::{Event, ProcessError, SourceContext};
use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use super::encoded;
use crate::source::lines::charset::Charset;
use crate::source::lines::{End, LineBatch, LineSettings, Lines};

/// The most lines that are put and answered together, so that answers cost bounded memory.
const MOST_LINES: usize = 4096;

/// Bytes of answers that are written before more is read, even if more has come.
const MOST_REPLIES: usize = 16 * 1024;

/// How long a client has to take its answers when the source stops. Flume gives as much.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// How long a client that is cut off may go on sending before the socket is closed: closing it
/// with unread input would destroy the last answer on its way.
const LINGER: Duration = Duration::from_millis(500);

/// The most bytes that are read and dropped while lingering.
const LINGER_BYTES: usize = 1 << 20;

/// The pause before a line is offered again to a full channel (`on-full = block`); the channel's
/// own wait, `keep-alive`, may be 0.
const BLOCK_PAUSE: Duration = Duration::from_millis(50);

/// What all connections of a source have in common.
#[derive(Debug)]
pub(super) struct Settings {
    lines: LineSettings,
    ack: bool,
    block_when_full: bool,
    idle_timeout: Option<Duration>,
    ok: Bytes,
    too_long: Bytes,
}

impl Settings {
    pub(super) fn new(
        lines: LineSettings,
        ack: bool,
        block_when_full: bool,
        idle_timeout: Option<Duration>,
    ) -> Self {
        let too_long = format!(
            "FAILED: Event exceeds the maximum length ({} chars, including newline)\n",
            lines.max_length
        );
        Self {
            ok: encoded(lines.charset, "OK\n").freeze(),
            too_long: encoded(lines.charset, &too_long).freeze(),
            lines,
            ack,
            block_when_full,
            idle_timeout,
        }
    }

    fn charset(&self) -> Charset {
        self.lines.charset
    }
}

/// Why a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// By the client.
    ByClient,
    /// Nothing came for too long.
    Idle,
    /// The source stops.
    Stopped,
    /// What came was not acceptable.
    Cut(End),
}

/// Serves a client until either side closes the connection.
pub(super) async fn serve<S>(
    stream: S,
    settings: &Settings,
    context: &SourceContext,
) -> io::Result<Closed>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let lines = Lines::new(settings.lines.clone());
    let replies = BytesMut::new();
    let mut connection = Connection { stream, lines, replies, settings, context, told: false };
    let closed = connection.run().await?;
    connection.close(closed).await?;
    Ok(closed)
}

struct Connection<'a, S> {
    stream: S,
    lines: Lines,
    replies: BytesMut,
    settings: &'a Settings,
    context: &'a SourceContext,
    /// Whether the log was told that lines of this client are refused.
    told: bool,
}

impl<S> Connection<'_, S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    async fn run(&mut self) -> io::Result<Closed> {
        loop {
            let batch = self.lines.next_batch(MOST_LINES);
            if !batch.is_empty() {
                if let Some(closed) = self.handle(batch).await? {
                    return Ok(closed);
                }
                continue;
            }
            let read = match self.read_at_once() {
                Some(read) => read?,
                None => {
                    self.write().await?;
                    let stop = &self.context.stop;
                    let idle = waited(self.settings.idle_timeout);
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => return Ok(Closed::Stopped),
                        read = read(&mut self.stream, &mut self.lines) => read?,
                        () = idle => return Ok(Closed::Idle),
                    }
                }
            };
            if read == 0 {
                let batch = self.lines.finish();
                return Ok(self.handle(batch).await?.unwrap_or(Closed::ByClient));
            }
            self.lines.take_in();
        }
    }

    /// Reads what has come already, if there are answers that may go together with those to it.
    fn read_at_once(&mut self) -> Option<io::Result<usize>> {
        let may_wait = (1..MOST_REPLIES).contains(&self.replies.len());
        if !may_wait || self.context.stop.is_cancelled() {
            return None;
        }
        read(&mut self.stream, &mut self.lines).now_or_never()
    }

    /// Puts the lines in their order and collects their answers.
    async fn handle(&mut self, batch: LineBatch) -> io::Result<Option<Closed>> {
        let LineBatch { mut events, too_long, end } = batch;
        let counters = &self.context.counters;
        counters.event_received.add(events.len() + too_long.len());
        counters.event_read_fail.add(too_long.len() + usize::from(end == Some(End::Malformed)));
        let mut too_long = too_long.into_iter().peekable();
        let mut before = 0;
        loop {
            while too_long.next_if(|at| *at <= before).is_some() {
                self.replies.extend_from_slice(&self.settings.too_long);
            }
            if events.is_empty() {
                break;
            }
            // Up to the next line that is too long, whose answer comes between.
            let most = too_long.peek().map_or(usize::MAX, |at| at - before);
            let later = events.split_off(most.min(events.len()));
            before += events.len();
            if !self.put(events).await? {
                return Ok(Some(Closed::Stopped));
            }
            events = later;
        }
        Ok(end.map(Closed::Cut))
    }

    /// Puts events and collects their answers. Says false if the source stops before the end.
    async fn put(&mut self, mut events: Vec<Event>) -> io::Result<bool> {
        let context = self.context;
        while !events.is_empty() {
            let front = tokio::select! {
                biased;
                front = context.channels.process_front(&mut events) => front,
                () = context.stop.cancelled() => return Ok(false),
            };
            context.counters.event_accepted.add(front.dealt);
            if self.settings.ack {
                for _ in 0..front.dealt {
                    self.replies.extend_from_slice(&self.settings.ok);
                }
            }
            match front.refused {
                Some(error) if self.settings.block_when_full && error.is_transient() => {
                    tokio::select! {
                        () = sleep(BLOCK_PAUSE) => {}
                        () = context.stop.cancelled() => return Ok(false),
                    }
                }
                Some(error) => {
                    events.remove(0);
                    self.refuse(&error);
                }
                None => self.told = false,
            }
            if !events.is_empty() {
                // The next event may wait; these answers must not.
                self.write().await?;
            }
        }
        Ok(true)
    }

    /// Answers a line that was not accepted.
    fn refuse(&mut self, error: &ProcessError) {
        let counters = &self.context.counters;
        match error {
            ProcessError::Channel(_) => counters.channel_write_fail.increment(),
            ProcessError::Interceptor(_) => counters.generic_processing_fail.increment(),
        }
        if !self.told {
            // Once a run of refusals: a full channel refuses line after line.
            tracing::warn!(%error, "lines of a netcat client are refused");
            self.told = true;
        }
        // A reply is one line whatever an interceptor says.
        let text = format!("FAILED: {error}").replace(['\n', '\r'], " ");
        self.settings.charset().encode(&text, &mut self.replies);
        self.settings.charset().encode("\n", &mut self.replies);
    }

    /// Writes the collected answers in one go.
    async fn write(&mut self) -> io::Result<()> {
        if self.replies.is_empty() {
            return Ok(());
        }
        // Taken, not cleared: an idle client keeps no buffer.
        let replies = std::mem::take(&mut self.replies);
        let stop = &self.context.stop;
        let idle = waited(self.settings.idle_timeout);
        let written = async {
            self.stream.write_all(&replies).await?;
            self.stream.flush().await
        };
        tokio::select! {
            biased;
            written = written => written,
            () = async { stop.cancelled().await; sleep(STOP_GRACE).await } => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "answers not taken in time to stop"))
            }
            () = idle => Err(io::Error::new(io::ErrorKind::TimedOut, "answers not taken")),
        }
    }

    /// Sends what is left and makes sure that it can arrive.
    async fn close(&mut self, closed: Closed) -> io::Result<()> {
        self.write().await?;
        self.stream.shutdown().await?;
        let patience = match closed {
            Closed::ByClient => return Ok(()),
            Closed::Cut(_) => LINGER,
            // Only what has arrived already.
            Closed::Idle | Closed::Stopped => Duration::ZERO,
        };
        let drained = async {
            let mut dropped = 0;
            let mut buffer = BytesMut::with_capacity(8 * 1024);
            while dropped < LINGER_BYTES {
                buffer.clear();
                match self.stream.read_buf(&mut buffer).await {
                    Ok(0) | Err(_) => return,
                    Ok(read) => dropped += read,
                }
            }
        };
        // Out of patience is as good an end as any.
        timeout(patience, drained).await.ok();
        Ok(())
    }
}

/// Reads once. While nothing comes, the lines hold no more memory than they need.
async fn read<S: AsyncRead + Unpin>(stream: &mut S, lines: &mut Lines) -> io::Result<usize> {
    std::future::poll_fn(|cx| {
        let polled = pin!(stream.read_buf(lines.space())).poll(cx);
        if polled.is_pending() {
            lines.rest();
        }
        polled
    })
    .await
}

/// Ends after this time, or never.
async fn waited(limit: Option<Duration>) {
    match limit {
        Some(limit) => sleep(limit).await,
        None => pending().await,
    }
}
