//! One client of the netcat source: read, put, answer, over any stream.
//!
//! | state | next |
//! |---|---|
//! | lines at hand | put what fits; write its answers before a line has to wait |
//! | no lines at hand | read; if that would have to wait, first write the answers |
//! | waiting for lines | no buffer is held |
//! | waiting for the client to take answers | read nothing |
//! | line too long, malformed input, end of input | write, close |
//! | stopping | put what fits at once, write (within [`STOP_GRACE`]), close |
//!
//! A client that does not read its answers blocks itself: its next lines stay in the network.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flume_core::{Event, ProcessError, SourceContext, printable};
use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use crate::net::complaint::{Complaint, Refusals};
use crate::net::idle::waited;
use crate::net::tls;
use crate::source::lines::charset::Charset;
use crate::source::lines::{LineBatch, LineSettings, Lines, StopReason};

/// The most lines that are put and answered together, so that answers cost bounded memory.
const MOST_LINES: usize = 4096;

/// Bytes of answers that are written before more is read, even if more has come.
const MOST_REPLIES: usize = 16 * 1024;

/// How long a client has to take its answers when the source stops. Flume gives them the same.
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
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NetcatSettings {
    lines: LineSettings,
    ack: bool,
    block_when_full: bool,
    idle_timeout: Option<Duration>,
    ok: Bytes,
    too_long: Bytes,
    /// A full channel refuses line after line, and a client may come back for each.
    refused: Refusals,
    speaks_tls: Complaint,
}

impl NetcatSettings {
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
            ok: encoded(lines.charset, "OK\n"),
            too_long: encoded(lines.charset, &too_long),
            lines,
            ack,
            block_when_full,
            idle_timeout,
            refused: Refusals::default(),
            speaks_tls: Complaint::default(),
        }
    }

    fn charset(&self) -> Charset {
        self.lines.charset
    }
}

/// Why a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloseReason {
    /// By the client.
    ByClient,
    /// Nothing came for too long.
    Idle,
    /// The source stops.
    Stopped {
        /// Lines that had come and were not put. They have no answer.
        left: usize,
    },
    /// What came was not acceptable.
    Cut(StopReason),
}

/// Serves a client until either side closes the connection.
pub(super) async fn serve<S>(
    stream: S,
    peer: SocketAddr,
    settings: &NetcatSettings,
    context: &SourceContext,
) -> io::Result<CloseReason>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let lines = Lines::new(settings.lines.clone());
    let replies = BytesMut::new();
    let mut connection = NetcatConnection {
        stream,
        peer,
        is_new: true,
        lines,
        replies,
        settings,
        context,
        waiting: 0,
    };
    let mut closed = connection.run().await?;
    if let CloseReason::Stopped { left } = &mut closed {
        *left = connection.left();
    }
    connection.close(closed).await?;
    Ok(closed)
}

struct NetcatConnection<'a, S> {
    stream: S,
    peer: SocketAddr,
    /// Nothing was read yet.
    is_new: bool,
    lines: Lines,
    replies: BytesMut,
    settings: &'a NetcatSettings,
    context: &'a SourceContext,
    /// Lines that are counted as received and neither put nor refused.
    waiting: usize,
}

/// The source stops; what is left is counted at the end.
const STOPPED: CloseReason = CloseReason::Stopped { left: 0 };

impl<S> NetcatConnection<'_, S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    async fn run(&mut self) -> io::Result<CloseReason> {
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
                        () = stop.cancelled() => return Ok(STOPPED),
                        read = read(&mut self.stream, &mut self.lines) => read?,
                        () = idle => return Ok(CloseReason::Idle),
                    }
                }
            };
            if read == 0 {
                let batch = self.lines.finish();
                return Ok(self.handle(batch).await?.unwrap_or(CloseReason::ByClient));
            }
            if std::mem::take(&mut self.is_new) {
                self.name_tls();
            }
            self.lines.take_in();
        }
    }

    /// Says if a client's first bytes are TLS. They are handled as any others: a line may begin so.
    fn name_tls(&mut self) {
        if tls::is_greeting(self.lines.space())
            && let Some(left_out) = self.settings.speaks_tls.admit()
        {
            tracing::warn!(
                peer = %self.peer,
                left_out,
                "a client speaks TLS, and a netcat source takes plain text: have the client send \
                 without TLS, or put a proxy that ends TLS before the port"
            );
        }
    }

    /// Reads what has already come, if the answers to it can go out with others.
    fn read_at_once(&mut self) -> Option<io::Result<usize>> {
        let may_wait = (1..MOST_REPLIES).contains(&self.replies.len());
        if !may_wait || self.context.stop.is_cancelled() {
            return None;
        }
        read(&mut self.stream, &mut self.lines).now_or_never()
    }

    /// Puts the lines in their order and collects their answers.
    async fn handle(&mut self, batch: LineBatch) -> io::Result<Option<CloseReason>> {
        let LineBatch {
            mut events,
            too_long,
            end,
        } = batch;
        let counters = &self.context.counters;
        counters.event_received.add(events.len() + too_long.len());
        self.waiting += events.len();
        counters
            .event_read_fail
            .add(too_long.len() + usize::from(end == Some(StopReason::Malformed)));
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
                return Ok(Some(STOPPED));
            }
            events = later;
        }
        Ok(end.map(CloseReason::Cut))
    }

    /// Puts events and collects their answers. Returns false if the source stops before the end.
    async fn put(&mut self, events: Vec<Event>) -> io::Result<bool> {
        let context = self.context;
        let mut put = tokio::select! {
            biased;
            put = context.channels.begin(events) => put,
            () = context.stop.cancelled() => return Ok(false),
        };
        while !put.is_complete() {
            let progress = tokio::select! {
                biased;
                progress = put.advance() => progress,
                () = context.stop.cancelled() => return Ok(false),
            };
            context.counters.event_accepted.add(progress.accepted);
            self.waiting -= progress.accepted;
            if self.settings.ack {
                for _ in 0..progress.accepted {
                    self.replies.extend_from_slice(&self.settings.ok);
                }
            }
            match progress.refused {
                Some(error) if self.settings.block_when_full && error.is_transient() => {
                    tokio::select! {
                        () = sleep(BLOCK_PAUSE) => {}
                        () = context.stop.cancelled() => return Ok(false),
                    }
                }
                Some(error) => {
                    put.skip();
                    self.waiting -= 1;
                    self.refuse(&error);
                }
                None => {}
            }
            if !put.is_complete() {
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
            ProcessError::Channel { .. } => counters.channel_write_fail.increment(),
            ProcessError::Interceptor(_) => counters.generic_processing_fail.increment(),
        }
        if let Some(left_out) = self.settings.refused.admit(error) {
            let (_, by) = error.cause();
            tracing::warn!(by, %error, left_out, "a line of a netcat client is refused");
        }
        // A reply is one line whatever an interceptor says.
        let text = format!("FAILED: {error}");
        self.settings
            .charset()
            .encode(&printable(&text), &mut self.replies);
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

    /// The lines that were read and are not put, one that has no end yet included.
    fn left(&mut self) -> usize {
        let mut left = self.waiting;
        loop {
            let batch = self.lines.next_batch(MOST_LINES);
            left += batch.events.len();
            if batch.is_empty() || batch.end.is_some() {
                break;
            }
        }
        left + self.lines.finish().events.len()
    }

    /// Sends what is left, and makes sure that it can arrive.
    async fn close(&mut self, closed: CloseReason) -> io::Result<()> {
        self.write().await?;
        self.stream.shutdown().await?;
        let patience = match closed {
            CloseReason::ByClient => return Ok(()),
            CloseReason::Cut(_) => LINGER,
            // Only what has arrived already.
            CloseReason::Idle | CloseReason::Stopped { .. } => Duration::ZERO,
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
        // If the time is over, that is the end as well.
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

/// A reply in the character set of the client.
fn encoded(charset: Charset, text: &str) -> Bytes {
    let mut bytes = BytesMut::new();
    charset.encode(text, &mut bytes);
    bytes.freeze()
}
